"""docs/howto/constructs.md has each construct, and each grant as it is."""

import re
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock import constructs
from interlock.constructs import CoordinationTable, ICoordinationTable, MacKey, SigningKey

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "constructs.md").read_text("utf-8")
_GRANTING = {"table": ICoordinationTable, "signing_key": SigningKey, "mac_key": MacKey}

Row = tuple[tuple[str, ...], frozenset[str]]


def rows() -> dict[str, set[Row]]:
    """Return what the page says of each call: its statements, as actions and what they are for."""
    found: dict[str, set[Row]] = {}
    call = ""
    for service, table in re.findall(
        r"^\| grant \| actions of `(\w+:)` .*\n\|-.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE
    ):
        for line in table.splitlines():
            named, actions, only = (cell.strip() for cell in line.strip("|").split("|"))
            call = named.strip("`") or call
            bound = frozenset(re.findall(r"`([^`]+)`", only)) - {"listing", "other", "data"}
            words = tuple(f"{service}{action}" for action in actions.split(", "))
            found.setdefault(call, set()).add((words, bound))
    return found


def granted(call: str) -> set[Row]:
    """Return the same of what CDK makes of a call."""
    stack = cdk.Stack(cdk.App(), "Stack")
    aws_owned = dynamodb.TableEncryptionV2.dynamo_owned_key()
    key = dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    names = {
        "table": CoordinationTable(stack, "Table", encryption=aws_owned),
        "other": dynamodb.TableV2(stack, "Other", partition_key=key),
        "signing_key": SigningKey(stack, "Signing"),
        "mac_key": MacKey(stack, "Mac"),
        "role": role,
    }
    eval(call, {}, names)  # noqa: S307 - the calls are this repository's own
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    return {_row(each) for each in policy["Properties"]["PolicyDocument"]["Statement"]}


def _row(statement: dict[str, Any]) -> Row:
    bound = {
        text
        for test, values in statement.get("Condition", {}).items()
        if test != "Null"
        for name, value in values.items()
        if name not in {"dynamodb:Attributes", "dynamodb:Select"}
        for text in _listed(value)
    }
    return tuple(_listed(statement["Action"])), frozenset(bound)


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("call", rows())
def test_each_grant_is_as_the_page_says(call):
    assert granted(call) == rows()[call]


def test_the_page_has_every_grant():
    made = {
        f"{name}.{verb}"
        for name, kind in _GRANTING.items()
        for verb in dir(kind)
        if verb.startswith("grant_")
    }
    assert {call.partition("(")[0] for call in rows()} == made


def test_the_page_has_every_construct_and_which_of_them_grant():
    exported = {getattr(constructs, name) for name in constructs.__all__}
    granting = {kind for kind in exported if any(verb.startswith("grant_") for verb in dir(kind))}
    assert granting == {*_GRANTING.values(), CoordinationTable}
    for kind in exported - {ICoordinationTable, constructs.MetricOptions}:
        assert re.search(rf"^## .*\b{kind.__name__}\b|`{kind.__name__}`", PAGE, re.MULTILINE), kind
