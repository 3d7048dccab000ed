"""A table is described, made and waited for, step by step, in simulated time."""

from typing import Any

import pytest

from interlock._protocol.faults import Fault, NotSent, Refused
from interlock._protocol.layout import DEFAULT
from interlock._protocol.requests import Call, Draw, Monotonic, Sleep
from interlock._protocol.tables import create, problems, schema, time_to_live
from interlock.errors import (
    AccessDenied,
    InvalidValue,
    RequestRefused,
    ServiceUnavailable,
    TableUnfit,
)
from tests.layouts import LAYOUT

SCHEMA = {
    "TableName": "t",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "PK", "AttributeType": "S"},
        {"AttributeName": "SK", "AttributeType": "S"},
        {"AttributeName": "GSI1PK", "AttributeType": "S"},
    ],
    "KeySchema": [
        {"AttributeName": "PK", "KeyType": "HASH"},
        {"AttributeName": "SK", "KeyType": "RANGE"},
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "GSI1",
            "KeySchema": [
                {"AttributeName": "GSI1PK", "KeyType": "HASH"},
                {"AttributeName": "PK", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
    ],
}
UNLISTED = {
    "TableName": "t",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
}
IN_USE = Refused("ResourceInUseException", "Table already exists: t")


def test_a_schema_has_the_keys_and_the_index_of_a_layout():
    assert schema("t", LAYOUT) == SCHEMA
    assert schema("t", listing=False) == UNLISTED
    assert schema("t") == schema("t", DEFAULT, listing=True)
    assert [index["IndexName"] for index in schema("t")["GlobalSecondaryIndexes"]] == ["listing"]


def test_items_expire_by_the_attribute_of_a_layout():
    assert time_to_live("t") == {
        "TableName": "t",
        "TimeToLiveSpecification": {"AttributeName": "expires", "Enabled": True},
    }
    assert time_to_live("t", LAYOUT)["TimeToLiveSpecification"]["AttributeName"] == "ttl"


def states(table="ACTIVE", index="ACTIVE", of=SCHEMA):
    """Describe a table, and its index, in these states; None: a store that does not say."""
    described = dict(of)
    if table is not None:
        described["TableStatus"] = table
    if index is not None and "GlobalSecondaryIndexes" in of:
        described["GlobalSecondaryIndexes"] = [
            one | {"IndexStatus": index} for one in of["GlobalSecondaryIndexes"]
        ]
    return {"Table": described}


def expiring(status=None, attribute="ttl"):
    description = {} if status is None else {"TimeToLiveStatus": status, "AttributeName": attribute}
    return {"TimeToLiveDescription": description}


class Service:
    """Answers each operation with what comes next for it, and with the last of it from then on."""

    def __init__(self, **answers: Any) -> None:
        self.answers = {"CreateTable": [{}], "UpdateTimeToLive": [{}], **answers}
        self.now, self.calls, self.slept = 1000.0, [], []  # type: ignore[var-annotated]

    def make(self, layout=LAYOUT, *, timeout=10.0, **options):
        options = {"deletion_protection": False, "listing": True, **options}
        operation, reply, fault = create("t", timeout=timeout, layout=layout, **options), None, None
        while True:
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as end:
                return end.value
            reply = fault = None
            if isinstance(request, Call):
                self.calls.append(request)
                reply = self.answer(request.operation)
                if isinstance(reply, Fault):
                    fault = reply
            elif isinstance(request, Sleep):
                self.slept.append(request.seconds)
                self.now += request.seconds
            else:
                reply = {Monotonic: self.now, Draw: 0.5}[type(request)]

    def answer(self, operation):
        answers = self.answers[operation]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def operations(self):
        return [call.operation for call in self.calls]


def service(described=None, expires=None, **answers):
    return Service(
        DescribeTable=described or [states()], DescribeTimeToLive=expires or [expiring()], **answers
    )


ALL = ["CreateTable", "DescribeTable", "DescribeTimeToLive", "UpdateTimeToLive"]


@pytest.mark.parametrize(
    ("layout", "described", "options", "parameters"),
    [
        (LAYOUT, states(), {}, SCHEMA),
        (LAYOUT, states(), {"deletion_protection": True}, {"DeletionProtectionEnabled": True}),
        (DEFAULT, states(of=UNLISTED), {"listing": False}, UNLISTED),
    ],
    ids=["plain", "protected", "unlisted"],
)
def test_a_table_is_made_and_its_items_expire(layout, described, options, parameters):
    it = service([described])
    assert it.make(layout, **options) is True
    assert it.operations == ALL
    made, *looks, expiry = it.calls
    assert made.params == {**schema("t", layout, listing=layout is LAYOUT), **parameters}
    assert ("DeletionProtectionEnabled" in made.params) is ("deletion_protection" in options)
    assert [look.params for look in looks] == [{"TableName": "t"}] * 2
    assert expiry.params == time_to_live("t", layout)
    assert {call.deadline for call in it.calls} == {1010.0}
    assert it.slept == []


@pytest.mark.parametrize("status", ["ENABLED", "ENABLING"])
def test_a_table_that_exists_and_fits_is_left_as_it_is(status):
    it = service(expires=[expiring(status)], CreateTable=[IN_USE])
    assert it.make() is False
    assert it.operations == ALL[:3]


@pytest.mark.parametrize("status", ["DISABLED", "DISABLING", None])
def test_a_table_whose_items_do_not_expire_is_made_to_let_them(status):
    it = service(expires=[expiring(status)], CreateTable=[IN_USE])
    assert it.make() is False
    assert it.operations == ALL


def test_a_table_whose_items_expire_by_another_attribute_is_refused():
    it = service(expires=[expiring("ENABLED", "gone")])
    with pytest.raises(TableUnfit, match="expire by 'gone', not by 'ttl'"):
        it.make()


@pytest.mark.parametrize(
    "made",
    [
        [states("CREATING", "CREATING"), states("ACTIVE", "CREATING"), states()],
        [states("CREATING"), states("UPDATING"), states()],
        [states(None), states(None), states(index=None)],
    ],
    ids=["index", "table", "unsaid"],
)
def test_a_table_is_waited_for_until_all_of_it_is_active(made):
    it = service(made)
    assert it.make() is True
    assert it.operations == [ALL[0], *ALL[1:2] * 3, *ALL[2:]]
    assert len(it.slept) == 2
    assert all(0 < pause <= 5 for pause in it.slept)


def test_a_table_that_stays_in_the_making_is_given_up_in_time():
    it = service([states("CREATING")])
    with pytest.raises(ServiceUnavailable, match="'t' is not active yet: CREATING, ACTIVE"):
        it.make(timeout=3.0)
    assert 1001.0 < it.now <= 1003.0


@pytest.mark.parametrize("operation", ALL)
def test_a_call_that_is_not_answered_is_made_again(operation):
    usual = {"DescribeTable": states(), "DescribeTimeToLive": expiring()}.get(operation, {})
    it = Service(
        **{
            "DescribeTable": [states()],
            "DescribeTimeToLive": [expiring()],
            operation: [NotSent("no"), Refused("ThrottlingException"), usual],
        }
    )
    assert it.make() is True
    assert it.operations.count(operation) == 3
    assert len(it.slept) == 2


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize(
    ("fault", "error"),
    [(NotSent("no"), ServiceUnavailable), (Refused("AccessDeniedException"), AccessDenied)],
    ids=["unreachable", "denied"],
)
def test_a_call_that_fails_for_good_is_told(operation, fault, error):
    it = Service(
        **{"DescribeTable": [states()], "DescribeTimeToLive": [expiring()], operation: [fault]}
    )
    with pytest.raises(error):
        it.make()
    assert it.now < 1011.0


def test_a_table_in_use_is_expected_by_its_making_alone():
    it = service(UpdateTimeToLive=[Refused("ResourceInUseException", "busy")])
    with pytest.raises(RequestRefused, match="busy"):
        it.make()


@pytest.mark.parametrize("name", ["", None, 7])
def test_what_is_no_name_makes_no_table(name):
    operation = create(name, deletion_protection=False, timeout=1.0, layout=DEFAULT, listing=True)
    with pytest.raises(InvalidValue, match="is not a table's name"):
        next(operation)


def changed(**difference):
    return {name: value for name, value in (SCHEMA | difference).items() if value is not None}


def keys(hash_key, range_key):
    pairs = zip(("HASH", "RANGE"), (hash_key, range_key), strict=True)
    return [{"AttributeName": name, "KeyType": kind} for kind, name in pairs if name]


def types(**of):
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in of.items()]


