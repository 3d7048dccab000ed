"""The simulator's store answers as DynamoDB does, for any sequence of calls that Hypothesis finds.

What is compared: the replies, the error codes, the items that refuse, the cancellation reasons,
and at the end all that is stored. The texts of messages are not.
"""

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock._drivers.clients import fault_of, method_name
from interlock._protocol.faults import Refused
from interlock.testing._store.attributes import canonical
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.contract.conftest import PATIENT, connected

pytestmark = [pytest.mark.contract, pytest.mark.xdist_group("dynamodb_local")]

KEYS = st.sampled_from([{"pk": {"S": p}, "sk": {"N": s}} for p in "xy" for s in ("1", "2", "10")])
NUMBERS = st.sampled_from(
    ["0", "1", "-1", "2", "3.5", "-0.25", "1E+2", "0010", "99999999999999999999999999999999999999"]
)
SCALARS = st.one_of(
    NUMBERS.map(lambda n: {"N": n}),
    st.sampled_from(["", "a", "ab", "b", "é"]).map(lambda s: {"S": s}),
    st.booleans().map(lambda b: {"BOOL": b}),
    st.just({"NULL": True}),
    st.binary(min_size=1, max_size=2).map(lambda b: {"B": b}),
)
SETS = st.one_of(
    st.sets(st.sampled_from(["a", "b", "c"]), min_size=1).map(lambda s: {"SS": sorted(s)}),
    st.sets(st.sampled_from(["1", "2", "3.5"]), min_size=1).map(lambda s: {"NS": sorted(s)}),
)
VALUES = st.recursive(
    SCALARS | SETS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda members: {"L": members})
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2).map(lambda m: {"M": m})
    ),
    max_leaves=5,
)
PATHS = st.sampled_from(["n", "s", "m", "l", "m.a", "m.b", "l[0]", "l[1]", "l[5]", "m.a.b", "sk"])
TARGETS = st.sampled_from(["n", "s", "m", "l", "m.a", "m.b", "l[0]", "l[1]", "l[5]", "#n"])
ITEMS = st.builds(
    lambda key, rest: {**rest, **key},
    KEYS,
    st.fixed_dictionaries({}, optional=dict.fromkeys("nsml", VALUES)),
)


class Writer:
    """Draws expressions, with a placeholder for each of their values."""

    def __init__(self, draw):
        self.draw = draw
        self.values: dict[str, Any] = {}

    def value(self, values=VALUES):
        name = f":v{len(self.values)}"
        self.values[name] = self.draw(values)
        return name

    def operand(self):
        if self.draw(st.booleans()):
            return self.value()
        path = self.draw(PATHS)
        return f"size({path})" if self.draw(st.integers(0, 4)) == 0 else path

    def condition(self, depth=2):  # noqa: PLR0911 - one return a kind
        kind = self.draw(st.integers(0, 11 if depth else 8))
        path = self.draw(PATHS)
        match kind:
            case 0 | 1:
                return f"attribute_exists({path})"
            case 2:
                return f"attribute_not_exists({path})"
            case 3:
                types = st.sampled_from(["S", "N", "M", "L", "SS", "BOOL"])
                return f"attribute_type({path}, {self.value(types.map(lambda t: {'S': t}))})"
            case 4:
                return f"begins_with({path}, {self.value()})"
            case 5:
                return f"contains({path}, {self.value()})"
            case 6:
                return f"{path} BETWEEN {self.value()} AND {self.value()}"
            case 7:
                return f"{path} IN ({self.value()}, {self.operand()})"
            case 8:
                operator = self.draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
                return f"{self.operand()} {operator} {self.operand()}"
            case 9:
                return f"NOT {self.condition(depth - 1)}"
        word = "AND" if kind == 10 else "OR"
        return f"({self.condition(depth - 1)} {word} {self.condition(depth - 1)})"

    def set_operand(self):
        match self.draw(st.integers(0, 4)):
            case 0:
                return self.draw(PATHS)
            case 1:
                return f"if_not_exists({self.draw(PATHS)}, {self.value()})"
            case 2:
                return f"list_append({self.draw(PATHS)}, {self.value()})"
        return self.value()

    def update(self):
        sections = []
        for verb in self.draw(
            st.lists(st.sampled_from(VERBS), min_size=1, max_size=3, unique=True)
        ):
            clauses = [self.clause(verb) for _ in range(self.draw(st.integers(1, 2)))]
            sections.append(f"{verb} {', '.join(clauses)}")
        return " ".join(sections)

    def clause(self, verb):
        path = self.draw(TARGETS)
        match verb:
            case "SET":
                sign = self.draw(st.sampled_from(["", "", "+", "-"]))
                more = f" {sign} {self.set_operand()}" if sign else ""
                return f"{path} = {self.set_operand()}{more}"
            case "REMOVE":
                return path
            case "ADD":
                return f"{path} {self.value(NUMBERS.map(lambda n: {'N': n}) | SETS)}"
        return f"{path} {self.value(SETS)}"


