"""A reply of KMS is believed only if it answers what was asked; another is a lost reply."""

from datetime import timedelta

import pytest

from interlock._drivers.clients import fault_of
from interlock._protocol.signing.kms import octets
from interlock.errors import AccessDenied, ServiceUnavailable
from tests.unit.signing.kms import GRANTS, refusal

OTHER = "arn:aws:kms:eu-west-1:111122223333:key/other"

# What a proxy or a bug may make of a reply: nothing, a page, another's reply, another type.
LIES = {
    "an empty document": lambda _: {},
    "no document": lambda _: None,
    "a page": lambda _: "<html>sign in</html>",
    "another key's": lambda reply: {**reply, "KeyId": OTHER},
    "a key that is no text": lambda reply: {**reply, "KeyId": 7},
    "without the key": lambda reply: {k: v for k, v in reply.items() if k != "KeyId"},
}
OF_SIGN = {
    "another algorithm's": lambda reply: {**reply, "SigningAlgorithm": "RSASSA_PSS_SHA_256"},
    "without a signature": lambda reply: {**reply, "Signature": b""},
    "a signature that is a text": lambda reply: {**reply, "Signature": "MEUCIQ"},
    "a signature of another form": lambda reply: {**reply, "Signature": bytes(70)},
    "a signature cut short": lambda reply: {**reply, "Signature": reply["Signature"][:-1]},
}
OF_PUBLIC_KEY = {
    "no key": lambda reply: {**reply, "PublicKey": None},
    "no usage": lambda reply: {**reply, "KeyUsage": None, "PublicKey": 5},
}
OF_VERIFY = {
    "another algorithm's": lambda reply: {**reply, "SigningAlgorithm": "RSASSA_PSS_SHA_256"},
    "that it is not valid": lambda reply: {**reply, "SignatureValid": False},
    "1 for true": lambda reply: {**reply, "SignatureValid": 1},
}
OF_MAC = {
    "another algorithm's": lambda reply: {**reply, "MacAlgorithm": "HMAC_SHA_512"},
    "half a MAC": lambda reply: {**reply, "Mac": reply["Mac"][:16]},
}
OF_VERIFY_MAC = {"that it is not valid": lambda reply: {**reply, "MacValid": False}}


def cases():
    for operation, more in {
        "Sign": OF_SIGN,
        "GetPublicKey": OF_PUBLIC_KEY,
        "Verify": OF_VERIFY,
        "GenerateMac": OF_MAC,
        "VerifyMac": OF_VERIFY_MAC,
    }.items():
        for name, lie in {**LIES, **more}.items():
            yield pytest.param(operation, lie, id=f"{operation}, {name}")


each_lie = pytest.mark.parametrize(("operation", "lie"), list(cases()))


class Parties:
    """What makes each of the calls, by a time limit that a test can wait for."""

    def __init__(self, lib, kms, timeout):
        options = {"client": kms, "timeout": timedelta(seconds=timeout)}
        self.key, self.mac_key = kms.create(), kms.create("HMAC")
        self.signer = lib.Signer(self.key, **options)
        self.mac = lib.Mac(self.mac_key, **options)
        self.verifier = lib.KmsVerifier([self.key], **options)

    def call(self, operation):
        if operation in {"Sign", "GetPublicKey"}:
            return self.signer.sign({"n": 1})
        if operation == "Verify":
            return self.verifier.verify(self.signer.sign({"n": 1}))
        token = self.mac.sign({"n": 1})
        return token if operation == "GenerateMac" else self.mac.verify(token)


@each_lie
def test_a_lie_is_asked_again_and_the_answer_is_true(lib, kms, operation, lie):
    parties = Parties(lib, kms, 5)
    kms.lies = {operation: [lie, lie]}
    result = parties.call(operation)
    assert not kms.lies[operation]
    assert [name for name, _ in kms.calls].count(operation) >= 3
    if isinstance(result, str):
        is_mac = "Mac" in operation
        checked = parties.mac.verify(result) if is_mac else parties.verifier.verify(result)
        assert checked == {"n": 1}
    else:
        assert result == {"n": 1}


@pytest.mark.parametrize("value", [b"", "MEUCIQ", bytearray(b"a"), None], ids=repr)
def test_what_is_no_bytes_or_none_is_no_signature(value):
    with pytest.raises(TypeError, match="Signature"):
        octets({"Signature": value}, "Signature")


@pytest.mark.parametrize(("operation", "grant"), GRANTS.items())
def test_a_call_that_is_denied_names_the_grant_that_allows_it(lib, kms, operation, grant):
    def denied(_reply):
        raise fault_of(refusal("AccessDeniedException"))

    parties = Parties(lib, kms, 5)
    kms.lies = {operation: [denied]}
    with pytest.raises(AccessDenied, match=grant):
        parties.call(operation)


@pytest.mark.parametrize("operation", ["Sign", "GetPublicKey", "Verify", "GenerateMac"])
def test_lies_without_end_are_an_outage_within_the_time_given(lib, kms, operation):
    parties = Parties(lib, kms, 0.05)
    kms.lies = {operation: [LIES["an empty document"]] * 1000}
    with pytest.raises(ServiceUnavailable):
        parties.call(operation)
