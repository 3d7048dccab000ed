"""A tenant reaches its own items by the API calls that the library makes, and no other's by any."""

import itertools
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import boto3
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock import LockClient
from interlock.constructs import CoordinationTable
from interlock.testing import MemoryStore
from tests.constructs.evaluator import Request, allowed, requests

TABLE = "coordination"
INDEX = f"{TABLE}/index/listing"
OWN = [
    "lock#orders/42",
    "lock#orders/42#3",  # a permit of a semaphore
    "lock#orders/42#slots",  # of a readers-writer lock
    "counter#orders/visits",
    "counter#orders/visits#7",
    "counter#orders/visits#once#k",
    "once#orders/k",
    "orders#state",
]
FOREIGN = [
    "lock#carriers/42",
    "lock#carriers/42#3",
    "lock#orders",  # a namesake, and one that begins alike
    "lock#orders-archive/42",
    "lock#Orders/42",
    "lock#",
    "counter#carriers/visits",
    "counter#carriers/visits#7",
    "counter#carriers/visits#once#k",
    "counter#orders",
    "once#carriers/k",
    "limit#carriers/rate",
    "limit#orders/rate",  # not granted
    "saga#carriers",
    "tx#carriers",
    "carriers#state",
    "orders/42",
    "lock#orders${*}",
    "*",
    "",
]


def every_action():
    """Return the IAM actions of all that DynamoDB does, and of its SQL."""
    model = boto3.client("dynamodb", region_name="us-east-1").meta.service_model
    sql = {f"PartiQL{verb}" for verb in ("Select", "Insert", "Update", "Delete")}
    return sorted(
        f"dynamodb:{name}" for name in {*model.operation_names, *sql, "ConditionCheckItem"}
    )


ACTIONS = every_action()


@pytest.fixture(scope="module")
def tenant():
    """Return the statements of the tenant's role, with the table's ARN as `TABLE`."""
    stack = cdk.Stack(cdk.App(), "Stack")
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    table = CoordinationTable(stack, "Table")
    accounts = dynamodb.TableV2(
        stack,
        "Accounts",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
    )
    table.grant_locks(role, "orders/*")
    table.grant_counters(role, "orders/*")
    table.grant_transactions(role, tables=[accounts], once=["orders/*"])
    table.grant_prefix(role, "orders#", "*")
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    names = {
        str(stack.resolve([table.table_arn])[0]): TABLE,
        str(stack.resolve([accounts.table_arn])[0]): "accounts",
    }
    return [
        {**statement, "Resource": names.get(str(statement["Resource"]), str(statement["Resource"]))}
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ViaService" not in str(statement)
    ]


@pytest.mark.parametrize("key", FOREIGN)
def test_no_action_reaches_another_tenants_item(tenant, key):
    for action, resource in itertools.product(ACTIONS, (TABLE, INDEX, f"{TABLE}/stream/1")):
        assert not allowed(tenant, Request(action, resource, (key,))), action


@pytest.mark.parametrize("key", FOREIGN)
def test_an_own_item_beside_it_opens_no_door(tenant, key):
    """One request may name many items, and each is asked about."""
    for action, own in itertools.product(ACTIONS, OWN):
        assert not allowed(tenant, Request(action, TABLE, (own, key))), action


@pytest.mark.parametrize("resource", [TABLE, INDEX, f"{TABLE}/stream/1", f"{TABLE}/backup/1"])
def test_nothing_is_done_without_naming_an_item(tenant, resource):
    """Scans, statements of SQL without a key, exports, streams, and all that administers."""
    for action in ACTIONS:
        assert not allowed(tenant, Request(action, resource)), action


def test_the_list_of_all_names_is_not_a_tenants(tenant):
    assert not allowed(tenant, Request("dynamodb:Query", INDEX, ("counter",)))


@pytest.mark.parametrize("key", OWN)
def test_its_own_items_are_read_and_written(tenant, key):
    assert allowed(tenant, Request("dynamodb:GetItem", TABLE, (key,)))
    write = "PutItem" if key.startswith("once#") else "UpdateItem"
    assert allowed(tenant, Request(f"dynamodb:{write}", TABLE, (key,)))


def test_a_job_needs_no_more_than_its_lock(tenant):
    store = MemoryStore(TABLE)
    for owner in ("a", "b"):
        locks = LockClient(TABLE, client=store.client(), owner=owner)
        job = locks.exclusive("orders/nightly", at_least=timedelta(minutes=1), otherwise="result")
        assert job(lambda: "done")() == "done"
        assert locks.last_run("orders/nightly") is not None
        store.clock.advance(timedelta(seconds=30))
    asked = [one for call in store.calls for one in requests(TABLE, call.operation, call.params)]
    assert {request.keys for request in asked} == {("lock#orders/nightly",)}
    assert all(allowed(tenant, request) for request in asked)


def test_the_grant_of_a_name_reaches_its_readers_and_writers(tenant):
    store = MemoryStore(TABLE)
    with LockClient(TABLE, client=store.client()) as locks:
        lock = locks.read_write_lock("orders/42", readers=2)
        lock.read().release()
        lock.write().downgrade().release()
        lock.read().release()
    asked = [one for call in store.calls for one in requests(TABLE, call.operation, call.params)]
    assert {key for one in asked for key in one.keys or ()} == {
        f"lock#orders/42{part}" for part in ("", "#0", "#1", "#slots")
    }
    assert all(allowed(tenant, one) for one in asked)


@pytest.mark.parametrize("operation", ["TransactWriteItems", "BatchWriteItem", "PutItem"])
def test_a_write_among_ones_own_is_asked_about_by_itself(tenant, operation):
    """The evaluator takes calls apart as IAM does; what is refused is so for its key alone."""
    item = {"pk": {"S": "lock#carriers/42"}}
    calls: dict[str, dict[str, Any]] = {
        "TransactWriteItems": {"TransactItems": [{"Put": {"Item": item}}]},
        "BatchWriteItem": {"RequestItems": {TABLE: [{"PutRequest": {"Item": item}}]}},
        "PutItem": {"Item": item},
    }
    asked = list(requests(TABLE, operation, calls[operation]))
    assert asked
    assert not any(allowed(tenant, request) for request in asked)
    everything = [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]
    assert all(allowed(everything, request) for request in asked)
