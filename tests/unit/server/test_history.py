"""The history: each tick once, from the leader of its time, and nothing from one of the past."""

import pytest

from interlock.errors import LockLost
from server.history import History

# Leaders that vanish are left as they are.
pytestmark = pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")

TICK = 1_700_000_042


async def samples(history, name, since=TICK - 60, until=TICK + 600):
    return await history.read(name, since=since, until=until)


async def test_samples_come_back_in_order_with_the_token_that_wrote_them(table, grant):
    history, lock = History(table, 3600), await grant()
    for tick in (TICK + 90, TICK, TICK + 2):
        await history.record(tick, {"a": tick % 100, "b": 0}, lock)
    fence = lock.fencing_token
    assert await samples(history, "a") == [
        [TICK, "42", fence],
        [TICK + 2, "44", fence],
        [TICK + 90, "32", fence],
    ]
    assert await samples(history, "a", since=TICK + 3) == [[TICK + 90, "32", fence]]


async def test_a_leader_of_the_past_adds_nothing(table, grant):
    history, past = History(table, 3600), await grant()
    await grant()
    with pytest.raises(LockLost):
        await history.record(TICK, {"a": 1}, past)
    assert await samples(history, "a") == []


async def test_a_leader_whose_lock_is_free_adds_nothing(table, grant):
    history, lock = History(table, 3600), await grant()
    table.free()
    with pytest.raises(LockLost):
        await history.record(TICK, {"a": 1}, lock)
    assert await samples(history, "a") == []


async def test_what_a_leader_left_half_written_is_found(table, grant):
    """It died between the two transactions that 150 counters take."""
    history, lock = History(table, 3600), await grant()
    values = {f"c{number:03}": number for number in range(150)}
    calls = []

    class Died(BaseException):
        """What nothing catches and nothing tries again, however long there is time."""

    def die(operation, _):
        calls.append(operation)
        if len(calls) > 1:
            raise Died

    table.before = die
    with pytest.raises(Died):
        await history.record(TICK, values, lock)
    table.before = lambda *_: None
    absent = await history.absent(TICK, ["a", *values])
    assert absent == {"a", *(f"c{number:03}" for number in range(99, 150))}
    await history.record(TICK, dict.fromkeys(absent, 7), await grant())
    assert await history.absent(TICK, ["a", *values]) == set()
    assert [value for _, value, _ in await samples(history, "c098")] == ["98"]
    assert [value for _, value, _ in await samples(history, "c099")] == ["7"]


async def test_a_number_of_38_digits_keeps_its_last(table, grant):
    history = History(table, 3600)
    await history.record(TICK, {"a": 10**37 + 1}, await grant())
    assert (await samples(history, "a"))[0][1] == str(10**37 + 1)


async def test_samples_end_by_ttl_after_the_time_they_are_kept(table, grant):
    history = History(table, 3600)
    await history.record(TICK, {"a": 1}, await grant())
    minute = TICK - TICK % 60
    assert table.item(f"history#a#{minute}")["expires"] == {"N": str(minute + 60 + 3600)}


async def test_of_a_time_longer_than_a_reading_may_cost_whole_minutes_are_left_out(table):
    for minute in range(0, 3 * 1440 * 60, 60):
        table.put(f"history#a#{minute}", **{f"t{minute}": {"L": [{"N": "1"}, {"N": "7"}]}})
    read = await samples(History(table, 3 * 86400), "a", since=0, until=3 * 86400 - 1)
    assert [tick for tick, _, _ in read] == list(range(0, 3 * 86400, 180))
    assert table.calls.count("BatchGetItem") <= 1440 / 100 + 1
