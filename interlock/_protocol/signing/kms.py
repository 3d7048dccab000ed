"""Asking KMS: again while it throttles, falls silent or answers something else."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from interlock._protocol.faults import Fault, NoReply
from interlock._protocol.requests import Call, Operation
from interlock._protocol.retry import RetryBudget, Target
from interlock._protocol.signing.keys import same_key

T = TypeVar("T")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
# Which method of a construct allows the call.
_GRANTS = {
    "GetPublicKey": "SigningKey.grant_read_public_keys",
    "Sign": "SigningKey.grant_sign",
    "Verify": "SigningKey.grant_verify",
    "GenerateMac": "MacKey.grant_generate",
    "VerifyMac": "MacKey.grant_verify",
}


def ask(
    operation: str,
    read: Callable[[Mapping[str, Any]], T],
    *,
    key_id: str,
    timeout: float,
    most: int | None = None,
    **params: Any,
) -> Operation[T]:
    """Call KMS and return what `read` makes of its response.

    Nothing here changes a key, so repeating is harmless, for `timeout` seconds and at most `most`
    times. A response for which `read` raises ValueError, TypeError or LookupError is none: it does
    not answer what was asked. Raises what `retry.meaning` says.
    """
    target = Target(key=key_id, grant=f"{_GRANTS[operation]}(...)")
    budget = RetryBudget(target, first=_FIRST_PAUSE, longest=_LONGEST_PAUSE, most=most)
    yield from budget.start(timeout)
    while True:
        try:
            reply = yield Call(operation, {"KeyId": key_id, **params}, budget.deadline)
            return _read(operation, read, reply)
        except Fault as fault:
            yield from budget.after(fault)


def _read(operation: str, read: Callable[[Mapping[str, Any]], T], reply: Any) -> T:
    try:
        return read(reply)
    except (ValueError, TypeError, LookupError) as error:
        raise NoReply(f"what came is no answer to {operation}: {error!r}") from error


def expect_key(reply: Mapping[str, Any], key_id: str) -> None:
    """Raise ValueError or LookupError if the response is that of another key than was asked."""
    given = reply["KeyId"]
    if not isinstance(given, str) or not same_key(given, key_id):
        raise ValueError(f"{key_id} was asked, and {given!r} answered")


def expect(reply: Mapping[str, Any], name: str, value: Any) -> None:
    """Raise ValueError if the response says another than this of the request it answers."""
    if reply.get(name, value) != value:
        raise ValueError(f"{name} is {reply[name]!r}, and {value!r} was asked for")


def octets(reply: Mapping[str, Any], name: str) -> bytes:
    """Return the bytes that a response carries; raise TypeError or LookupError."""
    value = reply[name]
    if not isinstance(value, bytes) or not value:
        raise TypeError(f"{name} is {value!r}")
    return value
