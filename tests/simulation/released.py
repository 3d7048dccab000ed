"""Locks that the guarded commit gives back: what becomes of the write, the lock and its renewal."""

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.locks import record
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import PREFIX
from interlock._protocol.requests import Operation, Time, draw, monotonic, sleep
from interlock._protocol.transactions.idempotency import Committed
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import Settings
from interlock.errors import (
    GuardFailed,
    InterlockError,
    LockLost,
    LockTimeout,
    LossReason,
    OutcomeUnknown,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)
from interlock.testing._store.tables import Change, Table
from tests.simulation.faults import Faults
from tests.simulation.locking import SETTINGS, TABLE
from tests.simulation.process import Process
from tests.simulation.world import World

DATA = "data"
GIVEN_UP = (OutcomeUnknown, ServiceUnavailable, Throttled, TransactionConflict)


@dataclass(slots=True)
class Handle:
    """A held lock, as a transaction takes it."""

    grant: Grant

    def guard(self) -> Mapping[str, Any]:
        return record.guard(TABLE, self.grant.name, self.grant.fence)

    def release_action(self) -> Mapping[str, Any]:
        self.grant.in_commit = True
        return record.release_action(TABLE, self.grant.name, self.grant.fence, time=Time(0.0, 0.0))

    def released(self) -> None:
        self.grant.close()

    def kept(self) -> None:
        self.grant.in_commit = False


@dataclass(slots=True)
class Worker:
    """A process that counts under a lock, and gives it back with the commit."""

    world: "Releasing"
    process: Process
    dice: random.Random
    operations: LockOperations = field(init=False)

    def __post_init__(self) -> None:
        self.operations = LockOperations(SETTINGS, lambda: self.process.name)

    def life(self) -> Operation[None]:
        for _ in range(3):
            yield from sleep(2.0 * (yield from draw()))
            acquisition = self.operations.acquire("l")
            try:
                grant = yield from acquisition.run()
            except (LockTimeout, *GIVEN_UP):
                yield from acquisition.abandon()
                continue
            self.process.start(self.renewed(grant), name="heartbeat", awaited=False)
            yield from self.work(grant)
            if not grant.closed:
                with suppress(*GIVEN_UP):
                    yield from self.operations.release(grant)

    def renewed(self, grant: Grant) -> Operation[None]:
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                yield from sleep(grant.due - now)
            yield from self.operations.renew(grant)

    def work(self, grant: Grant) -> Operation[None]:
        run = TransactionRun(Settings(TABLE, attempts=20, timeout=20.0), None)
        attempts: list[str] = []
        fails = self.dice.random() < 0.15
        try:
            while True:
                attempt = yield from run.begin()
                assert not isinstance(attempt, Committed)
                attempts.append(attempt.id)
                item = yield from attempt.get(TABLE, {"pk": DATA})
                yield from sleep(8.0 * (yield from draw()))
                count = 0 if item is None else item["n"]
                attempt.put(TABLE, {"pk": DATA}, {"n": count + 1, "fence": grant.fence}, None)
                attempt.release(Handle(grant))
                if fails:
                    self.world.judge(grant, attempts, KeyError("of the body's own"))
                    return
                try:
                    committed = yield from run.commit(attempt, None)
                finally:
                    run.settle(attempt)
                if committed is not None:
                    self.world.judge(grant, attempts, None)
                    return
        except InterlockError as error:
            if not isinstance(error, (*GIVEN_UP, GuardFailed, LockLost)):
                raise
            self.world.judge(grant, attempts, error)


class Releasing(World):
    """Processes that give a lock back with their commits, and what must hold of it."""

    def __init__(self, seed: int, faults: Faults) -> None:
        super().__init__(seed, faults=faults, tables=(Table(TABLE),), within=1800.0)
        self.written: list[str] = []
        self.fence = 0
        self.free: set[int] = set()
        self.hopeless: set[str] = set()
        self.reported = 0
        self.store.on_change(self.changed)
        self.invariant(self.nothing_refused_is_written)
        for name in "abc":
            process = self.process(name)
            dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
            process.start(Worker(self, process, dice).life(), name="work")

    def changed(self, change: Change) -> None:
        """Watch every write as the store makes it."""
        before, after = change.before or {}, change.after or {}
        if change.place.key[0] == DATA:
            fence = int(after["fence"]["N"])
            assert fence >= self.fence, "a stale holder wrote"
            self.fence = fence
            self.written.append(after["_version"]["S"].split(" ")[0])
            assert len(set(self.written)) == len(self.written), "a commit was written twice"
        elif change.place.key[0].startswith(PREFIX) and "fence" in after:
            fence = int(after["fence"]["N"])
            if "version" not in after:
                self.free.add(fence)
            else:
                assert fence not in self.free, "a lock that was given back is held again"
                held = int(before["fence"]["N"]) if "version" in before else 0
                assert fence >= held, "a lock went back to an older grant"

    def nothing_refused_is_written(self) -> None:
        """What was reported as not committed is not there."""
        late = self.hopeless & set(self.written)
        assert not late, f"{late} was reported as not committed, yet written"

    def judge(self, grant: Grant, attempts: list[str], error: Exception | None) -> None:
        """Compare what a worker was told with what the store has."""
        if error is None:
            self.reported += 1
            assert attempts[-1] in self.written, "a commit was reported, and is not there"
            assert grant.fence in self.free, "a commit was reported, and its lock is not free"
            assert grant.closed, "a lock that was given back is still renewed"
            lost = grant.loss not in {None, LossReason.LEASE_RAN_OUT, LossReason.REFUSED}
            assert not lost, f"a lock that was given back counts as lost: {grant.loss}"
        elif isinstance(error, OutcomeUnknown):
            assert grant.over, "a lock that may have been given back is still renewed"
        else:
            self.hopeless.update(attempts)
            assert not grant.closed, f"a lock counts as given back though {error!r}"
