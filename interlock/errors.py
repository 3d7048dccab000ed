"""Every exception that Interlock raises on purpose.

All derive from `InterlockError`. Each names the value at fault, the limit, and the way out.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from interlock._protocol.locks.state import LockRecord as _LockRecord
from interlock._protocol.locks.state import LossReason as LossReason  # noqa: PLC0414 - it is public here

_EXPLAINED = "https://interlock.example/howto/troubleshooting.html"


class InterlockError(Exception):
    """The base of every error of this library; tracebacks end with the address that explains it."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.add_note(f"{_EXPLAINED}#{type(self).__name__.lower()}")

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is unpickled from its text alone, which these do not take: a pool
        # of processes would break on the error of a task.
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[InterlockError], arguments: tuple[Any, ...], state: dict[str, Any]
) -> InterlockError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(state)
    return error


class TableNotFound(InterlockError):
    """The coordination table does not exist in this account and region."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"table {table!r} does not exist in this account and region; deploy a "
            f"CoordinationTable and pass its name, or check AWS_REGION and AWS_ENDPOINT_URL"
        )
        self.table = table


class TableUnfit(InterlockError):
    """A table exists and is not one that the library can use; `problems` says why."""

    def __init__(self, table: str, problems: list[str]) -> None:
        super().__init__(
            f"table {table!r} does not fit: {'; '.join(problems)}. Use another name, or a table "
            "made by CoordinationTable or interlock.create_table"
        )
        self.table = table
        self.problems = problems


class AccessDenied(InterlockError):
    """The caller's credentials do not allow the call; the text says which grant does."""


class CredentialsRejected(AccessDenied):
    """The credentials are missing, expired or not valid; no grant helps. `code` says which.

    `code` is the service's error code, or the name of botocore's exception.
    """

    def __init__(self, code: str, message: str, way_out: str) -> None:
        detail = f" ({message})" if message else ""
        super().__init__(f"the AWS credentials were not accepted: {code}{detail}; {way_out}")
        self.code = code


class RegionMissing(InterlockError, ValueError):
    """No AWS region is configured, so there is no endpoint to call."""

    def __init__(self) -> None:
        super().__init__("no region is configured: set AWS_REGION, or pass a client that has one")


class Throttled(InterlockError):
    """The store kept refusing for its rate until the deadline; nothing was written.

    `reasons` says which limit of which resource was exceeded, as far as the service reports it.
    """

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message} ({', '.join(reasons)})" if reasons else message)
        self.reasons = reasons


class ServiceUnavailable(InterlockError):
    """The store could not be reached until the deadline; nothing was written."""


class OutcomeUnknown(InterlockError):
    """A write was sent and its answer was lost: it may have happened, once, or not at all."""


class InvalidValue(InterlockError, ValueError):
    """A value that DynamoDB cannot hold, found before anything was sent."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class RequestRefused(InterlockError):
    """A request was refused and would be again; `code` is the store's error code.

    What botocore refuses to send has its exception as `code` (ParamValidationError,
    NoCredentialsError).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the request was refused as {code}: {message}")
        self.code = code
        self.message = message


class ConditionFailed(InterlockError):
    """A condition that the caller set does not hold; nothing was written.

    `index` is the action's place in the transaction (items in the order of their first use, then
    guards), `key` the item's key, `item` what the store holds there (None: no item).
    """

    def __init__(
        self, index: int, table: str, key: Mapping[str, Any], item: Mapping[str, Any] | None
    ) -> None:
        super().__init__(f"action {index}: the condition on {dict(key)} in {table!r} does not hold")
        self.index = index
        self.table = table
        self.key = key
        self.item = item


class TransactionConflict(InterlockError):
    """Others kept writing the same items until attempts or time were used up; nothing was written.

    Raise `attempts` or `timeout`, touch fewer items, or spread the hot one.
    """

    def __init__(self, attempts: int) -> None:
        super().__init__(f"other transactions got in the way of all {attempts} attempts")
        self.attempts = attempts


class TransactionTooLarge(InterlockError):
    """More than one DynamoDB transaction takes: 100 items or 4 MB; nothing was sent."""


class ItemTooLarge(InterlockError):
    """An item over DynamoDB's 400 KB; nothing was written."""


