"""HTTP message signatures (RFC 9421) with a KMS key. Needs `interlock[verify]`."""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import http_sf
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_bytes, checked_object, optional_text, shown
from interlock._protocol.signing.checking import load_key
from interlock._protocol.texts import texts
from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidToken,
    InvalidValue,
    SigningError,
    UnsupportedKey,
)

if TYPE_CHECKING:
    from interlock._protocol.signing.keys import PublicKey
    from interlock.aio.signing._signer import Signer
    from interlock.aio.signing._verifier import Verifier

# JWS algorithm of the key -> RFC 9421, 3.3. A PS256 key has no counterpart there (PSS is SHA-512),
# and ML-DSA is not registered.
_ALGORITHMS: Mapping[str, type[HTTPSignatureAlgorithm]] = {
    "ES256": algorithms.ECDSA_P256_SHA256,
    "ES384": algorithms.ECDSA_P384_SHA384,
    "RS256": algorithms.RSA_V1_5_SHA256,
    "Ed25519": algorithms.ED25519,
}
REQUEST_COMPONENTS = ("@method", "@authority", "@target-uri")
RESPONSE_COMPONENTS = ("@status",)
CLOCK_SKEW = timedelta(seconds=5)
_FIELDS = frozenset({"signature", "signature-input"})


