"""What the protocols ask in the names of another layout, and what the answers mean in their own."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.faults import CancellationReason, NoReply, Refused
from interlock._protocol.layout import OWN_PREFIXES, RESERVED
from interlock._protocol.locks.reading import LockPage
from interlock._protocol.requests import Call, Monotonic
from interlock._protocol.translation import Translation
from interlock.errors import CorruptRecord, TableUnfit
from interlock.tables import TableLayout
from tests.layouts import LAYOUT, layouts

OWN_KEY = {"pk": {"S": "lock#a"}}
KEY = {"PK": {"S": "COORD#lock#a"}, "SK": {"S": "interlock"}}
OWN_ITEM = OWN_KEY | {"listing": {"S": "counter"}, "expires": {"N": "9"}, "fence": {"N": "1"}}
ITEM = KEY | {"GSI1PK": {"S": "COORD#counter"}, "ttl": {"N": "9"}, "fence": {"N": "1"}}
# An item of the application's, in the same table.
ANOTHER_KEY = {"PK": {"S": "ORDER#1"}, "SK": {"S": "META"}}
ANOTHER = ANOTHER_KEY | {"fence": {"N": "1"}}


def sent(operation, params, layout=LAYOUT):
    return Translation(layout).call(Call(operation, params, 7.0))


ASKED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a key": ({"Key": OWN_KEY, "TableName": "t"}, {"Key": KEY, "TableName": "t"}),
    "an item": ({"Item": OWN_ITEM}, {"Item": ITEM}),
    "names by themselves": (
        {
            "ConditionExpression": "attribute_exists(pk) AND fence = :f AND expires < :now",
            "UpdateExpression": "SET expires = :e, spk = expires.pk REMOVE pkx, #pk, a.expires",
        },
        {
            "ConditionExpression": "attribute_exists(#in_pk) AND fence = :f AND #in_expires < :now",
            "UpdateExpression": (
                "SET #in_expires = :e, spk = #in_expires.pk REMOVE pkx, #pk, a.expires"
            ),
            "ExpressionAttributeNames": {"#in_pk": "PK", "#in_expires": "ttl"},
        },
    ),
    "names by placeholders": (
        {"ExpressionAttributeNames": {"#k": "pk", "#t": "expires", "#l": "listing", "#f": "fence"}},
        {"ExpressionAttributeNames": {"#k": "PK", "#t": "ttl", "#l": "GSI1PK", "#f": "fence"}},
    ),
    "names of both kinds": (
        {
            "ProjectionExpression": "pk, #v",
            "FilterExpression": "listing = :x",
            "ExpressionAttributeNames": {"#v": "value"},
        },
        {
            "ProjectionExpression": "#in_pk, #v",
            "FilterExpression": "#in_listing = :x",
            "ExpressionAttributeNames": {"#v": "value", "#in_pk": "PK", "#in_listing": "GSI1PK"},
        },
    ),
    "no names": ({"ConditionExpression": "fence = :f"}, {"ConditionExpression": "fence = :f"}),
    "keys among the values": (
        {"ExpressionAttributeValues": {":listing": {"S": "c"}, ":x": {"S": "lock#"}}},
        {"ExpressionAttributeValues": {":listing": {"S": "COORD#c"}, ":x": {"S": "lock#"}}},
    ),
    "an index": (
        {
            "IndexName": "listing",
            "KeyConditionExpression": "listing = :listing AND begins_with(pk, :prefix)",
            "ExpressionAttributeValues": {":listing": {"S": "c"}, ":prefix": {"S": "counter#v"}},
            "ExclusiveStartKey": {"pk": {"S": "counter#a"}, "listing": {"S": "c"}},
        },
        {
            "IndexName": "GSI1",
            "KeyConditionExpression": "#in_listing = :listing AND begins_with(#in_pk, :prefix)",
            "ExpressionAttributeNames": {"#in_listing": "GSI1PK", "#in_pk": "PK"},
            "ExpressionAttributeValues": {
                ":listing": {"S": "COORD#c"},
                ":prefix": {"S": "COORD#counter#v"},
            },
            "ExclusiveStartKey": {
                "PK": {"S": "COORD#counter#a"},
                "SK": {"S": "interlock"},
                "GSI1PK": {"S": "COORD#c"},
            },
        },
    ),
    "actions": (
        {"TransactItems": [{"Put": {"Item": OWN_ITEM}}, {"Delete": {"Key": OWN_KEY}}]},
        {"TransactItems": [{"Put": {"Item": ITEM}}, {"Delete": {"Key": KEY}}]},
    ),
    "keys of a batch": (
        {
            "RequestItems": {
                "t": {
                    "Keys": [OWN_KEY],
                    "ConsistentRead": True,
                    "ProjectionExpression": "pk, fence",
                }
            }
        },
        {
            "RequestItems": {
                "t": {
                    "Keys": [KEY],
                    "ConsistentRead": True,
                    "ProjectionExpression": "#in_pk, fence",
                    "ExpressionAttributeNames": {"#in_pk": "PK"},
                }
            }
        },
    ),
    "statements": (
        {
            "Statements": [
                {
                    "Statement": 'UPDATE "expires" SET "expires" = ? WHERE "v" = ? AND "pk" = ?',
                    "Parameters": [{"N": "1"}, {"S": "v"}, OWN_KEY["pk"]],
                }
            ]
        },
        {
            "Statements": [
                {
                    "Statement": (
                        'UPDATE "expires" SET "ttl" = ? WHERE "v" = ? AND "PK" = ? AND "SK" = ?'
                    ),
                    "Parameters": [{"N": "1"}, {"S": "v"}, KEY["PK"], KEY["SK"]],
                }
            ]
        },
    ),
}


@pytest.mark.parametrize(("asked", "as_sent"), ASKED.values(), ids=ASKED)
def test_what_is_asked_is_sent_in_the_names_of_the_layout(asked, as_sent):
    assert sent("UpdateItem", asked) == Call("UpdateItem", as_sent, 7.0)


def test_a_name_with_quotes_is_quoted_in_a_statement():
    layout = TableLayout(partition_key='p"k', sort_key=('s"k', "x"))
    statement = {"Statement": 'UPDATE "t" SET "v" = ? WHERE "pk" = ?', "Parameters": [{"S": "a"}]}
    (one,) = sent("BatchExecuteStatement", {"Statements": [statement]}, layout).params["Statements"]
    assert one["Statement"] == 'UPDATE "t" SET "v" = ? WHERE "p""k" = ? AND "s""k" = ?'


def test_a_scan_passes_over_items_with_another_sort_key():
    assert sent("Scan", SCAN).params == {
        "TableName": "t",
        "FilterExpression": "begins_with(#pk, :prefix) AND #in_sort = :in_sort",
        "ExpressionAttributeNames": {"#pk": "PK", "#in_sort": "SK"},
        "ExpressionAttributeValues": {
            ":prefix": {"S": "COORD#lock#"},
            ":in_sort": {"S": "interlock"},
        },
    }
    unsorted = sent("Scan", SCAN, TableLayout(prefix="p/")).params
    assert unsorted["FilterExpression"] == SCAN["FilterExpression"]


def test_what_is_asked_is_not_changed_itself():
    asked = {"Key": dict(OWN_KEY), "ConditionExpression": "attribute_exists(pk)"}
    sent("DeleteItem", asked)
    assert asked == {"Key": OWN_KEY, "ConditionExpression": "attribute_exists(pk)"}


ANSWERED: dict[str, tuple[Any, Any]] = {
    "an item": ({"Item": ITEM}, {"Item": OWN_ITEM}),
    "attributes": ({"Attributes": ITEM, "x": 1}, {"Attributes": OWN_ITEM, "x": 1}),
    "a part of an item": ({"Item": {"fence": {"N": "1"}}}, {"Item": {"fence": {"N": "1"}}}),
    "items, some of another sort key": ({"Items": [ITEM, ANOTHER]}, {"Items": [OWN_ITEM]}),
    "items without their sort key": (
        {"Items": [{"PK": {"S": "COORD#lock#a"}}]},
        {"Items": [OWN_KEY]},
    ),
    "a key without the prefix": (
        {"Item": ANOTHER},
        {"Item": {"pk": {"S": "ORDER#1"}, "fence": {"N": "1"}}},
    ),
    "a key that is no text": ({"Item": {"PK": {"N": "1"}}}, {"Item": {"pk": {"N": "1"}}}),
    "the end of a page": ({"LastEvaluatedKey": KEY}, {"LastEvaluatedKey": OWN_KEY}),
    "items by table": ({"Responses": {"t": [ITEM]}}, {"Responses": {"t": [OWN_ITEM]}}),
    "items by action": (
        {"Responses": [{"Item": ITEM, "x": 1}, {}, {"Error": {"Code": "X"}}]},
        {"Responses": [{"Item": OWN_ITEM, "x": 1}, {}, {"Error": {"Code": "X"}}]},
    ),
    "keys that are left": (
        {"UnprocessedKeys": {"t": {"Keys": [KEY], "ConsistentRead": True}}},
        {"UnprocessedKeys": {"t": {"Keys": [OWN_KEY], "ConsistentRead": True}}},
    ),
    "no keys that are left": (
        {"UnprocessedKeys": {"t": {"x": 1}}},
        {"UnprocessedKeys": {"t": {"x": 1, "Keys": []}}},
    ),
}
# What a proxy or another store may say: it is left to the protocols, which do not believe it.
NONSENSE: dict[str, Any] = {
    "no answer": None,
    "a text": "<html>",
    "an item that is none": {"Item": 5, "Attributes": "x"},
    "an attribute that is none": {"Item": {"pk": None}},
    "an attribute of two kinds": {"Item": {"pk": {"S": 5}}},
    "items that are none": {"Items": "x"},
    "items among which is none": {"Items": [None, "x"]},
    "responses that are none": {"Responses": "x"},
    "responses among which is none": {"Responses": [None, "Item", {"Item": None}]},
    "an end that is none": {"LastEvaluatedKey": "x"},
    "keys that are none": {"UnprocessedKeys": "x"},
}


@pytest.mark.parametrize(("answered", "understood"), ANSWERED.values(), ids=ANSWERED)
def test_an_answer_is_understood_in_the_names_of_the_protocols(answered, understood):
    assert Translation(LAYOUT).reply(answered) == understood


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_answer_is_left_as_it_is(answer):
    assert Translation(LAYOUT).reply(answer) == answer


def test_a_refusal_shows_the_items_in_the_names_of_the_protocols():
    reasons = (CancellationReason("ConditionalCheckFailed", "m", ITEM), CancellationReason("None"))
    refusal = Translation(LAYOUT).fault(Refused("C", item=ITEM, reasons=reasons))
    assert isinstance(refusal, Refused)
    assert refusal.item == OWN_ITEM
    assert refusal.reasons == (
        CancellationReason("ConditionalCheckFailed", "m", OWN_ITEM),
        CancellationReason("None"),
    )


def run(operation, *answers):
    """Run an operation of a client in the layout; return its requests, and its result or error."""
    translated, requests = Translation(LAYOUT).operation(operation), []
    try:
        request = next(translated)
        for answer in answers:
            requests.append(request)
            if isinstance(answer, Exception):
                request = translated.throw(answer)
            else:
                request = translated.send(answer)
    except StopIteration as end:
        return requests, end.value
    except (CorruptRecord, TableUnfit) as error:
        return requests, error
    raise AssertionError("it asks for more")


def test_an_operation_asks_and_is_answered_until_it_ends():
    def operation():
        now = yield Monotonic()
        reply = yield Call("GetItem", {"Key": OWN_KEY})
        try:
            yield Call("PutItem", {"Item": OWN_ITEM})
        except Refused as refusal:
            again = yield Monotonic()
            return now, reply, refusal.item, again

    requests, result = run(operation(), 5.0, {"Item": ITEM}, Refused("C", item=ITEM), 6.0)
    assert requests == [
        Monotonic(),
        Call("GetItem", {"Key": KEY}),
        Call("PutItem", {"Item": ITEM}),
        Monotonic(),
    ]
    assert result == (5.0, {"Item": OWN_ITEM}, OWN_ITEM, 6.0)


def test_a_lost_reply_reaches_the_operation_as_it_is():
    lost = NoReply("read timeout")

    def operation():
        try:
            yield Call("GetItem", {"Key": OWN_KEY})
        except NoReply as fault:
            return fault

    assert run(operation(), lost)[1] is lost


def corrupt(*, newer=False):
    return CorruptRecord("t", "lock#a", "expires", {"S": "x"}, newer=newer)


def told(error):
    return error.table, error.key, error.attribute, error.value, error.newer


@pytest.mark.parametrize("newer", [True, False])
def test_a_corrupt_record_is_told_as_the_table_has_it(newer):
    def operation():
        yield Monotonic()
        raise corrupt(newer=newer) from cause

    cause = ValueError()
    _, error = run(operation(), 5.0)
    assert told(error) == ("t", "COORD#lock#a", "ttl", {"S": "x"}, newer)
    assert error.__cause__ is cause


def test_corrupt_records_of_a_page_are_told_as_the_table_has_them():
    def operation():
        yield Monotonic()
        return LockPage((), (corrupt(),), 3, "x")

    _, page = run(operation(), 5.0)
    assert (page.locks, page.scanned, page.after) == ((), 3, "x")
    assert [error.key for error in page.corrupt] == ["COORD#lock#a"]


def test_a_table_that_does_not_fit_is_told_with_what_the_layout_looks_for():
    def operation():
        yield Monotonic()
        raise TableUnfit("t", ["it has no index"]) from cause

    cause = ValueError()
    _, error = run(operation(), 5.0)
    assert error.problems[0] == "it has no index"
    assert "'PK'" in error.problems[1]
    assert error.__cause__ is cause


SCAN: dict[str, Any] = {
    "TableName": "t",
    "FilterExpression": "begins_with(#pk, :prefix)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ExpressionAttributeValues": {":prefix": {"S": "lock#"}},
}


@given(
    layouts(),
    st.sampled_from(OWN_PREFIXES),
    st.text(max_size=30),
    st.dictionaries(st.sampled_from(sorted(RESERVED | {"expires"})), st.integers().map(str)),
)
def test_an_item_comes_back_as_it_went_out(layout, prefix, name, attributes):
    translation = Translation(layout)
    key = {"pk": {"S": prefix + name}}
    item = key | {attribute: {"N": value} for attribute, value in attributes.items()}
    item["listing"] = {"S": "counter"}
    sent = translation.call(Call("PutItem", {"TableName": "t", "Item": item})).params["Item"]
    assert {n: sent[n]["S"] for n in layout.key_names} == layout.key(prefix + name)
    for member in ("Item", "Attributes"):
        assert translation.reply({member: sent})[member] == item
    request = {"t": {"Keys": [key], "ConsistentRead": True}}
    batch = translation.call(Call("BatchGetItem", {"RequestItems": request})).params["RequestItems"]
    assert translation.reply({"UnprocessedKeys": batch})["UnprocessedKeys"] == request
    (started,) = (
        translation.call(Call("Query", {"ExclusiveStartKey": end})).params["ExclusiveStartKey"]
        for end in [translation.reply({"LastEvaluatedKey": sent})["LastEvaluatedKey"]]
    )
    assert started == sent


@given(layouts(), st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_page_goes_on_after_an_item_of_another(layout, partition, sort):
    translation = Translation(layout)
    names = layout.key_names
    last = {name: {"S": text} for name, text in zip(names, (partition, sort), strict=False)}
    end = translation.reply({"LastEvaluatedKey": last})["LastEvaluatedKey"]
    again = translation.call(Call("Scan", SCAN | {"ExclusiveStartKey": end})).params
    assert again["ExclusiveStartKey"] == last


@pytest.mark.parametrize("last", [KEY, KEY | {"SK": {"S": "META"}}, ANOTHER_KEY])
def test_a_page_goes_on_after_the_item_that_it_ended_with(last):
    end = Translation(LAYOUT).reply({"LastEvaluatedKey": last})["LastEvaluatedKey"]
    assert list(end) == ["pk"]
    assert sent("Scan", SCAN | {"ExclusiveStartKey": end}).params["ExclusiveStartKey"] == last
