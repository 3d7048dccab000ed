"""The instances' user data, as synthesized, runs on a machine until its service answers.

The machine is a container of Debian's packages, with a network of its own that leads nowhere;
tests/containers/machine.py stands for what AWS puts there. Needs podman or docker, and mmdebstrap.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from local import cdk
from local.containers import _PLATFORMS, engine
from stacks.archive import write_archive
from tests.containers import machine
from tests.stacks.conftest import synthesize

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("containers")]
MACHINE = "localhost/interlock-machine:bookworm"
PACKAGES = ("curl", "iproute2", "passwd", "python3", "unzip")
BUCKET = "cdk-hnb659fds-assets-111122223333-eu-central-1"
PATIENCE = 600
"""Seconds for what takes 15 on a quiet machine."""


@pytest.fixture(scope="module")
def running():
    found = engine()
    lacks = [] if found else ["podman or docker"]
    lacks += [] if shutil.which("mmdebstrap") else ["mmdebstrap"]
    if found is None or lacks:
        words = f"{' and '.join(lacks)} is not there (Debian: apt-get install podman mmdebstrap)"
        if "CI" in os.environ:
            pytest.fail(words)
        pytest.skip(words)
    if not found.run("images", "--quiet", MACHINE):
        with tempfile.TemporaryDirectory() as folder:
            base = Path(folder) / "machine.tar"
            subprocess.run(
                [
                    *("mmdebstrap", "--quiet", "--variant=essential"),
                    *(f"--include={','.join(PACKAGES)}", "bookworm", str(base)),
                ],
                check=True,
                timeout=PATIENCE,
            )
            found.run("import", str(base), MACHINE, timeout=PATIENCE)
    return found


@pytest.fixture(scope="module")
def user_data(tmp_path_factory):
    """The user data of the launch template, with values where the deployment puts them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        made = synthesize("prod", tmp_path_factory.mktemp("prod"))
    (template,) = made.of_type("AWS::EC2::LaunchTemplate").values()
    return deployed(template["LaunchTemplateData"]["UserData"]["Fn::Base64"])


def deployed(value):
    """Return a value of a template as a deployment would make it: references become names."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        separator, parts = argument
        return separator.join(deployed(part) for part in parts)
    if function == "Ref" and argument == "AWS::URLSuffix":
        return "amazonaws.com"
    return "-".join(re.findall(r"\w+", json.dumps(argument))).lower()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """What instances unpack, with wheels for this machine's processor."""
    os.environ |= cdk.environment()
    folder = tmp_path_factory.mktemp("archive")
    write_archive(folder / "content", _PLATFORMS[platform.machine()])
    return Path(shutil.make_archive(str(folder / "archive"), "zip", folder / "content"))


@pytest.fixture
def start(running, user_data, tmp_path):
    """Run the user data on a machine, for which S3 has what it is given; return the outcome."""

    def run(archive=None):
        (key,) = set(re.findall(r"s3://[\w-]+/(\w+\.zip)", user_data))
        (tmp_path / "bucket").mkdir()
        if archive is not None:
            shutil.copy(archive, tmp_path / "bucket" / key)
        (tmp_path / "user-data").write_text(user_data)
        program = tmp_path / "machine"
        shutil.copy(machine.__file__, program)
        program.chmod(0o755)
        said = running.run(
            *("run", "--rm", "--network", "none", "--cap-add", "NET_ADMIN"),
            *("--volume", f"{tmp_path}:{machine.SERVED}:ro", *running.run_options),
            *(MACHINE, f"{machine.SERVED}/machine"),
            timeout=PATIENCE,
        )
        return json.loads(said)

    return run


def signalled(outcome):
    """Return the status that CloudFormation was told of, once."""
    (signal,) = outcome["calls"]["cfn-signal"]
    told = dict(zip(signal[::2], signal[1::2], strict=True))
    assert told["--stack"] == "interlock-prod-service"
    return told["-e"]


def test_an_instance_sets_itself_up_until_the_load_balancer_finds_it_healthy(start, archive):
    outcome = start(archive)
    assert (outcome["status"], signalled(outcome)) == (0, "0"), outcome
    assert outcome["health"] == "ok"
    # As the unit has it: by its own user, whose settings no other reads.
    assert outcome["service_users"] == ["interlock"]
    assert outcome["settings_mode"] == "0o600"
    settings = dict(line.split("=", 1) for line in outcome["settings"].splitlines())
    assert settings["INTERLOCK_INSTANCE_ID"] == machine.INSTANCE
    assert settings["INTERLOCK_API_KEY"] == machine.KEY
    assert settings["INTERLOCK_SIGNER"].startswith("loadbalancer")
    (asked,) = (call for call in outcome["calls"]["aws"] if call[0] == "elbv2")
    assert asked[asked.index("--targets") + 1] == f"Id={machine.INSTANCE}"
    (agent,) = outcome["calls"]["amazon-cloudwatch-agent-ctl"]
    assert "fetch-config" in agent


def test_an_instance_whose_archive_is_missing_signals_failure_and_starts_nothing(start):
    outcome = start()
    assert outcome["status"] != 0
    assert signalled(outcome) == str(outcome["status"])
    assert (outcome["health"], outcome["service_users"]) == ("", [])
    assert "systemctl" not in outcome["calls"]
    assert outcome["settings"] is None  # nor was the key asked for
    assert [call[:2] for call in outcome["calls"]["aws"]] == [["s3", "cp"]]
