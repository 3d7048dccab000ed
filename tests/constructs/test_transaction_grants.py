"""What a transaction sends is what its grant allows, no less and no more."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template
from boto3.dynamodb.conditions import Attr

from interlock.constructs import CoordinationTable
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from interlock.transactions import TransactionClient
from tests.simulation.driver import StoreDriver

A, B = {"id": "a"}, {"id": "b"}
RECORDS = "once#"


def everything(tx):
    """Use all that transactions can do: alone and together, first and replayed, torn and failed."""
    tx.run(lambda t: (t.put("accounts", A, {"n": 1}), t.update("accounts", B, {"n": 1})))
    tx.run(lambda t: (t.get("accounts", A), t.put("accounts", A, {"n": 2})))
    tx.run(lambda t: (t.get("accounts", A), t.update("accounts", A, add={"n": 1})))
    tx.run(lambda t: (t.get("accounts", A), t.get("accounts", B)))
    tx.run(lambda t: t.get_many([("accounts", A), ("accounts", B)]))
    tx.run(lambda t: (t.check("accounts", A, Attr("n").exists()), t.delete("accounts", B)))
    tx.snapshot([("accounts", A), ("accounts", B)])
    for _ in range(2):
        tx.run(lambda t: t.update("accounts", A, add={"n": 1}), idempotency_key="k")
    with pytest.raises(KeyError):
        tx.run(lambda t: (t.get("accounts", A), t.get("accounts", B))[0]["none"])


def sent():
    """Return the IAM actions that all of this takes, by table and leading prefix.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    driver = StoreDriver(Store(Table("accounts", "id"), Table("coordination")))
    everything(TransactionClient("coordination", client=driver))
    actions = set()
    for call in driver.sent:
        if call.operation.startswith("Transact"):
            for action in call.params["TransactItems"]:
                ((kind, params),) = action.items()
                actions.add((_place(params), f"dynamodb:{kind.removesuffix('Item')}Item"))
        else:
            actions.add((_place(call.params), f"dynamodb:{call.operation}"))
    return actions


def _place(params):
    key = params.get("Key") or params["Item"]
    if params["TableName"] != "coordination":
        return params["TableName"]
    assert key["pk"]["S"].startswith(RECORDS)
    return RECORDS


def granted():
    """Return the actions that the grant allows, by table and leading prefix."""
    stack = cdk.Stack(cdk.App(), "Stack")
    accounts = dynamodb.TableV2(
        stack,
        "Accounts",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    )
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    CoordinationTable(stack, "Table").grant_transactions(role, tables=[accounts], once=["*"])
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    actions = set()
    for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
        place = "accounts"
        if "dynamodb:LeadingKeys" in str(statement):
            (key,) = _listed(
                statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
            )
            place = key.removesuffix("*")
        for action in _listed(statement["Action"]):
            if action.startswith("dynamodb:"):
                actions.add((place, action))
    return actions


def _listed(value):
    return value if isinstance(value, list) else [value]


def test_the_grant_is_what_the_code_sends(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    assert granted() == sent()
