"""What an instance does at its start, and what its service may do."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from stacks.instances import _SET_UP, STATE
from tests.stacks.policies import statements

SCRIPT = _SET_UP.read_text(encoding="utf-8")
_MOST_EXPOSED = 3.0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not there (Debian: systemd)"
)
needs_logrotate = pytest.mark.skipif(
    not os.access("/usr/sbin/logrotate", os.X_OK), reason="logrotate is not there"
)


def written(path: str) -> str:
    """Return the file that the script writes to `path`."""
    found = re.search(rf"cat > {re.escape(path)} <<'?(\w+)'?\n(.*?)\n\1\n", SCRIPT, re.DOTALL)
    assert found is not None, path
    return found[2] + "\n"


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [str(part) for part in command], check=False, capture_output=True, text=True, **options
    )


@needs_systemd
def test_the_service_is_little_exposed(tmp_path):
    unit = tmp_path / "interlock.service"
    unit.write_text(written("/etc/systemd/system/interlock.service"))
    done = run("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
    found = re.search(r"Overall exposure level for interlock\.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= _MOST_EXPOSED


@needs_systemd
@pytest.mark.parametrize(
    ("written_so", "misspelt"), [("RestartSec=2", "RestartSecs=2"), ("User=interlock", "Usr=a")]
)
def test_systemd_knows_all_that_the_unit_says(tmp_path, written_so, misspelt):
    """It ignores what it does not know, and says so to its journal alone."""
    unit = tmp_path / "interlock.service"
    text = written("/etc/systemd/system/interlock.service")
    text = text.replace("/usr/bin/python3.11", sys.executable)  # which may not be there
    for content, sound in ((text, True), (text.replace(written_so, misspelt), False)):
        unit.write_text(content)
        done = run("systemd-analyze", "verify", "--man=no", unit)
        said = [line for line in done.stderr.splitlines() if "interlock.service" in line]
        assert (said == []) is sound, done.stderr
        assert done.returncode == 0 or not sound, done.stderr


def test_the_unit_keeps_what_an_exposure_does_not_count():
    unit = written("/etc/systemd/system/interlock.service")
    for line in ("User=interlock", "Restart=always", "SystemCallFilter=@system-service"):
        assert f"\n{line}\n" in unit


@needs_logrotate
def test_the_log_is_rotated_before_it_fills_the_disk(tmp_path):
    log = tmp_path / "service.log"
    log.write_bytes(b"x" * (51 * 2**20))
    rules = written("/etc/logrotate.d/interlock").replace(
        "/var/log/interlock/service.log", str(log)
    )
    configuration = tmp_path / "rules"
    configuration.write_text(rules)
    configuration.chmod(0o644)
    tmp_path.chmod(0o755)
    done = run("/usr/sbin/logrotate", "--state", tmp_path / "state", configuration)
    assert done.returncode == 0, done.stderr
    assert log.stat().st_size == 0  # the same file: the service goes on writing to it
    assert (tmp_path / "service.log.1.gz").exists()


def test_rotation_runs_as_often_as_its_rules_say():
    assert "\n    hourly\n" in written("/etc/logrotate.d/interlock")
    timer = written("/etc/systemd/system/logrotate.timer.d/hourly.conf")
    # Emptied first: a second line would be one more time of day.
    assert "\nOnCalendar=\nOnCalendar=hourly\n" in timer
    assert re.search(r"systemctl enable --now .*logrotate\.timer", SCRIPT)


@pytest.mark.parametrize(("state", "signals_well"), [("healthy", True), ("unhealthy", False)])
def test_an_instance_is_well_when_the_load_balancer_says_so(tmp_path, state, signals_well):
    """Runs the end of the script with an `aws` that answers so, and no pauses."""
    asked = tmp_path / "asked"
    for name, body in {
        "aws": f'echo "$@" >> {asked}; echo {state}',
        "sleep": "exit 0",
        "curl": "exit 0",
    }.items():
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n{body}\n")
        tool.chmod(0o755)
    end = SCRIPT[SCRIPT.index("# The instance is signalled") :]
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "REGION": "eu-central-1",
        "TARGET_GROUP": "arn:group",
        "instance": "i-1",
    }
    done = run("bash", "-c", f"set -euo pipefail\n{end}", env=variables)
    assert (done.returncode == 0) is signals_well
    assert "--target-group-arn arn:group --targets Id=i-1" in asked.read_text()
    assert len(asked.read_text().splitlines()) == (1 if signals_well else 60)


def test_no_group_is_made_before_its_targets_are_checked(real):
    """Or no instance would ever be healthy: a group without a listener checks nothing."""
    resources = real.templates["Service"]["Resources"]
    (group,) = (r for r in resources.values() if r["Type"] == "AWS::AutoScaling::AutoScalingGroup")
    listeners = {
        name
        for name, resource in resources.items()
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener"
        and '"TargetGroupArn"' in json.dumps(resource["Properties"])
    }
    assert listeners
    assert listeners <= set(group["DependsOn"])
    asking = [
        each
        for each in statements({"Service": real.templates["Service"]})
        if "elasticloadbalancing:DescribeTargetHealth" in each.actions
    ]
    assert len(asking) == 1
    (template,) = real.of_type("AWS::EC2::LaunchTemplate").values()
    assert "describe-target-health" in json.dumps(template["LaunchTemplateData"]["UserData"])


def test_people_see_and_break_locks_and_no_other_record_is_seen_for_it(real):
    found = [
        each
        for each in statements({"Service": real.templates["Service"]})
        if each.place.startswith("Service/GroupRole")
    ]
    (scan,) = (each.body["Condition"] for each in found if "dynamodb:Scan" in each.actions)
    shown = set(scan["ForAllValues:StringEquals"]["dynamodb:Attributes"])
    assert shown >= {"fence", "owner", "held_since"}
    assert "data" not in shown
    assert scan["StringEquals"] == {"dynamodb:Select": "SPECIFIC_ATTRIBUTES"}

    def keys(action):
        return {
            key
            for each in found
            if action in each.actions
            for key in each.body["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        }

    own = {f"{prefix}*" for prefix in STATE}
    assert "lock#*" in keys("dynamodb:GetItem")
    assert {key for key in keys("dynamodb:UpdateItem") if not key.startswith("lock#")} == own
    assert keys("dynamodb:PutItem") == keys("dynamodb:DeleteItem") == own


def test_no_synthesis_warns(synthesized):
    """What is printed each time is not read when it matters."""
    manifest = json.loads((synthesized.assembly / "manifest.json").read_text())
    found = []
    for artifact in manifest["artifacts"].values():
        metadata = dict(artifact.get("metadata", {}))
        aside = artifact.get("additionalMetadataFile")
        if aside:
            metadata |= json.loads((synthesized.assembly / aside).read_text())
        found += [
            (path, entry["data"])
            for path, entries in metadata.items()
            for entry in entries
            if entry["type"] in {"aws:cdk:warning", "aws:cdk:error"}
        ]
    assert found == []
