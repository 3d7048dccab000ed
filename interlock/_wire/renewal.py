"""The renewal of credentials: ahead of their end, and again soon if that fails."""

from interlock._dataclasses import dataclass
from interlock._wire.credentials import Credentials

_AHEAD = 900.0  # seconds before their end at which new credentials are fetched, while they are good
_SHARE = 0.25  # of a lifetime, for short ones
_MARGIN = 5.0  # seconds before their end at which they are good for no call
_AGAIN = 10.0  # seconds until a fetch that failed is tried again, while the credentials are good


@dataclass(slots=True)
class Kept:
    """Credentials in use, and when to fetch others. Times are seconds since the epoch."""

    credentials: Credentials
    renewal: float

    @classmethod
    def of(cls, credentials: Credentials, now: float) -> "Kept":
        """Return them as they are when they have just been fetched."""
        lifetime = max(0.0, credentials.expires - now)
        return cls(credentials, credentials.expires - min(_AHEAD, lifetime * _SHARE))

    def good(self, now: float) -> bool:
        """Return whether a request may be signed by them."""
        return now < self.credentials.expires - _MARGIN

    def due(self, now: float) -> bool:
        """Return whether others should be fetched; if so, not again for a while."""
        if now < self.renewal:
            return False
        self.renewal = now + _AGAIN
        return True
