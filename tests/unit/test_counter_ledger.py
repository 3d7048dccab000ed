"""The ledger of a shard: what an entry says, and the record that it becomes."""

import pytest

from interlock._protocol.counters import ledger
from interlock._protocol.counters.layout import number
from interlock._protocol.counters.ledger import CounterChange, Entry, Once
from interlock.errors import IdempotencyMismatch
from tests.unit.test_counter_adding import handle

ENTRIES = [
    Entry("k", 5, 55, 4600, None),
    Entry("k", -5, -45, 4600, 3),
    Entry("an order 4 - 2 of several words", 5, 55, 4600, 0),
]


def held(*entries):
    """Return a shard's item whose ledger has these entries."""
    item = {"pk": {"S": "counter#c"}, "value": number(7)}
    for each in entries:
        once = Once(each.key, 3600.0)
        item[ledger.CALL + once.digest] = {"S": once.call(each.amount, each.shard, 1000.5)}
        item[ledger.DONE + once.digest] = number(each.value)
    return item


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_an_entry_says_what_was_done_and_how_long_that_is_remembered(entry):
    assert ledger.entries(held(entry)) == [entry]
    assert ledger.entry(held(entry), Once(entry.key, 3600.0)) == entry
    assert ledger.entry(held(entry), Once("another", 3600.0)) is None


def test_a_ledger_holds_entries_of_several_keys():
    entries = [Entry(f"k{i}", i, 50 + i, 4600, None) for i in range(5)]
    assert ledger.entries(held(*entries)) == entries
    names = ledger.attributes(held(*entries))
    assert len(names) == 10
    assert held(*entries).keys() - names == {"pk", "value"}
    assert ledger.entries(held()) == []
    assert ledger.attributes(held()) == []


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_record_says_what_the_entry_said(entry):
    put = entry.record(handle())["Put"]
    assert put["TableName"] == "t"
    assert put["Item"]["pk"] == {"S": f"counter#c#once#{entry.key}"}
    assert put["Item"]["expires"] == number(4600)
    assert ledger.recorded(put["Item"], Once(entry.key, 3600.0)) == entry
    assert ("shard" in put["Item"]) is (entry.shard is not None)


def test_the_record_of_a_transfer_is_another_use_of_the_key():
    item = {**ENTRIES[0].record(handle())["Put"]["Item"], "target": {"S": "d"}}
    with pytest.raises(IdempotencyMismatch):
        ledger.recorded(item, Once("k", 3600.0))


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_a_repetition_has_the_same_answer_and_another_amount_is_a_mismatch(entry):
    change = entry.replay(entry.amount)
    assert change == CounterChange(entry.value, entry.amount, entry.shard, replayed=True)
    with pytest.raises(IdempotencyMismatch):
        entry.replay(entry.amount + 1)


def test_a_change_is_not_replayed_unless_it_says_so():
    assert CounterChange(1, 1, None).replayed is False


@pytest.mark.parametrize(
    ("key", "digest"), [("k", "YfXcFIMAhNjcLR68Au897A"), ("orders/42", "nlRq4QJ7l6KjK50XaJV4-Q")]
)
def test_a_key_is_found_by_the_digest_that_earlier_releases_wrote(key, digest):
    assert Once(key, 0.0).digest == digest


def test_a_key_has_one_home_among_so_many_shards():
    keys = [f"key {i}" for i in range(200)]
    for shards in (1, 3, 64):
        homes = [Once(key, 0.0).home(shards) for key in keys]
        assert homes == [Once(key, 5.0).home(shards) for key in keys]
        assert set(homes) == set(range(shards)) or shards == 64
        assert all(0 <= home < shards for home in homes)


def test_the_home_of_a_key_is_the_one_that_earlier_releases_wrote_to():
    assert [Once("orders/42", 0.0).home(shards) for shards in (1, 2, 3, 10, 64)] == [0, 1, 0, 9, 57]


@pytest.mark.parametrize(
    ("names", "clause", "used"),
    [
        ([], "", {}),
        (["a"], " REMOVE #gone0", {"#gone0": "a"}),
        (["a", "b"], " REMOVE #gone0, #gone1", {"#gone0": "a", "#gone1": "b"}),
    ],
)
def test_attributes_are_taken_out_by_one_clause_if_there_are_any(names, clause, used):
    assert ledger.removal(names) == (clause, used)


def test_a_ledger_in_a_crowd_is_swept_less_often_and_before_it_is_full():
    assert ledger.swept_at(crowded=False) < ledger.swept_at(crowded=True) < ledger.MOST_KEPT
