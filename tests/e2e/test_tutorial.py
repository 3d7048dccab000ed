"""What docs/tutorial.md has its readers run, against the deployed application."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.demo import exports
from local.emulator import without_aws

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / "tutorial.md", ROOT / "docs" / "zh" / "tutorial.md"]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(deployed):
    """Run a program as in a terminal with the demo's exports, and return its lines."""
    environment = without_aws() | exports(deployed)
    environment["AWS_CONFIG_FILE"] = os.devnull  # a developer's own would hide what is missing
    environment["TABLE"] = deployed.deployment.outputs["TableName"]

    def run(program):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run


def indented(program, depth):
    return program.strip().replace("\n", "\n" + " " * depth)


@pytest.mark.parametrize("page", PAGES, ids=["english", "chinese"])
def test_the_tutorials_programs_run_and_show_what_it_says(page, run, deployed):
    stacks, subnets, grant, door, ship = blocks(page)
    assert any("interlock-local-api" in line for line in run(stacks))
    shown = run("import boto3\n" + subnets)
    assert [line.startswith("10.40.") for line in shown] == [True] * 4
    assert grant.startswith("coordination.attach_to(")  # examples/orders is run by its own test
    (entered,) = run(door.replace("time.sleep(3)", "pass"))
    assert "has fence" in entered
    assert run(door.replace("time.sleep(3)", indented(ship, 4))) != []
    table = deployed.emulator.client("dynamodb")
    item = table.get_item(
        TableName=deployed.deployment.outputs["TableName"], Key={"pk": {"S": "tutorial/order"}}
    )["Item"]
    assert item["state"] == {"S": "shipped"}
    table.delete_item(
        TableName=deployed.deployment.outputs["TableName"], Key={"pk": {"S": "tutorial/order"}}
    )


def test_both_tutorials_show_the_same_programs():
    english, chinese = (blocks(page) for page in PAGES)
    assert english == chinese


def test_the_doctor_finds_the_table_as_its_template_makes_it(run):
    found = run(
        "import os, sys\n"
        "from interlock.cli import main\n"
        "sys.argv = ['interlock', '--table', os.environ['TABLE'], 'doctor', '--json']\n"
        "main()\n"
    )
    states = {each["check"]: each["state"] for each in map(json.loads, found)}
    assert states["time to live"] == "ok"
    assert "problem" not in states.values()
