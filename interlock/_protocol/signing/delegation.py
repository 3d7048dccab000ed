"""Keys of a process that a KMS key vouches for: what the certificate says, and what it covers.

A delegated token carries the certificate in its header, and is signed by the key in it:

    KMS key (in the key set) --signs--> certificate: this key, until then, for these types
    key of the process       --signs--> token, with the certificate in its header

The certificate is a JWS itself (RFC 7515). Its claims are those of RFC 7800 (`cnf`, the key), RFC
8693 (`scope`, the types of token, parted by spaces) and RFC 7519 (`iat`, `exp`; `iss`, which tokens
must then have too).
"""

from collections.abc import Collection, Mapping
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.signing.keys import thumbprint
from interlock._protocol.signing.tokens import (
    CERTIFICATE_TYPE,
    CLOCK_AHEAD,
    ClaimRules,
    Token,
    check_type,
    read_json,
    read_token,
)
from interlock._protocol.texts import texts
from interlock.errors import ClaimMissing, ClaimRejected, InvalidValue, MalformedToken

EXTENSION = "delegation"
LONGEST = 3600.0  # seconds
SHORTEST = 60.0
_MEMBERS = {"P-256": ("kty", "crv", "x", "y"), "Ed25519": ("kty", "crv", "x")}


@dataclass(frozen=True, slots=True)
class Certificate:
    """The content of a certificate, genuine or not. Times in seconds since the epoch."""

    token: Token
    claims: Mapping[str, Any]
    jwk: Mapping[str, str]
    token_types: frozenset[str]
    issuer: str | None
    begins: float
    ends: float

    def check(self, token: Token, claims: Mapping[str, Any], rules: ClaimRules, now: float) -> None:
        """Raise unless the certificate covers a token and its claims.

        That it has run out since does not matter: a token is judged as of its `iat`.
        """
        ClaimRules(leeway=rules.leeway).check({"iat": self.begins}, now)
        given = token.header.get("typ", "none")
        if not isinstance(given, str) or given not in self.token_types:
            raise ClaimRejected("typ", f"is {given!r}, which the delegation does not cover")
        if self.issuer is not None and claims.get("iss") != self.issuer:
            raise ClaimRejected("iss", f"is not {self.issuer!r}, which the delegation is for")
        if "iat" not in claims:
            raise ClaimMissing("iat")
        slack = max(rules.leeway, CLOCK_AHEAD)
        if not self.begins - slack <= claims["iat"] <= self.ends + slack:
            raise ClaimRejected("iat", "is not within the time of the delegation")


def certificate_claims(
    jwk: Mapping[str, str],
    *,
    token_types: Collection[str],
    issuer: str | None,
    begins: int,
    lifetime: float,
) -> dict[str, Any]:
    """Return what a KMS key is to sign for a key of this process."""
    claims = {"iat": begins, "exp": begins + int(lifetime), "scope": " ".join(token_types)}
    if issuer is not None:
        claims["iss"] = issuer
    return {**claims, "cnf": {"jwk": dict(jwk)}}


def check_scope(token_types: Collection[str], lifetime: float) -> tuple[str, ...]:
    """Return the types of token that may be signed; raise InvalidValue for no proper scope."""
    names = texts("token_types", token_types)
    if not names or any(not each or " " in each for each in names):
        raise InvalidValue("token_types", "are at least one, each without a space")
    if CERTIFICATE_TYPE in names:
        raise InvalidValue("token_types", "a delegation cannot be handed on")
    if not SHORTEST <= lifetime <= LONGEST:
        reason = f"is {lifetime:g} s; {SHORTEST:g} to {LONGEST:g} s are possible"
        raise InvalidValue("lifetime", reason)
    return names


def read_certificate(token: Token, longest: float) -> Certificate:
    """Return the certificate in a delegated token's header; nothing in it is proven yet.

    It may last `longest` seconds, and an hour in any case. Raises MalformedToken, ClaimRejected or
    ClaimMissing.
    """
    text = token.header[EXTENSION]
    certificate = read_token(text)
    check_type(certificate, CERTIFICATE_TYPE)
    if certificate.payload is None:
        raise MalformedToken("a delegation carries its claims")
    claims = read_json(certificate.payload, "delegation")
    jwk = _confirmed(claims)
    if thumbprint(jwk) != token.kid:
        raise MalformedToken(f"the delegation is to another key than {token.kid!r}")
    scope, issuer = claims.get("scope"), claims.get("iss")
    if not isinstance(scope, str) or not scope or not isinstance(issuer, str | None):
        raise ClaimRejected("scope", "of the delegation is no list of token types")
    begins, ends = _seconds(claims, "iat"), _seconds(claims, "exp")
    longest = min(longest, LONGEST)
    if not begins < ends <= begins + longest:
        raise ClaimRejected("exp", f"of the delegation is not within {longest:g} s of its iat")
    return Certificate(certificate, claims, jwk, frozenset(scope.split(" ")), issuer, begins, ends)


def _confirmed(claims: Mapping[str, Any]) -> dict[str, str]:
    confirmation = claims.get("cnf")
    jwk = confirmation.get("jwk") if isinstance(confirmation, Mapping) else None
    if isinstance(jwk, Mapping) and all(isinstance(value, str) for value in jwk.values()):
        members = _MEMBERS.get(jwk.get("crv", ""), ())
        if members and set(jwk) == set(members):
            return {name: jwk[name] for name in members}
    raise ClaimRejected("cnf", "of the delegation is no key of P-256 or Ed25519")


def _seconds(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:
        raise ClaimRejected(name, f"of the delegation is {value!r}, not whole seconds")
    return value
