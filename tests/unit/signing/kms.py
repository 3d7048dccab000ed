# ruff: noqa: N803 - parameters are named as boto3 names them
"""A KMS with real keys in this process, as strict about digests as AWS's is.

moto hashes a DIGEST once more, so what it signs verifies nowhere else.
"""

import hmac
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from interlock._drivers.clients import fault_of, method_name

# What allows each operation.
GRANTS = {
    "Sign": "SigningKey.grant_sign",
    "GetPublicKey": "SigningKey.grant_read_public_keys",
    "Verify": "SigningKey.grant_verify",
    "GenerateMac": "MacKey.grant_generate",
    "VerifyMac": "MacKey.grant_verify",
}
CURVES = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
try:
    from cryptography.hazmat.primitives.asymmetric import mldsa
except ImportError:  # the oldest cryptography that is supported
    ML_DSA: dict[str, Any] = {}
else:
    ML_DSA = {
        "ML_DSA_44": mldsa.MLDSA44PrivateKey,
        "ML_DSA_65": mldsa.MLDSA65PrivateKey,
        "ML_DSA_87": mldsa.MLDSA87PrivateKey,
    }
LATTICES: tuple[Any, ...] = tuple(ML_DSA.values())
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
MOST_CALLS = 5000  # of one test: what asks without end fails at once


def refusal(code, status=400):
    reply: Any = {
        "Error": {"Code": code, "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(reply, "Sign")


class LocalKms:
    def __init__(self):
        self.keys = {}
        self.aliases = {}
        self.disabled = set()
        self.calls = []
        self.failures = []
        self.lies = {}

    def answer(self, operation, params):
        """Answer a driver, with what `lies` makes of the reply to this operation."""
        try:
            reply = getattr(self, method_name(operation))(**params)
        except (ClientError, BotoCoreError) as error:
            raise fault_of(error) from error
        lies = self.lies.get(operation)
        return lies.pop(0)(reply) if lies else reply

    def create(self, spec="ECC_NIST_P256"):
        arn = f"arn:aws:kms:eu-west-1:111122223333:key/{uuid.uuid4()}"
        if spec in CURVES:
            self.keys[arn] = ec.generate_private_key(CURVES[spec])
        elif spec == "ECC_NIST_EDWARDS25519":
            self.keys[arn] = ed25519.Ed25519PrivateKey.generate()
        elif spec.startswith("ML_DSA"):
            if spec not in ML_DSA:
                pytest.skip("the cryptography package has no ML-DSA")
            self.keys[arn] = ML_DSA[spec].generate()
        elif spec.startswith("RSA"):
            self.keys[arn] = rsa.generate_private_key(65537, int(spec.removeprefix("RSA_")))
        else:
            self.keys[arn] = uuid.uuid4().bytes * 2
        return arn

    def _find(self, operation, key_id):
        assert len(self.calls) < MOST_CALLS
        self.calls.append((operation, key_id))
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        arn = self.aliases.get(key_id, key_id)
        if arn not in self.keys:
            raise refusal("NotFoundException")
        if arn in self.disabled:
            raise refusal("DisabledException")
        return arn, self.keys[arn]

    def get_public_key(self, *, KeyId):
        arn, key = self._find("GetPublicKey", KeyId)
        if isinstance(key, bytes):
            raise refusal("UnsupportedOperationException")
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"KeyId": arn, "PublicKey": public, "KeyUsage": "SIGN_VERIFY"}

    def sign(self, *, KeyId, Message, MessageType, SigningAlgorithm):
        arn, key = self._find("Sign", KeyId)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            assert (MessageType, SigningAlgorithm) == ("RAW", "ED25519_SHA_512")
            assert len(Message) <= 4096
            signature = key.sign(Message)
        elif isinstance(key, LATTICES):
            assert (MessageType, SigningAlgorithm) == ("EXTERNAL_MU", "ML_DSA_SHAKE_256")
            signature = key.sign_mu(Message)
        else:
            assert MessageType == "DIGEST"
            assert len(Message) == HASHES[SigningAlgorithm[-3:]].digest_size
            signature = key.sign(Message, *_scheme(key, SigningAlgorithm))
        return {"KeyId": arn, "Signature": signature, "SigningAlgorithm": SigningAlgorithm}

    def verify(self, *, KeyId, Message, MessageType, Signature, SigningAlgorithm):
        arn, key = self._find("Verify", KeyId)
        assert 1 <= len(Signature) <= 6144
        public = key.public_key()
        try:
            if isinstance(key, ed25519.Ed25519PrivateKey):
                assert MessageType == "RAW"
                public.verify(Signature, Message)
            elif isinstance(key, LATTICES):
                assert MessageType == "EXTERNAL_MU"
                public.verify_mu(Signature, Message)
            else:
                assert MessageType == "DIGEST"
                public.verify(Signature, Message, *_scheme(key, SigningAlgorithm))
        except InvalidSignature:
            raise refusal("KMSInvalidSignatureException") from None
        return {"KeyId": arn, "SignatureValid": True, "SigningAlgorithm": SigningAlgorithm}

    def generate_mac(self, *, KeyId, Message, MacAlgorithm):
        arn, key = self._find("GenerateMac", KeyId)
        assert 1 <= len(Message) <= 4096
        mac = hmac.digest(key, Message, f"sha{MacAlgorithm[-3:]}")
        return {"KeyId": arn, "Mac": mac, "MacAlgorithm": MacAlgorithm}

    def verify_mac(self, *, KeyId, Message, MacAlgorithm, Mac):
        arn, key = self._find("VerifyMac", KeyId)
        assert 1 <= len(Mac) <= 6144
        if not hmac.compare_digest(hmac.digest(key, Message, f"sha{MacAlgorithm[-3:]}"), Mac):
            raise refusal("KMSInvalidMacException")
        return {"KeyId": arn, "MacValid": True, "MacAlgorithm": MacAlgorithm}

    def describe_key(self, *, KeyId):
        arn, key = self._find("DescribeKey", KeyId)
        spec = "HMAC_256" if isinstance(key, bytes) else "ECC_NIST_P256"
        usage = "GENERATE_VERIFY_MAC" if isinstance(key, bytes) else "SIGN_VERIFY"
        metadata = {
            "Arn": arn,
            "KeySpec": spec,
            "KeyUsage": usage,
            "CreationDate": datetime.now(UTC),
        }
        return {"KeyMetadata": metadata}


def _scheme(key, algorithm):
    prehashed = Prehashed(HASHES[algorithm[-3:]])
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return (ec.ECDSA(prehashed),)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return (padding.PKCS1v15() if "PKCS1" in algorithm else pss), prehashed
