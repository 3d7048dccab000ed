"""Errors of signing, and of what must not be trusted."""

from interlock.errors._base import InterlockError


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
