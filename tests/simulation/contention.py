"""Transactions on a few items, interleaved by a seed, over a network that loses and keeps calls.

Each step lets one task make one request. A TransactWriteItems occupies its items in one step and
writes them in later ones, one by one; a call that is lost may also arrive long after its sender
gave it up, and others write beside the library.
"""

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import CancellationReason, Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    Operation,
    Request,
    Sleep,
    Time,
    TimeOfDay,
    WallClock,
)
from interlock._protocol.transactions.attempt import Attempt
from interlock._protocol.transactions.idempotency import Committed as Result
from interlock._protocol.transactions.idempotency import Once
from interlock._protocol.transactions.items import UNVERSIONED, Address
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import Settings
from interlock.errors import InterlockError, OutcomeUnknown
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Change, Table
from interlock.testing._store.transactions import Prepared
from tests.simulation.outsiders import interfere
from tests.simulation.serializability import Committed, anomalies

TABLE, RECORDS = "accounts", "coordination"
READS = ("GetItem", "TransactGetItems")
SETTINGS = Settings(RECORDS, attempts=40, timeout=60.0)


@dataclass(frozen=True)
class Faults:
    """The probability of each fault, for each call.

    `twice` is that of a copy that the client below the library sends unseen, as botocore does,
    `lie` that of an answer which is none to the call, carried out or not, and `stale` that of an
    eventually consistent read of what was before. `outside` is that of a write beside the library
    before each step: with `rude`, of any kind, else only as docs/transactions.md asks for it. A
    transaction lets a step pass between the writes of its items with the probability `linger`.
    """

    lose_request: float = 0.05
    lose_reply: float = 0.08
    late: float = 0.04
    refuse: float = 0.05
    crash: float = 0.01
    twice: float = 0.0
    lie: float = 0.0
    stale: float = 0.0
    outside: float = 0.0
    rude: bool = False
    linger: float = 0.0


@dataclass
class Flight:
    """A prepared TransactWriteItems whose items are being written, and the attempt it is of."""

    attempt: str
    prepared: Prepared


@dataclass
class Task:
    name: str
    program: Generator[Any, Any, Any]
    reply: Any = None
    fault: Fault | None = None
    wakes: float = 0.0
    finish: Callable[[], Any] | None = None
    flight: Flight | None = None
    resent: bool = False
    over: bool = False
    last: Attempt | None = None
    error: Exception | None = None
    result: Any = None
    ids: int = 0
    skew: float = 0.0

    @property
    def attempt(self) -> str:
        """The id of the attempt that the task is at; before the first, one that never commits."""
        return self.last.id if self.last else f"{self.name.replace(' ', '')}-0"


@dataclass
class Footprint:
    """What an attempt has read and written, as the store saw it."""

    reads: dict[str, str | None] = field(default_factory=dict)
    writes: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    together: bool = False

    @property
    def early(self) -> bool:
        """Whether it read one item by itself, and no more: docs/transactions.md, Isolation."""
        return len(self.reads) == 1 and not (self.writes or self.deletes or self.together)


