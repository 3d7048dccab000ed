"""A DynamoDB in memory, with the faults that a network has."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from interlock._drivers.awaitable.driver import Driver as AwaitableDriver
from interlock._drivers.blocking.driver import Driver as BlockingDriver
from interlock._drivers.environment import Environment
from interlock._drivers.load import AT_ONCE
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.faults import CancellationReason, NoReply, NotSent, Refused
from interlock._protocol.kinds import (
    checked_choice,
    checked_function,
    checked_instance,
    checked_mapping,
    checked_text,
    shown,
)
from interlock._protocol.requests import Call
from interlock._protocol.retry import Target, meaning
from interlock._protocol.values import from_item, to_item
from interlock.errors import InvalidValue
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from interlock.testing._waiting import wait_awaitably_by, wait_by
from interlock.testing.clock import FakeClock

_TRANSACTIONS = ("TransactWriteItems", "TransactGetItems")


@dataclass(frozen=True, slots=True)
class SentCall:
    """A call that a client made: `operation` ("UpdateItem") and its low-level `params`."""

    operation: str
    params: Mapping[str, Any]


@dataclass(slots=True)
class _Fault:
    """A fault that the next calls of an operation (None: of any) meet, so many times."""

    meet: Callable[[SentCall], Mapping[str, Any]]
    operation: str | None
    times: int


class MemoryStore:
    """A DynamoDB in memory for tests of code that uses this library. Safe for threads and tasks.

    It has the service's semantics for the calls that the library makes: conditions, transactions
    with their cancellation reasons and tokens, sizes, TTL. The library's own simulations run on it,
    and contract tests compare it with DynamoDB Local.

    `tables` are names of coordination tables (partition key `pk`, index `listing`), or `Table`s
    with other keys.
    Time is what `clock` shows, a `FakeClock` by default; pauses of clients move it, so that nothing
    waits. Where threads wait for each other, pass a `SystemClock`.

    Raises `InvalidValue`, as its methods do for what they cannot mean; those that name a table
    raise `TableNotFound` and `RequestRefused`, too.

        store = MemoryStore("coordination", Table("orders", "id"))
        locks = LockClient("coordination", client=store.client())
    """

    def __init__(self, *tables: str | Table, clock: FakeClock | None = None) -> None:
        wanted = "a FakeClock or a SystemClock"
        self.clock = FakeClock() if clock is None else clock
        checked_instance("clock", self.clock, FakeClock, wanted)
        self._store = Store(*map(_made, tables), clock=self.clock.seconds)
        self._mutex = threading.RLock()
        self._faults: list[_Fault] = []
        self.calls: list[SentCall] = []

    def client(self) -> Any:
        """Return what to pass as `client=` to a blocking client: each is a process of its own."""
        return BlockingDriver(
            _Wire(self),
            environment=self._environment(),
            sleep=self.clock.pause,
            wait=wait_by(self.clock),
        )

    def aio_client(self) -> Any:
        """Return what to pass as `client=` to a client of `interlock.aio`."""
        return AwaitableDriver(
            _AwaitableWire(self),
            environment=self._environment(),
            sleep=self.clock.pause_awaitably,
            wait=wait_awaitably_by(self.clock),
        )

    def get(self, table: str, key: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return an item as the store has it, in native values, None if there is none."""
        reply = self._beside("GetItem", table, Key=_item("key", key))
        item = reply.get("Item")
        return None if item is None else from_item(item)

    def put(self, table: str, item: Mapping[str, Any]) -> None:
        """Store an item as another program would, beside the library."""
        self._beside("PutItem", table, Item=_item("item", item))

    def delete(self, table: str, key: Mapping[str, Any]) -> None:
        """Delete an item as another program would."""
        self._beside("DeleteItem", table, Key=_item("key", key))

    def lose_reply(self, operation: str | None = None, *, times: int = 1) -> None:
        """Carry out the next calls, of this operation if it is named, and answer none of them."""
        self._meet(self._lost_reply, operation, times)

    def lose_request(self, operation: str | None = None, *, times: int = 1) -> None:
        """Carry out none of the next calls, and let the caller wait for an answer in vain."""
        self._meet(_no_reply, operation, times)

    def disconnect(self, operation: str | None = None, *, times: int = 1) -> None:
        """Refuse the connections of the next calls: nothing is sent."""
        self._meet(_not_sent, operation, times)

    def throttle(self, operation: str | None = None, *, times: int = 1) -> None:
        """Refuse the next calls for their rate."""
        self.refuse("ThrottlingException", operation, times=times)

    def conflict(self, operation: str | None = None, *, times: int = 1) -> None:
        """Refuse the next calls because of another transaction on the same items."""
        self._meet(_conflict, operation, times)

    def refuse(self, code: str, operation: str | None = None, *, times: int = 1) -> None:
        """Refuse the next calls with an error code of the service ("AccessDeniedException")."""
        checked_text("code", code, wanted="an error code of DynamoDB")

        def refused(_: SentCall) -> Mapping[str, Any]:
            raise Refused(code, "as the test wants it")

        self._meet(refused, operation, times)

    def before_next(self, action: Callable[[], None], operation: str | None = None) -> None:
        """Run an action, a rival's for instance, right before the next call is carried out."""
        checked_function("action", action, "one without parameters")

        def preceded(call: SentCall) -> Mapping[str, Any]:
            action()
            return self._carry_out(call.operation, call.params)

        self._meet(preceded, operation, 1)

    def perform(self, call: SentCall) -> Mapping[str, Any]:
        """Answer a call, or let it meet what was planned for it. For use by the clients."""
        with self._mutex:
            self.calls.append(call)
            fault = next((f for f in self._faults if f.operation in (None, call.operation)), None)
            if fault is None:
                return self._carry_out(call.operation, call.params)
            fault.times -= 1
            if not fault.times:
                self._faults.remove(fault)
            return fault.meet(call)

    def _meet(
        self, meet: Callable[[SentCall], Mapping[str, Any]], operation: str | None, times: int
    ) -> None:
        if operation is not None:
            checked_choice("operation", operation, self._store.operations)
        if not isinstance(times, int) or times < 1:
            raise InvalidValue("times", f"{shown(times)} is not a whole number of at least 1")
        with self._mutex:
            self._faults.append(_Fault(meet, operation, times))

    def _lost_reply(self, call: SentCall) -> Mapping[str, Any]:
        with suppress(Refused):  # the caller does not learn of that either
            self._carry_out(call.operation, call.params)
        return _no_reply(call)

    def _carry_out(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._mutex:
            return self._store.perform(operation, params)

    def _beside(self, operation: str, table: str, **params: Any) -> Mapping[str, Any]:
        """Carry out what the test itself asks for; raise what a client would."""
        checked_text("table", table, wanted="a table's name")
        try:
            return self._carry_out(operation, {"TableName": table, **params})
        except Refused as fault:
            target = Target((table,), "MemoryStore")
            raise meaning(fault, target) from fault

    def _environment(self) -> Environment:
        return Environment(monotonic=self.clock.seconds, wall_clock=self.clock.seconds)


def _made(table: str | Table) -> Table:
    if isinstance(table, str) and table:
        return Table(table)
    made: Table = checked_instance("tables", table, Table, 'a name, or a Table("orders", "id")')
    return made


def _item(parameter: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return to_item(checked_mapping(parameter, given, '{"pk": ...}'))


def _no_reply(call: SentCall) -> Mapping[str, Any]:
    raise NoReply(f"the reply to {call.operation} was lost")


def _not_sent(call: SentCall) -> Mapping[str, Any]:
    raise NotSent(f"no connection for {call.operation}")


def _conflict(call: SentCall) -> Mapping[str, Any]:
    if call.operation in _TRANSACTIONS:
        reasons = tuple(
            CancellationReason("TransactionConflict") for _ in call.params["TransactItems"]
        )
        raise Refused("TransactionCanceledException", "a conflict", reasons=reasons)
    raise Refused("TransactionConflictException", "a conflict")


def _clock_of(store: MemoryStore) -> ServiceClock:
    """Return the service's clock, known from the start: it is the store's."""
    clock, now = ServiceClock(store.clock.seconds), store.clock.seconds()
    clock.learn(now, now, now)
    return clock


class _Wire:
    """The transport of a blocking client of a store."""

    at_once = AT_ONCE

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.clock = _clock_of(store)

    def send(self, call: Call, _timeout: float | None) -> Mapping[str, Any]:
        return self._store.perform(SentCall(call.operation, call.params))


class _AwaitableWire:
    """The transport of an awaitable client of a store."""

    at_once = AT_ONCE

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.clock = _clock_of(store)

    async def send(self, call: Call, _timeout: float | None) -> Mapping[str, Any]:
        return self._store.perform(SentCall(call.operation, call.params))
