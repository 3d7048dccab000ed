"""An operator sees locks and counters and breaks locks by what this takes, and does no more."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock.constructs import CoordinationTable
from interlock.counters import CounterClient
from interlock.locks import LockClient
from interlock.testing import MemoryStore
from tests.constructs.evaluator import Request, allowed, requests
from tests.constructs.test_tenants import ACTIONS, INDEX, TABLE

DESCRIBING = ("DescribeContinuousBackups", "DescribeTable", "DescribeTimeToLive")


@pytest.fixture(scope="module")
def operator():
    """Return the statements of the operator's role, with the table's ARN as `TABLE`."""
    stack = cdk.Stack(cdk.App(), "Stack")
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    table = CoordinationTable(stack, "Table")
    assert table.grant_operate(role).success
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    index = stack.resolve(f"{table.table_arn}/index/listing")
    names = {str(stack.resolve([table.table_arn])[0]): TABLE, str(index): INDEX}
    return [
        {**statement, "Resource": names[str(statement["Resource"])]}
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ViaService" not in str(statement)
    ]


@pytest.fixture(scope="module")
def sent():
    """Return what the library sends for all that an operator does."""
    store = MemoryStore(TABLE)
    counters = CounterClient(TABLE, client=store.client())
    counters.counter("visits", shards=3).increment()
    locks = LockClient(TABLE, client=store.client())
    for name, owner in (("a", "x"), ("b", "y")):
        held = {"pk": f"lock#{name}", "fence": 7, "version": "v", "lease_ms": 1000, "owner": owner}
        other = "y" if owner == "x" else "x"
        store.put(TABLE, held | {"queue": [f"t~1~0~{other}"]})
    store.calls.clear()
    locks.page(prefix="a", held=True)
    assert locks.deadlocks()
    locks.inspect("a")
    locks.break_lock("a", because="stuck")
    counters.counter("visits", shards=3).get()
    return store.calls


def test_all_that_an_operator_does_is_allowed(operator, sent):
    operations = {call.operation for call in sent}
    assert operations == {"Scan", "GetItem", "UpdateItem", "TransactGetItems"}
    for call in sent:
        for request in requests(TABLE, call.operation, call.params):
            assert allowed(operator, request), request
    assert allowed(operator, Request("dynamodb:Query", INDEX, ("counter",)))
    assert all(allowed(operator, Request(f"dynamodb:{name}", TABLE)) for name in DESCRIBING)


@pytest.mark.parametrize("attribute", ["data", "value", "result"])
def test_a_scan_shows_nothing_but_what_says_who_holds_a_lock(operator, attribute):
    def scan(attributes, select):
        return allowed(
            operator, Request("dynamodb:Scan", TABLE, attributes=attributes, select=select)
        )

    assert scan(("pk", "fence"), "SPECIFIC_ATTRIBUTES")
    assert not scan(("pk", attribute), "SPECIFIC_ATTRIBUTES")
    assert not scan(("pk",), "ALL_ATTRIBUTES")
    assert not scan(("pk",), None)
    assert not scan(None, "ALL_ATTRIBUTES")


@pytest.mark.parametrize("key", ["counter#visits", "once#k", "orders#1", "lock#a"])
def test_nothing_is_written_but_locks(operator, key):
    may = {
        action.removeprefix("dynamodb:")
        for action in ACTIONS
        if allowed(operator, Request(action, TABLE, (key,))) and "Describe" not in action
    }
    reads = {"GetItem", "BatchGetItem"}
    expected = {"lock#a": reads | {"UpdateItem", "ConditionCheckItem"}, "counter#visits": reads}
    assert may == expected.get(key, set())


def test_without_naming_an_item_the_table_is_described_and_no_more(operator):
    for action in ACTIONS:
        described = action.removeprefix("dynamodb:") in DESCRIBING
        assert allowed(operator, Request(action, TABLE)) is described, action
