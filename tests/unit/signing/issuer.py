"""An issuer of tokens, in tests, and the clock by which they are judged."""

import base64
import json
from datetime import timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 1_800_000_000.0
# On a clock that stands still: what is beyond it is the first pause that is longer.
SOON = timedelta(milliseconds=10)


class Clock:
    def __init__(self, now=NOW):
        self.now = now

    def __call__(self):
        return self.now


def encode(data):
    if isinstance(data, dict):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=32):
    return encode(value.to_bytes(size, "big"))


def header(token):
    """Return what the header of a token says."""
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


class Issuer:
    """Signs whatever header and payload a test wants."""

    def __init__(self, kid="k1"):
        self.private = ec.generate_private_key(ec.SECP256R1())
        point = self.private.public_key().public_numbers()
        self.jwk = {
            "kty": "EC",
            "crv": "P-256",
            "x": number(point.x),
            "y": number(point.y),
            "kid": kid,
            "alg": "ES256",
            "use": "sig",
        }

    @property
    def jwks(self):
        return {"keys": [self.jwk]}

    def token(self, payload, **header):
        head = {"alg": "ES256", "kid": self.jwk["kid"], **header}
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signing_input = f"{encode(head)}.{encode(body)}"
        return f"{signing_input}.{encode(self.raw_signature(signing_input.encode()))}"

    def raw_signature(self, message):
        r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
