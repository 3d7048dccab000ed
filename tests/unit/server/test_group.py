"""The group as every instance sees it, through the records in the table."""

import asyncio
import dataclasses
from typing import Any

import httpx
import pytest

from server.group import REMEMBERED, ROSTER, Group
from server.leading import LOCK, Term
from tests.unit.server.conftest import until
from tests.unit.server.table import Table

NOW = 1_700_000_000.0


class Leads:
    """An election whose outcome the test decides."""

    def __init__(self, term=None):
        self.term = term

    async def run(self):
        await asyncio.Event().wait()


@pytest.fixture
def table():
    return Table()


@pytest.fixture
def clock():
    class Clock:
        now = NOW

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def join(settings, table, clock):
    def join(name, term: Any = None):
        own = dataclasses.replace(settings, instance_id=name, lease=10.0)
        leads: Any = Leads(term)
        return Group(own, table, leads, None, wall_clock=clock)

    return join


def hold(table, owner, fence):
    table.put(LOCK, fence={"N": str(fence)}, version={"S": "v"}, owner={"S": owner})


async def test_instances_see_each_other_and_who_leads(join, table):
    one, other = join("i-1", Term(table="t", fence=7, since=NOW)), join("i-2")
    await one._report(table)
    await other._report(table)
    hold(table, "i-1", 7)
    assert await one.cluster() == await other.cluster()
    seen = await one.cluster()
    assert [(each["id"], each["silent"]) for each in seen["instances"]] == [
        ("i-1", False),
        ("i-2", False),
    ]
    assert seen["leader"] == {"id": "i-1", "fence": 7, "since": int(NOW)}
    assert (seen["fence"], seen["lease"]) == (7, 10.0)


async def test_a_leader_that_fell_silent_is_not_shown_as_leading(join, table, clock):
    one, other = join("i-1", Term(table="t", fence=7)), join("i-2")
    await one._report(table)
    hold(table, "i-1", 7)
    clock.now += 10.1
    await other._report(table)
    seen = await other.cluster()
    assert [(each["id"], each["silent"]) for each in seen["instances"]] == [
        ("i-1", True),
        ("i-2", False),
    ]
    assert seen["leader"] is None
    assert seen["fence"] == 7


async def test_since_is_not_told_of_another_term(join, table):
    """The lock has been taken, and the new leader has not reported itself yet."""
    one = join("i-1", Term(table="t", fence=7, since=NOW))
    await one._report(table)
    hold(table, "i-1", 8)
    assert (await one.cluster())["leader"] == {"id": "i-1", "fence": 8, "since": None}


async def test_a_free_lock_has_no_leader(join, table):
    one = join("i-1")
    await one._report(table)
    table.put(LOCK, fence={"N": "7"}, owner={"S": "i-1"})
    assert (await one.cluster())["leader"] is None


async def test_who_was_killed_leaves_the_roster_at_last(join, table, clock):
    killed, leader = join("i-1"), join("i-2", Term(table="t", fence=7))
    await killed._report(table)
    clock.now += REMEMBERED + 1
    await leader._report(table)
    assert [each["id"] for each in (await leader.cluster())["instances"]] == ["i-2"]
    await leader._forget_the_gone(table)
    assert table.item(ROSTER)["members"] == {"SS": ["i-2"]}
    await killed._report(table)  # it was only paused
    assert sorted(table.item(ROSTER)["members"]["SS"]) == ["i-1", "i-2"]


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


async def test_alone_without_a_table(settings):
    group = Group(settings, None, None, None)
    seen = await group.cluster()
    assert [each["id"] for each in seen["instances"]] == ["i-test"]
    assert seen["leader"] is None
    assert "lease" not in seen


@pytest.mark.parametrize("minutes", ["0", "61", "-1", "x", "1.5", "\N{SUPERSCRIPT TWO}"])
async def test_minutes_out_of_range_are_refused(service, join, minutes):
    client = await service(lambda _: httpx.Response(200, json={}), group=join("i-1"))
    reply = await client.get("/service/history/a", params={"minutes": minutes})
    assert reply.status_code == 400
    assert "1 to 60" in reply.json()["detail"]


async def test_history_needs_a_table(service):
    client = await service(lambda _: httpx.Response(200, json={}))
    reply = await client.get("/service/history/a")
    assert (reply.status_code, reply.headers["content-type"]) == (503, "application/problem+json")
