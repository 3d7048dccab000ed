"""The election: one leads, one stands by, and the lead is given back at the end."""

import asyncio
import contextlib

import pytest

from interlock.metrics import Metric
from server.leader import LEADER, STANDBY, Leader, _WithoutWaits
from tests.unit.server.conftest import until


class Candidate:
    """An instance that stands for election, until it is stopped."""

    def __init__(self, table, name):
        self.watching = self.led = 0
        self.told = []
        self.leader = Leader(table, name, 8.0, watch=self._watch, duty=self._duty, metrics=self)
        self.task = asyncio.create_task(self.leader.run())

    def record(self, values, dimensions):
        self.told.append((dict(values), dict(dimensions)))

    @property
    def leads_told(self):
        return [dimensions for values, dimensions in self.told if Metric.LEADING in values]

    async def _watch(self):
        self.watching += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.watching -= 1

    async def _duty(self, _):
        self.led += 1
        await asyncio.Event().wait()

    async def stop(self):
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(self.task, 8)  # less than a client may take to close


@pytest.fixture
async def stand(table):
    """Lets an instance stand for election: `one = stand("i-1")`."""
    candidates = []

    def start(name):
        candidates.append(Candidate(table, name))
        return candidates[-1]

    yield start
    for each in candidates:
        each.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await each.task


async def test_an_instance_alone_leads_and_watches(stand, table):
    one = stand("i-1")
    await until(lambda: one.led)
    assert one.watching == 1
    assert one.leader.lock.fencing_token == int(table.item(f"lock#{LEADER}")["fence"]["N"])


async def test_the_leader_alone_tells_that_it_leads_and_nothing_of_its_waiting(stand, table):
    one = stand("i-1")
    await until(lambda: one.led)
    two = stand("i-2")
    await until(lambda: two.watching)
    assert one.leads_told == [{"Table": table.table}]
    assert two.leads_told == []
    await one.stop()
    await until(lambda: two.led)
    assert two.leads_told == [{"Table": table.table}]
    assert all(Metric.LOCK_WAIT_TIME not in values for values, _ in [*one.told, *two.told])


async def test_a_lock_that_was_lost_is_told():
    told = []
    losses = _WithoutWaits(type("Seen", (), {"record": lambda _, *given: told.append(given)})())
    losses.record({Metric.LOCKS_ACQUIRED: 1, Metric.LOCK_WAIT_TIME: 9e9}, {"Table": "t"})
    losses.record({Metric.LOCKS_LOST: 1, Metric.LOCK_HOLD_TIME: 9e9}, {"Table": "t"})
    losses.record({Metric.LOCK_HOLD_TIME: 9e9}, {"Table": "t"})
    assert told == [
        ({Metric.LOCKS_ACQUIRED: 1}, {"Table": "t"}),
        ({Metric.LOCKS_LOST: 1}, {"Table": "t"}),
    ]


async def test_one_leads_one_stands_by_and_the_third_does_nothing(stand):
    one = stand("i-1")
    await until(lambda: one.led)
    two = stand("i-2")
    await until(lambda: two.watching)
    three = stand("i-3")
    await until(lambda: three.leader._locks)
    leader, standby = await three.leader.records()
    assert (leader.owner, standby.owner) == ("i-1", "i-2")
    assert (two.led, three.led, three.watching) == (0, 0, 0)


async def test_the_standby_leads_when_the_leader_stops_and_the_next_stands_by(stand):
    one = stand("i-1")
    await until(lambda: one.led)
    two = stand("i-2")
    await until(lambda: two.watching)
    three = stand("i-3")
    fence = one.leader.lock.fencing_token
    await one.stop()
    await until(lambda: two.led and three.watching)
    assert two.leader.lock.fencing_token > fence
    assert (one.watching, two.watching) == (0, 1)


async def test_a_standby_that_was_displaced_stops_watching_and_contends_again(stand, grant):
    one = stand("i-1")
    await until(lambda: one.led)
    two = stand("i-2")
    await until(lambda: two.watching)
    other = await grant(STANDBY, owner="i-9")
    await until(lambda: not two.watching)
    await other.release()
    await until(lambda: two.watching)
    assert two.led == 0


async def test_a_leader_that_stops_gives_the_lock_back_and_keeps_the_fence(stand, table):
    one = stand("i-1")
    await until(lambda: one.led)
    fence = one.leader.lock.fencing_token
    await one.stop()
    item = table.item(f"lock#{LEADER}")
    assert (item["fence"], "version" in item) == ({"N": str(fence)}, False)
    assert one.leader.lock is None


async def test_a_leader_stops_although_the_table_is_gone(stand, table, monkeypatch):
    monkeypatch.setattr("server.leader._RESIGNING", 0.1)
    one = stand("i-1")
    await until(lambda: one.led)
    table.down = True
    await one.stop()
    table.down = False  # for the client, which goes on closing


async def test_a_watch_that_fails_is_begun_again(table, caplog):
    failures = iter([RuntimeError("the API is away")])
    watched = asyncio.Event()

    async def watch():
        for failure in failures:
            raise failure
        watched.set()
        await asyncio.Event().wait()

    async def duty(_):
        await asyncio.Event().wait()

    task = asyncio.create_task(Leader(table, "i-1", 8.0, watch=watch, duty=duty).run())
    await asyncio.wait_for(watched.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "not watched" in caplog.text