class Contention:
    def __init__(self, seed: int, faults: Faults) -> None:
        self.rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.faults = faults
        self.now = 1_000_000.0
        self.store = Store(
            Table(TABLE),
            Table(RECORDS),
            clock=lambda: self.now,
            stale=lambda: self.rng.random() < faults.stale,
        )
        self.store.on_change(self._changed)
        self.versions: dict[str, list[str]] = {}
        self.actor = ""
        self.tasks: list[Task] = []
        self.late: list[tuple[str, Call]] = []
        self.flights: list[Flight] = []
        self.outsiders = 0
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
        return self._saw(attempt, key, item)

    def read_together(self, attempt: Attempt, keys: Sequence[str]) -> Operation[int]:
        """Read items at one instant, and return their sum."""
        items = yield from attempt.get_many([(TABLE, {"pk": key}) for key in keys])
        self.prints.setdefault(attempt.id, Footprint()).together = True
        return sum(self._saw(attempt, key, item) for key, item in zip(keys, items, strict=True))

    def _saw(self, attempt: Attempt, key: str, item: dict[str, Any] | None) -> int:
        mark = self.prints.setdefault(attempt.id, Footprint())
        if key not in mark.writes | mark.deletes:
            # What was read need not be the latest: a second run starts from what the first found.
            snapshot = attempt.entry(TABLE, {"pk": key}).snapshot
            writer = self.absences.get((_owner(attempt.id), key))
            if snapshot is not None and snapshot.writers:
                writer = snapshot.writers[0] if snapshot.writers[0] != UNVERSIONED else None
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

    def start(
        self,
        body: Callable[[Attempt], Operation[Any]],
        *,
        once: Once | None = None,
        ahead: Sequence[str] = (),
    ) -> Task:
        """Start a transaction, which may read items ahead."""

        def program() -> Operation[Any]:
            run = TransactionRun(SETTINGS, once, [Address.of(TABLE, {"pk": key}) for key in ahead])
            began = self.now
            while True:
                attempt = yield from run.begin()
                if isinstance(attempt, Result):
                    return attempt.value
                if ahead and task.last is None:  # a second attempt has read nothing ahead
                    self.prints.setdefault(attempt.id, Footprint()).together = True
                task.last = attempt
                value = yield from body(attempt)
                result = yield from run.commit(attempt, value)
                if result is not None:
                    if not result.replayed:
                        self._commit(attempt, (began, self.now))
                    return result.value
                if once is None:  # of attempts with a key only one commits, whichever it is
                    self.settled.add(attempt.id)

        task = Task(f"task {len(self.tasks)}", program())
        self.tasks.append(task)
        return task

    def run(self, invariant: Callable[["Contention"], bool] = lambda _: True) -> None:
        for _ in range(200_000):
            self._happen()
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
            self._land()
            self._deliver(name, call)
            assert invariant(self), self.timeline()
        self._land()
        assert invariant(self), self.timeline()

    def _happen(self) -> None:
        """Let something happen that no task waits for."""
        if self.late and self.rng.random() < 0.05:
            self._deliver(*self.late.pop(self.rng.randrange(len(self.late))))
        if self.flights and self.rng.random() < 0.3:
            flight = self.rng.choice(self.flights)
            if self._write_on(flight):
                flight.prepared.commit()
                self.flights.remove(flight)
        if self.faults.outside and self.rng.random() < self.faults.outside:
            interfere(self)

    def _land(self) -> None:
        """Let everything be written that is prepared."""
        for flight in self.flights:
            while not self._write_on(flight):
                pass
            flight.prepared.commit()
        self.flights.clear()

    def _write_on(self, flight: Flight) -> bool:
        """Write one of the items that are left; return whether none was."""
        if not flight.prepared.left:
            return True
        self.actor = flight.attempt
        flight.prepared.write_one(self.rng.randrange(flight.prepared.left))
        return False

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
        if not self.faults.rude:
            return found + list(anomalies(self.history, self.versions))
        names = {txn.name: txn for txn in self.history}
        effects = [(name, key) for name, txn in names.items() for key in txn.writes]
        counts = [(n, k, self.versions.get(k, []).count(n)) for n, k in effects]
        return found + [f"{n} wrote {k} {count} times" for n, k, count in counts if count != 1]

    def timeline(self) -> str:
        return "\n".join(self.steps)

    def _commit(self, attempt: Attempt, seconds: tuple[float, float]) -> None:
        mark = self.prints.get(attempt.id, Footprint())
        writes = self.writes(attempt.id)
        early = mark.early and not attempt.recalled
        self.history.append(Committed(attempt.id, mark.reads, writes, seconds, early))

    def _changed(self, change: Change) -> None:
        if change.place.table == TABLE:
            after = change.after or {}
            name = after.get("_version", {"S": self.actor})["S"].split(" ")[0]
            self.versions.setdefault(change.place.key[0], []).append(name)

    def _step(self, task: Task) -> None:
        if task.flight is not None or task.finish is not None:
            self._go_on(task)
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
            case _:
                task.reply = self._told(task, request)

    def _told(self, task: Task, request: Request) -> Any:
        """Return the answer to a request that needs no store and no time."""
        match request:
            case Monotonic():
                return self.now
            case WallClock():
                return self.now + task.skew
            case TimeOfDay():
                return Time(self.now + task.skew, self.now)
            case Draw():
                return self.rng.random()
        task.ids += 1
        return f"{task.name.replace(' ', '')}-{task.ids}"

    def _go_on(self, task: Task) -> None:
        """Write the next item of what the task has under way, or answer it when all are."""
        if task.flight is not None:
            if self.rng.random() < self.faults.linger or not self._write_on(task.flight):
                return
            task.finish, task.flight = task.flight.prepared.commit, None
        assert task.finish is not None
        finish, task.finish = task.finish, None
        task.reply, task.fault = self._answer(task, finish)

    def _call(self, task: Task, call: Call) -> None:
        faults, dice = self.faults, self.rng.random()
        if call.operation not in READS and self.rng.random() < faults.twice:
            self._note(task, call, "sends a copy of")
            task.resent = True
            self.late.append((task.attempt, call))
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
            (faults.lie, self._lie),
        ):
            if dice < share:
                what(task, call)
                return
            dice -= share
        if call.operation == "TransactWriteItems":
            self._note(task, call, "prepares")
            try:
                task.flight = Flight(task.attempt, self._begin(task.attempt, call))
            except Refused as refusal:
                task.finish = _raiser(refusal)
            return
        self._note(task, call, "calls")
        task.reply, task.fault = self._answer(task, lambda: self._perform(task.attempt, call))

    def _answer(self, task: Task, act: Callable[[], Any]) -> tuple[Any, Fault | None]:
        reply, fault = None, None
        try:
            reply = act()
        except Refused as refusal:
            fault, refusal.resent = refusal, task.resent
        task.resent = False
        self.steps.append(f"{self.now:.3f} {task.name} <- {fault or 'ok'}")
        if self.rng.random() < self.faults.lose_reply:
            self.steps[-1] += " (reply lost)"
            return None, NoReply("reply lost")
        return reply, fault

    def _begin(self, name: str, call: Call) -> Prepared:
        prepared: Prepared = self._as(name, call, lambda: self.store.begin(call.params))
        return prepared

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
            return  # no caller waits for the answer any more
        self.steps.append(f"{self.now:.3f} a late {call.operation} of {name} arrives")
        try:
            if call.operation == "TransactWriteItems":
                self.flights.append(Flight(name, self._begin(name, call)))
            else:
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
            fault = Refused("TransactionCanceledException", reasons=reasons)
        else:
            fault = Refused("ProvisionedThroughputExceededException")
        task.fault, fault.resent, task.resent = fault, task.resent, False

    def _lie(self, task: Task, call: Call) -> None:
        self._note(task, call, "gets no answer to")
        if self.rng.random() < 0.3:
            self._deliver(task.attempt, call)
        other = {"pk": {"S": "other"}, "n": {"N": "7"}, "_version": {"S": "other"}}
        lies: list[Any] = [{}, "<html>", {"Item": other}, {"Attributes": other}]
        lies += [{"Responses": [{"Item": other}] * n} for n in (1, 2, 3)]
        task.reply = self.rng.choice(lies)

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
