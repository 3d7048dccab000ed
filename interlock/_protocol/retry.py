"""The one retry: how long a failed call is tried again, and what its failure means.

Pauses have full jitter:
https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

import re

from interlock._dataclasses import dataclass, field
from interlock._protocol.describing import told
from interlock._protocol.faults import Fault, OutOfTime, Refused
from interlock._protocol.requests import Operation, draw, monotonic, sleep
from interlock.errors import (
    AccessDenied,
    CredentialsRejected,
    InterlockError,
    ItemTooLarge,
    KeyUnusable,
    OutcomeUnknown,
    RegionMissing,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    TableUnfit,
    Throttled,
    TransactionConflict,
)

FIRST_PAUSE = 0.025  # seconds; the ceiling doubles with each failure in a row
LONGEST_PAUSE = 1.0
_MOST_DOUBLINGS = 32  # beyond this the ceiling is the longest pause, and floats stay in range
_REJECTED = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})  # of one action
_TOO_LARGE = "size has exceeded"
# What DynamoDB and its emulators say where a table has another key or lacks the index.
_NO_INDEX = "does not have the specified index"
_UNFIT = re.compile(
    "does not match the schema|required keys was not given|number of conditions on the keys"
    f"|Missing the key |Type mismatch for key|{_NO_INDEX}"
)
_ADD_INDEX = (
    "counters are listed by it alone: CoordinationTable(listing=True) adds it, or see "
    "interlock.tables.schema"
)

_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
# https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
_KEY_UNUSABLE = frozenset(
    {
        "DisabledException",
        "InvalidKeyUsageException",
        "KMSInvalidStateException",
        "KeyUnavailableException",
        "NotFoundException",
    }
)
_TABLE_KEY = re.compile(r"\bKMS\b|\bkms:|:kms:")
_OUTER_POLICIES = (
    "permissions boundary",
    "resource control policy",
    "service control policy",
    "session policy",
    "VPC endpoint policy",
)
_EXPIRED = "they have expired: sign in again, or let the role's provider refresh them"
_UNKNOWN = "the access key does not exist, is disabled, or belongs to another partition"
_SIGNATURE = (
    "the secret key is not that of the access key, or this machine's clock is wrong by more than "
    "five minutes: compare it with a time server"
)
_NONE = "none were found: set AWS_PROFILE, or run where a role provides them"
_SIGN_IN = "the sign-in session is over: run `aws sso login`"
_CREDENTIALS = {
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "IncompleteSignature": _SIGNATURE,
    "IncompleteSignatureException": _SIGNATURE,
    "InvalidAccessKeyId": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "InvalidSignatureException": _SIGNATURE,
    "MissingAuthenticationToken": _NONE,
    "MissingAuthenticationTokenException": _NONE,
    "NoAuthTokenError": _SIGN_IN,
    "NoCredentialsError": _NONE,
    "PartialCredentialsError": "an access key needs its secret key beside it",
    "ProfileNotFound": "AWS_PROFILE names a profile that the configuration does not have",
    "RequestExpired": _SIGNATURE,
    "RequestTimeTooSkewed": _SIGNATURE,
    "SSOError": _SIGN_IN,
    "SSOTokenLoadError": _SIGN_IN,
    "SignatureDoesNotMatch": _SIGNATURE,
    "TokenRetrievalError": _SIGN_IN,
    "UnauthorizedSSOTokenError": _SIGN_IN,
    "UnrecognizedClientException": _UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Target:
    """The tables and the grant that an operation needs, for the texts of its errors.

    `tables` are the DynamoDB tables of the call, or `key` is its KMS key; `grant` is what
    allows it ("CoordinationTable.grant_locks(...)"). `laid_out` says that keys and index are this
    library's, so that a table which has others does not fit.
    """

    tables: tuple[str, ...] = ()
    grant: str = ""
    key: str | None = None
    laid_out: bool = False

    @property
    def service(self) -> str:
        """The name of the service."""
        return "DynamoDB" if self.key is None else "KMS"


def may_pass(fault: Fault) -> bool:
    """Return whether the same call, sent again later, may succeed.

    One action of a transaction that can never succeed, or whose condition failed, decides for all.
    """
    if not isinstance(fault, Refused):
        return True
    codes = {reason.code for reason in fault.reasons}
    if codes & _REJECTED or "ConditionalCheckFailed" in codes:
        return False
    return fault.throttled or fault.conflicted or fault.transient


def jittered(failures: int, first: float, longest: float) -> Operation[float]:
    """Return the seconds to wait after so many failures: uniform up to a doubling ceiling."""
    ceiling: float = min(longest, first * 2 ** min(failures, _MOST_DOUBLINGS))
    return (yield from draw()) * ceiling


def meaning(
    fault: Fault, target: Target, *, ambiguous: bool = False, attempts: int = 1
) -> InterlockError:
    """Return the error by which a caller learns of a fault that is not tried again.

    `ambiguous` says that this attempt or an earlier copy of it may have been, or may yet be,
    carried out; `attempts` how many were made.
    """
    if ambiguous:
        return OutcomeUnknown(f"a copy of the write may have been carried out, or may be: {fault}")
    if not isinstance(fault, Refused):
        return ServiceUnavailable(f"{target.service} could not be reached in time: {fault}")
    if may_pass(fault):
        return _may_have_passed(fault, target, attempts)
    return _refused(fault, target)


def _may_have_passed(fault: Refused, target: Target, attempts: int) -> InterlockError:
    if fault.throttled:
        return Throttled(
            f"{target.service} throttled {attempts} calls, the last as {fault}", fault.throttling
        )
    if fault.conflicted:
        return TransactionConflict(attempts)
    return ServiceUnavailable(f"{target.service} did not get as far as to answer: {fault}")


def _refused(fault: Refused, target: Target) -> InterlockError:
    code = fault.code
    if code in _CREDENTIALS or code in _DENIED or code == "NoRegionError":
        return _not_allowed(fault, target)
    if target.key is not None and code in _KEY_UNUSABLE:
        return KeyUnusable(f"KMS does not use {target.key}: {fault}")
    if code == "ResourceNotFoundException" and target.key is None:
        return TableNotFound(", ".join(sorted(set(target.tables))))
    messages = [fault.message, *(reason.message or "" for reason in fault.reasons)]
    if any(_TOO_LARGE in message.lower() for message in messages):
        return ItemTooLarge(str(fault))
    unfit = [message for message in messages if _UNFIT.search(message)]
    if target.laid_out and unfit:
        told = [f"DynamoDB says {unfit[0]!r}"]
        if _NO_INDEX in unfit[0]:
            told.append(_ADD_INDEX)
        return TableUnfit(", ".join(target.tables), told)
    return RequestRefused(code, "; ".join(filter(None, messages)))


def _not_allowed(fault: Refused, target: Target) -> InterlockError:
    if fault.code == "NoRegionError":
        return RegionMissing()
    if fault.code in _CREDENTIALS:
        return CredentialsRejected(fault.code, fault.message, _CREDENTIALS[fault.code])
    return AccessDenied(f"{fault}; {_way_in(fault.message, target)}")


def _way_in(message: str, target: Target) -> str:
    """Return what allows a call, by the reason that IAM gives.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
    """
    if target.key is None and _TABLE_KEY.search(message):
        return "the KMS key of the table is disabled or denied: enable it, and allow its use"
    if "explicit deny" in message:
        return "a policy denies it, which no grant overrides: change that policy"
    for policy in _OUTER_POLICIES:
        if f"no {policy} allows" in message:
            return f"the {policy} has to allow it, too; no grant does"
    return f"{target.grant} allows it"


@dataclass(slots=True)
class RetryBudget:
    """The time and the failures that the attempts of one operation may spend together.

    `deadline` is on the monotonic clock (infinity: none), and so is `silence`: seconds without any
    answer after which a caller learns of it however long it would wait, if there were
    `silent_failures` of them. `grace` is how long a failed call is tried again although the
    deadline has passed, or soon will have. `most` bounds the failures, `first` and `longest` the
    pauses; after a conflict they begin with the time that the call took, and `conflict` at least
    (None: `first`). All times are in seconds.
    """

    target: Target
    deadline: float = float("inf")
    first: float = FIRST_PAUSE
    longest: float = LONGEST_PAUSE
    conflict: float | None = None
    most: int | None = None
    silence: float = float("inf")
    silent_failures: int = 8
    grace: float = 0.0
    failures: int = field(default=0, init=False)
    conflicts: int = field(default=0, init=False)
    throttles: int = field(default=0, init=False)
    _streak: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)
    _met: Fault | None = field(default=None, init=False)

    @property
    def attempts(self) -> int:
        """The number of attempts: those that failed, and the one that is under way."""
        return self.failures + 1

    def start(self, seconds: float) -> Operation[None]:
        """Let the operation take so many seconds from now."""
        self.deadline = (yield from monotonic()) + seconds

    def answered(self) -> None:
        """Note that the store has answered: what fails next is a new streak."""
        self._streak = 0
        self._met = None

    def after(
        self,
        fault: Fault,
        *,
        ambiguous: bool = False,
        target: Target | None = None,
        took: float = 0.0,
    ) -> Operation[None]:
        """Wait before the next attempt, or raise what the fault means to the caller.

        `took` is how many seconds the call took; `ambiguous` and `target` are those of `meaning`.
        If there was no time left to send the call, what it met before is what the caller learns.
        """
        met, attempts = fault, self.failures + 1
        if isinstance(fault, OutOfTime) and self._met is not None:
            met, attempts = self._met, self.failures
        self._met = met
        error = meaning(met, target or self.target, ambiguous=ambiguous, attempts=attempts)
        if not may_pass(fault):
            raise (yield from told(error)) from met
        now = yield from monotonic()
        if self._streak == 0:
            self._since = now
        seconds = yield from self._pause(fault, took)
        self.failures += 1
        self._streak += 1
        silent = self._streak >= self.silent_failures and now - self._since > self.silence
        until = min(max(self.deadline, self._since + self.grace), self.deadline + self.grace)
        if silent or now + seconds > until:
            raise error from met
        if self.most is not None and self.failures >= self.most:
            raise error from met
        yield from sleep(seconds)

    def stale(self) -> Operation[None]:
        """Let the next attempt begin at once, or raise `TransactionConflict`.

        Another writer has committed, so there is progress without a pause.
        """
        self.failures += 1
        self.conflicts += 1
        out_of_time = (yield from monotonic()) >= self.deadline
        if out_of_time or (self.most is not None and self.failures >= self.most):
            raise TransactionConflict(self.failures)

    def _pause(self, fault: Fault, took: float) -> Operation[float]:
        first, doublings = self.first, self._streak
        if isinstance(fault, Refused) and fault.conflicted:
            # A rival is in the way for about as long as a call takes. To wait longer for each
            # conflict before would let those who begin now overtake for ever.
            self.conflicts += 1
            first = max(took, first if self.conflict is None else self.conflict)
        elif isinstance(fault, Refused) and fault.throttled:
            # The rate is one of all calls together, so every time counts.
            self.throttles += 1
            doublings = max(doublings, self.throttles - 1)
        return (yield from jittered(doublings, first, self.longest))
