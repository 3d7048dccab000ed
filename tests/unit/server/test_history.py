"""The history: each tick once, by whoever leads, and nothing by whoever does not."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from server.history import History
from server.leading import LOCK, Term
from tests.unit.server.table import Table

TICK = 1_700_000_042


@pytest.fixture
def table():
    table = Table()
    lead(table, 7)
    return table


def lead(table, fence):
    table.put(LOCK, fence={"N": str(fence)}, version={"S": f"v{fence}"})


def guard(fence):
    return {"fence": fence, "guard": Term(table="coordination", fence=fence).guard()}


async def samples(history, name, since=TICK - 60, until=TICK + 600):
    return await history.read(name, since=since, until=until)


async def test_samples_come_back_in_order_with_the_token_that_wrote_them(table):
    history = History(table, 3600)
    for tick in (TICK + 90, TICK, TICK + 2):
        assert await history.record(tick, {"a": tick % 100, "b": 0}, **guard(7))
    assert await samples(history, "a") == [
        [TICK, "42", 7],
        [TICK + 2, "44", 7],
        [TICK + 90, "32", 7],
    ]
    assert await samples(history, "a", since=TICK + 3) == [[TICK + 90, "32", 7]]


async def test_a_leader_of_the_past_adds_nothing(table):
    history = History(table, 3600)
    lead(table, 8)
    assert not await history.record(TICK, {"a": 1}, **guard(7))
    assert await samples(history, "a") == []


async def test_a_leader_whose_lock_is_free_adds_nothing(table):
    table.put(LOCK, fence={"N": "7"})
    history = History(table, 3600)
    assert not await history.record(TICK, {"a": 1}, **guard(7))


async def test_the_first_sample_of_a_tick_stays(table):
    history = History(table, 3600)
    await history.record(TICK, {"a": 1}, **guard(7))
    lead(table, 8)
    assert await history.record(TICK, {"a": 2}, **guard(8))
    assert await samples(history, "a") == [[TICK, "1", 7]]


async def test_what_a_leader_left_half_written_is_completed(table):
    """It died between the two transactions that 150 counters take."""
    history = History(table, 3600)
    values = {f"c{number:03}": number for number in range(150)}
    calls = []

    def die(operation, _):
        calls.append(operation)
        table.down = len(calls) == 2

    table.before = die
    with pytest.raises(Exception, match="Could not connect"):
        await history.record(TICK, values, **guard(7))
    table.before, table.down = lambda *_: None, False
    lead(table, 8)
    # The one that takes over sees a counter more, so that its transactions are cut elsewhere.
    assert await history.record(TICK, {"a": 0, **values}, **guard(8))
    written = {name: (await samples(history, name))[0] for name in ("a", *values)}
    for name in written:
        assert len(await samples(history, name)) == 1
    assert [written[n][2] for n in ("a", "c000", "c098", "c099", "c149")] == [8, 7, 7, 8, 8]


async def test_a_conflict_is_raised_to_be_tried_again(table):
    history = History(table, 3600)

    async def conflict(**params):
        unharmed = [{"Code": "None"}] * (len(params["TransactItems"]) - 1)
        answer: Any = {
            "Error": {"Code": "TransactionCanceledException", "Message": ""},
            "CancellationReasons": [{"Code": "TransactionConflict"}, *unharmed],
        }
        raise ClientError(answer, "TransactWriteItems")

    table.transact_write_items = conflict
    with pytest.raises(ClientError):
        await history.record(TICK, {"a": 1}, **guard(7))


async def test_a_number_of_38_digits_keeps_its_last(table):
    history = History(table, 3600)
    await history.record(TICK, {"a": 10**37 + 1}, **guard(7))
    assert (await samples(history, "a"))[0][1] == str(10**37 + 1)


async def test_samples_end_by_ttl_after_the_time_they_are_kept(table):
    history = History(table, 3600)
    await history.record(TICK, {"a": 1}, **guard(7))
    minute = TICK - TICK % 60
    assert table.item(f"history#a#{minute}")["expires"] == {"N": str(minute + 60 + 3600)}