class TransactionClosed(InterlockError):
    """A transaction was used after its function had returned."""

    def __init__(self) -> None:
        super().__init__(
            "this transaction is over; use it only inside the function it was given to"
        )


class IdempotencyMismatch(InterlockError):
    """The idempotency key has been used with another payload; nothing was written.

    Or by another lambda, which has no name to keep their keys apart: pass `operation=`.
    """

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used before with another payload, or by another lambda "
            "(pass operation= to keep their keys apart)"
        )
        self.key = key


class InvalidCounterName(InterlockError, ValueError):
    """A name that a counter cannot have; nothing was sent."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"invalid counter name {name!r}: {reason}")
        self.name = name


class CounterLimitExceeded(InterlockError):
    """The change would pass a bound; nothing was written.

    `value` is the counter's value at an instant when it had no room for the change; `floor` and
    `ceiling` are None where there is no bound. `name` is the counter's, where several are changed.
    """

    def __init__(
        self, value: int, floor: int | None, ceiling: int | None, *, name: str | None = None
    ) -> None:
        which = "the counter" if name is None else f"counter {name!r}"
        super().__init__(
            f"{which} is at {value} and may not leave its bounds: floor {floor}, ceiling {ceiling}"
        )
        self.value = value
        self.floor = floor
        self.ceiling = ceiling
        self.name = name


class CounterMismatch(InterlockError):
    """The counter exists with another configuration than the one declared in code."""

    def __init__(self, name: str, what: str, declared: int, stored: int | None) -> None:
        super().__init__(
            f"counter {name!r} has {what} {stored}, but {declared} is declared; "
            f"leave it out, or change the counter with configure({what}={declared})"
        )
        self.name = name
        self.what = what
        self.declared = declared
        self.stored = stored


class CounterChanged(InterlockError):
    """The counter is not as it was expected to be, or gone; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"counter {name!r} has changed since it was read")
        self.name = name


class CounterNotFound(InterlockError):
    """There is no such counter; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no counter {name!r}")
        self.name = name


class InvalidLockName(InterlockError, ValueError):
    """A name that a lock cannot have; nothing was sent."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"invalid lock name {name!r}: {reason}")
        self.name = name


class LeaseTooShort(InterlockError, ValueError):
    """A lease that could run out under a holder that is well; `needed` is the least that would do.

    It must hold three heartbeats, and a call's whole time-out.
    """

    def __init__(self, lease: timedelta, needed: timedelta, why: str) -> None:
        super().__init__(f"a lease of {lease} is too short: {why} (at least {needed})")
        self.lease = lease
        self.needed = needed


class LockClientClosed(InterlockError):
    """A lock was asked of a client that has been closed."""

    def __init__(self) -> None:
        super().__init__("this lock client is closed; make a new one")


class LockWaitCancelled(InterlockError):
    """The event that was passed as `cancel=` was set during the wait; nothing is held."""

    def __init__(self) -> None:
        super().__init__("the wait for a lock was cancelled by the event that it was given")


class LockAlreadyHeld(InterlockError):
    """A thread (or task) would wait for a lock that it holds itself; it would wait for ever.

    Pass the lock on instead of acquiring it again, or `release` it first. If another thread is to
    give it back, acquire it there.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"lock {name!r} is held by this very thread or task, which would wait for itself: "
            "pass the lock on instead of acquiring it again"
        )
        self.name = name


class RenewalImpossible(InterlockError):
    """No thread can be started that would renew the lock, so it was given back.

    The process has too many threads, or is ending.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"lock {name!r} was given back: no thread can be started to renew it, as this process "
            "has too many or is ending"
        )
        self.name = name


class CorruptRecord(InterlockError):
    """A record that no client of this library has written; nothing was decided by it.

    `table` and `key` say where it is, `attribute` what is wrong with it, and `value` what it has
    there (typed; None: nothing). While it is so, nothing is granted: `LockClient.break_lock` mends
    a lock's. `newer` says that a newer version of this library wrote it, which is to be left alone.
    """

    def __init__(
        self, table: str, key: str, attribute: str, value: Any, *, newer: bool = False
    ) -> None:
        way_out = (
            "it was written by a newer version of this library: update it here"
            if newer
            else "something else has written it: mend a lock by break_lock, or delete the item "
            "when it is not in use"
        )
        super().__init__(
            f"the record {key!r} in table {table!r} has {attribute}={value!r}, which cannot be "
            f"relied upon; {way_out}"
        )
        self.table = table
        self.key = key
        self.attribute = attribute
        self.value = value
        self.newer = newer


