"""Regions and partitions that lack a service get templates without it, and no traceback."""

import json

import aws_cdk as cdk
import pytest

from stacks import regions
from stacks.application import Application
from tests.stacks.conftest import Synthesized, context, synthesize
from tests.stacks.test_lint import cfn_lint, templates

PLACES = ("eu-central-1", "eusc-de-east-1", "cn-north-1", "us-gov-west-1", "ap-southeast-6")


@pytest.fixture(scope="module", params=PLACES)
def placed(request, tmp_path_factory) -> Synthesized:
    """The environment dev in a region."""
    region = request.param
    settings = context("dev")["environments"]
    settings["dev"] |= {"region": region, "availability_zones": [f"{region}a", f"{region}b"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        return synthesize("dev", tmp_path_factory.mktemp(region), environments=settings)


def region_of(placed: Synthesized) -> str:
    manifest = json.loads((placed.assembly / "manifest.json").read_text())
    place: str = manifest["artifacts"]["Data"]["environment"]
    return place.rpartition("/")[2]


def test_what_the_region_lacks_is_left_out(placed):
    region = region_of(placed)
    budgets = placed.of_type("AWS::Budgets::Budget")
    assert len(budgets) == regions.has_budgets(region)
    functions = placed.of_type("AWS::Lambda::Function", "Api").values()
    snapshots = [each for each in functions if "SnapStart" in each]
    assert len(snapshots) == regions.has_snap_start(region)


def test_no_arn_names_another_partition(placed):
    if regions.partition(region_of(placed)) != "aws":
        assert '"arn:aws:' not in json.dumps(placed.templates)


@pytest.mark.slow
def test_cfn_lint_has_no_finding(placed):
    found = cfn_lint(templates(placed.assembly)).stdout.splitlines()
    if regions.partition(region_of(placed)) == "aws-eusc":
        # Its patterns of principals know three partitions; all of these are of that rule.
        found = [line for line in found if ":E3512:" not in line]
    assert found == []


def test_a_switch_decides_over_what_is_known_of_a_region(tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    settings = context("dev")["environments"]
    settings["dev"] |= {"snap_start": False, "budgets": False}
    app = cdk.App(context=context("dev") | {"environments": settings}, outdir=str(tmp_path))
    Application(app)
    app.synth()
    for stack in ("Api", "Observability"):
        template = (tmp_path / f"{stack}.template.json").read_text()
        assert "SnapStart" not in template
        assert "AWS::Budgets::Budget" not in template


def test_the_partition_of_an_unknown_region_is_refused():
    with pytest.raises(ValueError, match="mars-north-1 is in no partition"):
        regions.partition("mars-north-1")
