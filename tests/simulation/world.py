"""Processes, clocks and a network around the store, all in virtual time and all from one seed.

    world = World(seed=7, faults=STORM)
    a = world.process("a")
    a.start(program())             # a generator over the library's operations
    world.invariant(check)         # called after every step
    world.run()                    # raises Violation with a timeline

A call passes through three events: it is sent, applied by the store, and its reply delivered. In
between, any other event may happen. A TransactWriteItems is applied in several: it is prepared,
then writes its items one by one, in any order.
"""

import heapq
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from interlock._protocol.faults import CancellationReason, Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import Call, CallOnce, Operation
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from interlock.testing._store.throttling import PartitionLimit
from interlock.testing._store.transactions import Prepared
from tests.simulation.faults import CALM, READ_TIMEOUT, Fate, Faults
from tests.simulation.process import Process, Task
from tests.simulation.timeline import Timeline

_LIBRARY_LOG = logging.getLogger("interlock")
EPOCH = 1_700_000_000.0
"""The store's wall clock at the start, in seconds since 1970."""
ABSURD = 2 * 365 * 86400
"""By how many seconds the date of an answer may be off, where it is absurd."""


class Violation(AssertionError):
    """An invariant does not hold, a program failed, or nothing moves any more."""


class World:
    """One run: everything that happens in it follows from the seed."""

    def __init__(
        self,
        seed: int,
        *,
        faults: Faults = CALM,
        tables: Sequence[Table] = (),
        limit: PartitionLimit | None = None,
        within: float = 3600.0,
    ) -> None:
        self.seed = seed
        self.within = within
        self.faults = faults
        self.rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.now = 0.0
        self.steps = 0
        self.kills = 0
        self.store = Store(
            *tables,
            clock=lambda: EPOCH + self.now,
            stale=lambda: self.rng.random() < faults.stale,
            limit=limit,
        )
        self.timeline = Timeline()
        self.processes: list[Process] = []
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self._invariants: list[Callable[[], None]] = []
        self._waiting = 0
        self._said: dict[str, tuple[Any, Fault | None]] = {}
        if faults.sweeps:
            self._plan_sweep()

    def process(self, name: str) -> Process:
        """Add a process, with clocks of its own."""
        process = Process(self, name)
        self.processes.append(process)
        return process

    def invariant(self, check: Callable[[], None]) -> None:
        """Have this called after every step; it raises AssertionError when it does not hold."""
        self._invariants.append(check)

    def at(self, time: float, action: Callable[..., None], *args: Any) -> None:
        """Have something happen at a time, in seconds from the start."""
        self._order += 1
        heapq.heappush(self._agenda, (max(time, self.now), self._order, action, args))

    def run(self) -> None:
        """Let everything happen until every task that is waited for has ended.

        Raises `Violation` if an invariant breaks, a program fails unexpectedly, or tasks are left
        when nothing more can happen or `within` seconds have passed.
        """
        # What the library says of faults that were injected is no news.
        level = _LIBRARY_LOG.level
        _LIBRARY_LOG.setLevel(logging.CRITICAL + 1)
        try:
            while self._waiting:
                event = self._next()
                if event is None or event[0] > self.within:
                    self._stalled(self.within if event else self.now)
                assert event is not None
                self.now, _, action, args = event
                action(*args)
                self.steps += 1
                for check in self._invariants:
                    check()
        except AssertionError as error:
            raise Violation(self.report(str(error) or repr(error))) from error
        finally:
            _LIBRARY_LOG.setLevel(level)
            for process in self.processes:
                process.bury()

    def drain(self) -> None:
        """After the run, let every copy that is still on its way arrive; no process learns of it.

        Raises `Violation` if an invariant breaks.
        """
        end = self.now + self.faults.lateness + 2 * READ_TIMEOUT
        try:
            while self._agenda and self._agenda[0][0] <= end:
                self.now, _, action, args = heapq.heappop(self._agenda)
                action(*args)
                for check in self._invariants:
                    check()
        except AssertionError as error:
            raise Violation(self.report(str(error) or repr(error))) from error

    def report(self, problem: str) -> str:
        """Return what is wrong and the timeline that led there."""
        names = [process.name for process in self.processes]
        return f"seed {self.seed}: {problem}\n{self.timeline.show(names)}"

    def waited_for(self, change: int) -> None:
        """Count the tasks that the run waits for."""
        self._waiting += change

    def _next(self) -> tuple[float, int, Callable[..., None], tuple[Any, ...]] | None:
        return heapq.heappop(self._agenda) if self._agenda else None

    def _stalled(self, when: float) -> None:
        left = [
            f"{process.name}: {task.name}"
            for process in self.processes
            for task in process.tasks
            if task.awaited and not task.ended and process.alive
        ]
        raise AssertionError(
            f"no progress: by {when:.0f} s these have not ended: {', '.join(left)}"
        )

    # The network.

    def send(self, task: Task, call: Call) -> None:  # noqa: C901, PLR0912 - one case a fate
        """Let a call leave a process; what becomes of it is drawn now."""
        process, clock = task.process, self.now
        in_time = call.deadline is None or process.monotonic() < call.deadline
        fate = self._fate(call) if in_time else Fate.NOT_SENT
        self.timeline.add(clock, process.name, f"-> {call.operation}", call.params)
        if fate is not Fate.FINE:
            self.timeline.add(clock, process.name, "   !", fate.value)
        token, task.sent = task.expect(), process.monotonic()
        there = clock + self._latency()
        gives_up = clock + process.patience(call)
        match fate:
            case Fate.NOT_SENT:
                self.at(there, task.deliver, token, None, NotSent("connection refused"))
            case Fate.LOST_REQUEST:
                self.at(gives_up, task.deliver, token, None, NoReply("read timeout"))
            case Fate.THROTTLED:
                self.at(there, task.deliver, token, None, throttling(call))
            case Fate.ERROR_BEFORE:
                self.at(there, task.deliver, token, None, NoReply("InternalServerError"))
            case Fate.LATE:
                self.at(gives_up, task.deliver, token, None, NoReply("read timeout"))
                late = gives_up + self.rng.random() * self.faults.lateness
                self.at(late, self._apply, task, call, None, None)
            case Fate.LOST_REPLY:
                self.at(gives_up, task.deliver, token, None, NoReply("read timeout"))
                self.at(there, self._apply, task, call, None, None)
            case Fate.ERROR_AFTER:
                lost = NoReply("InternalServerError")
                self.at(there, self._apply, task, call, token, lost)
            case Fate.TWICE if not isinstance(call, CallOnce):
                self.at(there, self._apply, task, call, None, None)
                again = there + self.rng.random() * READ_TIMEOUT
                task.resent = token
                self.at(again, self._apply, task, call, token, None)
            case Fate.AGAIN if not isinstance(call, CallOnce):
                self.at(gives_up, task.deliver, token, None, NoReply("read timeout"))
                for copy in (there, gives_up + self.rng.random() * self.faults.lateness):
                    self.at(copy, self._apply, task, call, None, None)
            # The answer to a transaction bears nothing by which it could be told.
            case Fate.SWAPPED if call.operation != "TransactWriteItems":
                if self.rng.random() < 0.5:
                    self.at(there, self._apply, task, call, None, None)
                nothing = (None, NoReply("connection reset"))
                said = self._said.get(call.operation, nothing)
                self.at(there + self._latency(), task.deliver, token, *said)
            case _:
                self.at(there, self._apply, task, call, token, None)

    def _fate(self, call: Call) -> Fate:  # noqa: ARG002 - a search decides by the call
        return self.faults.fate(self.rng, self.now)

    def _latency(self) -> float:
        return 0.001 + self.rng.random() * self.faults.latency

    def _apply(self, task: Task, call: Call, token: int | None, instead: Fault | None) -> None:
        """Let the store carry a call out; answer to `token`, or to no process if it is None."""
        reply: Any = None
        fault: Fault | None = None
        try:
            if call.operation == "TransactWriteItems":
                prepared = self.store.begin(call.params)
                self.timeline.add(self.now, task.process.name, "   prepared")
                self._write_on(task, prepared, token, instead)
                return
            reply = self._perform(call)
        except Refused as refusal:
            fault = refusal
        self._said[call.operation] = reply, fault
        self._answer(task, token, reply, fault, instead)

    def _in_part(self, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what of a batch of reads is carried out, and what is left unprocessed."""
        done: dict[str, Any] = {}
        left: dict[str, Any] = {}
        for table, request in params["RequestItems"].items():
            for key in request["Keys"]:
                part = left if self.rng.random() < self.faults.partial else done
                part.setdefault(table, {**request, "Keys": []})["Keys"].append(key)
        return done, left

    def _perform(self, call: Call) -> Any:
        if call.operation != "BatchGetItem" or not self.faults.partial:
            return self.store.perform(call.operation, call.params)
        done, left = self._in_part(call.params)
        if not done:  # which DynamoDB refuses
            done, left = left, {}
        reply = self.store.perform(call.operation, {**call.params, "RequestItems": done})
        return {**reply, "UnprocessedKeys": left}

    def _write_on(
        self, task: Task, prepared: Prepared, token: int | None, instead: Fault | None
    ) -> None:
        """Have the next item of a prepared transaction written, or answer when all are."""
        later = self.now + self._latency()
        if prepared.left > 1:
            self.at(later, self._write_one, task, prepared, token, instead)
        else:
            self.at(later, self._commit, task, prepared, token, instead)

    def _write_one(
        self, task: Task, prepared: Prepared, token: int | None, instead: Fault | None
    ) -> None:
        prepared.write_one(self.rng.randrange(prepared.left))
        self._write_on(task, prepared, token, instead)

    def _commit(
        self, task: Task, prepared: Prepared, token: int | None, instead: Fault | None
    ) -> None:
        self._answer(task, token, prepared.commit(), None, instead)

    def _answer(
        self, task: Task, token: int | None, reply: Any, fault: Fault | None, instead: Fault | None
    ) -> None:
        self.timeline.add(
            self.now, task.process.name, "   refused" if fault else "   applied", fault or reply
        )
        if token is not None:
            if isinstance(fault, Refused):
                fault.resent = token == task.resent
            # An answer of the 500 kind may stand for a refusal as well as for a success.
            date = self._date() if instead is None and not isinstance(fault, NoReply) else None
            there = self.now + self._latency()
            self.at(there, task.deliver, token, reply, instead or fault, date)

    def _date(self) -> float:
        """Return the date of an answer, in whole seconds; some are absurd."""
        date = int(EPOCH + self.now)
        misdated = self.faults.misdated
        if misdated and self.now < self.faults.until and self.rng.random() < misdated:
            date += self.rng.randrange(-ABSURD, ABSURD)
        return float(date)

    def _plan_sweep(self) -> None:
        self.at(self.now + 2 * self.rng.random() * self.faults.sweeps, self._sweep)

    def _sweep(self) -> None:
        """Delete some of what has expired, as TTL does: late, and in any order."""
        for place in self.store.expired(EPOCH + self.now):
            if self.rng.random() < 0.5:
                self.timeline.add(self.now, "", f"TTL deletes {place.key[0]}")
                self.store.expire(place)
        self._plan_sweep()

    # What happens to processes.

    def delivered(self, task: Task, reply: Any, fault: Fault | None) -> None:
        """Take note of what a task learns; a search tells states apart by it."""

    def strike(self, process: Process) -> bool:
        """Draw whether a process is killed or paused as it is about to take a step."""
        faults = self.faults
        if self.now >= faults.until or not (faults.kill or faults.pause):
            return False
        drawn = self.rng.random()
        if drawn < faults.kill and self.kills < faults.most_kills:
            self.kills += 1
            process.kill()
            return True
        if faults.kill <= drawn < faults.kill + faults.pause:
            process.pause(self.rng.random() * faults.longest_pause)
            return True
        return False


def throttling(call: Call) -> Refused:
    """Return the refusal that throttling takes for this call: of a transaction, a cancellation."""
    if not call.operation.startswith("Transact"):
        return Refused("ProvisionedThroughputExceededException", "injected")
    count = len(call.params["TransactItems"])
    reasons = [CancellationReason("ThrottlingError", "injected")]
    reasons += [CancellationReason("None")] * (count - 1)
    return Refused("TransactionCanceledException", "injected", reasons=tuple(reasons))


def simulate(operation: Operation[Any], *, seed: int = 0, faults: Faults = CALM) -> Any:
    """Run one operation alone in a world of its own and return its result."""
    world = World(seed, faults=faults)
    task = world.process("a").start(operation)
    world.run()
    return task.result
