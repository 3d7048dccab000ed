"""Transactions on a few items, interleaved by a seed, over a network that loses and keeps calls.

Each step lets one task make one request. A TransactWriteItems occupies its items in one step and
commits in a later one; a call that is lost may also arrive long after its sender gave it up.
"""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import CancellationReason, Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Operation,
    Sleep,
    WallClock,
)
from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.idempotency import Committed as Result
from interlock._protocol.transactions.idempotency import Once
from interlock._protocol.transactions.items import UNVERSIONED
from interlock._protocol.transactions.settings import Settings
from interlock._protocol.transactions.work import Work
from interlock.errors import InterlockError, OutcomeUnknown
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Change, Table
from tests.simulation.serializability import Committed, anomalies

TABLE, RECORDS = "accounts", "coordination"
READS = ("GetItem", "TransactGetItems")
SETTINGS = Settings(RECORDS, attempts=40, timeout=60.0)


@dataclass(frozen=True)
class Faults:
    """The probability of each fault, for each call."""

    lose_request: float = 0.05
    lose_reply: float = 0.08
    late: float = 0.04
    refuse: float = 0.05
    crash: float = 0.01


@dataclass
class Task:
    name: str
    program: Generator[Any, Any, Any]
    reply: Any = None
    fault: Fault | None = None
    wakes: float = 0.0
    finish: Callable[[], Any] | None = None
    over: bool = False
    last: Attempt | None = None
    error: Exception | None = None
    result: Any = None
    ids: int = 0

    @property
    def attempt(self) -> str:
        """The id of the attempt that the task is at."""
        return self.last.id if self.last else ""


@dataclass
class Footprint:
    """What an attempt has read and written, as the store saw it."""

    reads: dict[str, str | None] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)


