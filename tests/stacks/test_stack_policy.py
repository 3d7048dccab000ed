"""An update that would put an empty table in the place of a full one is refused."""

import json

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from stacks.config import parse
from stacks.stack_policy import KEPT, main, protect, stack_policy
from tests.stacks.test_config import CERTIFICATE, GOOD, POOL

PROD = GOOD | {"stateful": True, "certificate_arn": CERTIFICATE, "identity": POOL}


class CloudFormation:
    """Remembers the policies that it was given."""

    def __init__(self, *missing: str, refusal: Exception | None = None) -> None:
        self.policies: dict[str, dict[str, object]] = {}
        self._missing, self._refusal = missing, refusal

    def describe_stacks(self, *, StackName: str) -> None:  # noqa: N803 - as boto3 has it
        if StackName in self._missing:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": message}}, "Describe"
            )

    def set_stack_policy(self, *, StackName: str, StackPolicyBody: str) -> None:  # noqa: N803 - boto3's names
        if self._refusal is not None:
            raise self._refusal
        self.policies[StackName] = json.loads(StackPolicyBody)


@pytest.fixture
def environments(tmp_path, monkeypatch):
    settings = tmp_path / "cdk.json"
    settings.write_text(json.dumps({"context": {"environments": {"dev": GOOD, "prod": PROD}}}))
    monkeypatch.setattr("stacks.preflight.SETTINGS", settings)


def denied(policy, action, kind):
    return any(
        statement["Effect"] == "Deny"
        and action in statement["Action"]
        and kind in statement["Condition"]["StringEquals"]["ResourceType"]
        for statement in policy["Statement"]
    )


def test_what_keeps_data_is_neither_replaced_nor_deleted_by_an_update(synthesized_once):
    policy = stack_policy()
    kept = {
        resource["Type"]
        for stack in ("Data", "Identity")
        for resource in synthesized_once("prod").templates[stack]["Resources"].values()
        if resource.get("DeletionPolicy", "").startswith("Retain")
    }
    assert {"AWS::DynamoDB::GlobalTable", "AWS::KMS::Key"} <= kept <= set(KEPT)
    for kind in kept:
        assert denied(policy, "Update:Replace", kind)
        assert denied(policy, "Update:Delete", kind)
        assert not denied(policy, "Update:Modify", kind)
    assert not denied(policy, "Update:Replace", "AWS::Lambda::Function")


def test_every_stack_that_keeps_data_has_the_policy():
    stacks = CloudFormation()
    assert list(protect(parse("prod", PROD), stacks)) == list(stacks.policies)
    assert list(stacks.policies) == [
        "interlock-prod-data",
        "interlock-prod-identity",
        "interlock-prod-records",
    ]
    assert all(policy == stack_policy() for policy in stacks.policies.values())


def test_a_stack_that_the_environment_does_not_have_is_passed_over():
    stacks = CloudFormation("interlock-prod-identity")
    assert "interlock-prod-identity" not in list(protect(parse("prod", PROD), stacks))


@pytest.mark.usefixtures("environments")
def test_it_can_be_lifted_to_take_an_environment_down(capsys):
    stacks = CloudFormation()
    assert main(["prod", "lift"], lambda _: stacks) == 0
    assert not denied(stacks.policies["interlock-prod-data"], "Update:Delete", KEPT[0])
    assert "may be replaced and deleted" in capsys.readouterr().out


@pytest.mark.usefixtures("environments")
def test_an_environment_that_keeps_nothing_has_no_policy():
    stacks = CloudFormation()
    assert main(["dev"], lambda _: stacks) == 0
    assert not stacks.policies


@pytest.mark.usefixtures("environments")
@pytest.mark.parametrize(
    "refusal",
    [NoCredentialsError(), ClientError({"Error": {"Code": "AccessDenied"}}, "SetStackPolicy")],
)
def test_what_could_not_be_set_is_told_with_what_to_do(refusal, capsys):
    assert main(["prod"], lambda _: CloudFormation(refusal=refusal)) == 1
    assert "run: python -m stacks.stack_policy prod" in capsys.readouterr().err


@pytest.mark.usefixtures("environments")
def test_a_wrong_command_line_is_told():
    assert main([]) == main(["prod", "drop"]) == 2
    assert main(["staging"]) == 1
