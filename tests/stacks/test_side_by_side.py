"""Two environments live in one account, one after the other has failed, or beside each other."""

import json
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.stacks.conftest import Synthesized, context, synthesize
from tests.stacks.policies import rendered

_SCHEMAS = Path(str(distribution("cfn-lint").locate_file("cfnlint/data/schemas")))
# Names that AWS wants to be one of a kind, and that are no identifier in the schema.
_ALSO: dict[str, list[tuple[str, ...]]] = {
    "AWS::Backup::BackupPlan": [("BackupPlan", "BackupPlanName")],
    "AWS::ApiGateway::RestApi": [("Name",)],
    "AWS::ApiGateway::ApiKey": [("Name",)],
    "AWS::ApiGateway::UsagePlan": [("UsagePlanName",)],
    "AWS::Budgets::Budget": [("Budget", "BudgetName")],
    "AWS::IAM::ManagedPolicy": [("ManagedPolicyName",)],
    "AWS::WAFv2::WebACL": [("Name",)],
    "AWS::WAFv2::IPSet": [("Name",)],
    "AWS::ElasticLoadBalancingV2::LoadBalancer": [("Name",)],
    "AWS::ElasticLoadBalancingV2::TargetGroup": [("Name",)],
}


@pytest.fixture(scope="module")
def twins(tmp_path_factory) -> tuple[Synthesized, Synthesized]:
    """Two environments that keep data, in one account and region."""
    settings = context("prod")["environments"]
    settings["blue"] = settings["green"] = settings["prod"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        blue, green = (
            synthesize(name, tmp_path_factory.mktemp(name), environments=settings)
            for name in ("blue", "green")
        )
    return blue, green


def names(made: Synthesized) -> Iterator[tuple[str, str, str]]:
    """Yield each name that a template fixes, with its type and property."""
    index = json.loads((_SCHEMAS / "providers" / "eu-central-1.json").read_text())
    for template in made.templates.values():
        for resource in template["Resources"].values():
            kind = resource["Type"]
            if kind not in index:
                continue
            path = _SCHEMAS / "resources" / f"{index[kind]}.json"
            schema = json.loads(path.read_text())
            paths: list[tuple[str, ...]] = [
                tuple(each.split("/")[2:]) for each in schema.get("primaryIdentifier", ())
            ]
            if len(paths) > 1:  # a name within another resource
                paths = []
            for keys in [*paths, *_ALSO.get(kind, ())]:
                value = resource.get("Properties", {})
                for key in keys:
                    value = value.get(key, {}) if isinstance(value, dict) else {}
                if value:
                    yield kind, ".".join(keys), rendered(value)


def test_no_name_is_taken_twice(twins):
    blue, green = (set(names(each)) for each in twins)
    assert len(blue) > 10
    # A reference ("<Bucket>") is to what is each environment's own.
    assert {each for each in blue & green if not each[2].startswith("<")} == set()
    assert any(kind == "AWS::Backup::BackupPlan" for kind, _, _ in blue)


def test_what_is_retained_has_no_name_that_a_repeated_deployment_would_find_taken(twins):
    for template in twins[0].templates.values():
        for resource in template["Resources"].values():
            if not resource.get("DeletionPolicy", "Delete").startswith("Retain"):
                continue
            properties = resource.get("Properties", {})
            fixed = {
                key: value
                for key, value in properties.items()
                if key.endswith("Name") and "AWS::StackId" not in json.dumps(value)
            }
            assert not fixed, resource["Type"]


def test_what_a_first_deployment_made_goes_with_it_when_it_fails(real):
    kept = {
        policy
        for template in real.templates.values()
        for resource in template["Resources"].values()
        for policy in (resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy"))
    }
    assert "RetainExceptOnCreate" in kept
    for template in real.templates.values():
        for resource in template["Resources"].values():
            if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
                assert resource["UpdateReplacePolicy"] == "Retain"
            else:
                assert resource.get("DeletionPolicy") != "Retain"


def test_without_protection_a_rollback_of_the_first_deployment_is_not_refused(
    tmp_path, monkeypatch
):
    """Deletion protection would refuse to CloudFormation, too, what it made a minute ago."""
    monkeypatch.setenv("CDK_VALIDATION", "false")
    made = synthesize("prod", tmp_path, protection="off")
    text = json.dumps(made.templates)
    (table,) = made.of_type("AWS::DynamoDB::GlobalTable").values()
    assert table["Replicas"][0]["DeletionProtectionEnabled"] is False
    (balancer,) = made.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    attributes = {each["Key"]: each["Value"] for each in balancer["LoadBalancerAttributes"]}
    assert attributes["deletion_protection.enabled"] == "false"
    (pool,) = made.of_type("AWS::Cognito::UserPool").values()
    assert pool["DeletionProtection"] == "INACTIVE"
    assert "LockConfiguration" not in text
    assert "backup:DeleteRecoveryPoint" not in text
    # The data is no less kept: only its protection waits.
    assert text.count("RetainExceptOnCreate") > 3


def test_a_vault_cannot_be_emptied(synthesized_once, tmp_path, monkeypatch):
    (vault,) = synthesized_once("prod").of_type("AWS::Backup::BackupVault").values()
    assert vault["LockConfiguration"] == {"MinRetentionDays": 30}
    (statement,) = vault["AccessPolicy"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] == {"AWS": "*"}
    assert "backup:DeleteRecoveryPoint" in statement["Action"]
    monkeypatch.setenv("CDK_VALIDATION", "false")
    settings = context("prod")["environments"]
    settings["prod"]["backup_lock"] = "compliance"
    made = synthesize("prod", tmp_path, environments=settings)
    (vault,) = made.of_type("AWS::Backup::BackupVault").values()
    assert vault["LockConfiguration"] == {"ChangeableForDays": 3, "MinRetentionDays": 30}


def test_the_logging_role_of_all_apis_stays_when_an_environment_goes(real, tmp_path, monkeypatch):
    accounts = [
        resource
        for resource in real.templates["Api"]["Resources"].values()
        if resource["Type"] == "AWS::ApiGateway::Account"
    ]
    (account,) = accounts
    assert account["DeletionPolicy"] == "RetainExceptOnCreate"
    role = account["Properties"]["CloudWatchRoleArn"]["Fn::GetAtt"][0]
    kept = real.templates["Api"]["Resources"][role]
    assert kept["DeletionPolicy"] == "RetainExceptOnCreate"
    assert "RoleName" not in kept["Properties"]
    monkeypatch.setenv("CDK_VALIDATION", "false")
    settings = context(real.name)["environments"]
    settings[real.name]["api_logging_role"] = False
    made = synthesize(real.name, tmp_path, environments=settings)
    assert made.of_type("AWS::ApiGateway::Account") == {}
