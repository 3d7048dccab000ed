"""A table is made as the library needs it, and one that does not fit is refused; on both halves."""

from dataclasses import replace
from datetime import timedelta

import boto3
import pytest
from moto import mock_aws

from interlock import CounterClient, client_config
from interlock._drivers.attempts import install
from interlock._drivers.clients import fault_of, method_name
from interlock._drivers.environment import Environment
from interlock._protocol.faults import NotSent, Refused
from interlock.errors import AccessDenied, InvalidValue, ServiceUnavailable, TableUnfit
from tests.layouts import LAYOUT


@pytest.fixture
def moto(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1", config=client_config())
        install(client)
        yield client


@pytest.fixture
def create(half, moto):
    """Return `create_table` of a half, over moto."""

    def answer(operation, params):
        try:
            return getattr(moto, method_name(operation))(**params)
        except moto.exceptions.ClientError as error:
            raise fault_of(error) from error

    return lambda name, **options: created(half, half.client(answer), name, **options)


def created(half, client, name, **options):
    result = half.tables.create_table(name, client=client, **options)
    return half.run(result) if half.awaitable else result


def test_a_table_is_made_once_and_serves(create, moto):
    assert create("t") is True
    assert create("t") is False
    counters = CounterClient("t", client=moto)
    counters.counter("visits").increment()
    assert list(counters.names()) == ["visits"]


def test_the_tables_items_expire(create, moto):
    create("t")
    description = moto.describe_time_to_live(TableName="t")["TimeToLiveDescription"]
    assert description == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


def test_a_table_can_be_protected(create, moto):
    create("t", deletion_protection=True)
    assert moto.describe_table(TableName="t")["Table"]["DeletionProtectionEnabled"] is True


@pytest.mark.parametrize(
    ("difference", "problem"),
    [
        ({"GlobalSecondaryIndexes": None}, "no global secondary index 'listing'"),
        (
            {
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "listing", "KeyType": "RANGE"},
                ]
            },
            "its key is \\['pk', 'listing'\\]",
        ),
        (
            {
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "N"},
                    {"AttributeName": "listing", "AttributeType": "S"},
                ]
            },
            "of type N, not S",
        ),
    ],
    ids=["no index", "sort key", "key of numbers"],
)
def test_a_table_that_does_not_fit_is_refused(half, create, moto, difference, problem):
    parameters = half.tables.schema("t") | difference
    if difference.get("GlobalSecondaryIndexes", 1) is None:
        parameters["AttributeDefinitions"] = parameters["AttributeDefinitions"][:1]
    moto.create_table(**{name: value for name, value in parameters.items() if value is not None})
    with pytest.raises(TableUnfit, match=problem) as unfit:
        create("t")
    assert unfit.value.table == "t"


def test_a_table_whose_items_expire_by_another_attribute_is_refused(half, create, moto):
    moto.create_table(**half.tables.schema("t"))
    specification = {"AttributeName": "ttl", "Enabled": True}
    moto.update_time_to_live(TableName="t", TimeToLiveSpecification=specification)
    with pytest.raises(TableUnfit, match="expire by 'ttl'"):
        create("t")


def test_a_table_that_lists_no_counters_is_made_and_counts(create, moto):
    assert create("t", listing=False) is True
    assert create("t", listing=False) is False
    assert not moto.describe_table(TableName="t")["Table"].get("GlobalSecondaryIndexes")
    counters = CounterClient("t", client=moto)
    assert counters.counter("visits").increment().value == 1
    with pytest.raises(TableUnfit, match="listing=False does without"):
        create("t")


def test_a_table_with_the_index_serves_who_asks_for_none(create):
    create("t")
    assert create("t", listing=False) is False
    with pytest.raises(InvalidValue, match="listing"):
        create("u", listing="no")


def test_a_table_of_another_layout_is_made_once_and_serves(create, moto):
    assert create("t", layout=LAYOUT) is True
    assert create("t", layout=LAYOUT) is False
    counters = CounterClient("t", client=moto, layout=LAYOUT)
    counters.counter("visits").increment()
    assert list(counters.names()) == ["visits"]
    (item,) = moto.scan(TableName="t")["Items"]
    assert {"PK": item["PK"], "SK": item["SK"]} == {
        "PK": {"S": "COORD#counter#visits"},
        "SK": {"S": "interlock"},
    }
    description = moto.describe_time_to_live(TableName="t")["TimeToLiveDescription"]
    assert description["AttributeName"] == "ttl"


@pytest.mark.parametrize(
    ("made", "asked", "problem"),
    [
        (None, LAYOUT, "its key is \\['pk'\\], not the partition key 'PK' and the sort key 'SK'"),
        (LAYOUT, None, "its key is \\['PK', 'SK'\\], not the partition key 'pk' alone"),
        (replace(LAYOUT, listing_key="other"), LAYOUT, "index 'GSI1' has the key"),
        (replace(LAYOUT, ttl="gone"), LAYOUT, "expire by 'gone', not by 'ttl'"),
    ],
    ids=["default", "other", "index", "ttl"],
)
def test_a_table_of_another_layout_than_asked_for_is_refused(create, made, asked, problem):
    create("t", layout=made)
    with pytest.raises(TableUnfit, match=problem):
        create("t", layout=asked)


def test_what_is_no_layout_makes_no_table(create, moto):
    with pytest.raises(InvalidValue, match="is no TableLayout"):
        create("t", layout="partition_key=PK")
    assert moto.list_tables()["TableNames"] == []


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_name_is_a_string(create, name):
    with pytest.raises(InvalidValue, match="table"):
        create(name)


class Time:
    def __init__(self):
        self.now = 0.0

    def read(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize(
    ("fault", "error"),
    [(NotSent("no"), ServiceUnavailable), (Refused("AccessDeniedException", "no"), AccessDenied)],
)
def test_a_store_that_does_not_answer_is_given_up_in_time(half, fault, error):
    def answer(_operation, _params):
        raise fault

    time = Time()
    client = half.client(answer, Environment(monotonic=time.read, draw=lambda: 0.0))
    with pytest.raises(error):
        created(half, client, "t", timeout=timedelta(seconds=20))
    assert time.now < 30
