"""No finding of cdk-nag's packs or of CDK's own validation is left unanswered, and no answer is
left over."""

import json
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import aws_s3 as s3

from stacks.acknowledgements import KEY, acknowledge
from stacks.application import Application
from tests.stacks.conftest import REAL, context

PACKS = (
    cdk_nag.AwsSolutionsChecks,
    cdk_nag.ServerlessChecks,
    cdk_nag.NIST80053R5Checks,
    cdk_nag.HIPAASecurityChecks,
    cdk_nag.PCIDSS321Checks,
)
STRICT = {"@aws-cdk/core:validateAgainstDefaultRules": True}


@dataclass(frozen=True)
class Report:
    """What was found and not acknowledged, and what was acknowledged and not found."""

    unanswered: frozenset[tuple[str, str]]
    stale: frozenset[tuple[str, str]]
    answered: int
    plugins: frozenset[str]


def judge(app: cdk.App, outdir: Path) -> Report:
    """Synthesize with all packs, and read the validation report."""
    for pack in PACKS:
        cdk.Validations.of(app).add_plugins(pack(app))
    try:
        app.synth()
    except RuntimeError as error:
        assert "ValidationFailed" in str(error)  # noqa: PT017 - any other failure is not a finding
    plugins = json.loads((outdir / "validation-report.json").read_text("utf-8"))["pluginReports"]
    used = {
        (violation["acknowledgedAt"], violation["acknowledgedId"])
        for plugin in plugins
        for violation in plugin.get("suppressedViolations", ())
    }
    return Report(
        unanswered=frozenset(
            (place.get("constructPath", ""), violation["ruleName"])
            for plugin in plugins
            for violation in plugin["violations"]
            for place in violation["violatingConstructs"]
        ),
        stale=frozenset(_acknowledged(app) - used),
        answered=len(used),
        plugins=frozenset(plugin["pluginName"] for plugin in plugins),
    )


def _acknowledged(app: cdk.App) -> set[tuple[str, str]]:
    return {
        (construct.node.path, str(entry.data))
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == KEY
    }


@pytest.fixture(scope="module", params=REAL)
def report(request, tmp_path_factory):
    """Each environment that is deployed to AWS, judged once by all packs and CDK's own rules."""
    outdir = tmp_path_factory.mktemp("judged")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CDK_VALIDATION", raising=False)
        app = cdk.App(context={**context(request.param), **STRICT}, outdir=str(outdir))
        Application(app)
        return judge(app, outdir)


def test_no_finding_is_unanswered(report):
    assert report.unanswered == frozenset()
    assert len(report.plugins) == len(PACKS) + 1  # CDK's own rules


def test_no_answer_is_left_over(report):
    assert report.stale == frozenset()
    assert report.answered > 0


@pytest.mark.slow
@pytest.mark.parametrize("region", ["cn-north-1", "eusc-de-east-1", "us-gov-west-1"])
def test_no_finding_is_unanswered_in_another_partition(region, tmp_path, monkeypatch):
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    given = context("dev")
    zones = [f"{region}{zone}" for zone in "ab"]
    given["environments"]["dev"] |= {"region": region, "availability_zones": zones}
    app = cdk.App(context={**given, **STRICT}, outdir=str(tmp_path))
    Application(app)
    assert judge(app, tmp_path).unanswered == frozenset()


def test_a_finding_and_a_stale_answer_are_not_overlooked(tmp_path, monkeypatch):
    """The same reading finds an open bucket, so an empty list above means something."""
    monkeypatch.setenv("CDK_VALIDATION", "false")
    app = cdk.App(outdir=str(tmp_path))
    bucket = s3.Bucket(cdk.Stack(app, "Stack"), "Open")
    acknowledge(bucket, "S1", "found and answered")
    acknowledge(bucket, "EC23", "a bucket has no such finding")
    report = judge(app, tmp_path)
    assert ("Stack/Open/Resource", "AwsSolutions-S10") in report.unanswered
    assert not any(rule.endswith("AwsSolutions-S1") for _, rule in report.unanswered)
    assert report.stale == {("Stack/Open", "AwsSolutions::AwsSolutions-EC23")}
