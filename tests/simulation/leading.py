"""Processes that lead in turn, by the terms that the library gives a leader."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.requests import Operation, draw, monotonic, sleep
from interlock.aio.locks._term import Stop, Term, checked_renew_deadline
from tests.simulation.faults import Faults
from tests.simulation.locking import GIVEN_UP, SETTINGS
from tests.simulation.process import Process
from tests.simulation.world import World

TERMS, LONGEST = 3, 30.0
DEADLINE = checked_renew_deadline(SETTINGS, timedelta(seconds=6))


@dataclass(slots=True)
class Stub:
    """What a term asks of its client and its lock: the time, and what the holder knows."""

    process: Process
    _grant: Grant

    def clock(self) -> float:
        """Return the monotonic clock."""
        return self.process.monotonic()


@dataclass(slots=True)
class Leader:
    """One process that campaigns, leads until its term is over, resigns, and campaigns again."""

    world: "Leading"
    process: Process
    dice: random.Random
    operations: LockOperations = field(init=False)
    grant: Grant | None = None
    term: Term | None = None
    answered: float = 0.0  # when the last heartbeat that was answered was sent
    seen_over: bool = False

    def __post_init__(self) -> None:
        self.operations = LockOperations(SETTINGS, lambda: self.process.name)

    def life(self) -> Operation[None]:
        """Lead as many terms as planned."""
        for _ in range(TERMS):
            grant = yield from self.campaign()
            yield from self.lead(grant)
            with suppress(*GIVEN_UP):  # it ends with its lease
                yield from self.operations.release(grant)
            yield from sleep(SETTINGS.poll)

    def campaign(self) -> Operation[Grant]:
        """Wait until this process leads."""
        while True:
            acquisition = self.operations.campaign("e", timeout=None, data=None, taker=None)
            sent = yield from monotonic()
            try:
                grant = yield from acquisition.run()
            except GIVEN_UP:
                yield from acquisition.abandon()
            else:
                # The request that was granted was sent later than that, and its lease says when.
                self.answered = max(sent, grant.until - grant.lease)
                return grant

    def lead(self, grant: Grant) -> Operation[None]:
        """Lead until the term is over, or for as long as it likes."""
        stub: Any = Stub(self.process, grant)
        self.grant, self.seen_over = grant, False
        self.term = Term(stub, stub, DEADLINE, Stop())
        self.process.start(self.beat(grant), name="heartbeat", awaited=False)
        until = (yield from monotonic()) + LONGEST * self.dice.random()
        while not self.term.over and (yield from monotonic()) < until:
            yield from sleep(0.5 * (yield from draw()))
        self.world.led += 1

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew the lock when it is due."""
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                yield from sleep(grant.due - now)
            sent, version = (yield from monotonic()), grant.version
            yield from self.operations.renew(grant)
            if grant.version != version and grant is self.grant:
                self.answered = sent


class Leading(World):
    """Leaders, and what must hold of their terms at every step."""

    def __init__(self, seed: int, faults: Faults) -> None:
        super().__init__(seed, faults=faults)
        self.led = 0
        self.leaders: list[Leader] = []
        self.invariant(self.one_leads)
        for name in "abc":
            dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
            leader = Leader(self, self.process(name), dice)
            self.leaders.append(leader)
            leader.process.start(leader.life(), name="lead")

    def one_leads(self) -> None:
        """Demand that one term at most is not over, and none for longer than it is renewed."""
        leading = []
        for leader in self.leaders:
            if leader.term is None or not leader.process.alive:
                continue
            name, over = leader.process.name, leader.term.over
            assert over or not leader.seen_over, f"the term of {name} was over, and goes on"
            leader.seen_over = over
            if not over:
                leading.append(name)
                unanswered = leader.process.monotonic() - leader.answered
                assert unanswered <= DEADLINE, f"{name} leads, unanswered for {unanswered:.1f} s"
        assert len(leading) <= 1, f"{leading} lead"
