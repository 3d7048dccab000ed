"""An operator sees locks and counters and breaks locks by what this takes, and does no more."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock._protocol.locks import breaking
from interlock.constructs import CoordinationTable
from interlock.counters import CounterClient
from interlock.locks import LockClient
from interlock.testing import MemoryStore
from tests.constructs.evaluator import Request, allowed, requests
from tests.constructs.test_tenants import ACTIONS, INDEX, TABLE

DESCRIBING = ("DescribeContinuousBackups", "DescribeTable", "DescribeTimeToLive")
READS = {"GetItem"}
COUNTED = {"GetItem", "BatchGetItem"}


def statements(grant):
    """Return the statements that a grant gives to a role, with the table's ARN as `TABLE`."""
    stack = cdk.Stack(cdk.App(), "Stack")
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    table = CoordinationTable(stack, "Table")
    assert getattr(table, grant)(role).success
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    index = stack.resolve(f"{table.table_arn}/index/listing")
    names = {str(stack.resolve([table.table_arn])[0]): TABLE, str(index): INDEX}
    return [
        {**statement, "Resource": names[str(statement["Resource"])]}
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ViaService" not in str(statement)
    ]


@pytest.fixture(scope="module")
def operator():
    """Return what a person on call may do."""
    return statements("grant_operate")


@pytest.fixture(scope="module")
def reader():
    """Return what a person may do who looks on."""
    return statements("grant_operate_read")


@pytest.fixture(params=["operator", "reader"])
def anyone(request):
    """Return what each of them may do."""
    return request.getfixturevalue(request.param)


def asked_by(act):
    """Return what IAM is asked for what a person does."""
    store = MemoryStore(TABLE)
    counters = CounterClient(TABLE, client=store.client())
    counters.counter("visits", shards=3).increment(idempotency_key="k")
    counters.counter("seats").increment()
    for name, owner in (("a", "x"), ("b", "y")):
        held = {"pk": f"lock#{name}", "fence": 7, "version": "v", "lease_ms": 1000, "owner": owner}
        other = "y" if owner == "x" else "x"
        store.put(TABLE, held | {"queue": [f"t~1~0~{other}"], "data": 1})
    poisoned = {"version": "v", "lease_ms": -1, "format": "x", "queue": "x", "owner": "o"}
    store.put(TABLE, {"pk": "lock#c", "fence": "x", "void_before": "x", "door": "x"} | poisoned)
    store.calls.clear()
    act(LockClient(TABLE, client=store.client()), counters)
    return [one for call in store.calls for one in requests(TABLE, call.operation, call.params)]


def look(locks, counters):
    locks.page(prefix="a", held=True)
    assert locks.deadlocks()
    locks.inspect("a")
    counters.counter("seats").inspect()
    assert [state.name for state in counters.states()[0]] == ["seats", "visits"]


def break_them(locks, _counters):
    for name in ("a", "c"):
        assert locks.break_lock(name, because="stuck") is not None


def test_all_that_each_of_them_sees_is_allowed(anyone):
    asked = asked_by(look)
    actions = {request.action.removeprefix("dynamodb:") for request in asked}
    assert actions == {"Scan", "GetItem", "Query", "BatchGetItem"}
    assert [request for request in asked if not allowed(anyone, request)] == []
    assert all(allowed(anyone, Request(f"dynamodb:{name}", TABLE)) for name in DESCRIBING)


def test_who_operates_breaks_locks_and_who_looks_on_does_not(operator, reader):
    asked = asked_by(break_them)
    assert all(allowed(operator, request) for request in asked)
    writes = {request for request in asked if request.action == "dynamodb:UpdateItem"}
    assert len(writes) == 2
    assert not any(allowed(reader, request) for request in writes)
    assert all(allowed(reader, request) for request in set(asked) - writes)


def test_a_break_is_allowed_the_attributes_that_it_names_and_no_others(operator):
    named = {name for request in asked_by(break_them) for name in request.attributes or ()}
    assert named == set(breaking.ATTRIBUTES)
    for other in ("last_run", "election", "value", "state"):
        write = Request("dynamodb:UpdateItem", TABLE, ("lock#a",), ("pk", "version", other))
        assert not allowed(operator, write)


def test_each_statement_is_needed(anyone, operator):
    asked = asked_by(look)
    if anyone is operator:
        asked += asked_by(break_them)
    asked += [Request(f"dynamodb:{name}", TABLE) for name in DESCRIBING]
    for statement in anyone:
        others = [each for each in anyone if each is not statement]
        assert not all(allowed(others, request) for request in asked), statement
        actions = statement["Action"]
        for action in actions if isinstance(actions, list) else ():
            less = {**statement, "Action": [each for each in actions if each != action]}
            assert not all(allowed([*others, less], request) for request in asked), action


@pytest.mark.parametrize("attribute", ["data", "value", "result"])
def test_a_scan_shows_nothing_but_what_says_who_holds_a_lock(anyone, attribute):
    def scan(attributes, select):
        return allowed(
            anyone, Request("dynamodb:Scan", TABLE, attributes=attributes, select=select)
        )

    assert scan(("pk", "fence"), "SPECIFIC_ATTRIBUTES")
    assert not scan(("pk", attribute), "SPECIFIC_ATTRIBUTES")
    assert not scan(("pk",), "ALL_ATTRIBUTES")
    assert not scan(("pk",), None)
    assert not scan(None, "ALL_ATTRIBUTES")


@pytest.mark.parametrize(
    "key",
    [
        *("counter#visits", "counter#visits#2", "counter#visits#once#k", "counter#visits#new#1"),
        *("once#k", "orders#1", "lock#a", "lock#a#3"),
    ],
)
def test_nothing_is_written_but_locks(operator, reader, key):
    kind = key.partition("#")[0]
    unseen = "#once#" in key or "#new#" in key
    seen = set() if unseen else {"lock": READS, "counter": COUNTED}.get(kind, set())
    written = {"UpdateItem"} if kind == "lock" else set()
    for statements_of, expected in ((reader, seen), (operator, seen | written)):
        may = {
            action.removeprefix("dynamodb:")
            for action in ACTIONS
            if allowed(statements_of, Request(action, TABLE, (key,))) and "Describe" not in action
        }
        assert may == expected


def test_without_naming_an_item_the_table_is_described_and_no_more(anyone):
    for action in ACTIONS:
        described = action.removeprefix("dynamodb:") in DESCRIBING
        assert allowed(anyone, Request(action, TABLE)) is described, action
