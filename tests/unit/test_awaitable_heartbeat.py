"""Items are renewed when they are due, and end when their time is over, on a loop's own time."""

import asyncio
import gc
from typing import Any

import pytest

from interlock._drivers.awaitable.heartbeat import Heartbeat
from tests.wire.scripted import VirtualLoop


class Item:
    """What is renewed. `log` says what became of it, and when."""

    def __init__(self, due=5.0, until=20.0):
        self.due, self.until, self.over = due, until, False
        self.log: list[Any] = []


class World:
    """A heartbeat on a loop; `renew`, `lapse` and `ended` are what its owner does."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.beats: Heartbeat[Item] = Heartbeat(
            self._renew, self._lapse, self._ended, self.loop.time
        )

    async def renew(self, item):
        item.due = self.loop.time() + 5.0

    def lapse(self, item):
        item.over = True
        return True

    def ended(self, item):
        """Do nothing about it."""

    async def _renew(self, item):
        item.log.append(("renew", self.loop.time()))
        await self.renew(item)

    def _lapse(self, item):
        item.log.append(("lapse", self.loop.time()))
        return self.lapse(item)

    def _ended(self, item):
        item.log.append(("ended", self.loop.time()))
        self.ended(item)


def run(steps):
    async def main():
        await steps(World())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())


def test_an_item_is_renewed_whenever_it_is_due_until_it_is_let_go():
    async def steps(world):
        item, late = Item(), Item(due=-1.0)
        world.beats.add(item)
        world.beats.add(late)
        await asyncio.sleep(16.0)
        assert item.log == [("renew", 5.0), ("renew", 10.0), ("renew", 15.0)]
        assert late.log[:2] == [("renew", 0.0), ("renew", 5.0)]
        for one in (item, late, item):
            world.beats.remove(one)
        world.beats.close()
        await asyncio.sleep(60.0)
        assert len(item.log) == 3
        assert not world.beats._tasks

    run(steps)


def test_an_item_that_is_over_ends_once():
    async def steps(world):
        async def renew(item):
            item.over = True

        world.renew = renew
        item = Item(due=0.5)
        world.beats.add(item)
        await asyncio.sleep(60.0)
        assert item.log == [("renew", 0.5), ("ended", 0.5)]

    run(steps)


def test_a_renewal_that_hangs_delays_neither_the_end_of_the_lease_nor_others(caplog):
    async def steps(world):
        hangs, other = Item(until=8.0), Item(due=6.0)

        async def renew(item):
            if item is hangs:
                await asyncio.get_running_loop().create_future()
            item.due = 7.0 if world.loop.time() < 7.0 else 99.0

        world.renew = renew
        world.beats.add(hangs)
        world.beats.add(other)
        await asyncio.sleep(6.5)
        gc.collect()
        await asyncio.sleep(50.0)
        assert hangs.log == [("renew", 5.0), ("lapse", 8.0), ("ended", 8.0)]
        assert other.log == [("renew", 6.0), ("renew", 7.0)]

    run(steps)
    assert caplog.text == ""


def test_a_lease_that_was_extended_meanwhile_ends_later():
    async def steps(world):
        async def renew(_item):
            await asyncio.sleep(30.0)

        def lapse(item):
            item.until += 2.0
            return item.until > 12.0

        world.renew, world.lapse = renew, lapse
        item = Item(until=8.0)
        world.beats.add(item)
        await asyncio.sleep(60.0)
        assert item.log == [
            *(("renew", 5.0), ("lapse", 8.0), ("lapse", 10.0), ("lapse", 12.0)),
            ("ended", 12.0),
        ]

    run(steps)


def test_a_renewal_of_what_was_let_go_meanwhile_is_forgotten():
    async def steps(world):
        async def renew(item):
            await asyncio.sleep(1.0)
            item.over = True

        world.renew = renew
        item = Item()
        world.beats.add(item)
        await asyncio.sleep(5.5)
        world.beats.remove(item)
        await asyncio.sleep(60.0)
        assert item.log == [("renew", 5.0)]

    run(steps)


def test_a_renewal_that_fails_as_it_never_should_is_made_again_in_a_second(caplog):
    async def steps(world):
        async def renew(item):
            if world.loop.time() < 6.0:
                raise RuntimeError("a failure")
            item.due = 99.0

        world.renew = renew
        item = Item()
        world.beats.add(item)
        await asyncio.sleep(15.0)
        assert item.log == [("renew", 5.0), ("renew", 6.0)]

    run(steps)
    assert "a failure" in caplog.text


@pytest.mark.parametrize("hangs", [False, True])
def test_an_end_that_cannot_be_reported_is_written_down(caplog, hangs):
    async def steps(world):
        async def renew(item):
            if hangs:
                await asyncio.sleep(60.0)
            item.over = True

        def ended(_item):
            raise RuntimeError("a failure")

        world.renew, world.ended = renew, ended
        world.beats.add(item := Item())
        await asyncio.sleep(30.0)
        assert item.log[-1][0] == "ended"

    run(steps)
    (record,) = caplog.records
    assert record.name == "interlock"


def test_a_copy_of_the_process_has_nothing_to_renew():
    async def steps(world):
        item = Item()
        world.beats.add(item)
        world.beats.forked()
        assert not world.beats._timers

    run(steps)
