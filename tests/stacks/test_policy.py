"""cdk-nag's AwsSolutions pack, and CDK's own validation, leave no finding unanswered."""

import json

import aws_cdk as cdk
import pytest
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from stacks.application import Application
from tests.stacks.conftest import context


def unanswered(app, report):
    """Synthesize, and return the findings that the validation report has left."""
    try:
        app.synth()
    except RuntimeError as error:
        assert "ValidationFailed" in str(error)  # noqa: PT017 - any other failure is not a finding
    plugins = json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
    return [
        (violation["ruleName"], place.get("constructPath"))
        for plugin in plugins
        for violation in plugin["violations"]
        for place in violation["violatingConstructs"]
    ]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_aws_solutions_has_no_finding(environment, tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    app = cdk.App(context=context(environment), outdir=str(tmp_path))
    Application(app)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    assert unanswered(app, tmp_path / "validation-report.json") == []


def test_a_finding_is_not_overlooked(tmp_path, monkeypatch):
    """The same reading finds an open bucket, so an empty list above means something."""
    monkeypatch.setenv("CDK_VALIDATION", "false")
    app = cdk.App(outdir=str(tmp_path))
    s3.Bucket(cdk.Stack(app, "Stack"), "Open")
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    rules = {rule for rule, _ in unanswered(app, tmp_path / "validation-report.json")}
    assert any("S10" in rule for rule in rules)


def test_the_built_in_validation_passes_strictly(tmp_path, monkeypatch):
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    app = cdk.App(
        context={**context("prod"), "@aws-cdk/core:validateAgainstDefaultRules": True},
        outdir=str(tmp_path),
    )
    Application(app)
    assert unanswered(app, tmp_path / "validation-report.json") == []
