"""Verification by KMS itself, for those who can call it and have no cryptography installed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.requests import Operation, wall_clock
from interlock._protocol.signing.client import fetch_key
from interlock._protocol.signing.delegation import EXTENSION
from interlock._protocol.signing.keys import PublicKey, RsaAlgorithm
from interlock._protocol.signing.kms import ask, expect, expect_key
from interlock._protocol.signing.tokens import (
    UNENCODED,
    ClaimRules,
    Token,
    check_type,
    choose_keys,
    read_json,
    read_token,
)
from interlock.errors import (
    AlgorithmUnavailable,
    BadSignature,
    InvalidValue,
    MalformedToken,
    RequestRefused,
    UnknownKey,
)

# https://docs.aws.amazon.com/kms/latest/APIReference/API_Verify.html
_MOST_SIGNATURE_BYTES = 6144


@dataclass(frozen=True, slots=True)
class KmsVerification:
    """Trusted keys and claim rules. `timeout` in seconds."""

    key_ids: Sequence[str]
    algorithms: Collection[str]
    token_type: str | None
    rules: ClaimRules
    timeout: float
    rsa_algorithm: RsaAlgorithm


class KmsVerifierOperations:
    """The operations of a `KmsVerifier`. Remembers the keys between them."""

    def __init__(self, settings: KmsVerification) -> None:
        self._settings = settings
        self._keys: Mapping[str, PublicKey] | None = None

    def keys(self) -> Operation[Mapping[str, PublicKey]]:
        """Return the keys by kid, looked up once: a key's ARN and kid never part."""
        if self._keys is None:
            found = {}
            for key_id in self._settings.key_ids:
                key = yield from fetch_key(
                    key_id, self._settings.rsa_algorithm, self._settings.timeout
                )
                found[key.kid] = key
            self._keys = found
        return self._keys

    def verify(self, text: str) -> Operation[dict[str, Any]]:
        """Return the claims of a token that is genuine and valid now."""
        token = read_token(text, extensions=(UNENCODED, EXTENSION))
        if token.extension == EXTENSION:
            raise AlgorithmUnavailable("KMS has no delegated key; a Verifier checks its tokens")
        check_type(token, self._settings.token_type)
        if token.payload is None:
            raise MalformedToken("a detached token has no claims")
        key = (yield from self.keys()).get(token.kid)
        if key is None:
            raise UnknownKey(f"no trusted key has kid {token.kid!r}")
        choose_keys(token, {key.algorithm.kind: [key.published()]}, self._settings.algorithms)
        yield from self._check_signature(token, key)
        claims = read_json(token.payload, "payload")
        self._settings.rules.check(claims, (yield from wall_clock()))
        return claims

    def _check_signature(self, token: Token, key: PublicKey) -> Operation[None]:
        algorithm = key.algorithm
        try:
            signature = algorithm.kms_signature(token.signature)
        except ValueError as error:
            raise BadSignature(f"no {token.algorithm} signature: {error}") from error
        if not 1 <= len(signature) <= _MOST_SIGNATURE_BYTES:
            raise BadSignature(f"a signature of {len(signature)} bytes")

        def read(reply: Mapping[str, Any]) -> None:
            expect_key(reply, key.arn)
            expect(reply, "SigningAlgorithm", algorithm.kms_name)
            if reply["SignatureValid"] is not True:
                raise ValueError(f"SignatureValid is {reply['SignatureValid']!r}")

        try:
            content, message_type = algorithm.kms_message(token.signing_prefix, key.jwk)
            yield from ask(
                "Verify",
                read,
                key_id=key.arn,
                timeout=self._settings.timeout,
                Message=content,
                MessageType=message_type,
                Signature=signature,
                SigningAlgorithm=algorithm.kms_name,
            )
        except InvalidValue as error:
            raise MalformedToken(f"KMS cannot verify it: {error}") from error
        except RequestRefused as error:
            if error.code != "KMSInvalidSignatureException":
                raise
            raise BadSignature("the signature is not that of this content") from error