class LockTimeout(InterlockError):
    """The lock was held by others for all of the time that the caller would wait.

    `holder` is who holds it, since when, and their data, as the store had it last.
    """

    def __init__(self, name: str, waited: timedelta, holder: _LockRecord) -> None:
        since = f" since {holder.since:%Y-%m-%d %H:%M:%SZ}" if holder.since else ""
        super().__init__(
            f"lock {name!r} was not free within {waited}; {holder.owner or 'another client'} "
            f"holds it{since}, fencing token {holder.fencing_token}"
        )
        self.name = name
        self.waited = waited
        self.holder = holder


class LockLost(InterlockError):
    """The lock is not held any more, so what it protects must not be touched.

    `reason` is a `LossReason`; `problem` what the last heartbeat met, if that was the cause.
    """

    def __init__(
        self, name: str, fencing_token: int, reason: LossReason, problem: Exception | None = None
    ) -> None:
        detail = f" ({problem})" if problem is not None else ""
        super().__init__(
            f"lock {name!r}, fencing token {fencing_token}, is lost: {reason.text}{detail}"
        )
        self.name = name
        self.fencing_token = fencing_token
        self.reason = reason
        self.problem = problem


class GuardFailed(ConditionFailed, LockLost):
    """A transaction was guarded by a lock that is not held any more; nothing was written.

    A `ConditionFailed` and a `LockLost` in one: `name`, `fencing_token` and `reason` are the
    lock's, `item` is its record.
    """

    def __init__(  # noqa: PLR0917 - those of its two parents
        self,
        index: int,
        table: str,
        key: Mapping[str, Any],
        item: Mapping[str, Any] | None,
        name: str,
        fencing_token: int,
        reason: LossReason,
    ) -> None:
        InterlockError.__init__(
            self,
            f"nothing was written: lock {name!r}, fencing token {fencing_token}, which guards "
            f"action {index}, is lost: {reason.text}",
        )
        self.index, self.table, self.key, self.item = index, table, key, item
        self.name, self.fencing_token, self.reason = name, fencing_token, reason
        self.problem = None


class SigningError(InterlockError):
    """A signature could not be made; none was given out."""


class UnsupportedKey(SigningError):
    """The KMS key cannot sign what was asked for: its usage or its spec does not fit."""


class KeyUnusable(SigningError):
    """KMS refuses to use the key: it is disabled, pending deletion, or does not exist."""


class InvalidToken(InterlockError):
    """A token, receipt or signature that must not be trusted; the subclass says why."""


class MalformedToken(InvalidToken):
    """Not a compact JWS, or one that uses a critical extension this library does not know."""


class AlgorithmNotAllowed(InvalidToken):
    """The token's `alg` is not on the allow-list, or is not the algorithm of its key."""


class UnknownKey(InvalidToken):
    """No trusted key has the token's `kid`."""


class BadSignature(InvalidToken):
    """The signature does not match: wrong key, or altered content."""


class ClaimMissing(InvalidToken):
    """A required claim is not there; `claim` is its name."""

    def __init__(self, claim: str) -> None:
        super().__init__(f"the token has no claim {claim!r}, which is required")
        self.claim = claim


class ClaimRejected(InvalidToken):
    """A claim is of the wrong type or not the expected value; `claim` is its name."""

    def __init__(self, claim: str, reason: str) -> None:
        super().__init__(f"claim {claim!r} {reason}")
        self.claim = claim


class TokenExpired(InvalidToken):
    """The token's `exp` has passed, beyond the leeway."""


class TokenNotYetValid(InvalidToken):
    """The token's `nbf` or `iat` lies in the future, beyond the leeway."""


class AlgorithmUnavailable(InterlockError):
    """This installation cannot verify by the token's algorithm; this says nothing of the token."""


class KeysUnavailable(InterlockError):
    """The trusted keys could not be fetched and none are cached; this says nothing of the token."""
