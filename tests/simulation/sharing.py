"""Readers and writers of one lock by the library's own operations, and what must hold of them."""

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from interlock._protocol.faults import Fault, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.permits import permit
from interlock._protocol.locks.readers import ReadAcquisition
from interlock._protocol.locks.settings import PREFIX, Settings
from interlock._protocol.locks.writers import WriteAcquisition
from interlock._protocol.requests import Operation, call, draw, monotonic, sleep
from interlock.errors import LockLost, LockTimeout
from interlock.testing._store.tables import Change, Place
from interlock.testing._store.transactions import Prepared
from tests.simulation.faults import Faults
from tests.simulation.locking import GIVEN_UP, SETTINGS, TABLE
from tests.simulation.process import Process
from tests.simulation.referee import fence
from tests.simulation.world import World

NAME = "l"
DOOR = PREFIX + NAME
DATA = "data#"


@dataclass(frozen=True, slots=True)
class Plan:
    """What the processes of a world do. Times are seconds.

    The first `writers` of them write in some of their rounds, the others only read. `leases` and
    `timeouts` are drawn for each acquisition, `work` is the longest time in, `rest` the longest
    between two rounds, `freezes` how often a process stops in there for longer than its lease, and
    `downgrades` how often a writer becomes a reader. `vanish`: rows that are free and have not
    changed for so long are deleted, as TTL does with what is far older.
    """

    settings: Settings = SETTINGS
    processes: int = 4
    writers: int = 4
    rounds: int = 3
    readers: int = 2
    writes: float = 0.4
    downgrades: float = 0.4
    leases: tuple[float, ...] = (5.0, 10.0, 20.0)
    timeouts: tuple[float | None, ...] = (None, None, 8.0, 0.0)
    work: float = 8.0
    rest: float = 2.0
    freezes: float = 0.15
    vanish: float = float("inf")
    within: float = 3600.0


