"""Tokens with two signatures: one of today's algorithms, and one that withstands quantum computers.

The general JSON serialization of JWS (RFC 7515, 7.2.1). Each signature covers the ids of both keys
by a critical header parameter, so none of the two is a token by itself: a verifier that does not
know of hybrids refuses it, and one that does demands the other.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.signing.algorithms import POST_QUANTUM, base64url, own_name
from interlock._protocol.signing.client import Signature, json_bytes
from interlock._protocol.signing.keys import PublicKey
from interlock._protocol.signing.tokens import MAX_TOKEN_BYTES, Token, read_json, read_token
from interlock.errors import AlgorithmNotAllowed, MalformedToken, UnsupportedKey

EXTENSION = "hybrid"
_TWO = 2


def check_pair(keys: Sequence[PublicKey]) -> None:
    """Raise UnsupportedKey unless the keys are one of today's and one for after."""
    if [key.algorithm.name in POST_QUANTUM for key in keys] != [False, True]:
        names = " and ".join(key.algorithm.name for key in keys)
        raise UnsupportedKey(f"a hybrid is of ES256, say, and then of ML-DSA; not of {names}")


def protected(key: PublicKey, keys: Sequence[PublicKey], token_type: str | None) -> str:
    """Return the header of one of the signatures."""
    header: dict[str, Any] = {"alg": key.algorithm.name, "kid": key.kid}
    if token_type is not None:
        header["typ"] = token_type
    header |= {"crit": [EXTENSION], EXTENSION: [each.kid for each in keys]}
    return base64url(json_bytes(header))


def serialized(payload: str, headers: Sequence[str], signatures: Sequence[Signature]) -> str:
    """Return the token."""
    parts = [
        {"protected": header, "signature": base64url(signature.value)}
        for header, signature in zip(headers, signatures, strict=True)
    ]
    return json.dumps({"payload": payload, "signatures": parts}, separators=(",", ":"))


def read_hybrid(text: str) -> list[Token]:
    """Return the two signatures of a hybrid token, each as a token with the payload.

    Raises MalformedToken for what is none, AlgorithmNotAllowed for two of one sort.
    """
    if not isinstance(text, str) or len(text) > MAX_TOKEN_BYTES:
        raise MalformedToken(f"a token is a str of at most {MAX_TOKEN_BYTES} characters")
    document = read_json(text.encode(errors="surrogatepass"), "token")
    parts = document.get("signatures")
    if set(document) != {"payload", "signatures"} or not isinstance(parts, list):
        raise MalformedToken("not a JWS with a payload and several signatures")
    if len(parts) != _TWO:
        raise MalformedToken(f"{len(parts)} signatures instead of both")
    tokens = [_one(document["payload"], part) for part in parts]
    kids = [token.kid for token in tokens]
    if len(set(kids)) != _TWO or any(token.header[EXTENSION] != kids for token in tokens):
        raise MalformedToken("the signatures do not name each other")
    if tokens[0].header.get("typ") != tokens[1].header.get("typ"):
        raise MalformedToken("the signatures are of different types of token")
    later = [own_name(token.algorithm) in POST_QUANTUM for token in tokens]
    if later != [False, True]:
        names = " and ".join(token.algorithm for token in tokens)
        raise AlgorithmNotAllowed(f"a hybrid is of today's algorithms and of ML-DSA, not {names}")
    return tokens


def _one(payload: Any, part: Any) -> Token:
    if not isinstance(part, Mapping) or set(part) != {"protected", "signature"}:
        raise MalformedToken("a signature is a protected header and its signature, no more")
    texts = part["protected"], payload, part["signature"]
    if not all(isinstance(text, str) for text in texts):
        raise MalformedToken("a part is not base64url")
    token = read_token(".".join(texts), extensions=(EXTENSION,))
    if token.extension != EXTENSION:
        raise MalformedToken("a signature of a hybrid token names both keys")
    return token
