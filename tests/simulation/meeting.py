"""Processes that meet at a barrier and count a latch down, by the library's own clients."""

import random
from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from interlock._protocol.requests import Operation, draw, sleep
from interlock.aio.counters import CounterClient
from interlock.aio.latches import Barrier, CountDownLatch
from interlock.errors import OutcomeUnknown
from interlock.testing import MemoryStore
from tests.simulation.faults import Faults
from tests.simulation.locking import GIVEN_UP, TABLE
from tests.simulation.process import Process
from tests.simulation.world import World

PARTIES, MEETINGS = 3, 3
PARTS = PARTIES * MEETINGS
PASSING = (OutcomeUnknown, *GIVEN_UP)


class Asking:
    """An operation that a coroutine of the library awaits; the world answers its requests."""

    def __init__(self, operation: Operation[Any]) -> None:
        self._operation = operation

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self._operation)


class Driver:
    """What a client of a process in a world runs its operations by."""

    def __init__(self, process: Process) -> None:
        self.monotonic = process.monotonic

    async def run(self, operation: Operation[Any]) -> Any:
        """Return what an operation does."""
        return await Asking(operation)


def driven(coroutine: Coroutine[Any, Any, Any]) -> Operation[Any]:
    """Return a coroutine over such a driver as an operation."""
    return (yield from coroutine.__await__())


@dataclass(slots=True)
class Party:
    """One process: it comes to each meeting, and does its part of the work afterwards."""

    world: "Meeting"
    process: Process
    dice: random.Random
    barrier: Barrier = field(init=False)
    latch: CountDownLatch = field(init=False)

    def __post_init__(self) -> None:
        counters = CounterClient(TABLE, client=MemoryStore(TABLE).aio_client())
        counters._driver = Driver(self.process)  # type: ignore[assignment]
        self.barrier = Barrier(counters, "gate", parties=PARTIES)
        self.latch = CountDownLatch(counters, "parts", count=PARTS)

    def life(self) -> Operation[None]:
        """Meet the others, and count down; each again until it is known to have been done."""
        for meeting in range(MEETINGS):
            yield from sleep(4.0 * (yield from draw()))
            self.world.came.setdefault(meeting, set()).add(self.process.name)
            while not (yield from self.arrive(f"{self.process.name}/{meeting}")):
                pass
            self.world.goes_on(self.process.name, meeting)
            yield from self.count(f"part-{self.process.name}-{meeting}")

    def arrive(self, key: str) -> Operation[bool]:
        """Wait at the barrier for a time; return whether all have come."""
        timeout = self.dice.choice((None, timedelta(), timedelta(seconds=3)))
        try:
            return bool((yield from driven(self.barrier.wait(timeout, idempotency_key=key))))
        except PASSING:
            return False

    def count(self, key: str) -> Operation[None]:
        """Count down, and sometimes once more."""
        self.world.parts.add(key)
        done = False
        while not done or self.dice.random() < 0.3:
            try:
                left = yield from driven(self.latch.count_down(idempotency_key=key))
            except PASSING:
                continue
            assert left >= PARTS - len(self.world.parts), f"{left} are left, after {key}"
            done = True

    def wait(self) -> Operation[None]:
        """Wait until all parts are done."""
        while True:
            timeout = self.dice.choice((None, timedelta(seconds=5)))
            try:
                opened = yield from driven(self.latch.wait(timeout))
            except PASSING:
                continue
            if opened:
                break
        parts = len(self.world.parts)
        assert parts == PARTS, f"the latch opened after {parts} of {PARTS} parts"


class Meeting(World):
    """Parties that meet, and one process that waits for their work."""

    def __init__(self, seed: int, faults: Faults) -> None:
        super().__init__(seed, faults=faults)
        self.came: dict[int, set[str]] = {}
        self.parts: set[str] = set()
        self.passed = 0
        for name in "abc"[:PARTIES]:
            party = self.party(name, seed)
            party.process.start(party.life(), name="meet")
        waiter = self.party("w", seed)
        waiter.process.start(waiter.wait(), name="wait")

    def party(self, name: str, seed: int) -> "Party":
        """Return a process of this world."""
        dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
        return Party(self, self.process(name), dice)

    def goes_on(self, name: str, meeting: int) -> None:
        """Demand that all have come."""
        came = self.came[meeting]
        assert len(came) == PARTIES, f"{name} went on from meeting {meeting} with {came} alone"
        self.passed += 1
