"""Faults, which a driver throws into an operation whose call brought no answer of use."""

from collections.abc import Mapping
from typing import Any

from interlock._dataclasses import dataclass

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
THROTTLING_CODES = frozenset(
    {
        "LimitExceededException",
        "ProvisionedThroughputExceeded",  # as a cancellation reason says it
        "ProvisionedThroughputExceededException",
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
CONFLICT_CODES = frozenset(
    {
        "ReplicatedWriteConflictException",  # of a global table: a write in another region
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
# The service gave up before it had begun:
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
TRANSIENT_CODES = frozenset(
    {"PriorRequestNotComplete", "RequestTimeout", "RequestTimeoutException"}
)


@dataclass(frozen=True, slots=True)
class CancellationReason:
    """The reason for which one action of a TransactWriteItems or TransactGetItems was refused.

    `code` is "None" for an action that was not at fault; `item` is what the store held (ALL_OLD).
    """

    code: str
    message: str | None = None
    item: Mapping[str, Any] | None = None


class Fault(Exception):
    """A call that did not succeed."""


class Refused(Fault):
    """The call was refused, by the service or before it was sent, and this changed nothing.

    `code` is the service's error code ("ConditionalCheckFailedException"), `item` the record that
    refused it where ALL_OLD was asked for, `reasons` one reason an action of a transaction.
    `throttling` says which limit of which resource throttled it. What is refused unsent (invalid
    parameters, no credentials) has botocore's exception as its `code`. `resent` says that the
    client below had sent the call before, and that this earlier copy may have been carried out.
    """

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        item: Mapping[str, Any] | None = None,
        reasons: tuple[CancellationReason, ...] = (),
        throttling: tuple[str, ...] = (),
        resent: bool = False,
    ) -> None:
        """Keep what the service said."""
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.item = item
        self.reasons = reasons
        self.throttling = throttling
        self.resent = resent

    @property
    def condition_failed(self) -> bool:
        """Whether a condition expression refused the (single-item) write."""
        return self.code == "ConditionalCheckFailedException"

    @property
    def throttled(self) -> bool:
        """Whether the store asks to come back later, also from within cancellation reasons."""
        return self.code in THROTTLING_CODES or any(
            reason.code in THROTTLING_CODES for reason in self.reasons
        )

    @property
    def transient(self) -> bool:
        """Whether the service did not get as far as to decide."""
        return self.code in TRANSIENT_CODES

    @property
    def conflicted(self) -> bool:
        """Whether another transaction was in flight on the same item."""
        return self.code in CONFLICT_CODES or any(
            reason.code == "TransactionConflict" for reason in self.reasons
        )


class NotSent(Fault):
    """The call never reached the service (no connection): it changed nothing."""


class OutOfTime(NotSent):
    """The call's time was up before it was sent, which says nothing of the service."""

    def __init__(self) -> None:
        super().__init__("its time was up before it was sent")


class NoReply(Fault):
    """The outcome is unknown: the call may have been carried out, or may yet be.

    A connection that broke, a read timeout, or an answer of the 500 kind.
    """
