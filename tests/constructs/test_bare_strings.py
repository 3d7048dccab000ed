"""A bare string where a construct takes several strings is refused, with what to write."""

import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock import constructs
from interlock.constructs import (
    CoordinationTable,
    LeaderElectedService,
    MacKey,
    RuntimeLayer,
    SigningKey,
)
from interlock.errors import InvalidValue

TEXT = "orders"


def attached(option: str) -> Callable[[Any, Any], Any]:
    """Return what attaches a table, with a bare string for this option."""
    given: dict[str, Any] = {option: TEXT}
    return lambda stack, role: CoordinationTable(stack, "Table").attach_to(role, **given)


CASES: dict[tuple[str, str], Callable[[Any, Any], Any]] = {
    ("CoordinationTable", "replicas"): lambda stack, _: CoordinationTable(
        stack, "Table", replicas=TEXT
    ),
    **{
        ("ICoordinationTable.attach_to", option): attached(option)
        for option in ("locks", "counters", "once")
    },
    ("ICoordinationTable.grant_transactions", "once"): lambda stack, role: CoordinationTable(
        stack, "Table"
    ).grant_transactions(role, once=TEXT),
    ("LeaderElectedService", "state"): lambda stack, role: LeaderElectedService(
        stack,
        "Group",
        table=CoordinationTable(stack, "Table"),
        group=role,
        election="a",
        state=TEXT,
    ),
    ("MacKey", "versions"): lambda stack, _: MacKey(stack, "Key", versions=TEXT),
    ("RuntimeLayer", "distributions"): lambda stack, _: RuntimeLayer(
        stack, "Layer", distributions=TEXT
    ),
    ("SigningKey", "versions"): lambda stack, _: SigningKey(stack, "Key", versions=TEXT),
}


def parameters():
    """Yield each parameter of several strings, once for a class and what it inherits."""
    for name in constructs.__all__:
        kind = getattr(constructs, name)
        own = [each for each in vars(kind) if each[0] != "_"]
        calls = {name: kind.__init__} | {f"{name}.{each}": getattr(kind, each) for each in own}
        for place, call in calls.items():
            try:
                taken = inspect.signature(call).parameters.values()
            except (TypeError, ValueError):
                continue  # a property, or a dictionary of options
            found = re.compile(r"(Sequence|Iterable|Collection)\[str\]")
            yield from ((place, each.name) for each in taken if found.search(str(each)))


def test_every_parameter_of_several_strings_is_tried_here():
    assert set(parameters()) == set(CASES)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_it_is_refused(case):
    stack = cdk.Stack(cdk.App(), "Stack")
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    with pytest.raises(InvalidValue, match=rf"^{case[1]}: .*\['{TEXT}'\]"):
        CASES[case](stack, role)


@pytest.mark.parametrize(
    "grant",
    [
        lambda table, role: table.attach_to(role, transactions_on=table.table),
        lambda table, role: table.grant_transactions(role, tables=table.table),
    ],
    ids=["attach_to", "grant_transactions"],
)
def test_one_table_where_several_are_taken_is_refused_before_anything_is_granted(grant):
    stack = cdk.Stack()
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    with pytest.raises(ValueError, match=r"is one table; write \w+=\[table\]"):
        grant(CoordinationTable(stack, "Table"), role)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::IAM::Policy", 0)


@pytest.mark.parametrize(
    ("grant", "told"),
    [
        (lambda table, role: table.attach_to(role, transactions_on=[TEXT]), "transactions_on has"),
        (lambda table, role: table.grant_transactions(role, tables=[TEXT]), "tables has 'orders'"),
        (lambda table, role: table.grant_transactions(role, tables=TEXT), "tables has 'orders'"),
        (lambda table, _: table.attach_to(TEXT, locks=["*"]), "target is 'orders': give a Lambda"),
        (lambda table, _: table.grant_locks(TEXT, "*"), "grantee is 'orders': give a role"),
        (lambda table, _: table.grant_operate(TEXT), "grantee is 'orders': give a role"),
    ],
)
def test_a_name_where_a_construct_is_taken_is_refused_before_anything_is_granted(grant, told):
    stack = cdk.Stack()
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    with pytest.raises(ValueError, match=told):
        grant(CoordinationTable(stack, "Table"), role)
    Template.from_stack(stack).resource_count_is("AWS::IAM::Policy", 0)


def test_tables_that_can_be_looked_at_once_only_are_all_granted():
    stack = cdk.Stack()
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    orders = dynamodb.Table.from_table_name(stack, "Orders", "orders")
    once: Any = iter([orders])
    CoordinationTable(stack, "Table").grant_transactions(role, tables=once)
    assert "table/orders" in json.dumps(Template.from_stack(stack).to_json())
