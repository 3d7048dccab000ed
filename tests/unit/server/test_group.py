"""The group as every instance sees it, through the records in the table."""

import asyncio
import dataclasses
from itertools import pairwise
from typing import Any

import httpx
import pytest

from interlock.aio.locks import LockClient
from server.group import REMEMBERED, ROSTER, SAMPLES, Group
from server.leader import LEADER, STANDBY
from server.members import Member
from tests.unit.server.conftest import until

# Leaders that vanish are left as they are.
pytestmark = pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")

NOW = 1_700_000_000.0


class Leads:
    """An election whose outcome the test decides."""

    def __init__(self, locks, lock=None):
        self.lock = lock
        self._locks = locks

    async def records(self):
        return await self._locks.inspect(LEADER), await self._locks.inspect(STANDBY)

    async def run(self):
        await asyncio.Event().wait()


@pytest.fixture
def clock():
    class Clock:
        now = NOW

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
async def join(settings, table, clock):
    async with LockClient(table.table, client=table) as locks:

        def join(name, lock=None, members=None):
            own = dataclasses.replace(settings, instance_id=name, lease=10.0)
            leads: Any = Leads(locks, lock)
            return Group(own, table, leads, members=members, wall_clock=clock)

        yield join


async def test_instances_see_each_other_and_who_leads(join, table, grant):
    one, other = join("i-1"), join("i-2")
    await one._report(table)
    await other._report(table)
    lock = await grant()
    await grant(STANDBY, owner="i-2")
    seen = await one.cluster()
    assert seen == await other.cluster()
    assert [(each["id"], each["silent"]) for each in seen["instances"]] == [
        ("i-1", False),
        ("i-2", False),
    ]
    since = int((await one._leader.records())[0].since.timestamp())
    assert seen["leader"] == {"id": "i-1", "fence": lock.fencing_token, "since": since}
    assert (seen["fence"], seen["lease"]) == (lock.fencing_token, 10.0)
    assert seen["standby"] == "i-2"


async def test_a_leader_that_fell_silent_is_not_shown_as_leading(join, table, clock, grant):
    one, other = join("i-1"), join("i-2")
    await one._report(table)
    lock = await grant()
    clock.now += 10.1
    await other._report(table)
    seen = await other.cluster()
    assert [(each["id"], each["silent"]) for each in seen["instances"]] == [
        ("i-1", True),
        ("i-2", False),
    ]
    assert (seen["leader"], seen["standby"]) == (None, None)
    assert seen["fence"] == lock.fencing_token


async def test_a_free_lock_has_no_leader(join, table, grant):
    one = join("i-1")
    await one._report(table)
    lock = await grant()
    await lock.release()
    assert (await one.cluster())["leader"] is None


async def test_who_was_killed_leaves_the_roster_at_last(join, table, clock):
    killed, leader = join("i-1"), join("i-2")
    await killed._report(table)
    clock.now += REMEMBERED + 1
    await leader._report(table)
    assert [each["id"] for each in (await leader.cluster())["instances"]] == ["i-2"]
    await leader._forget_the_gone(table)
    assert table.item(ROSTER)["members"] == {"SS": ["i-2"]}
    await killed._report(table)  # it was only paused
    assert sorted(table.item(ROSTER)["members"]["SS"]) == ["i-1", "i-2"]


class Found:
    """Members as Cloud Map names them, and what the group says of them."""

    def __init__(self, *names):
        self.found = tuple(Member(name, "10.0.0.1", 8080) for name in names) if names else None
        self.present = None

    def forget_all_but(self, present):
        self.present = set(present)


async def test_a_leader_says_to_cloud_map_who_is_there(join, table, clock):
    told = Found("i-1", "i-2", "i-3")
    killed, other, leader = join("i-1"), join("i-3"), join("i-2", members=told)
    await killed._report(table)
    clock.now += REMEMBERED + 1
    await other._report(table)
    await leader._report(table)
    clock.now += 60  # silent for a while is not gone
    await leader._forget_the_gone(table)
    assert told.present == {"i-2", "i-3"}


