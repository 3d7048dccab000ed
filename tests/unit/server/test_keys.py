"""Published keys: fetched when they are first needed, kept, and never anything else than keys."""

import json

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from server.keys import AGAIN, KeysUnavailable, KeyUnknown, PublishedKeys
from tests.unit.server.people import CHANGE, OTHER_KEY, Publisher, ask, data, pem
from tests.unit.server.playing import Played


async def test_a_key_is_fetched_once(guarded, publisher):
    for _ in range(3):
        assert (await ask(guarded, *CHANGE, data("operator"))).status_code == 200
    assert publisher.asked == ["https://keys.test/key-1"]


async def test_without_the_keys_nothing_is_changed_and_the_caller_may_try_again(
    guarded, api, publisher
):
    publisher.down = True
    answer = await ask(guarded, *CHANGE, data("operator"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert api.requests == []
    publisher.down = False
    assert (await ask(guarded, *CHANGE, data("operator"))).status_code == 200


async def test_an_unknown_key_is_asked_for_once_in_a_while():
    clock = [0.0]
    publisher = Publisher()
    keys = PublishedKeys("https://keys.test", connections=Played(publisher), clock=lambda: clock[0])
    for _ in range(3):
        with pytest.raises(KeyUnknown):
            await keys.get("key-2")
    assert len(publisher.asked) == 1
    clock[0] += AGAIN
    publisher.keys["key-2"] = pem(OTHER_KEY)
    assert (await keys.get("key-2")).public_numbers() == OTHER_KEY.public_key().public_numbers()


@pytest.mark.parametrize("content", [b"no PEM", b"x" * 70_000])
async def test_a_publisher_of_something_else_is_not_believed(content):
    publisher = Publisher(**{"key-1": content})
    keys = PublishedKeys("https://keys.test", connections=Played(publisher))
    with pytest.raises(KeysUnavailable):
        await keys.get("key-1")


def rsa_key(kid, bits=2048):
    public = rsa.generate_private_key(65537, bits).public_key()
    return json.loads(RSAAlgorithm.to_jwk(public)) | {"kid": kid}


GOOD = rsa_key("good")


@pytest.mark.parametrize(
    "odd",
    [
        GOOD | {"kid": ["good"]},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "good"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "good"},
        {"kty": "later", "kid": "good"},
        {"kty": 1},
        "key",
        None,
    ],
)
@pytest.mark.parametrize("place", [0, 1])
async def test_an_odd_key_takes_none_of_its_set_along(odd, place):
    first, second = (odd, GOOD) if place else (GOOD, odd)
    publisher = Publisher(first=first, second=second)
    keys = PublishedKeys("https://keys.test/jwks.json", connections=Played(publisher))
    assert (await keys.get("good")).key_size == 2048


async def test_a_key_that_is_too_short_is_none():
    publisher = Publisher(good=GOOD, short=rsa_key("short", 1024))
    keys = PublishedKeys("https://keys.test/jwks.json", connections=Played(publisher))
    with pytest.raises(KeyUnknown):
        await keys.get("short")


async def test_a_set_that_is_nested_without_end_is_none():
    def publish(_):
        return httpx.Response(200, content=b"[" * 60_000)

    keys = PublishedKeys("https://keys.test/jwks.json", connections=Played(publish))
    with pytest.raises(KeysUnavailable):
        await keys.get("good")
