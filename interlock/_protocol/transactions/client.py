"""The half of a transaction client that needs no I/O, for both the blocking and the awaitable."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_function, shown, written
from interlock._protocol.requests import Operation
from interlock._protocol.transactions.fingerprint import (
    arguments_of,
    checked_operation,
    code_of,
    operation_of,
)
from interlock._protocol.transactions.idempotency import Once
from interlock._protocol.transactions.items import addresses, native
from interlock._protocol.transactions.reads import snapshot
from interlock._protocol.transactions.reporting import Observers
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import MOST_READS, Settings
from interlock.errors import InvalidValue, TransactionTooLarge

DAY = timedelta(days=1)  # for how long a key is remembered, if nothing else is asked for
Targets: TypeAlias = Iterable[tuple[str, Mapping[str, Any]]]
_READS = (
    "a function of a call's arguments that returns items: "
    'lambda order, **_: [("orders", {"pk": order})]'
)
_FUNCTION = "a function that takes the transaction: def ship(tx): tx.put(...)"


class TransactionOperations:
    """The sans-I/O half of a transaction client: operations for a driver."""

    def __init__(self, settings: Settings, observers: Observers, *, unscoped_keys: bool) -> None:
        self.settings = settings
        self.observers = observers
        self._unscoped_keys = unscoped_keys

    def run(self, once: Once | None, reads: Targets) -> TransactionRun:
        """Return a transaction that has not begun, and the items that it reads ahead."""
        ahead = list(dict.fromkeys(addresses(reads, "reads")))
        if len(ahead) > MOST_READS:
            raise TransactionTooLarge(
                f"{len(ahead)} items read ahead; the limit is {MOST_READS}, as the records of a "
                "key are read with them"
            )
        return TransactionRun(self.settings, once, ahead)

    def once(
        self,
        function: Callable[..., Any],
        key: str | None,
        *,
        operation: str | None,
        payload: Any,
        retention: timedelta,
    ) -> Once | None:
        """Return what a key stands for, None if there is no key."""
        checked_function("function", function, _FUNCTION)
        if key is None:
            refuse_without_key(operation=operation, payload=payload, retention=retention)
            return None
        return Once.of(
            self.settings.table,
            key,
            arguments_of(function) if payload is None else payload,
            seconds("retention", retention),
            operation=operation_of(function) if operation is None else checked_operation(operation),
            code=code_of(function) if operation is None else None,
            unscoped=self._unscoped_keys and self.settings.layout.is_default,
            layout=self.settings.layout,
        )

    def snapshot(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> Operation[list[dict[str, Any] | None]]:
        """Read items as they all are at one instant."""
        budget = self.settings.budget()
        yield from budget.start(self.settings.timeout)
        items = yield from snapshot(budget, targets)
        name = self.settings.version_attribute
        return [None if item is None else native(item, name) for item in items]


def refuse_without_key(*, operation: str | None, payload: Any = None, retention: timedelta) -> None:
    """Raise `InvalidValue` for what says how a key is meant, where there is no key."""
    given: dict[str, Any] = {"operation": operation, "payload": payload}
    if retention != DAY:
        given["retention"] = retention
    for parameter, value in given.items():
        if value is not None:
            raise InvalidValue(
                parameter,
                f"{shown(value)} does nothing without a key: give idempotency_key, too, or leave "
                "it out",
            )


class KeyedFunction:
    """A function whose calls are transactions, and which of its parameters carries the key.

    `operation` is the name by which its keys are kept apart from those of others.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameter: str | None,
        operation: str | None,
        retention: timedelta,
        reads: Callable[..., Targets] | None = None,
    ) -> None:
        checked_function("function", function, _FUNCTION)
        if reads is not None:
            checked_function("reads", reads, _READS)
        self._reads = reads
        if parameter is None:
            refuse_without_key(operation=operation, retention=retention)
        self.operation = None if operation is None else checked_operation(operation)
        if operation is None and parameter is not None:
            self.operation = operation_of(function)
        seconds("retention", retention)
        self._parameter = parameter
        self._signature = _signature(function)
        first, *names = self._signature.parameters
        if first in {"self", "cls"}:
            raise InvalidValue(
                "function",
                f"its first parameter is {first!r}, where the transaction goes: for a method call "
                "run(lambda tx: self.method(tx, ...))",
            )
        if parameter is not None and parameter not in names:
            raise InvalidValue(
                "idempotency_key", f"{written(parameter)} is no parameter of the function: {names}"
            )

    def reads(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Targets:
        """Return the items that a call reads ahead."""
        return () if self._reads is None else self._reads(*args, **kwargs)

    def key_and_payload(
        self, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[str | None, Any]:
        """Return the key of a call and its other arguments by name; None for calls without keys."""
        if self._parameter is None:
            return None, None
        bound = self._signature.bind(None, *args, **kwargs)
        bound.apply_defaults()
        arguments = {name: bound.arguments[name] for name in list(bound.arguments)[1:]}
        return arguments.pop(self._parameter), arguments


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return what a function takes, or raise `InvalidValue` for one that takes no transaction."""
    try:
        taken = inspect.signature(function)
    except (TypeError, ValueError) as error:  # some that are built in have none to see
        why = "does not say what it takes; pass " + _FUNCTION
        raise InvalidValue("function", f"{shown(function)} {why}") from error
    try:
        taken.bind_partial(None)
    except TypeError as error:
        why = "takes no argument by its place; pass " + _FUNCTION
        raise InvalidValue("function", f"{shown(function)} {why}") from error
    return taken