@public_in("interlock.aio.signing")
async def sign_message(
    message: Any,
    signer: "Signer",
    *,
    body: bytes | None = None,
    components: Sequence[str] | None = None,
    lifetime: timedelta | None = None,
    tag: str | None = None,
    nonce: str | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> None:
    """Sign a request or response in place: adds Signature-Input and Signature.

    `message` is one of httpx, requests or the like. `components` are what is covered: by default
    method, authority and target of a request, and the status of a response; the body by its
    Content-Digest if `body` is given. `lifetime` sets `expires`, `tag` says what the signature is
    for. Raises UnsupportedKey for a key other than ES256, ES384, RS256 or Ed25519, InvalidValue for
    a message that cannot be signed so, and what `Signer.sign` raises.
    """
    covered = _covered(message, components, body)
    checked_object("signer", signer, ("key", "sign_bytes"), "a Signer")
    optional_text("tag", tag)
    optional_text("nonce", nonce)
    created = datetime.fromtimestamp(int(wall_clock()), UTC)
    expires = None if lifetime is None else _end(created, lifetime)
    # The key may be replaced between naming it and signing: name the new one then.
    for _ in range(2):
        key = await signer.key()
        handler = HTTPMessageSigner(signature_algorithm=_algorithm(key), key_resolver=None)
        try:
            prepared = handler.prepare(
                message,
                key_id=key.kid,
                created=created,
                expires=expires,
                nonce=nonce,
                tag=tag,
                covered_component_ids=covered,
                body=body,
                use_existing_digest=body is not None and "content-digest" in message.headers,
            )
        except HTTPMessageSignaturesException as error:
            raise InvalidValue("message", str(error)) from error
        signature = await signer.sign_bytes(prepared.signature_base)
        if signature.key.kid == key.kid:
            handler.apply(message, prepared, signature.value)
            return
    raise SigningError("the signing key changed twice while one message was signed")


@public_in("interlock.aio.signing")
async def verify_message(
    message: Any,
    verifier: "Verifier",
    *,
    body: bytes | None = None,
    components: Sequence[str] | None = None,
    max_age: timedelta = timedelta(minutes=5),
    tag: str | None = None,
) -> dict[str, int | str]:
    """Verify a message by its signature of a trusted key; return that one's parameters.

    They are keyid, created, tag and so on. The signature must cover `components` (default: what
    `sign_message` covers), and the body if `body` is given, which is compared with its signed
    digest. It must have this `tag`, if one is given, and be younger than `max_age` (default 5
    minutes); clocks may differ by 5 seconds. Signatures of other parties are passed over, whatever
    they are. A message without replay protection of its own can be sent again within `max_age`.

    Raises BadSignature, AlgorithmNotAllowed or UnknownKey, or KeysUnavailable.
    """
    seconds("max_age", max_age, least=0.0)
    required = _covered(message, components, body)
    checked_object("verifier", verifier, ("key_for",), "a Verifier")
    optional_text("tag", tag)
    failures: list[InvalidToken] = []
    for label, key_id in _signatures(message, tag):
        try:
            name, jwk = await verifier.key_for(key_id)
            if name not in _ALGORITHMS:
                raise AlgorithmNotAllowed(f"{name} has no RFC 9421 algorithm")
            one = HTTPMessageVerifier(
                signature_algorithm=_ALGORITHMS[name], key_resolver=_Key(load_key(name, jwk))
            )
            one.max_clock_skew = CLOCK_SKEW
            (result,) = one.verify(
                _with_one(message, label),
                max_age=max_age,
                expect_tag=tag,
                require_components=required,
                body=body,
            )
        except InvalidToken as error:
            failures.append(error)
        except (InvalidSignature, HTTPMessageSignaturesException, ValueError) as error:
            reason = str(error) or "it is not of this content by this key"
            failures.append(BadSignature(f"the message's signature does not hold: {reason}"))
            failures[-1].__cause__ = error
        else:
            return dict(result.parameters)
    # Of what is wrong with several, the caller learns what is wrong with a trusted key's.
    for kind in (BadSignature, AlgorithmNotAllowed, InvalidToken):
        for failure in failures:
            if isinstance(failure, kind):
                raise failure
    raise BadSignature("the message has no signature that can be verified")


def _end(created: datetime, lifetime: timedelta) -> datetime:
    seconds("lifetime", lifetime)
    try:
        return created + lifetime
    except OverflowError:
        raise InvalidValue("lifetime", f"{lifetime} from now is after the year 9999") from None


class _Key(HTTPSignatureKeyResolver):
    """The one public key that is to be used."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def resolve_public_key(self, key_id: str) -> Any:
        del key_id
        return self._key

    def resolve_private_key(self, key_id: str) -> Any:
        raise NotImplementedError(f"the private half of {key_id} does not leave KMS")


class _Reduced:
    """A message with one of its signatures."""

    def __init__(self, message: Any, headers: Any) -> None:
        self._message = message
        self.headers = headers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._message, name)


def _signatures(message: Any, tag: str | None) -> Iterator[tuple[str, str]]:
    """Yield label and key id of each signature that has a key id, and the tag if one is given."""
    for label, (covered, parameters) in _dictionary(message, "signature-input").items():
        key_id = parameters.get("keyid")
        fits = tag is None or parameters.get("tag") == tag
        if isinstance(covered, list) and isinstance(key_id, str) and fits:
            yield label, key_id


def _with_one(message: Any, label: str) -> _Reduced:
    """Return the message as it is without the signatures of other parties.

    The library refuses a message as a whole for any signature in it that it cannot read.
    """
    headers = copy.copy(message.headers)
    kept = {name: _dictionary(message, name).get(label) for name in sorted(_FIELDS)}
    for name in [name for name in headers if name.lower() in _FIELDS]:
        if name in headers:  # an httpx header goes with all its lines
            del headers[name]
    for name, member in kept.items():
        if member is not None:
            headers[name] = http_sf.ser({label: member})
    return _Reduced(message, headers)


def _dictionary(message: Any, name: str) -> dict[str, Any]:
    lines = [value for each, value in message.headers.items() if each.lower() == name]
    try:
        parsed: Any = http_sf.parse(", ".join(lines).encode(), tltype="dictionary")
    except ValueError as error:
        raise BadSignature(f"the header {name} cannot be read: {error}") from error
    return dict(parsed)


def _algorithm(key: "PublicKey") -> type[HTTPSignatureAlgorithm]:
    try:
        return _ALGORITHMS[key.algorithm.name]
    except KeyError:
        raise UnsupportedKey(
            f"{key.arn} signs {key.algorithm.name}; RFC 9421 signatures here are by "
            f"{', '.join(_ALGORITHMS)} keys"
        ) from None


def _covered(message: Any, components: Sequence[str] | None, body: bytes | None) -> Sequence[str]:
    """Return what of a message is covered; raise `InvalidValue` for what is no message."""
    named = None if components is None else texts("components", components)
    if not hasattr(message, "headers"):
        raise InvalidValue("message", f"{shown(message)} is not one; pass a request or response")
    if body is not None:
        checked_bytes("body", body)
    if named is not None:
        return named
    return RESPONSE_COMPONENTS if hasattr(message, "status_code") else REQUEST_COMPONENTS
