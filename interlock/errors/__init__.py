"""Every exception that Interlock raises on purpose.

All derive from `InterlockError`. Each names the value at fault, the limit, and the way out.
"""

from interlock._protocol.locks.state import LossReason
from interlock.errors._base import InterlockError
from interlock.errors._calls import (
    AccessDenied,
    CredentialsRejected,
    InvalidValue,
    OutcomeUnknown,
    RegionMissing,
    RequestRefused,
    ServiceUnavailable,
    TableNotFound,
    TableUnfit,
    Throttled,
)
from interlock.errors._counters import (
    CounterChanged,
    CounterLimitExceeded,
    CounterMismatch,
    CounterNotFound,
    InvalidCounterName,
)
from interlock.errors._locks import (
    CorruptRecord,
    GuardFailed,
    InvalidLockName,
    JobFailed,
    LeaseTooShort,
    LockAlreadyHeld,
    LockClientClosed,
    LockLost,
    LockTimeout,
    LockWaitCancelled,
    RenewalImpossible,
    ResultNotKept,
)
from interlock.errors._signing import (
    AlgorithmNotAllowed,
    AlgorithmUnavailable,
    BadSignature,
    ClaimMissing,
    ClaimRejected,
    InvalidToken,
    KeysUnavailable,
    KeyUnusable,
    MalformedToken,
    SigningError,
    TokenExpired,
    TokenNotYetValid,
    UnknownKey,
    UnsupportedKey,
)
from interlock.errors._transactions import (
    ConditionFailed,
    IdempotencyMismatch,
    ItemTooLarge,
    TransactionClosed,
    TransactionConflict,
    TransactionTooLarge,
)

__all__ = [
    "AccessDenied",
    "AlgorithmNotAllowed",
    "AlgorithmUnavailable",
    "BadSignature",
    "ClaimMissing",
    "ClaimRejected",
    "ConditionFailed",
    "CorruptRecord",
    "CounterChanged",
    "CounterLimitExceeded",
    "CounterMismatch",
    "CounterNotFound",
    "CredentialsRejected",
    "GuardFailed",
    "IdempotencyMismatch",
    "InterlockError",
    "InvalidCounterName",
    "InvalidLockName",
    "InvalidToken",
    "InvalidValue",
    "ItemTooLarge",
    "JobFailed",
    "KeyUnusable",
    "KeysUnavailable",
    "LeaseTooShort",
    "LockAlreadyHeld",
    "LockClientClosed",
    "LockLost",
    "LockTimeout",
    "LockWaitCancelled",
    "LossReason",
    "MalformedToken",
    "OutcomeUnknown",
    "RegionMissing",
    "RenewalImpossible",
    "RequestRefused",
    "ResultNotKept",
    "ServiceUnavailable",
    "SigningError",
    "TableNotFound",
    "TableUnfit",
    "Throttled",
    "TokenExpired",
    "TokenNotYetValid",
    "TransactionClosed",
    "TransactionConflict",
    "TransactionTooLarge",
    "UnknownKey",
    "UnsupportedKey",
]

for _public in __all__:
    globals()[_public].__module__ = __name__