# DynamoDB Local sends its consumption unasked. Whether a page that is full and the last one has a
# key to go on from is left open; `every_page` follows those keys instead.
_BESIDE = ("ResponseMetadata", "ConsumedCapacity", "LastEvaluatedKey")
VERBS = ("SET", "REMOVE", "ADD", "DELETE")
RETURNS = {
    "PutItem": ["NONE", "ALL_OLD"],
    "DeleteItem": ["NONE", "ALL_OLD"],
    "UpdateItem": ["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"],
}


@st.composite
def writes(draw, *, in_transaction=False):
    """One write: its API name and parameters."""
    kinds = ["PutItem", "UpdateItem", "UpdateItem", "DeleteItem"]
    kind = draw(st.sampled_from(kinds + ["ConditionCheck"] * in_transaction))
    writer = Writer(draw)
    params: dict[str, Any] = {"TableName": "t"}
    params |= {"Item": draw(ITEMS)} if kind == "PutItem" else {"Key": draw(KEYS)}
    text = ""
    if kind == "UpdateItem":
        params["UpdateExpression"] = writer.update()
        text += params["UpdateExpression"]
    if kind == "ConditionCheck" or draw(st.booleans()):
        params["ConditionExpression"] = writer.condition()
        params["ReturnValuesOnConditionCheckFailure"] = draw(st.sampled_from(["NONE", "ALL_OLD"]))
    if "#n" in text:
        params["ExpressionAttributeNames"] = {"#n": "name"}
    if writer.values:
        params["ExpressionAttributeValues"] = writer.values
    if not in_transaction:
        params["ReturnValues"] = draw(st.sampled_from(RETURNS[kind]))
    return kind, params


def key_of(write):
    _, params = write
    item = params.get("Key") or params["Item"]
    return item["pk"], item["sk"]


@st.composite
def transactions(draw):
    # DynamoDB Local carries out one action after the other before it finds a duplicate.
    one_a_key = writes(in_transaction=True)
    actions = draw(st.lists(one_a_key, min_size=1, max_size=3, unique_by=lambda w: str(key_of(w))))
    items = [{kind.removesuffix("Item"): params} for kind, params in actions]
    params = {"TransactItems": items}
    if draw(st.booleans()):
        params["ClientRequestToken"] = draw(st.sampled_from(["one", "two"]))
    return "TransactWriteItems", params


@st.composite
def readings(draw):
    match draw(st.integers(0, 3)):
        case 0:
            params: dict[str, Any] = {"TableName": "t", "Key": draw(KEYS)}
            if draw(st.booleans()):
                paths = draw(st.lists(PATHS, min_size=1, max_size=3, unique=True))
                params["ProjectionExpression"] = ", ".join(paths)
            return "GetItem", params | {"ConsistentRead": True}
        case 1:
            keys = draw(st.lists(KEYS, min_size=1, max_size=3))
            gets = [{"Get": {"TableName": "t", "Key": key}} for key in keys]
            return "TransactGetItems", {"TransactItems": gets}
        case 2:
            writer = Writer(draw)
            condition = "pk = :p" + draw(
                st.sampled_from(["", " AND sk > :s", " AND sk BETWEEN :s AND :u"])
            )
            values: dict[str, Any] = {":p": {"S": "x"}}
            values |= {":s": {"N": "2"}} if ":s" in condition else {}
            values |= {":u": {"N": "9.5"}} if ":u" in condition else {}
            params = {"TableName": "t", "KeyConditionExpression": condition}
            if draw(st.booleans()):
                params["FilterExpression"] = writer.condition()
            params["ScanIndexForward"] = draw(st.booleans())
            if draw(st.booleans()):
                params["Limit"] = draw(st.integers(1, 3))
            params["ExpressionAttributeValues"] = values | writer.values
            return "Query", params
    return "Scan", {"TableName": "t", "ConsistentRead": True}


