import base64
import hashlib
import socket

import pytest

from local.dynamodb_local import verify
from local.emulator import _port, client_environment, server_environment
from local.processes import ProcessFailed


def test_developers_own_credentials_never_reach_what_is_started():
    environment = client_environment(
        "http://127.0.0.1:1",
        {"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "real", "PATH": "/bin"},
    )
    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["PATH"] == "/bin"
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"


def test_emulator_is_bound_to_loopback_and_writes_in_its_own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMBDA_STRICT", "1")
    monkeypatch.setenv("BIND_HOST", "0.0.0.0")  # noqa: S104 - what must not get through
    environment = server_environment(4566, tmp_path)
    assert environment["BIND_HOST"] == "127.0.0.1"
    assert environment["IOT_MTLS_ENABLED"] == "0"
    assert "LAMBDA_STRICT" not in environment
    assert environment["STATE_DIR"] == environment["TMPDIR"] == str(tmp_path)


def test_port_in_use_is_reported_and_replaced():
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        chosen = _port(taken, said.append)
    assert chosen != taken
    assert said == [f"Port {taken} is in use by another program: using {chosen} instead."]


def test_archive_with_other_content_is_refused(tmp_path):
    archive = tmp_path / "jar.tgz"
    archive.write_bytes(b"content")
    good = base64.b64encode(hashlib.sha512(b"content").digest()).decode()
    verify(archive, f"sha512-{good}")
    archive.write_bytes(b"other content")
    with pytest.raises(ProcessFailed, match="is not the pinned release"):
        verify(archive, f"sha512-{good}")
