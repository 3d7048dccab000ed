"""A table that exists: schema, grants and variables follow the names that it has for its keys."""

import itertools

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock import CounterClient, LockClient, TableLayout, TransactionClient
from interlock.constructs import CoordinationTable
from interlock.testing import MemoryStore, Table
from tests.constructs.evaluator import Request, allowed, requests
from tests.constructs.test_attaching import function_in, only
from tests.constructs.test_tenants import ACTIONS
from tests.layouts import LAYOUT

TABLE = "app"
INDEX = f"{TABLE}/index/GSI1"
OWN = ["COORD#lock#orders/42", "COORD#lock#orders/42#3", "COORD#counter#orders/a#once#k"]
OWN += ["COORD#once#orders/k", "ORDER#1"]
FOREIGN = [
    "lock#orders/42",  # without the layout's prefix
    "COORD#lock#carriers/42",
    "COORD#lock#orders",
    "COORD#counter#carriers/a",
    "COORD#once#carriers/k",
    "COORD#saga#orders/1",
    "XCOORD#lock#orders/42",
    "coord#lock#orders/42",
    "COORD#ORDER#1",
    "CUSTOMER#1",
    "*",
    "",
]


def attribute(name):
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def app_table(stack, name="App", **changes):
    """Return a table as a single-table design has it."""
    settings = {
        "partition_key": attribute("PK"),
        "sort_key": attribute("SK"),
        "time_to_live_attribute": "ttl",
        "global_secondary_indexes": [
            dynamodb.GlobalSecondaryIndexPropsV2(
                index_name="GSI1", partition_key=attribute("GSI1PK"), sort_key=attribute("PK")
            )
        ],
    }
    return dynamodb.TableV2(stack, name, **(settings | changes))


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    return cdk.Stack(cdk.App(context={"aws:cdk:bundling-stacks": []}), "Stack")


def statements(stack, table):
    """Return the statements of all roles, with the table's ARN as `TABLE`."""
    policies = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    index = stack.resolve(f"{table.table_arn}/index/GSI1")
    names = {str(stack.resolve([table.table_arn])[0]): TABLE, str(index): INDEX}
    return [
        {**statement, "Resource": names[str(statement["Resource"])]}
        for policy in policies
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


@pytest.fixture(scope="module")
def tenant():
    """Return the statements of a tenant that runs transactions on its orders."""
    stack = cdk.Stack(cdk.App(), "Stack")
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    table = CoordinationTable.from_table(stack, "Table", table=app_table(stack), layout=LAYOUT)
    table.grant_locks(role, "orders/*")
    table.grant_counters(role, "orders/*")
    table.grant_transactions(role, once=["orders/*"])
    table.grant_prefix(role, "ORDER#", "*")
    return statements(stack, table)


@pytest.mark.parametrize("key", FOREIGN)
def test_a_tenant_reaches_nothing_outside_its_names_under_the_prefix(tenant, key):
    for action, resource in itertools.product(ACTIONS, (TABLE, INDEX)):
        assert not allowed(tenant, Request(action, resource, (key,))), action
        assert not allowed(tenant, Request(action, resource, (OWN[0], key))), action


@pytest.mark.parametrize("key", OWN)
def test_a_tenant_reaches_its_own(tenant, key):
    assert allowed(tenant, Request("dynamodb:GetItem", TABLE, (key,)))
    write = "PutItem" if "once#orders" in key else "UpdateItem"
    assert allowed(tenant, Request(f"dynamodb:{write}", TABLE, (key,)))


def test_all_that_the_clients_send_is_allowed_and_no_more_is_needed(tenant):
    store = MemoryStore(Table.of(TABLE, LAYOUT))
    counters = CounterClient(TABLE, client=store.client(), layout=LAYOUT)
    counters.counter("orders/a", shards=3).increment(idempotency_key="k")
    tx = TransactionClient(TABLE, client=store.client(), layout=LAYOUT)
    with LockClient(TABLE, client=store.client(), layout=LAYOUT) as locks:
        with locks.acquire("orders/1") as lock:
            tx.run(lambda t: t.guard(lock), idempotency_key="k", operation="orders/ship")
        locks.acquire_all(["orders/1", "orders/2"]).release()
        locks.read_write_lock("orders/3", readers=2).write().release()
    for call in store.calls:
        for request in requests(TABLE, call.operation, call.params, partition_key="PK"):
            assert allowed(tenant, request), request


def test_an_operator_sees_and_breaks_locks_under_the_prefix_alone(stack):
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    table = CoordinationTable.from_table(stack, "Table", table=app_table(stack), layout=LAYOUT)
    assert table.grant_operate(role).success
    operator = statements(stack, table)
    store = MemoryStore(Table.of(TABLE, LAYOUT))
    with LockClient(TABLE, client=store.client(), layout=LAYOUT) as locks:
        store.put(TABLE, LAYOUT.key("lock#a") | {"fence": 7, "version": "v", "lease_ms": 1000})
        assert [record.name for record in locks.page(held=True).locks] == ["a"]
        assert locks.break_lock("a", because="stuck") is not None
    assert {call.operation for call in store.calls} == {"Scan", "GetItem", "UpdateItem"}
    for call in store.calls:
        for request in requests(TABLE, call.operation, call.params, partition_key="PK"):
            assert allowed(operator, request), request
    assert allowed(operator, Request("dynamodb:Query", INDEX, ("COORD#counter",)))
    assert not allowed(operator, Request("dynamodb:Query", INDEX, ("counter",)))
    for key in ("lock#a", "COORD#counter#a"):
        assert not allowed(operator, Request("dynamodb:UpdateItem", TABLE, (key,)))
    for name in ("data", "state"):
        seen = Request(
            "dynamodb:Scan", TABLE, attributes=("PK", name), select="SPECIFIC_ATTRIBUTES"
        )
        assert not allowed(operator, seen)


def test_transactions_on_the_table_spare_the_locks_of_every_layout(stack):
    app = app_table(stack)
    table = CoordinationTable.from_table(stack, "Table", table=app, layout=LAYOUT)
    other = TableLayout.parse(str(LAYOUT).replace("COORD", "TEAM*"))
    CoordinationTable.from_table(stack, "Other", table=app, layout=other)
    table.grant_transactions(iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal()), tables=[app])
    tenant = statements(stack, table)
    assert allowed(tenant, Request("dynamodb:PutItem", TABLE, ("ORDER#1",)))
    for key in ("COORD#lock#a", "COORD#once#o#k", "TEAM*#lock#a", "TEAM*#counter#c"):
        assert not allowed(tenant, Request("dynamodb:PutItem", TABLE, (key,)))
    assert allowed(tenant, Request("dynamodb:PutItem", TABLE, ("TEAMS#lock#a",)))


