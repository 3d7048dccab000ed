"""Of a key set those keys count that are there to verify, and the rest does no harm."""

from contextlib import suppress
from datetime import timedelta

import pytest

from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Call
from interlock._protocol.signing.cache import KeyCache, keys_by_kid
from interlock.errors import BadSignature, KeysUnavailable
from tests.unit.signing.issuer import Clock, Issuer

USES = [
    ({}, True),
    ({"use": "sig"}, True),
    ({"use": "enc"}, False),
    ({"use": None}, False),
    ({"key_ops": ["verify"]}, True),
    ({"key_ops": ("sign", "verify")}, True),
    ({"key_ops": ["sign"]}, False),
    ({"key_ops": []}, False),
    ({"key_ops": "verify"}, False),
    ({"key_ops": ["verify"], "use": "enc"}, False),
    ({"alg": 7}, False),
    ({"alg": ["ES256"]}, False),
    ({"kid": 7}, False),
    ({"kid": ["k1"]}, False),
    ({"kty": ["EC"]}, False),
    ({"kty": "oct"}, False),
    ({"crv": "P-999"}, False),
]


@pytest.mark.parametrize(("change", "counts"), USES)
def test_a_key_counts_that_is_there_to_verify(issuer, change, counts):
    key = {**issuer.jwk, **change}
    other = Issuer("k2").jwk
    assert keys_by_kid({"keys": [key, other]}).get("k1") == ({"P-256": [key]} if counts else None)
    if not counts:
        with pytest.raises(ValueError, match="at least one"):
            keys_by_kid({"keys": [key]})


@pytest.mark.parametrize("missing", ["kid", "kty", "crv"])
def test_a_key_that_lacks_a_member_does_not_count(issuer, missing):
    key = {name: value for name, value in issuer.jwk.items() if name != missing}
    assert set(keys_by_kid({"keys": [key, Issuer("k2").jwk]})) == {"k2"}


@pytest.mark.parametrize("odd", [None, 7, "key", ["kid", "kty"], {}], ids=repr)
def test_what_is_no_key_does_not_count(issuer, odd):
    assert keys_by_kid({"keys": [odd, issuer.jwk]}) == {"k1": {"P-256": [issuer.jwk]}}


def test_the_same_key_many_times_takes_the_place_of_no_other(issuer):
    other = Issuer()
    keys = [issuer.jwk] * 9 + [other.jwk]
    assert keys_by_kid({"keys": keys}) == {"k1": {"P-256": [issuer.jwk, other.jwk]}}


def test_of_many_keys_of_one_kid_and_kind_the_first_four_count():
    keys = [Issuer().jwk for _ in range(6)]
    assert keys_by_kid({"keys": keys}) == {"k1": {"P-256": keys[:4]}}


def test_keys_of_one_kid_are_alike_whether_or_not_they_say_their_algorithm(lib, issuer):
    other = Issuer()
    del other.jwk["alg"]
    for keys in ([issuer.jwk, other.jwk], [other.jwk, issuer.jwk]):
        verifier = lib.Verifier({"keys": keys})
        assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}
        assert verifier.verify(other.token({"n": 2})) == {"n": 2}
        with pytest.raises(BadSignature):
            verifier.verify(Issuer().token({}))


class Source:
    """Gives out what a test puts into it, and takes its time for that."""

    def __init__(self, clock, found):
        self.clock, self.found, self.takes, self.fetches = clock, found, 0.0, 0

    def __call__(self):
        self.fetches += 1
        self.clock.now += self.takes
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def clock():
    return Clock(0.0)


@pytest.fixture
def source(clock, issuer):
    return Source(clock, issuer.jwks)


@pytest.fixture
def verify(lib, clock, source, issuer):
    options = {"lifetime": timedelta(seconds=100), "cooldown": timedelta(seconds=30)}
    verifier = lib.Verifier(source, monotonic=clock, **options)
    return lambda: verifier.verify(issuer.token({"n": 1}))


def test_keys_are_fresh_for_their_lifetime_and_no_longer(verify, clock, source):
    for passed, fetches in [(0, 1), (99, 1), (1, 2), (99, 2), (1, 3)]:
        clock.now += passed
        verify()
        assert source.fetches == fetches


def test_a_source_that_fails_is_left_alone_for_the_whole_pause(verify, clock, source, caplog):
    """From its end on, not from its beginning, so that one that hangs is not asked all the time."""
    verify()
    source.found, source.takes = OSError("gone"), 20.0
    clock.now += 100
    for passed, fetches in [(0, 2), (29, 2), (1, 3), (10, 3), (19, 3), (1, 4)]:
        clock.now += passed
        assert verify() == {"n": 1}
        assert source.fetches == fetches
    assert "the cached ones stay" in caplog.text


def test_where_there_are_no_keys_at_all_the_source_is_asked_again_after_a_second(
    verify, clock, source, issuer
):
    source.found = OSError("gone")
    for passed, fetches in [(0, 1), (0.5, 1), (0.5, 2), (0.5, 2)]:
        clock.now += passed
        with pytest.raises(KeysUnavailable):
            verify()
        assert source.fetches == fetches
    source.found = issuer.jwks
    clock.now += 0.5
    assert verify() == {"n": 1}


def test_a_set_without_a_key_to_verify_by_replaces_none(verify, clock, source, issuer):
    verify()
    source.found = {"keys": [{**issuer.jwk, "kty": "oct"}, {**issuer.jwk, "use": "enc"}]}
    clock.now += 100
    assert verify() == {"n": 1}


def fetches(cache, asked, now):
    """Look for a key, at an instant, for a caller that came at another; count the fetches."""
    found, operation = 0, cache.find("k1", asked)
    with suppress(KeysUnavailable):
        request = next(operation)
        while True:
            if isinstance(request, Call):
                found += 1
                request = operation.throw(NoReply("gone"))
            else:
                request = operation.send(now)
    return found


def test_what_was_tried_since_a_caller_came_is_not_tried_again():
    """Even where no pause is asked for: many that waited for a fetch do not each repeat it."""
    cache = KeyCache(lifetime=100.0, cooldown=0.0)
    assert fetches(cache, asked=0.0, now=5.0) == 1
    assert fetches(cache, asked=4.0, now=6.0) == 0
    assert fetches(cache, asked=6.0, now=7.0) == 1