@dataclass(slots=True)
class User:
    """One process that comes in as a reader or a writer, and writes under its guard."""

    world: "Sharing"
    process: Process
    dice: random.Random
    writes: bool
    operations: LockOperations = field(init=False)

    def __post_init__(self) -> None:
        self.operations = LockOperations(self.world.plan.settings, lambda: self.process.name)

    def life(self) -> Operation[None]:
        """Come in and leave, as many times as planned."""
        plan = self.world.plan
        for _ in range(plan.rounds):
            yield from sleep(plan.rest * (yield from draw()))
            if not self.writes or self.dice.random() > plan.writes:
                grant = yield from self.take(self.reading)
                yield from self.work(grant)
            else:
                grant = yield from self.take(self.writing)
                yield from self.work(grant)
                if self.dice.random() < plan.downgrades:
                    yield from self.downgrade(grant)
                    continue
            yield from self.give_back(grant)

    def reading(self, **options: Any) -> ReadAcquisition:
        """Return the acquisition of the read side."""
        return self.operations.read(NAME, self.world.plan.readers, **options)

    def writing(self, **options: Any) -> WriteAcquisition:
        """Return the acquisition of the write side."""
        return self.operations.write(NAME, self.world.plan.readers, **options)

    def take(self, side: Callable[..., ReadAcquisition | WriteAcquisition]) -> Operation[Grant]:
        """Acquire a side until it is granted."""
        while True:
            timeout = self.dice.choice(self.world.plan.timeouts)
            acquisition = side(
                lease=timedelta(seconds=self.dice.choice(self.world.plan.leases)),
                timeout=None if timeout is None else timedelta(seconds=timeout),
            )
            try:
                grant: Grant = yield from acquisition.run()
            except (LockTimeout, *GIVEN_UP):
                for grant in acquisition.granted:
                    yield from self.release(grant)
                if (yield from acquisition.abandon()):
                    self.world.done(self.process)
                yield from sleep(0.5 * (yield from draw()))
            else:
                self.keep(grant)
                return grant

    def downgrade(self, writing: Grant) -> Operation[None]:
        """Become a reader, work as one, and leave."""
        acquisition = self.operations.downgrade(writing, self.world.plan.readers)
        try:
            grant = yield from acquisition.run()
        except (LockLost, LockTimeout, *GIVEN_UP):
            for grant in acquisition.granted:
                yield from self.release(grant)
            yield from acquisition.abandon()
            if not writing.closed:
                yield from self.give_back(writing)
            return
        self.world.downgraded(writing, grant)
        self.keep(grant)
        yield from self.work(grant)
        yield from self.give_back(grant)

    def keep(self, grant: Grant) -> None:
        """Have a side renewed as long as it is held."""
        self.world.entered(self.process, grant)
        self.process.start(self.beat(grant), name="heartbeat", awaited=False)

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew when it is due, as the driver's heartbeat does."""
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                yield from sleep(grant.due - now)
            yield from self.operations.renew(grant)

    def work(self, grant: Grant) -> Operation[None]:
        """Write under the guard, at first and in the end; the second write may come too late."""
        yield from self.write(grant)
        if self.dice.random() < self.world.plan.freezes:
            self.process.pause(1.5 * grant.lease)
        yield from sleep(self.world.plan.work * (yield from draw()))
        yield from self.write(grant)

    def write(self, grant: Grant) -> Operation[None]:
        """Write what only the holder of this side may write, whether it is still held or not."""
        item = {"pk": {"S": DATA + self.process.name}, "fence": {"N": str(grant.fence)}}
        check = record.guard(TABLE, grant.name, grant.fence)
        for _ in range(5):
            try:
                yield from call(
                    "TransactWriteItems",
                    TransactItems=[check, {"Put": {"TableName": TABLE, "Item": item}}],
                )
            except Refused as refusal:
                if not (refusal.throttled or refusal.conflicted):
                    return
            except Fault:
                pass
            else:
                return
            yield from sleep(0.1 * (yield from draw()))

    def release(self, grant: Grant) -> Operation[None]:
        """Release what was granted, as far as the store answers."""
        if not grant.closed:
            with suppress(*GIVEN_UP):
                yield from self.operations.release(grant)

    def give_back(self, grant: Grant) -> Operation[None]:
        """Release, and sometimes write once more, as a thread does that no client has told."""
        yield from self.release(grant)
        if (yield from draw()) < 0.3:
            yield from self.write(grant)


@dataclass(frozen=True, slots=True)
class Commit:
    """A write that a writer's guard let pass."""

    process: str
    fence: int


