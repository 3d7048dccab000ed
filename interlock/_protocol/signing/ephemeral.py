"""A key of this process: made from the system's randomness, used here, kept nowhere."""

import os
from collections.abc import Callable
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from interlock._dataclasses import dataclass
from interlock._protocol.signing.algorithms import base64url
from interlock._protocol.signing.der import der_to_raw
from interlock._protocol.signing.keys import thumbprint

EphemeralAlgorithm: TypeAlias = Literal["ES256", "Ed25519"]

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SIZE = 32


@dataclass(frozen=True, slots=True)
class EphemeralKey:
    """A private key, as what it does: `sign` returns the signature of a message as JWS has it."""

    algorithm: EphemeralAlgorithm
    jwk: dict[str, str]
    kid: str
    sign: Callable[[bytes], bytes]


def new_key(algorithm: EphemeralAlgorithm) -> EphemeralKey:
    """Make a key.

    Neither the key nor a nonce comes from OpenSSL's generator, whose state two copies of a snapshot
    (Lambda SnapStart) would share: the key is the kernel's randomness, and nonces are deterministic
    (RFC 6979, RFC 8032).
    """
    if algorithm == "Ed25519":
        edwards = ed25519.Ed25519PrivateKey.from_private_bytes(os.urandom(_SIZE))
        octets = edwards.public_key().public_bytes_raw()
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(octets)}
        return EphemeralKey(algorithm, jwk, thumbprint(jwk), edwards.sign)
    # 128 bits more than the order has leave no bias that could be seen (FIPS 186-5, A.2.1).
    secret = int.from_bytes(os.urandom(_SIZE + 16), "big") % (_P256_ORDER - 1) + 1
    private = ec.derive_private_key(secret, ec.SECP256R1())
    point = private.public_key().public_numbers()
    x, y = (base64url(number.to_bytes(_SIZE, "big")) for number in (point.x, point.y))
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
    scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)

    def sign(message: bytes) -> bytes:
        return der_to_raw(private.sign(message, scheme), _SIZE)

    return EphemeralKey(algorithm, jwk, thumbprint(jwk), sign)
