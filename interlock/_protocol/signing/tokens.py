"""Reading a compact JWS and judging its claims. The signature is judged elsewhere."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import written
from interlock._protocol.signing.algorithms import ALL, SUPPORTED, decoded, own_name
from interlock._protocol.texts import texts
from interlock.errors import (
    AlgorithmNotAllowed,
    ClaimMissing,
    ClaimRejected,
    InvalidValue,
    MalformedToken,
    TokenExpired,
    TokenNotYetValid,
)

# A clock may be ahead of the verifier's by so many seconds, whatever the leeway is.
CLOCK_AHEAD = 1.0

# No one needs longer tokens here, and hashing and parsing are paid by the verifier.
MAX_TOKEN_BYTES = 64 * 1024
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_PARTS = 3
UNENCODED = "b64"
CERTIFICATE_TYPE = "interlock-delegation+jwt"
_YEAR_1, _YEAR_9999 = -62_135_596_800, 253_402_300_799  # what datetime can hold, in seconds


@dataclass(frozen=True, slots=True)
class Token:
    """The parts of a compact JWS. `payload` is None where it travels elsewhere.

    `extension` is its critical header parameter, if it has one.
    """

    header: Mapping[str, Any]
    algorithm: str
    kid: str
    signing_prefix: bytes
    payload: bytes | None
    signature: bytes
    extension: str | None = None


def read_token(
    token: str,
    known: Collection[str] = SUPPORTED,
    *,
    extensions: Collection[str] = (UNENCODED,),
) -> Token:
    """Take a compact JWS apart, strictly: RFC 7515 (5.2) and RFC 7797.

    `extensions` are the critical header parameters that it may have, one of them at most. Raises
    MalformedToken, or AlgorithmNotAllowed for an `alg` that is never accepted here.
    """
    if not isinstance(token, str) or len(token) > MAX_TOKEN_BYTES:
        _malformed(f"a token is a str of at most {MAX_TOKEN_BYTES} characters")
    parts = token.split(".")
    if len(parts) != _PARTS:
        _malformed(f"{len(parts)} parts instead of {_PARTS}")
    header_part, payload_part, signature_part = parts
    header = read_json(_decoded(header_part), "header")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in known:
        raise AlgorithmNotAllowed(f"alg {algorithm!r} is never accepted")
    if not isinstance(kid, str) or not kid:
        _malformed("the header has no kid, so no key can be chosen")
    extension = _critical(header, extensions)
    detached = extension == UNENCODED and _unencoded(header)
    if detached and payload_part:
        _malformed("an unencoded payload travels apart from its token (RFC 7797, 5.2)")
    return Token(
        header=header,
        algorithm=algorithm,
        kid=kid,
        signing_prefix=f"{header_part}.".encode()
        if detached
        else f"{header_part}.{payload_part}".encode(),
        payload=None if detached else _decoded(payload_part),
        signature=_decoded(signature_part),
        extension=extension,
    )


def check_type(token: Token, expected: str | None) -> None:
    """Refuse a token of another `typ`; `application/` may be left out (RFC 7515, 4.1.9).

    A delegation's certificate travels in each token of its key, for all to see, and has an `iss`
    and an `exp`: where any type will do, it is still no token.
    """
    given = token.header.get("typ")
    if expected is None:
        if isinstance(given, str) and _bare(given) == CERTIFICATE_TYPE:
            raise ClaimRejected("typ", f"is {given!r}, which vouches for a key and is no token")
        return
    if given is None:
        raise ClaimRejected("typ", f"is not there, expected {expected!r}")
    if not isinstance(given, str) or _bare(given) != _bare(expected):
        raise ClaimRejected("typ", f"is {given!r}, expected {expected!r}")


def choose_keys(
    token: Token, keys: Mapping[str, Sequence[Mapping[str, Any]]], permitted: Collection[str]
) -> Sequence[Mapping[str, Any]]:
    """Return the keys of the token's algorithm among those of its kid, by kind (see `cache`).

    Raises AlgorithmNotAllowed for an algorithm that is not permitted, or that is not the key's own
    (RFC 8725, 3.1).
    """
    name = own_name(token.algorithm)
    if name not in permitted:
        raise AlgorithmNotAllowed(
            f"alg {token.algorithm!r} is not allowed; allowed: {', '.join(sorted(permitted))}"
        )
    alike = keys.get(name) or keys.get(ALL[name].kind) or ()
    found = [jwk for jwk in alike if own_name(jwk.get("alg", name)) == name]
    if not found:
        raise AlgorithmNotAllowed(f"alg {token.algorithm!r} is not that of key {token.kid!r}")
    return found


def read_json(data: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object; refuse duplicate members, NaN and broken UTF-8 with MalformedToken."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_distinct, parse_constant=_malformed)
        whole = b"\\u" not in data or _encodable(value)
    except (ValueError, RecursionError) as error:
        raise MalformedToken(f"the {what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        _malformed(f"the {what} is not a JSON object")
    if not whole:
        _malformed(f"the {what} holds half a surrogate pair, which is no character")
    return value


def _encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Rules that the claims of a token must meet. Times in seconds.

    What begins may lie `CLOCK_AHEAD` seconds ahead, for a token that has just been issued by a
    clock that is ahead; `leeway` is given to all times.
    """

    required: Collection[str] = ()
    issuer: str | None = None
    audience: str | None = None
    leeway: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "required", texts("required", self.required))
        for name in ("issuer", "audience"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise InvalidValue(name, f"is {written(value)}; it is one text")

    def check(self, claims: Mapping[str, Any], now: float) -> None:
        """Raise the first reason not to accept the claims (RFC 7519, 4.1)."""
        for claim in self.required:
            if claim not in claims:
                raise ClaimMissing(claim)
        expires, begins, issued = (time_of(claims, name) for name in ("exp", "nbf", "iat"))
        if expires is not None and now >= expires + self.leeway:
            raise TokenExpired(f"expired {now - expires:.0f} s ago")
        for name, begin in (("nbf", begins), ("iat", issued)):
            if begin is not None and now < begin - max(self.leeway, CLOCK_AHEAD):
                raise TokenNotYetValid(f"{name} lies {begin - now:.0f} s in the future")
        if self.issuer is not None:
            _expect(claims, "iss", self.issuer)
        if self.audience is not None:
            _expect(claims, "aud", self.audience)


def _expect(claims: Mapping[str, Any], name: str, value: str) -> None:
    if name not in claims:
        raise ClaimMissing(name)
    given = claims[name]
    if value not in (given if isinstance(given, list) else [given]) or (
        name == "iss" and given != value
    ):
        raise ClaimRejected(name, f"is {given!r}, expected {value!r}")


def time_of(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that is a time, None if it is not there; else raise `ClaimRejected`."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ClaimRejected(name, f"is {value!r}, not a number of seconds")
    if not _YEAR_1 <= value <= _YEAR_9999:
        raise ClaimRejected(name, "is no time between the years 1 and 9999")
    return value


def _critical(header: Mapping[str, Any], known: Collection[str]) -> str | None:
    """Return the one critical extension of a header, or None without."""
    critical, name = header.get("crit"), None
    if "crit" in header:
        if not isinstance(critical, list) or len(critical) != 1 or critical[0] not in known:
            _malformed(f"critical extensions {critical!r}; known is one of {', '.join(known)}")
        name = critical[0]
    for each in known:
        if (each in header) != (each == name):
            _malformed(f"{each} is in the header if crit names it, and only then")
    return name


def _unencoded(header: Mapping[str, Any]) -> bool:
    if not isinstance(header[UNENCODED], bool):
        _malformed("b64 is a boolean (RFC 7797, 3)")
    return not header[UNENCODED]


def _decoded(part: str) -> bytes:
    if not _BASE64URL.fullmatch(part):
        _malformed("a part is not base64url")
    try:
        return decoded(part)
    except ValueError as error:
        raise MalformedToken(f"a part is not base64url: {error}") from error


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        _malformed("a JSON object has a member twice")
    return members


def _malformed(reason: str) -> NoReturn:
    raise MalformedToken(reason)


def _bare(media_type: str) -> str:
    return media_type.lower().removeprefix("application/")
