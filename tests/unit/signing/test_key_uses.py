"""Of a key set those keys count that are there to verify, and the rest does no harm."""

from contextlib import suppress
from datetime import timedelta

import pytest

from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Call
from interlock._protocol.signing.cache import KeyCache, keys_by_kid, public_members
from interlock.errors import BadSignature, KeysUnavailable, UnknownKey
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


def test_a_kid_that_is_in_no_key_is_unknown(lib, issuer):
    with pytest.raises(UnknownKey, match="k2"):
        lib.Verifier(issuer.jwks).verify(issuer.token({}, kid="k2"))


def test_of_many_keys_of_one_kid_and_kind_the_first_four_count():
    keys = [Issuer().jwk for _ in range(6)]
    assert keys_by_kid({"keys": keys}) == {"k1": {"P-256": keys[:4]}}


def test_a_key_of_rsa_has_the_place_of_its_algorithm_and_that_of_its_kind_without():
    keys = [{"kid": "k1", "kty": "RSA", "n": "A", "e": "B"}]
    keys += [{**keys[0], "alg": name} for name in ("PS256", "RS256")]
    by_place = {"RSA": keys[:1], "PS256": keys[1:2], "RS256": keys[2:]}
    assert keys_by_kid({"keys": keys}) == {"k1": by_place}


@pytest.mark.parametrize("alg", ["ES256", "P-256", "Ed25519", "none", "RSA-OAEP"])
def test_a_key_of_rsa_takes_the_place_of_no_other_whatever_it_says(lib, issuer, alg):
    odd = [{"kid": "k1", "kty": "RSA", "n": f"A{n}", "e": "AQAB", "alg": alg} for n in range(4)]
    for keys in ([*odd, issuer.jwk], [issuer.jwk, *odd]):
        assert lib.Verifier({"keys": keys}).verify(issuer.token({"n": 1})) == {"n": 1}


def test_a_key_of_a_curve_that_names_an_algorithm_of_rsa_takes_the_place_of_none(issuer):
    key = {**issuer.jwk, "alg": "PS256"}
    assert keys_by_kid({"keys": [key]}) == {"k1": {"P-256": [key]}}


class Odd:
    """A value of a document that can be compared with nothing."""

    def __eq__(self, other):
        raise RecursionError

    __hash__ = None  # type: ignore[assignment]


def test_a_document_that_cannot_be_looked_through_is_no_key_set(issuer):
    keys = [{**issuer.jwk, "x": Odd()}, {**issuer.jwk, "x": Odd()}]
    with pytest.raises(ValueError, match="RecursionError when it was read"):
        keys_by_kid({"keys": keys})


PUBLIC = [
    {"kty": "RSA", "n": "A", "e": "B"},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "A"},
    {"kty": "OKP", "crv": "Ed25519", "x": "A"},
    {"kty": "EC", "crv": "P-256", "x": "A", "y": "B"},
]


@pytest.mark.parametrize("key", PUBLIC, ids=lambda key: key["kty"])
def test_the_public_members_are_the_key_and_nothing_else_is(key):
    more = {"kid": "k1", "d": "private", "p": "private", "use": "sig"}
    assert dict(public_members({**more, **key})) == key


@pytest.mark.parametrize(
    "document", [b"not json", b'{"keys":' + b"[" * 100_000, None, 7, [], {"keys": {}}, {}]
)
def test_what_is_no_key_set_is_a_value_error(document):
    with pytest.raises(ValueError, match=r"not a JWKS|Expecting value"):
        keys_by_kid(document)


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
    for passed, fetches, reason in [(0, 1, "gone"), (0.5, 1, "yet"), (0.5, 2, "gone")]:
        clock.now += passed
        with pytest.raises(KeysUnavailable, match=reason):
            verify()
        assert source.fetches == fetches
    with pytest.raises(KeysUnavailable, match="yet"):
        verify()
    source.found = issuer.jwks
    clock.now += 1
    assert verify() == {"n": 1}


def test_a_set_without_a_key_to_verify_by_replaces_none(verify, clock, source, issuer):
    verify()
    source.found = {"keys": [{**issuer.jwk, "kty": "oct"}, {**issuer.jwk, "use": "enc"}]}
    clock.now += 100
    assert verify() == {"n": 1}


def test_while_one_fetches_the_others_use_what_is_there_however_old():
    cache = KeyCache(lifetime=100.0, cooldown=0.0)
    assert cache.stale("k1") is cache.known("k1", 0.0) is None
    key = Issuer().jwk
    answered(cache, {"keys": [key]}, now=0.0)
    assert cache.stale("k1") == cache.known("k1", 99.0) == {"P-256": [key]}
    assert cache.stale("k2") is cache.known("k1", 100.0) is None
    assert cache.stale("k1") == {"P-256": [key]}


def answered(cache, document, now):
    """Let a cache fetch a document at an instant."""
    operation, reply = cache.find("k1", now), None
    with suppress(StopIteration):
        while True:
            reply = document if isinstance(operation.send(reply), Call) else now


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
