"""The image, built by the engine of this machine, and a container of it. Needs podman or docker."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from local.compute import Containers
from local.containers import build, engine
from local.ports import free_port
from local.processes import stop_leftovers
from local.requests import request
from server.probe import healthy

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("containers")]
LARGEST = 150  # megabytes


@pytest.fixture(scope="module")
def running():
    found = engine()
    if found is None:
        if "CI" in os.environ:
            pytest.fail("no container engine works here, and CI has to prove that one does")
        pytest.skip("no podman or docker works here")
    return found


@pytest.fixture(scope="module")
def image(running, tmp_path_factory):
    return build(running, state=tmp_path_factory.mktemp("image"))


@pytest.fixture
def variables():
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "eu-central-1",
        "AWS_SECRET_ACCESS_KEY": "test",
        "INTERLOCK_API_KEY": f"secret-{uuid4()}",
        "INTERLOCK_API_URL": "http://127.0.0.1:9/stage",
        "INTERLOCK_HOST": "127.0.0.1",
        "INTERLOCK_INSTANCE_ID": "i-contained",
        "INTERLOCK_PORT": str(free_port()),
    }


@pytest.fixture
def container(running, image, variables, tmp_path):
    """A container that answers /healthz: its engine, its process, and its URL."""
    compute = Containers(running, image)
    url = f"http://127.0.0.1:{variables['INTERLOCK_PORT']}"
    with compute.start(
        "i-contained", variables, log=tmp_path / "log", records=tmp_path / "run"
    ) as process:
        process.wait_until(lambda: answers(url), timeout=30)
        yield compute, process, url


def answers(url):
    try:
        return request("GET", f"{url}/healthz", timeout=10).status == 200
    except OSError:
        return False


def named(process):
    """Return the container's name, which the command that removes it ends with."""
    return process._afterwards[-1]


def test_the_image_is_small_and_names_what_is_in_it(image):
    assert image.megabytes < LARGEST
    document = json.loads(image.sbom.read_text())
    purls = {component["purl"] for component in document["components"]}
    assert document["bomFormat"] == "CycloneDX"
    assert any(purl.startswith("pkg:pypi/starlette@") for purl in purls)
    assert all(component["version"] for component in document["components"])


def test_the_image_says_who_runs_it_and_how_its_health_is_asked(running, image):
    (found,) = json.loads(running.run("image", "inspect", image.name))
    assert found["Config"]["User"] == "10001:10001"
    health = found.get("Healthcheck") or found["Config"]["Healthcheck"]  # podman, docker
    assert health["Test"] == ["CMD", "python3", "-m", "server.probe"]


def test_a_container_has_no_right_that_it_does_not_need(container):
    compute, process, _ = container
    pid = compute.pid(process)
    told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    status = dict(line.split(":\t", 1) for line in told.splitlines())
    assert set(status["Uid"].split()) == {"10001"}
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    mounts = Path(f"/proc/{pid}/mounts").read_text(encoding="utf-8").splitlines()
    (options,) = (line.split()[3] for line in mounts if line.split()[1] == "/")
    assert "ro" in options.split(",")


def test_the_container_itself_finds_that_it_is_healthy(container):
    compute, process, _ = container
    name = named(process)
    probe = ("exec", name, "python3", "-m", "server.probe")
    compute.engine.run(*probe, timeout=30)
    other = ("exec", "--env", f"INTERLOCK_PORT={free_port()}", *probe[1:])
    with pytest.raises(Exception, match="failed"):
        compute.engine.run(*other, timeout=30)


def test_a_container_speaks_tls_and_has_no_file_system_to_keep_its_key_in(
    running, image, variables, tmp_path
):
    compute = Containers(running, image)
    variables |= {"INTERLOCK_TLS": "on"}
    url = f"https://127.0.0.1:{variables['INTERLOCK_PORT']}"
    with compute.start(
        "i-contained", variables, log=tmp_path / "log", records=tmp_path / "run"
    ) as process:
        process.wait_until(lambda: healthy(variables), timeout=60)
        compute.engine.run("exec", named(process), "python3", "-m", "server.probe", timeout=60)
        assert f"running on {url}" in process.log.read_text()


def test_a_container_stops_in_order_and_leaves_nothing(container):
    compute, process, url = container
    name = named(process)
    process.terminate()
    assert process.wait(timeout=60) == 0  # as it ended by itself, not as the engine killed it
    assert "Finished server process" in process.log.read_text()
    assert not answers(url)
    assert name not in compute.engine.run("ps", "--all", "--format", "{{.Names}}")


@pytest.mark.usefixtures("container")
def test_no_command_line_shows_a_secret(variables):
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended since it was listed
            lines.append(path.read_bytes())
    assert any(b"--read-only" in line for line in lines)
    assert not any(variables["INTERLOCK_API_KEY"].encode() in line for line in lines)


KILLED = """
import json, os, signal, sys
from pathlib import Path
from local.compute import Containers
from local.containers import Image, engine
compute = Containers(engine(), Image(sys.argv[1], 0, Path()))
process = compute.start(
    "i-contained", json.loads(sys.argv[3]), log=Path(sys.argv[2]) / "log",
    records=Path(sys.argv[2]) / "run",
)
from tests.containers.test_image import answers
process.wait_until(lambda: answers(sys.argv[4]), timeout=30)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_container_whose_starter_was_killed_is_removed_by_the_next_run(
    running, image, variables, tmp_path
):
    url = f"http://127.0.0.1:{variables['INTERLOCK_PORT']}"
    subprocess.run(
        [sys.executable, "-c", KILLED, image.name, tmp_path, json.dumps(variables), url],
        check=False,
        timeout=60,
    )
    assert answers(url)
    assert stop_leftovers(tmp_path / "run") == ["i-contained"]
    assert not answers(url)
    # The engine's own clean-up may still be at it.
    end = time.monotonic() + 60
    while left := [name for name in all_names(running) if name.startswith("interlock-i-cont")]:
        assert time.monotonic() < end, left
        time.sleep(0.2)


def all_names(running):
    return running.run("ps", "--all", "--format", "{{.Names}}").split()
