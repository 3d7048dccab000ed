"""Linters of other makers find nothing in the templates that is not explained."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.conftest import ROOT, STACKS

CHECKOV = "checkov==3.3.30"
_ROW = re.compile(r"^\| (CKV\w+) \| (\S+) \| \S.*\|$", re.MULTILINE)
_HASH = re.compile(r"[0-9A-F]{8}$")


def templates(folder: Path) -> list[str]:
    paths = (folder / f"{stack}.template.json" for stack in STACKS)
    return [str(path) for path in paths if path.exists()]


def cfn_lint(paths: list[str]) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("cfn-lint")
    command = [str(tool), "--format", "parseable", *paths]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_cfn_lint_has_no_finding(real):
    result = cfn_lint(templates(real.assembly))
    assert (result.returncode, result.stdout) == (0, "")


def test_cfn_lint_does_not_overlook_a_wrong_property(tmp_path):
    bad = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Colour": "blue"}}}}
    path = tmp_path / "bad.template.json"
    path.write_text(json.dumps(bad), encoding="utf-8")
    assert "Colour" in cfn_lint([str(path)]).stdout


def explained() -> set[tuple[str, str]]:
    """Return what docs/security.md explains, as (check, "Stack/Resource")."""
    found = _ROW.findall((ROOT / "docs" / "security.md").read_text(encoding="utf-8"))
    assert len(set(found)) == len(found)
    return set(found)


def checkov(folder: Path) -> set[tuple[str, str]]:
    """Return what fails, as (check, "Stack/Resource"). Runs in an environment of its own."""
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    result = subprocess.run(
        [
            *(uv, "tool", "run", "--quiet", "--from", CHECKOV, "checkov"),
            *("--directory", str(folder), "--framework", "cloudformation"),
            *("--skip-download", "--quiet", "--compact", "--output", "json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout, result.stderr
    failed = json.loads(result.stdout)["results"]["failed_checks"]
    return {
        (
            check["check_id"],
            check["file_path"].strip("/").removesuffix(".template.json")
            + "/"
            + _HASH.sub("", check["resource"].rpartition(".")[2]),
        )
        for check in failed
    }


@pytest.mark.slow
def test_what_checkov_finds_is_explained_and_nothing_else(real, tmp_path):
    for path in templates(real.assembly):
        shutil.copy(path, tmp_path)
    found = checkov(tmp_path)
    assert found - explained() == set()
    if real.name == "dev":  # in prod plain HTTP is redirected, and the load balancer protected
        assert explained() - found == set()