INDEX: dict[str, Any] = SCHEMA["GlobalSecondaryIndexes"][0]  # type: ignore[assignment]
NO_INDEX = (
    "it has no global secondary index 'GSI1', which lists counters (listing=False does without)"
)
WORDS = "not the partition key 'PK' and the sort key 'SK'"
UNFIT: dict[str, tuple[dict[str, Any], list[str]]] = {
    "nothing": (SCHEMA, []),
    "key": (changed(KeySchema=keys("pk", "SK")), [f"its key is ['pk', 'SK'], {WORDS}"]),
    "no sort key": (changed(KeySchema=keys("PK", None)), [f"its key is ['PK'], {WORDS}"]),
    "order of the key": (changed(KeySchema=keys("PK", "SK")[::-1]), []),
    "type": (
        changed(AttributeDefinitions=types(PK="N", SK="S")),
        ["its partition key 'PK' is of type N, not S"],
    ),
    "type of the sort key": (
        changed(AttributeDefinitions=types(PK="S", SK="B")),
        ["its sort key 'SK' is of type B, not S"],
    ),
    "no types": (
        changed(AttributeDefinitions=None),
        [
            "its partition key 'PK' is of type None, not S",
            "its sort key 'SK' is of type None, not S",
        ],
    ),
    "no index": (changed(GlobalSecondaryIndexes=None), [NO_INDEX]),
    "another index": (
        changed(GlobalSecondaryIndexes=[INDEX | {"IndexName": "other"}]),
        [NO_INDEX],
    ),
    "key of the index": (
        changed(GlobalSecondaryIndexes=[INDEX | {"KeySchema": keys("GSI1PK", "SK")}]),
        ["its index 'GSI1' has the key ['GSI1PK', 'SK'], not GSI1PK, PK"],
    ),
    "an index beside it": (
        changed(GlobalSecondaryIndexes=[INDEX | {"IndexName": "other", "KeySchema": []}, INDEX]),
        [],
    ),
}


@pytest.mark.parametrize(("table", "said"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_is_said(table, said):
    assert problems(table, LAYOUT, listing=True) == said


@pytest.mark.parametrize("table", [SCHEMA, UNFIT["no index"][0], UNFIT["key of the index"][0]])
def test_without_a_listing_no_index_is_looked_for(table):
    assert problems(table, LAYOUT, listing=False) == []


def test_a_table_that_does_not_fit_is_told_before_it_is_waited_for():
    it = service([states("CREATING", of=changed(GlobalSecondaryIndexes=None))])
    with pytest.raises(TableUnfit) as unfit:
        it.make()
    assert (unfit.value.table, unfit.value.problems) == ("t", [NO_INDEX])
    assert it.slept == []