async def test_the_group_shows_whom_cloud_map_names(join, table):
    one = join("i-1", members=Found("i-1", "i-2"))
    await one._report(table)
    assert (await one.cluster())["members"] == ["i-1", "i-2"]
    for nothing in (None, Found()):
        assert (await join("i-1", members=nothing).cluster())["members"] is None


async def test_who_leaves_in_order_signs_off_at_once(join, table):
    one, other = join("i-1"), join("i-2")
    await other._report(table)
    async with one.running():
        await until(lambda: "i-1" in table.item(ROSTER)["members"]["SS"])
    assert table.item(ROSTER)["members"] == {"SS": ["i-2"]}


async def test_a_table_that_is_away_neither_ends_the_group_nor_hides_that_it_is(join, table):
    one = join("i-1")
    table.down = True
    async with one.running():
        await until(lambda: table.calls)
        reply = await one.answer_cluster(None)
        assert reply.status_code == 503
        assert b"EndpointConnectionError" in reply.body
        assert reply.headers["retry-after"] == "5"


async def test_alone_without_a_table(settings):
    group = Group(settings, None, None)
    seen = await group.cluster()
    assert [each["id"] for each in seen["instances"]] == ["i-test"]
    assert seen["leader"] is None
    assert "lease" not in seen


OUT_OF_RANGE = ["0", "1441", "-1", "x", "1.5", "\N{SUPERSCRIPT TWO}", "9" * 5000]


@pytest.mark.parametrize("minutes", OUT_OF_RANGE)
async def test_minutes_out_of_range_are_refused(service, join, minutes):
    client = await service(lambda _: httpx.Response(200, json={}), group=join("i-1"))
    reply = await client.get("/service/history/a", params={"minutes": minutes})
    assert reply.status_code == 400
    assert "1 to 1440" in reply.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("a?minutes=1&minutes=2", "minutes"),
        ("a?minutes=1&minutes=1", "minutes"),
        ("a?Minutes=1", "Minutes"),
        ("a?since=1", "since"),
        ("%ff", "name"),
        ("a" * 129, "name"),
        ("a%20b", "name"),
    ],
)
async def test_a_history_is_asked_for_in_one_way(service, join, asked, field):
    client = await service(lambda _: httpx.Response(200, json={}), group=join("i-1"))
    reply = await client.get(f"/service/history/{asked}")
    assert (reply.status_code, reply.json()["field"]) == (400, field)


def fill(table, name, seconds, value):
    """Put a sample each 2 s into the table, as leaders of that time would have left them."""
    last = int(NOW)
    for minute in range((last - seconds) // 60 * 60, last, 60):
        samples = {
            f"t{tick}": {"L": [{"N": str(value(last - tick))}, {"N": "7"}]}
            for tick in range(minute, min(minute + 60, last + 1), 2)
        }
        table.put(f"history#{name}#{minute}", **samples)


@pytest.mark.parametrize(("minutes", "every"), [(10, 2), (60, 12), (1440, 288)])
async def test_a_long_time_is_told_in_few_samples_that_keep_its_peaks(
    service, join, table, minutes, every
):
    fill(table, "a", minutes * 60, lambda ago: 900 if ago == 300 else ago % 5)
    client = await service(lambda _: httpx.Response(200, json={}), group=join("i-1"))
    told = (await client.get("/service/history/a", params={"minutes": str(minutes)})).json()
    ticks = [tick for tick, _, _ in told["samples"]]
    assert (told["every"], told["kept"]) == (every, 86400)
    assert len(ticks) <= SAMPLES + 4
    assert ticks == sorted(set(ticks))
    assert max(after - before for before, after in pairwise(ticks)) <= 2 * every
    assert [int(NOW) - 300, "900", 7] in told["samples"]
    assert (ticks[0], ticks[-1]) == (int(NOW) - minutes * 60, int(NOW))


async def test_history_needs_a_table(service):
    client = await service(lambda _: httpx.Response(200, json={}))
    reply = await client.get("/service/history/a")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")
