"""The distance of this machine's clock from the service's, by which signatures are judged.

The service refuses a request whose time is off by more than five minutes, and says in `Date` what
time it is: https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

from interlock._protocol.faults import Refused
from interlock._wire.exchange import date_of
from interlock._wire.http1 import Response

_TOLERATED = 120.0  # seconds that a clock may be off without a correction
_CLOCK_CODES = frozenset(
    {
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


class Skew:
    """The service's clock as it was last seen: it is `seconds` ahead of this machine's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @property
    def correction(self) -> float:
        """The seconds to add to the time of a signature."""
        return self.seconds if abs(self.seconds) > _TOLERATED else 0.0

    def learn(self, response: Response, now: float) -> float | None:
        """Take the time from an answer of the service, which came now by this machine's clock.

        Returns it, in seconds since the epoch; None if the answer does not tell it.
        """
        date = date_of(response) if "x-amzn-requestid" in response.headers else None
        if date is not None:
            self.seconds = date - now
        return date

    def explains(self, refusal: Refused, correction: float) -> bool:
        """Return whether a signature with this correction was refused for the time in it."""
        found = abs(self.correction - correction) > _TOLERATED
        return found and refusal.code in _CLOCK_CODES