class Sharing(World):
    """Processes that read and write together, and what must hold of it."""

    def __init__(self, seed: int, faults: Faults, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        super().__init__(seed, faults=faults, within=self.plan.within)
        self.held: list[tuple[Process, Grant]] = []
        self.writers: dict[int, str] = {}  # by fence: who was let in as the writer
        self.commits: list[Commit] = []
        self.came: dict[tuple[str, int], int] = {}  # after how many commits a side was granted
        self.void: dict[str, int] = {}
        self.changes: dict[str, float] = {}
        self.reads = 0
        self.downgrades = 0
        self._begin = self.store.begin
        # A guard is judged at the moment when it holds.
        self.store.begin = self.begin  # type: ignore[method-assign]
        self.store.on_change(self.changed)
        self.invariant(self.believers_are_alone)
        for number, name in enumerate("abcdefgh"[: self.plan.processes]):
            dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
            process = self.process(name)
            user = User(self, process, dice, number < self.plan.writers)
            process.start(user.life(), name="work")
        if self.plan.vanish < float("inf"):
            self.at(self.plan.vanish, self.vanish)

    # What processes are told.

    def entered(self, process: Process, grant: Grant) -> None:
        """Note that a process was let in."""
        self.held.append((process, grant))
        if grant.name == NAME:
            self.writers[grant.fence] = process.name
            self.came[grant.name, grant.fence] = len(self.commits)

    def downgraded(self, writing: Grant, grant: Grant) -> None:
        """Note that a writer has become a reader: no writer may have come in between."""
        self.downgrades += 1
        self.came[grant.name, grant.fence] = self.came[writing.name, writing.fence]

    def done(self, process: Process) -> None:
        """Note that a process was told that nothing of its acquisition so far is left anywhere."""
        self.void[process.name] = process.ids

    # What must hold.

    def believers_are_alone(self) -> None:
        """Demand that a writer, by its own clock, has no other beside it, by theirs."""
        self.held = [one for one in self.held if not one[1].over and one[0].alive]
        believing = [
            (process, grant) for process, grant in self.held if process.monotonic() < grant.until
        ]
        for process, grant in believing:
            others = {one.name for one, _ in believing} - {process.name}
            assert grant.name != NAME or not others, (
                f"{process.name} writes by its clock, and {others} are in by theirs"
            )

    def begin(self, params: Mapping[str, Any]) -> Prepared:
        """Judge a transaction that is under a guard at the moment when it is decided."""
        prepared = self._begin(params)
        first, *_, last = params["TransactItems"]
        if "Put" in last:
            guarded = record.guarded(first["ConditionCheck"])
            assert guarded is not None
            self._judge(*guarded)
        return prepared

    def _judge(self, name: str, token: int) -> None:
        owner = self._owner(self._item(name))
        if name == NAME:
            assert token in self.writers, f"{owner} wrote before it was let in"
            assert all(token >= commit.fence for commit in self.commits), "a stale writer wrote"
            readers = {self._owner(self._item(slot)) for slot in self._slots()} - {None, owner}
            assert not readers, f"{owner} wrote beside the readers {readers}"
            self.commits.append(Commit(owner or "", token))
            return
        self.reads += 1
        writer = self._writer()
        assert writer in {None, owner}, f"the reader {owner} wrote beside the writer {writer}"
        since = self.commits[self.came[name, token] :]
        others = {commit.process for commit in since} - {owner}
        assert not others, f"{others} wrote since the reader {owner} came"

    def changed(self, change: Change) -> None:
        """Judge each grant as the store makes it."""
        key, before, after = change.place.key[0], change.before or {}, change.after
        if not key.startswith(PREFIX) or after is None or "slots" in after:
            return
        self.changes[key] = self.now
        actor = self._owner(after)
        if actor is None or fence(after) == fence(before):
            return
        number = int(after["version"]["S"].rpartition("-")[2])
        assert number > self.void.get(actor, 0), (
            f"{actor} was done when a late copy of its request took {key}"
        )
        assert fence(after) > fence(before), f"the fence of {key} fell"
        if key == DOOR:
            return
        self.came[key.removeprefix(PREFIX), fence(after)] = len(self.commits)
        door = self._item(NAME) or {}
        if self._owner(door) not in {None, actor}:
            closed = int(before.get("door", {"N": "-1"})["N"]) == fence(door)
            assert not closed, f"{actor} was let in by a closed door"

    def vanish(self) -> None:
        """Delete the rows of free slots that have not changed for long."""
        for slot in [NAME, *self._slots()]:
            item = self._item(slot)
            old = self.now - self.changes.get(PREFIX + slot, self.now) >= self.plan.vanish
            if item is not None and "version" not in item and old:
                self.timeline.add(self.now, "", f"{slot} vanishes")
                self.store.expire(Place(TABLE, (PREFIX + slot,)))
        self.at(self.now + self.plan.vanish, self.vanish)

    def _writer(self) -> str | None:
        """Return who is in as the writer, by the store's record."""
        door = self._item(NAME)
        return self.writers.get(fence(door)) if door is not None and "version" in door else None

    def _slots(self) -> list[str]:
        return [permit(NAME, number) for number in range(self.plan.readers)]

    def _item(self, name: str) -> Mapping[str, Any] | None:
        return self.store.item(TABLE, PREFIX + name)

    @staticmethod
    def _owner(item: Mapping[str, Any] | None) -> str | None:
        """Return the process whose version a lock has, None if it is free."""
        version = (item or {}).get("version", {}).get("S", "")
        return version.rpartition("-")[0] or None
