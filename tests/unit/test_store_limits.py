"""What no table can hold is refused at the door, by its name, before anything is sent."""

import pytest

from interlock.errors import InvalidValue

LONG = "n" * 65536
SURROGATE = "\udfff"
KEY = {"pk": "a"}
BODIES = {
    "a put with a name that has no text": lambda tx: tx.put("t", KEY, {SURROGATE: 1}),
    "a name within": lambda tx: tx.put("t", KEY, {"v": {SURROGATE: 1}}),
    "an update": lambda tx: tx.update("t", KEY, {SURROGATE: 1}),
    "an addition": lambda tx: tx.update("t", KEY, add={SURROGATE: 1}),
    "a removal": lambda tx: tx.update("t", KEY, remove=[SURROGATE]),
    "a removal of nothing": lambda tx: tx.update("t", KEY, remove=[""]),
    "a name that is too long": lambda tx: tx.put("t", KEY, {LONG: 1}),
    "an empty key": lambda tx: tx.get("t", {"pk": ""}),
    "an empty key of bytes": lambda tx: tx.put("t", {"pk": b""}, {"v": 1}),
    "a key that is too long": lambda tx: tx.delete("t", {"pk": "k" * 2049}),
    "a key of too many bytes": lambda tx: tx.get_many([("t", {"pk": "\xe9" * 1025})]),
    "a key of three": lambda tx: tx.get("t", {"a": 1, "b": 2, "c": 3}),
    "no table": lambda tx: tx.put("", KEY, {"v": 1}),
    "a table without a text": lambda tx: tx.put(SURROGATE, KEY, {"v": 1}),
    "a table that is too long": lambda tx: tx.put("t" * 1025, KEY, {"v": 1}),
}


@pytest.fixture
def client(half):
    def answer(operation, params):
        pytest.fail(f"{operation} was sent: {params}")

    return half.client(answer)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_what_no_table_holds_is_refused_before_anything_is_sent(half, client, body):
    transactions = half.wrap(half.transactions.TransactionClient("t", client=client))
    with pytest.raises(InvalidValue) as error:
        transactions.run(half.function(body))
    assert len(str(error.value)) < 500


def test_a_snapshot_of_a_key_whose_name_has_no_text_is_refused(half, client):
    transactions = half.wrap(half.transactions.TransactionClient("t", client=client))
    with pytest.raises(InvalidValue, match="surrogate"):
        transactions.snapshot([("t", {SURROGATE: "a"})])


def test_a_version_attribute_has_a_name_that_can_be(half, client):
    with pytest.raises(InvalidValue, match="version_attribute"):
        half.transactions.TransactionClient("t", client=client, version_attribute=LONG)


def test_a_page_is_not_asked_for_after_what_is_no_name(half, client):
    counters = half.wrap(half.counters.CounterClient("t", client=client))
    with pytest.raises(InvalidValue, match="after"):
        counters.page(after="n" * 513)


@pytest.mark.parametrize("table", ["", "t" * 1025, SURROGATE])
def test_a_client_of_a_table_that_cannot_be_is_refused(half, client, table):
    with pytest.raises(InvalidValue, match="table"):
        half.counters.CounterClient(table, client=client)
