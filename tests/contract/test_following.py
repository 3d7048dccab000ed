"""What a deployment replaces reaches the stacks that read it, in the same deployment."""

import subprocess
from pathlib import Path

import pytest

from local import ROOT, cdk
from local.emulator import ACCOUNT, REGION, Emulator, emulator

APP = f"""
import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ssm as ssm

from stacks.following import synthesize


def stack(name):
    # Needs no bucket and no roles of `cdk bootstrap`.
    environment = cdk.Environment(account="{ACCOUNT}", region="{REGION}")
    whole = cdk.LegacyStackSynthesizer()
    return cdk.Stack(app, name, env=environment, synthesizer=whole)


app = cdk.App(context={{"@aws-cdk/core:defaultCrossStackReferences": "weak"}})
words = app.node.get_context("words")
group = ec2.CfnSecurityGroup(stack("Producer"), "Group", group_description=words)
middle = ssm.CfnParameter(stack("Middle"), "Name", type="String", value=group.attr_group_id)
ssm.CfnParameter(stack("Consumer"), "Read", name="read", type="String", value=group.attr_group_id)
ssm.CfnParameter(stack("Last"), "Read", name="last", type="String", value=middle.attr_value)
synthesize(app)
"""


@pytest.fixture(scope="module")
def running():
    with emulator() as started:
        yield started


def deploy(running: Emulator, folder: Path, words: str) -> None:
    """Deploy the app with the real CDK CLI."""
    (folder / "app.py").write_text(APP, encoding="utf-8")
    subprocess.run(
        cdk.command(
            *("deploy", "--all", "--app", "python app.py", "--context", f"words={words}"),
            *("--require-approval", "never", "--method", "direct", "--no-notices"),
            *("--output", str(running.data / "cdk.out")),
        ),
        cwd=folder,
        env=cdk.environment(running.environment)
        | {"CDK_VALIDATION": "false", "CDK_DISABLE_VERSION_CHECK": "1", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )


def read(running: Emulator, name: str) -> str:
    value = running.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    return str(value)


def group_of(running: Emulator, words: str) -> str:
    groups = running.client("ec2").describe_security_groups()["SecurityGroups"]
    (found,) = [each["GroupId"] for each in groups if each["Description"] == words]
    return str(found)


@pytest.mark.slow
def test_a_security_group_that_is_replaced_reaches_every_stack_that_reads_it(running, tmp_path):
    deploy(running, tmp_path, "first")
    before = group_of(running, "first")
    assert read(running, "read") == read(running, "last") == before
    deploy(running, tmp_path, "second")  # a description cannot be changed in place
    after = group_of(running, "second")
    assert after != before
    assert read(running, "read") == after
    assert read(running, "last") == after  # by way of another stack