def every_page(perform, params):
    """Return a caller of a Query that goes on to its end: the items of all pages, and counts."""

    def ask():
        items, more = [], params
        while True:
            page = perform("Query", more)
            items.append(page["Items"])
            if "LastEvaluatedKey" not in page:
                return [page for page in items if page]
            more = params | {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    return ask


def outcome(perform):
    """Return a reply or refusal in a form in which equal answers are equal."""
    try:
        return plain(perform())
    except Refused as refusal:
        reasons = [(reason.code, plain(reason.item)) for reason in refusal.reasons]
        if any(code == "ValidationError" for code, _ in reasons):
            # DynamoDB says which action does not fit its item; DynamoDB Local only that one does
            # not. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
            return "ValidationException", None, []
        return refusal.code, plain(refusal.item), reasons


def plain(value):
    if isinstance(value, dict):
        if len(value) == 1 and next(iter(value)) in ("SS", "NS", "BS", "N"):
            return canonical(value)
        return {k: plain(v) for k, v in value.items() if k not in _BESIDE}
    return [plain(member) for member in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def real(dynamodb_local):
    """Return a client's caller of a new table, and what empties it."""
    client = connected(dynamodb_local, PATIENT)
    name = f"differential-{uuid.uuid4()}"
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )

    def perform(operation, params):
        try:
            return getattr(client, method_name(operation))(**renamed(params, name))
        except ClientError as error:
            raise fault_of(error) from error

    def clear():
        for item in client.scan(TableName=name)["Items"]:
            client.delete_item(TableName=name, Key={k: item[k] for k in ("pk", "sk")})

    yield perform, clear
    client.delete_table(TableName=name)


def renamed(value, table):
    if isinstance(value, dict):
        named = {"TableName": table, "Statement": value.get("Statement", "").replace("$", table)}
        return {k: named[k] if k in named else renamed(v, table) for k, v in value.items()}
    return [renamed(member, table) for member in value] if isinstance(value, list) else value


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(writes() | writes() | transactions() | readings(), min_size=1, max_size=8))
def test_the_simulated_store_answers_as_dynamodb_does(real, calls):
    perform, clear = real
    clear()
    store = Store(Table("t", sort_key="sk", sort_type="N"))
    run = str(uuid.uuid4())
    for operation, params in calls:
        if "ClientRequestToken" in params:
            params["ClientRequestToken"] = f"{run[:30]}-{params['ClientRequestToken']}"
        if operation == "Query":
            pages = [outcome(every_page(ask, params)) for ask in (perform, store.perform)]
            assert pages[1] == pages[0]
        expected = outcome(lambda: perform(operation, params))  # noqa: B023 - called at once
        assert outcome(lambda: store.perform(operation, params)) == expected  # noqa: B023 - so here
    everything = {"TableName": "t", "ConsistentRead": True}
    stored = [plain(ask("Scan", everything))["Items"] for ask in (perform, store.perform)]
    in_order = [sorted(items, key=lambda item: str((item["pk"], item["sk"]))) for items in stored]
    assert in_order[1] == in_order[0]


RELEASE = (
    'UPDATE "$" SET "expires" = ? REMOVE "version" REMOVE "owner" '
    'WHERE "version" = ? AND "queue"[0] IS MISSING AND "pk" = ? AND "sk" = ?'
)
HELD: dict[str, Any] = {"version": {"S": "v"}, "owner": {"S": "o"}, "fence": {"N": "7"}}
ROWS: dict[str, dict[str, Any]] = {
    "held": HELD,
    "bare": {"version": {"S": "v"}},
    "free": {"fence": {"N": "7"}},
    "another's": {**HELD, "version": {"S": "w"}},
    "wanted": {**HELD, "queue": {"L": [{"S": "ticket"}]}},
    "wanted no more": {**HELD, "queue": {"L": []}},
}


def test_each_statement_of_a_batch_is_answered_and_carried_out_as_by_dynamodb(real):
    perform, clear = real
    clear()
    store = Store(Table("t", sort_key="sk", sort_type="N"))
    keys = {name: {"pk": {"S": name}, "sk": {"N": "1"}} for name in (*ROWS, "missing")}
    statements = [
        {
            "Statement": RELEASE,
            "Parameters": [{"N": "9"}, {"S": "v"}, key["pk"], key["sk"]],
        }
        for key in keys.values()
    ]
    found = []
    for ask, table in ((perform, None), (store.perform, "t")):
        for name, row in ROWS.items():
            ask("PutItem", {"TableName": "t", "Item": {**row, **keys[name]}})
        params = {"Statements": statements}
        reply = ask("BatchExecuteStatement", params if table is None else renamed(params, table))
        codes = [answer.get("Error", {}).get("Code") for answer in reply["Responses"]]
        gets = [{"TableName": "t", "Key": key} for key in keys.values()]
        found.append((codes, [plain(ask("GetItem", get).get("Item")) for get in gets]))
    assert found[1] == found[0]
    failed = "ConditionalCheckFailed"
    assert found[0][0] == [None, None, failed, failed, failed, None, failed]
