"""Published keys: fetched when they are first needed, kept, and never anything else than keys."""

import pytest

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
