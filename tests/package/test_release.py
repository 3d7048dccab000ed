"""The release publishes what it was built from, by a list that is bound to it."""

import json
import re

import pytest
import yaml  # type: ignore[import-untyped]

from scripts import sbom
from tests.package.conftest import ROOT

JOBS = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))["jobs"]
LIST = "interlock.cdx.json"


def steps(job, action):
    return [each["with"] for each in JOBS[job]["steps"] if action in each.get("uses", "")]


def commands(job):
    return [each["run"] for each in JOBS[job]["steps"] if "run" in each]


def test_the_release_attests_where_its_distributions_come_from_and_what_they_bring():
    provenance, bill = steps("publish", "actions/attest@")
    assert provenance == {"subject-path": "dist/*"}
    assert bill == {"subject-path": "dist/*", "sbom-path": f"sbom/{LIST}"}
    assert JOBS["publish"]["permissions"]["attestations"] == "write"


def test_the_list_is_built_handed_on_and_published():
    assert "make build sbom" in commands("build")
    assert {"name": "sbom", "path": f"build/{LIST}"} in steps("build", "upload-artifact")
    assert {"name": "sbom", "path": "sbom/"} in steps("publish", "download-artifact")
    assert any(f"dist/* sbom/{LIST}" in each for each in commands("publish"))
    assert f"build/{LIST}" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_index_of_packages_is_sent_distributions_alone():
    """The publishing action uploads all of dist/, and the index refuses what is no distribution."""
    assert {"name": "dist", "path": "dist/"} in steps("build", "upload-artifact")
    assert {"name": "dist", "path": "dist/"} in steps("publish", "download-artifact")
    assert f"dist/{LIST}" not in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.xdist_group("package")
def test_the_list_of_a_wheel_has_every_package_of_every_extra_as_pinned(wheel, tmp_path):
    target = tmp_path / "build" / LIST
    sbom.main(str(wheel), str(target))
    document = json.loads(target.read_text(encoding="utf-8"))
    assert document["metadata"]["component"]["name"] == "interlock"
    found = dict(each["bom-ref"].split("==") for each in document["components"])
    found = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found.items()}
    assert {"boto3", "aiobotocore", "aws-cdk-lib", "click", "pyjwt", "cryptography"} <= found.keys()
    pins = re.findall(
        r"^([\w.-]+)(?:\[.*\])?==(\S+)",
        (ROOT / "requirements-dev.txt").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    pinned = {name.lower(): version for name, version in pins}
    assert {name: pinned[name] for name in found} == found


def test_the_list_covers_the_extras_that_the_package_has():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[project.optional-dependencies]")[1].split("\n[")[0]
    assert sbom.EXTRAS.split(",") == re.findall(r"^(\w+) = ", section, re.MULTILINE)
