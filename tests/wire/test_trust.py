"""Whom a client trusts: at first AWS's own authorities, then all of the system's, and no other."""

import asyncio
import socket
import ssl

import pytest

from interlock._drivers import resolving
from interlock._drivers.awaitable.wire import WireTransport as AwaitableTransport
from interlock._drivers.blocking.wire import WireTransport as BlockingTransport
from interlock._drivers.tls import Trust
from interlock._protocol.faults import NotSent
from interlock._protocol.requests import Call
from tests.wire.peers import Authority, peer
from tests.wire.scripted import ENVIRONMENT

HOST = "dynamodb.eu-west-1.amazonaws.com"
pytestmark = pytest.mark.usefixtures("system")
GET = Call("GetItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})


@pytest.fixture(scope="module")
def amazon(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("amazon"), "Amazon Root CA 9")


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Return the authority of a company whose proxy reads all that is sent."""
    return Authority(tmp_path_factory.mktemp("company"), "Company authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "Amazon Root CA 10")


@pytest.fixture
def system(amazon, company, tmp_path, monkeypatch):
    """Have the system trust some authorities."""

    def trust(*authorities):
        bundle = tmp_path / "system.pem"
        bundle.write_bytes(
            b"\n# A comment\n".join(each.bundle.read_bytes() for each in authorities)
        )
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        return str(bundle)

    trust(company, amazon)
    return trust


@pytest.fixture(params=[BlockingTransport, AwaitableTransport])
def send(request, monkeypatch):
    """Send a call to AWS's host, where a server of a test listens."""

    def sent(server):
        monkeypatch.setattr(
            resolving, "literal", lambda _, port: [(socket.AF_INET, "127.0.0.1", port)]
        )
        url = f"https://{HOST}:{server.port}"
        transport = request.param("dynamodb", environ=ENVIRONMENT | {"AWS_ENDPOINT_URL": url})
        reply = transport.send(GET, 30.0)
        reply = asyncio.run(reply) if request.param is AwaitableTransport else reply
        return reply, transport._trust

    return sent


def test_aws_is_believed_by_its_own_authorities_alone(amazon, send):
    with peer(amazon.server(HOST)) as server:
        reply, trust = send(server)
    assert reply == {}
    assert [
        dict(x[0] for x in each["subject"])["commonName"] for each in trust.context.get_ca_certs()
    ] == ["Amazon Root CA 9"]


def test_another_authority_of_the_system_is_believed_at_the_second_try(company, send):
    with peer(company.server(HOST)) as server:
        assert send(server)[0] == {}
        assert server.connections == 2
        assert len(server.requests) == 1


def test_an_authority_that_the_system_does_not_trust_is_believed_by_no_name(stranger, send):
    with peer(stranger.server(HOST)) as server, pytest.raises(NotSent, match="CERTIFICATE_VERIFY"):
        send(server)
    assert not server.requests


def test_a_certificate_for_another_host_is_refused(amazon, send):
    with (
        peer(amazon.server("kms.eu-west-1.amazonaws.com")) as server,
        pytest.raises(NotSent, match="Hostname mismatch"),
    ):
        send(server)


@pytest.mark.parametrize(
    "host", ["localhost", "dynamodb.eu-west-1.amazonaws.com.example", "api.aws"]
)
def test_a_host_that_is_not_of_aws_has_all_authorities_at_once(host):
    assert not Trust(None, host).few


def test_a_bundle_that_is_named_is_read_whole(company):
    trust = Trust(str(company.bundle), HOST)
    assert not trust.few
    assert len(trust.context.get_ca_certs()) == 1


def test_a_system_without_aws_authorities_is_asked_for_all(system, company):
    system(company)
    trust = Trust(None, HOST)
    assert not trust.few
    assert len(trust.context.get_ca_certs()) == 1


def test_a_bundle_that_is_damaged_is_left_to_the_system(tmp_path, monkeypatch):
    (tmp_path / "system.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"
    )
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert not Trust(None, HOST).few


def test_few_authorities_are_checked_as_strictly_as_all():
    few, all_ = Trust(None, HOST), Trust(None, "localhost")
    for name in ("check_hostname", "verify_mode", "verify_flags", "options", "minimum_version"):
        assert getattr(few.context, name) == getattr(all_.context, name), name
