"""SAM's CLI takes the synthesized templates: the first command of docs/sam.md."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.conftest import ROOT
from tests.stacks.test_lint import templates

SAM = "aws-sam-cli==1.170.0"

pytestmark = pytest.mark.slow


def validate(template: Path) -> subprocess.CompletedProcess[str]:
    """Run SAM in an environment of its own: its pins are not ours."""
    environment = os.environ | {
        "SAM_CLI_TELEMETRY": "0",
        "AWS_ACCESS_KEY_ID": "unused",
        "AWS_SECRET_ACCESS_KEY": "unused",
    }
    command = [
        *(
            str(Path(sys.executable).with_name("uv")),
            "tool",
            "run",
            "--quiet",
            "--from",
            SAM,
            "sam",
        ),
        *("validate", "--template", str(template), "--region", "eu-central-1"),
    ]
    return subprocess.run(
        command, env=environment, cwd=template.parent, capture_output=True, text=True, check=False
    )


def test_sam_validates_every_stack(real):
    paths = templates(real.assembly)
    assert paths
    for path in paths:
        done = validate(Path(path))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "is a valid SAM Template" in done.stdout


def test_sam_does_not_overlook_what_is_no_template(tmp_path):
    broken = tmp_path / "broken.template.json"
    broken.write_text('{"Resources": {"A": {"Type": "AWS::Serverless::Function"}}}')
    assert validate(broken).returncode != 0


def test_the_document_shows_the_command_that_is_tested():
    text = (ROOT / "docs" / "sam.md").read_text(encoding="utf-8")
    assert "sam validate --template cdk.out/Api.template.json" in text
