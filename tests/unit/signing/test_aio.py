"""The awaitable names do what the blocking ones do."""

import functools

import pytest

from interlock import signing
from interlock.aio import signing as aio
from interlock.errors import BadSignature
from tests.unit.signing.kms import LocalKms


class AwaitableKms:
    def __init__(self, kms):
        self._kms = kms

    def __getattr__(self, name):
        if name == "meta":
            raise AttributeError(name)
        call = getattr(self._kms, name)

        @functools.wraps(call)
        async def awaitable(**params):
            return call(**params)

        return awaitable


def test_the_names_are_the_same():
    assert set(aio.__all__) == set(signing.__all__) - {
        "KmsVerifier",
        "SignedItem",
        "SigV4",
        "sigv4",
        "sign_message",
        "verify_message",
    }


async def test_a_token_signs_and_verifies():
    kms = LocalKms()
    key = kms.create()
    client = AwaitableKms(kms)
    signer = aio.Signer(key, client=client)
    verifier = aio.Verifier(await aio.jwks([key], client=client))
    assert await verifier.verify(await signer.sign({"n": 1})) == {"n": 1}
    token = await signer.sign_detached(b"payload")
    await verifier.verify_detached(token, b"payload")
    with pytest.raises(BadSignature):
        await verifier.verify_detached(token, b"other")
    assert (await signer.sign_bytes(b"m")).key == await signer.key()


async def test_a_mac_is_made_and_checked():
    kms = LocalKms()
    mac = aio.Mac(kms.create("HMAC"), client=AwaitableKms(kms))
    assert await mac.verify(await mac.sign({"n": 1})) == {"n": 1}
