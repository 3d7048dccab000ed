# ruff: noqa: N803 - parameters are named as boto3 names them
"""A KMS with real keys in this process, as strict about digests as AWS's is.

moto hashes a DIGEST once more, so what it signs verifies nowhere else.
"""

import hmac
import uuid
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

CURVES = {
    "ECC_NIST_P256": ec.SECP256R1(),
    "ECC_NIST_P384": ec.SECP384R1(),
    "ECC_NIST_P521": ec.SECP521R1(),
    "ECC_SECG_P256K1": ec.SECP256K1(),
}
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


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

    def create(self, spec="ECC_NIST_P256"):
        arn = f"arn:aws:kms:eu-west-1:111122223333:key/{uuid.uuid4()}"
        if spec in CURVES:
            self.keys[arn] = ec.generate_private_key(CURVES[spec])
        elif spec.startswith("RSA"):
            self.keys[arn] = rsa.generate_private_key(65537, int(spec.removeprefix("RSA_")))
        else:
            self.keys[arn] = uuid.uuid4().bytes * 2
        return arn

    def _find(self, operation, key_id):
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
        algorithm = HASHES[SigningAlgorithm[-3:]]
        assert MessageType == "DIGEST"
        assert len(Message) == algorithm.digest_size
        if isinstance(key, ec.EllipticCurvePrivateKey):
            signature = key.sign(Message, ec.ECDSA(Prehashed(algorithm)))
        else:
            signature = key.sign(Message, _padding(SigningAlgorithm), Prehashed(algorithm))
        return {"KeyId": arn, "Signature": signature}

    def verify(self, *, KeyId, Message, MessageType, Signature, SigningAlgorithm):
        arn, key = self._find("Verify", KeyId)
        assert MessageType == "DIGEST"
        prehashed = Prehashed(HASHES[SigningAlgorithm[-3:]])
        scheme = (
            (ec.ECDSA(prehashed),)
            if isinstance(key, ec.EllipticCurvePrivateKey)
            else (_padding(SigningAlgorithm), prehashed)
        )
        try:
            key.public_key().verify(Signature, Message, *scheme)
        except InvalidSignature:
            raise refusal("KMSInvalidSignatureException") from None
        return {"KeyId": arn, "SignatureValid": True}

    def generate_mac(self, *, KeyId, Message, MacAlgorithm):
        arn, key = self._find("GenerateMac", KeyId)
        assert 1 <= len(Message) <= 4096
        return {"KeyId": arn, "Mac": hmac.digest(key, Message, f"sha{MacAlgorithm[-3:]}")}

    def verify_mac(self, *, KeyId, Message, MacAlgorithm, Mac):
        arn, key = self._find("VerifyMac", KeyId)
        if not hmac.compare_digest(hmac.digest(key, Message, f"sha{MacAlgorithm[-3:]}"), Mac):
            raise refusal("KMSInvalidMacException")
        return {"KeyId": arn, "MacValid": True}

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


def _padding(algorithm):
    if "PKCS1" in algorithm:
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