class Contention:
    def __init__(self, seed: int, faults: Faults) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.faults = faults
        self.now = 1_000_000.0
        self.store = Store(Table(TABLE), Table(RECORDS), clock=lambda: self.now)
        self.store.on_change(self._changed)
        self.versions: dict[str, list[str]] = {}
        self.actor = ""
        self.tasks: list[Task] = []
        self.late: list[tuple[str, Call]] = []
        self.steps: list[str] = []
        self.prints: dict[str, Footprint] = {}
        self.history: list[Committed] = []
        self.settled: set[str] = set()
        self.applied: set[str] = set()
        self.absences: dict[tuple[str, str], str | None] = {}

    def latest(self, key: str) -> str | None:
        written = self.versions.get(key)
        return written[-1] if written else None

    def read(self, attempt: Attempt, key: str) -> Operation[int]:
        item = yield from attempt.get(TABLE, {"pk": key})
        mark = self.prints.setdefault(attempt.id, Footprint())
        if key not in mark.writes | mark.deletes:
            # What was read need not be the latest: a second run starts from what the first found.
            image = attempt.entry(TABLE, {"pk": key}).image
            writer = self.absences.get((_owner(attempt.id), key))
            if image is not None and image.writers:
                writer = image.writers[0] if image.writers[0] != UNVERSIONED else None
            mark.reads.setdefault(key, writer)
            if item is None:
                mark.absent.add(key)
        return 0 if item is None else item["n"]

    def wrote(self, attempt: Attempt, key: str) -> None:
        self.prints.setdefault(attempt.id, Footprint()).writes.add(key)

    def deleted(self, attempt: Attempt, key: str) -> None:
        self.prints.setdefault(attempt.id, Footprint()).deletes.add(key)

    def writes(self, name: str) -> frozenset[str]:
        """Return what an attempt changed: to delete what is not there changes nothing."""
        mark = self.prints.get(name, Footprint())
        return frozenset(
            mark.writes | {k for k in mark.deletes if name in self.versions.get(k, ())}
        )

    def start(self, body: Callable[[Attempt], Operation[Any]], *, once: Once | None = None) -> Task:
        def program() -> Operation[Any]:
            work = Work(SETTINGS, once)
            began = self.now
            while True:
                attempt = yield from work.begin()
                if isinstance(attempt, Result):
                    return attempt.value
                task.last = attempt
                value = yield from body(attempt)
                result = yield from work.commit(attempt, value)
                if result is not None:
                    if not result.replayed:
                        self._commit(attempt, (began, self.now))
                    return result.value
                self.settled.add(attempt.id)

        task = Task(f"task {len(self.tasks)}", program())
        self.tasks.append(task)
        return task

    def run(self, invariant: Callable[["Contention"], bool] = lambda _: True) -> None:
        for _ in range(200_000):
            if self.late and self.rng.random() < 0.05:
                self._deliver(*self.late.pop(self.rng.randrange(len(self.late))))
            live = [task for task in self.tasks if not task.over]
            if not live:
                break
            awake = [task for task in live if task.wakes <= self.now]
            if not awake:
                self.now = min(task.wakes for task in live)
                continue
            self.now += 0.001
            self._step(self.rng.choice(awake))
            assert invariant(self), self.timeline()
        else:
            raise AssertionError("no end in sight: livelock")
        for name, call in self.late:
            self._deliver(name, call)
            assert invariant(self), self.timeline()

    def problems(self) -> list[str]:
        """Return what is wrong with the whole run."""
        found = [f"{t.name} died of {t.error!r}" for t in self.tasks if _unexpected(t.error)]
        written = {name for names in self.versions.values() for name in names}
        known = {txn.name for txn in self.history}
        for task in self.tasks:
            name = task.attempt
            if name in written and name not in known:
                if task.error is not None and not isinstance(task.error, OutcomeUnknown):
                    found.append(f"{task.name} failed with {task.error!r}, yet {name} was written")
                reads = self.prints[name].reads
                self.history.append(Committed(name, reads, self.writes(name)))
        found += [f"{name} was given up, yet written" for name in self.settled & written]
        return found + list(anomalies(self.history, self.versions))

    def timeline(self) -> str:
        return "\n".join(self.steps)

    def _commit(self, attempt: Attempt, seconds: tuple[float, float]) -> None:
        reads = self.prints.get(attempt.id, Footprint()).reads
        self.history.append(Committed(attempt.id, reads, self.writes(attempt.id), seconds))

    def _changed(self, change: Change) -> None:
        if change.place.table == TABLE:
            after = change.after or {}
            name = after.get("_version", {"S": self.actor})["S"].split(" ")[0]
            self.versions.setdefault(change.place.key[0], []).append(name)

    def _step(self, task: Task) -> None:
        if task.finish is not None:
            finish, task.finish = task.finish, None
            task.reply, task.fault = self._answer(task, finish)
            return
        try:
            if task.fault is not None:
                request = task.program.throw(task.fault)
            else:
                request = task.program.send(task.reply)
        except StopIteration as end:
            task.over, task.result = True, end.value
            return
        except InterlockError as error:
            self.steps.append(f"{self.now:.3f} {task.name} raises {error!r}")
            task.over, task.error = True, error
            return
        task.reply = task.fault = None
        match request:
            case Call():
                self._call(task, request)
            case Sleep(seconds):
                task.wakes = self.now + seconds
            case Monotonic() | WallClock():
                task.reply = self.now
            case Draw():
                task.reply = self.rng.random()
            case NewId():
                task.ids += 1
                task.reply = f"{task.name.replace(' ', '')}-{task.ids}"

    def _call(self, task: Task, call: Call) -> None:
        faults, dice = self.faults, self.rng.random()
        if self.rng.random() < faults.crash:
            self.steps.append(f"{self.now:.3f} {task.name} crashes at {call.operation}")
            task.over = True
            if self.rng.random() < 0.5:
                self._deliver(task.attempt, call)
            return
        for share, what in (
            (faults.lose_request, self._lose),
            (faults.late, self._delay),
            (faults.refuse, self._refuse),
        ):
            if dice < share:
                what(task, call)
                return
            dice -= share
        if call.operation == "TransactWriteItems":
            self._note(task, call, "prepares")
            try:
                prepared = self.store.begin(call.params)
            except Refused as refusal:
                task.finish = _raiser(refusal)
            else:
                task.finish = lambda: self._as(task.attempt, call, prepared.commit)
            return
        self._note(task, call, "calls")
        task.reply, task.fault = self._answer(task, lambda: self._perform(task.attempt, call))

    def _answer(self, task: Task, act: Callable[[], Any]) -> tuple[Any, Fault | None]:
        reply, fault = None, None
        try:
            reply = act()
        except Refused as refusal:
            fault = refusal
        self.steps.append(f"{self.now:.3f} {task.name} <- {fault or 'ok'}")
        if self.rng.random() < self.faults.lose_reply:
            self.steps[-1] += " (reply lost)"
            return None, NoReply("reply lost")
        return reply, fault

    def _perform(self, name: str, call: Call) -> Any:
        return self._as(name, call, lambda: self.store.perform(call.operation, call.params))

    def _as(self, name: str, call: Call, act: Callable[[], Any]) -> Any:
        self.actor = name
        if call.operation in READS:
            gets = call.params.get("TransactItems", [{"Get": call.params}])
            for key in (get["Get"]["Key"]["pk"]["S"] for get in gets):
                if not self.store.item(TABLE, key):
                    self.absences[_owner(name), key] = self.latest(key)
        if call.operation == "GetItem" or self.actor in self.applied:
            return act()
        # One absence is like another: it is the one at the commit that counts, or at the last of
        # the verifications.
        mark = self.prints.get(self.actor, Footprint())
        held = {key: self.latest(key) for key in mark.absent if not self.store.item(TABLE, key)}
        reply = act()
        mark.reads |= held
        if call.operation not in READS:
            self.applied.add(self.actor)
        return reply

    def _deliver(self, name: str, call: Call) -> None:
        if call.operation in READS:
            return  # nobody waits for the answer any more
        self.steps.append(f"{self.now:.3f} a late {call.operation} of {name} arrives")
        try:
            self._perform(name, call)
        except Refused as refusal:
            self.steps[-1] += f": {refusal}"

    def _lose(self, task: Task, call: Call) -> None:
        self._note(task, call, "loses")
        task.fault = self.rng.choice([NoReply("request lost"), NotSent("no connection")])

    def _delay(self, task: Task, call: Call) -> None:
        self._note(task, call, "gives up waiting for")
        self.late.append((task.attempt, call))
        task.fault = NoReply("late")

    def _refuse(self, task: Task, call: Call) -> None:
        self._note(task, call, "is throttled at")
        if call.operation.startswith("Transact"):
            code = self.rng.choice(["ThrottlingError", "TransactionConflict"])
            reasons = (CancellationReason(code),)
            task.fault = Refused("TransactionCanceledException", reasons=reasons)
        else:
            task.fault = Refused("ProvisionedThroughputExceededException")

    def _note(self, task: Task, call: Call, what: str) -> None:
        self.steps.append(f"{self.now:.3f} {task.name} {what} {call.operation} {dict(call.params)}")


def _owner(attempt: str) -> str:
    """Return the task that an attempt is of."""
    return attempt.partition("-")[0]


def _raiser(refusal: Refused) -> Callable[[], Any]:
    def act() -> Any:
        raise refusal

    return act


def _unexpected(error: Exception | None) -> bool:
    return error is not None and not isinstance(error, InterlockError)
