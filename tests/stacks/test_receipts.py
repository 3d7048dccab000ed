"""The counter function may use the receipts' key and no other; its public keys are public."""

import json
import re
from dataclasses import replace
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

from stacks.api import ApiStack
from stacks.config import environment_of
from stacks.data import DataStack
from stacks.logs import LogsStack
from stacks.network import NetworkStack
from tests.stacks.policies import rendered

ROOT = Path(__file__).parents[2]


def synthesized(**changes):
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context={**context, "env": "local", "aws:cdk:bundling-stacks": []})
    environment = replace(environment_of(app.node), **changes)
    data = DataStack(app, "Data", environment=environment)
    logs = LogsStack(app, "Records", environment=environment)
    api = ApiStack(
        app,
        "Api",
        environment=environment,
        logs=logs,
        network=NetworkStack(app, "Network", environment=environment, logs=logs),
        table=data.table,
        signing_key=data.signing_key,
    )
    return data, api


@pytest.fixture(scope="module")
def stacks():
    return synthesized()


@pytest.fixture(scope="module")
def template(stacks):
    return Template.from_stack(stacks[1])


def kms_statements(template):
    return [
        statement
        for policy in template.find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if any(action.startswith("kms:") for action in listed(statement["Action"]))
    ]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_the_function_signs_with_this_key_and_nothing_else(stacks, template):
    arns = [stacks[1].resolve(arn) for arn in stacks[0].signing_key.key_arns]
    signing = [s for s in kms_statements(template) if "kms:Sign" in listed(s["Action"])]
    (statement,) = signing
    assert listed(statement["Resource"]) == arns
    assert statement["Condition"]["StringEquals"]["kms:MessageType"] == "DIGEST"
    for other in kms_statements(template):
        actions = listed(other["Action"])
        assert "kms:*" not in actions
        if other is not statement and {"kms:GetPublicKey", "kms:Verify"} & set(actions):
            assert listed(other["Resource"]) == arns


@pytest.mark.parametrize("compute", ["instances", "containers"])
def test_the_services_role_alone_may_name_the_person_for_whom_it_asks(synthesized_once, compute):
    """The function knows it by its name, which no other role of the account can have."""
    made = synthesized_once("prod", **({} if compute == "instances" else {"compute": compute}))
    speakers = {
        rendered(variables["INTERLOCK_SPEAKER"])
        for function in made.of_type("AWS::Lambda::Function", "Api").values()
        if (variables := function.get("Environment", {}).get("Variables", {}))
        if "INTERLOCK_SPEAKER" in variables
    }
    (role,) = (
        role
        for name, role in made.of_type("AWS::IAM::Role", "Service").items()
        if "GroupRole" in name
    )
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert list(trusted["Principal"]) == ["Service"]  # no person, and no other role, becomes it
    (speaker,) = speakers
    assert re.fullmatch(rf"arn:[^:]+:sts::\d{{12}}:assumed-role/{role['RoleName']}", speaker), (
        speaker
    )


def test_the_keys_are_public_and_the_verification_is_not(template):
    methods = template.find_resources("AWS::ApiGateway::Method").values()
    resources = template.find_resources("AWS::ApiGateway::Resource")
    by_part = {
        resources[m["Properties"]["ResourceId"]["Ref"]]["Properties"]["PathPart"]: m["Properties"]
        for m in methods
        if "Ref" in m["Properties"]["ResourceId"]
    }
    assert by_part["jwks.json"]["AuthorizationType"] == "NONE"
    assert by_part["verify"]["AuthorizationType"] == "AWS_IAM"


@pytest.mark.parametrize(("asked", "answer"), [("warn", "Warn"), ("enforce", "Enforce")])
def test_an_environment_may_have_the_functions_code_signed(asked, answer):
    template = Template.from_stack(synthesized(code_signing=asked)[1])
    template.has_resource_properties(
        "AWS::Lambda::CodeSigningConfig",
        {"CodeSigningPolicies": {"UntrustedArtifactOnDeployment": answer}},
    )
    template.has_resource_properties(
        "AWS::Lambda::Function", {"CodeSigningConfigArn": Match.any_value()}
    )
    template.has_output("SigningProfileName", {})


def test_code_is_not_signed_where_nobody_asked(template):
    template.resource_count_is("AWS::Lambda::CodeSigningConfig", 0)
