"""HTTP message signatures (RFC 9421) with a KMS key. Needs `interlock[verify]`."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
    InvalidSignature,
    algorithms,
)

from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidToken,
    InvalidValue,
    KeysUnavailable,
    SigningError,
    UnsupportedKey,
)
from interlock.signing._check import load_key

if TYPE_CHECKING:
    from interlock._protocol.signing.keys import PublicKey
    from interlock.signing._signer import Signer
    from interlock.signing._verifier import Verifier

# JWS algorithm of the key -> RFC 9421, 3.3. A PS256 key has no counterpart there (PSS is SHA-512).
_ALGORITHMS: Mapping[str, type[HTTPSignatureAlgorithm]] = {
    "ES256": algorithms.ECDSA_P256_SHA256,
    "ES384": algorithms.ECDSA_P384_SHA384,
    "RS256": algorithms.RSA_V1_5_SHA256,
}
REQUEST_COMPONENTS = ("@method", "@authority", "@target-uri")
RESPONSE_COMPONENTS = ("@status",)


def sign_message(
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
    Content-Digest if `body` is given. `lifetime` sets `expires`, `tag` tells what the signature is
    for. Raises UnsupportedKey for a key other than ES256, ES384 or RS256, InvalidValue for a
    message that cannot be signed so, and what `Signer.sign` raises.
    """
    covered = components if components is not None else _default_components(message)
    created = datetime.fromtimestamp(int(wall_clock()), UTC)
    # The key may be replaced between naming it and signing: name the new one then.
    for _ in range(2):
        key = signer.key()
        handler = HTTPMessageSigner(signature_algorithm=_algorithm(key), key_resolver=None)
        try:
            prepared = handler.prepare(
                message,
                key_id=key.kid,
                created=created,
                expires=None if lifetime is None else created + lifetime,
                nonce=nonce,
                tag=tag,
                covered_component_ids=covered,
                body=body,
                use_existing_digest=body is not None and "content-digest" in message.headers,
            )
        except HTTPMessageSignaturesException as error:
            raise InvalidValue("message", str(error)) from error
        signature = signer.sign_bytes(prepared.signature_base)
        if signature.key.kid == key.kid:
            handler.apply(message, prepared, signature.value)
            return
    raise SigningError("the signing key changed twice while one message was signed")


def verify_message(
    message: Any,
    verifier: "Verifier",
    *,
    body: bytes | None = None,
    components: Sequence[str] | None = None,
    max_age: timedelta = timedelta(minutes=5),
    tag: str | None = None,
) -> dict[str, int | str]:
    """Verify the one signature of a message; return its parameters (keyid, created, tag, ...).

    It must cover `components` (default: what `sign_message` covers), and the body if `body` is
    given, which is compared with its signed digest. It must be younger than `max_age` (default 5
    minutes). A message without replay protection of its own can be sent again within that time.

    Raises BadSignature, AlgorithmNotAllowed or UnknownKey, or KeysUnavailable.
    """
    required = components if components is not None else _default_components(message)
    failures: list[InvalidToken | KeysUnavailable] = []
    resolver = _Resolver(verifier, failures)
    # The library checks one algorithm at a time. Which one is the key's to say, not the message's,
    # so each is tried with the key only if the key is of that algorithm.
    for name, algorithm in _ALGORITHMS.items():
        resolver.algorithm = name
        try:
            (result,) = HTTPMessageVerifier(
                signature_algorithm=algorithm, key_resolver=resolver
            ).verify(
                message,
                max_age=max_age,
                expect_tag=tag,
                require_components=required,
                body=body,
            )
        except (InvalidSignature, HTTPMessageSignaturesException, ValueError) as error:
            if resolver.matched:
                raise BadSignature(f"the message's signature does not hold: {error}") from error
            reason = error
            continue
        return dict(result.parameters)
    if failures:
        raise failures[-1]
    raise BadSignature(f"the message has no signature that can be verified: {reason}")


class _Resolver(HTTPSignatureKeyResolver):
    """Finds public keys by the verifier's key set, for one algorithm at a time."""

    algorithm = ""

    def __init__(
        self, verifier: "Verifier", failures: list[InvalidToken | KeysUnavailable]
    ) -> None:
        self._verifier = verifier
        self._failures = failures
        self.matched = False

    def resolve_public_key(self, key_id: str) -> Any:
        try:
            name, jwk = self._verifier.key_for(key_id)
        except (InvalidToken, KeysUnavailable) as error:
            self._failures.append(error)
            return None
        if name != self.algorithm:
            if name not in _ALGORITHMS:
                self._failures.append(AlgorithmNotAllowed(f"{name} has no RFC 9421 algorithm"))
            return None
        self.matched = True
        return load_key(name, jwk)

    def resolve_private_key(self, key_id: str) -> Any:
        raise NotImplementedError(f"the private half of {key_id} does not leave KMS")


def _algorithm(key: "PublicKey") -> type[HTTPSignatureAlgorithm]:
    try:
        return _ALGORITHMS[key.algorithm.name]
    except KeyError:
        raise UnsupportedKey(
            f"{key.arn} signs {key.algorithm.name}; RFC 9421 signatures here are by "
            f"{', '.join(_ALGORITHMS)} keys"
        ) from None


def _default_components(message: Any) -> Sequence[str]:
    return RESPONSE_COMPONENTS if hasattr(message, "status_code") else REQUEST_COMPONENTS
