"""The table is read for its locks at a stated rate, while people look, and once for all of them."""

import asyncio

import pytest

from interlock.aio.locks import Deadlock, LockPage, LockRecord
from server import listing
from server.listing import A_PAGE, EVERY, MOST, UNWATCHED, Listing

DEADLOCK = Deadlock((), certain=True)


def record(name):
    return LockRecord(name, held=True, fencing_token=1)


class Pages:
    """A table of so many pages, with one lock on each. `gate` holds back the second and later."""

    def __init__(self, many=1, locks=1):
        self.many = many
        self.locks = locks
        self.read = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure = None

    async def __call__(self, after):
        number = int(after or 0)
        if number:
            await self.gate.wait()
        self.read.append(number)
        if self.failure:
            raise self.failure
        found = tuple(record(f"lock-{number}-{each}") for each in range(self.locks))
        following = str(number + 1) if number + 1 < self.many else None
        return LockPage(found, (), 100, following)


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Watched:
    """A listing over pages, with the time in the test's hands."""

    def __init__(self, pages):
        self.pages = pages
        self.clock = Clock()
        self.slept = []
        self.searched = []
        self.listing = Listing(pages, self._deadlocks, clock=self.clock, sleep=self._sleep)

    async def _deadlocks(self, locks):
        self.searched.append([lock.name for lock in locks])
        return (DEADLOCK,)

    async def _sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.now += seconds

    async def names(self):
        return [lock.name for lock in (await self.listing.now()).locks]


async def test_however_many_look_the_table_is_read_once():
    watched = Watched(Pages())
    found = await asyncio.gather(*(watched.listing.now() for _ in range(20)))
    assert watched.pages.read == [0]
    assert {id(each) for each in found} == {id(found[0])}
    assert (found[0].whole, found[0].held, found[0].scanned) == (True, 1, 100)


async def test_the_next_reading_begins_two_seconds_after_the_last_began():
    watched = Watched(Pages())
    await watched.names()
    watched.clock.now += EVERY - 0.1
    found = await watched.listing.now()
    assert watched.pages.read == [0]
    assert watched.listing.age(found) == pytest.approx(EVERY - 0.1)
    watched.clock.now += 0.1
    await watched.names()
    assert watched.pages.read == [0, 0]


async def test_a_large_table_is_read_at_one_page_a_second():
    watched = Watched(Pages(many=5))
    began = watched.clock.now
    assert len(await watched.names()) == 5
    assert watched.slept == [A_PAGE] * 4
    watched.clock.now = began + 5 * A_PAGE - 0.1
    await watched.names()
    assert len(watched.pages.read) == 5
    watched.clock.now = began + 5 * A_PAGE
    await watched.names()
    assert len(watched.pages.read) == 10


async def test_the_first_reading_is_told_as_it_goes_and_the_last_while_the_next_goes(monkeypatch):
    monkeypatch.setattr(listing, "PATIENCE", 0.05)
    watched = Watched(Pages(many=2))
    watched.pages.gate.clear()
    found = await watched.listing.now()
    assert (found.whole, [lock.name for lock in found.locks]) == (False, ["lock-0-0"])
    watched.pages.gate.set()
    assert (await watched.listing.now()).whole
    watched.pages.gate.clear()
    watched.clock.now += 10
    found = await watched.listing.now()
    assert (found.whole, found.held) == (True, 2)
    assert watched.pages.read == [0, 1, 0]
    await watched.listing.close()


async def test_deadlocks_are_looked_for_once_a_reading_among_all_that_it_found():
    watched = Watched(Pages(many=3))
    found = await watched.listing.now()
    await watched.listing.now()
    assert watched.searched == [["lock-0-0", "lock-1-0", "lock-2-0"]]
    assert found.deadlocks == (DEADLOCK,)


async def test_a_reading_ends_when_the_people_have_left(monkeypatch):
    monkeypatch.setattr(listing, "PATIENCE", 0.05)
    watched = Watched(Pages(many=1000))
    watched.pages.gate.clear()
    await watched.listing.now()
    watched.clock.now += UNWATCHED
    reading = watched.listing._reading
    assert reading is not None
    watched.pages.gate.set()
    await reading
    assert len(watched.pages.read) == 2
    watched.pages.many = 1
    watched.clock.now += 10
    assert (await watched.listing.now()).whole


async def test_what_was_read_for_people_who_left_is_not_told_to_those_who_come(monkeypatch):
    monkeypatch.setattr(listing, "PATIENCE", 0.05)
    watched = Watched(Pages(many=2))
    await watched.names()
    watched.clock.now += UNWATCHED + 1
    watched.pages.gate.clear()
    assert await watched.names() == ["lock-0-0"]
    await watched.listing.close()


async def test_of_very_many_locks_some_are_told_and_all_are_counted():
    watched = Watched(Pages(many=3, locks=MOST - 1))
    found = await watched.listing.now()
    assert (len(found.locks), found.held) == (MOST, 3 * (MOST - 1))


async def test_a_failure_is_told_to_all_and_the_table_is_left_alone_for_as_long():
    watched = Watched(Pages())
    await watched.names()
    watched.pages.failure = OSError("no way")
    watched.clock.now += EVERY
    for _ in range(3):
        with pytest.raises(OSError, match="no way"):
            await watched.names()
    assert watched.pages.read == [0, 0]
    watched.pages.failure = None
    watched.clock.now += EVERY
    assert await watched.names() == ["lock-0-0"]