@pytest.mark.parametrize("prefix", ["COORD#", "COORD#lock#", "COORD#mine#", "lock#"])
def test_an_applications_prefix_does_not_meet_the_layouts(stack, prefix):
    table = CoordinationTable.from_table_name(stack, "Table", TABLE, layout=LAYOUT)
    role = iam.Role(stack, "Role", assumed_by=iam.AnyPrincipal())
    with pytest.raises(ValueError, match="Interlock's own"):
        table.grant_prefix(role, prefix, "*")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sort_key": None}, "give it the partition key 'PK' and the sort key 'SK', of type S"),
        (
            {"partition_key": attribute("pk")},
            "give it the partition key 'PK' and the sort key 'SK', of type S",
        ),
        (
            {"sort_key": dynamodb.Attribute(name="SK", type=dynamodb.AttributeType.NUMBER)},
            "its attribute SK is of type N",
        ),
        ({"time_to_live_attribute": "expires"}, "not by the attribute ttl"),
        ({"global_secondary_indexes": None}, r"index GSI1: partition key GSI1PK"),
    ],
)
def test_a_table_of_this_app_that_does_not_fit_is_refused_early(stack, changes, says):
    table = app_table(stack, **changes)
    with pytest.raises(ValueError, match=says):
        CoordinationTable.from_table(stack, "Table", table=table, layout=LAYOUT)


def test_a_table_of_other_keys_is_refused_with_the_way_out_if_no_layout_is_given(stack):
    with pytest.raises(ValueError, match=r"say by layout=TableLayout\(\.\.\.\)"):
        CoordinationTable.from_table(stack, "Table", table=app_table(stack))


def test_a_function_learns_the_layout_beside_the_tables_name(stack):
    function = function_in(stack)
    table = CoordinationTable.from_table_name(stack, "Table", TABLE, layout=LAYOUT)
    table.attach_to(function, locks=["orders/*"])
    table.attach_to(function, locks=["orders/*"])
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert variables["INTERLOCK_TABLE"] == TABLE
    assert TableLayout.parse(variables["INTERLOCK_TABLE_LAYOUT"]) == LAYOUT


@pytest.mark.parametrize("first", [None, LAYOUT])
def test_one_table_in_two_layouts_takes_two_variables(stack, first):
    function = function_in(stack)
    second = LAYOUT if first is None else None
    one = CoordinationTable.from_table_name(stack, "One", TABLE, layout=first)
    two = CoordinationTable.from_table_name(stack, "Two", TABLE, layout=second)
    one.attach_to(function, locks=["*"])
    with pytest.raises(ValueError, match=r"in INTERLOCK_TABLE, or another layout of it.*variable="):
        two.attach_to(function, locks=["*"])
    two.attach_to(function, locks=["*"], variable="ORDERS")
    variables = only(stack, "AWS::Lambda::Function")["Environment"]["Variables"]
    laid_out = {name for name in variables if name.endswith("_LAYOUT")}
    assert laid_out == {"ORDERS_LAYOUT" if first is None else "INTERLOCK_TABLE_LAYOUT"}


@pytest.mark.parametrize("layout", ["partition_key=PK", {"partition_key": "PK"}, object()])
def test_what_is_no_layout_is_refused(stack, layout):
    with pytest.raises(ValueError, match="is no TableLayout"):
        CoordinationTable.from_table_name(stack, "Table", TABLE, layout=layout)


def test_a_layout_from_a_token_is_refused_before_anything_is_made(stack):
    stage = cdk.CfnParameter(stack, "Stage").value_as_string
    layout = TableLayout(prefix=stage)
    arn = "arn:aws:dynamodb:eu-west-1:222222222222:table/app"
    for use in (
        lambda: CoordinationTable.from_table_name(stack, "Table", TABLE, layout=layout),
        lambda: CoordinationTable.from_table_arn(stack, "Table", arn, layout=layout),
        lambda: CoordinationTable.from_table(
            stack,
            "Table",
            table=dynamodb.TableV2.from_table_name(stack, "App", TABLE),
            layout=layout,
        ),
    ):
        with pytest.raises(ValueError, match="layout has a value from a token"):
            use()
    assert stack.node.try_find_child("Table") is None
