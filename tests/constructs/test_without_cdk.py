"""What docs/howto/without-cdk.md says of schema and rights is what the constructs make."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
import yaml  # type: ignore[import-untyped]
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock.constructs import CoordinationTable
from interlock.tables import schema, time_to_live

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "without-cdk.md").read_text("utf-8")
GRANTS: Mapping[str, Callable[[CoordinationTable, iam.Role], object]] = {
    "grant_locks": lambda table, role: table.grant_locks(role, "orders/*"),
    "grant_inspect_locks": lambda table, role: table.grant_inspect_locks(role, "orders/*"),
    "grant_counters": lambda table, role: table.grant_counters(role, "seats"),
    "grant_list_counters": lambda table, role: table.grant_list_counters(role),
    "grant_transactions(once=...)": lambda table, role: table.grant_transactions(
        role, once=["orders/*"]
    ),
    "grant_prefix": lambda table, role: table.grant_prefix(role, "history#", "*"),
}


def granted(name: str) -> list[dict[str, Any]]:
    stack = cdk.Stack(cdk.App(), "Stack")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    GRANTS[name](CoordinationTable(stack, "Coordination"), role)
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def rows() -> dict[str, tuple[list[str], list[str]]]:
    part = PAGE.split("| to | grant |")[1].split("\n\n")[0]
    found = {}
    for line in part.splitlines()[2:]:
        _, grant, actions, keys = (cell.strip() for cell in line.strip("|").split("|"))
        found[grant.strip("`")] = (actions.split(", "), re.findall(r"`([^`]+)`", keys))
    return found


def documents() -> list[dict[str, Any]]:
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


@pytest.mark.parametrize("name", GRANTS)
def test_each_grant_is_as_the_page_says(name):
    statement = granted(name)[0]
    actions, keys = rows()[name]
    assert [f"dynamodb:{action}" for action in actions] == listed(statement["Action"])
    assert statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] == keys


def test_every_row_is_tested():
    assert rows().keys() == GRANTS.keys()


def test_the_policies_of_the_page_are_the_constructs_own():
    policy, of_key = documents()
    table, key = granted("grant_locks")
    (statement,) = policy["Statement"]
    for said, made in ((statement, table), (of_key, key)):
        assert said["Action"] == made["Action"]
        assert said["Condition"].keys() == made["Condition"].keys()
    assert statement["Condition"] == table["Condition"]


def test_the_template_of_the_page_has_the_schema():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (table,) = yaml.safe_load(text)["Resources"].values()
    properties = table["Properties"]
    wanted = schema("coordination")
    for name in ("KeySchema", "GlobalSecondaryIndexes", "BillingMode"):
        assert properties[name] == wanted[name]
    assert sorted(map(str, properties["AttributeDefinitions"])) == sorted(
        map(str, wanted["AttributeDefinitions"])
    )
    said = properties["TimeToLiveSpecification"]
    assert said == time_to_live("coordination")["TimeToLiveSpecification"]
