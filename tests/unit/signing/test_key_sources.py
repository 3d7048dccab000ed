"""Sources of keys: fetched once, kept while they fail, and never from an open channel."""

import json
import threading
from datetime import timedelta

import pytest

from interlock.errors import (
    KeysUnavailable,
    UnknownKey,
)
from tests.unit.signing.issuer import Clock, Issuer
from tests.unit.signing.kms import LocalKms


class Source:
    def __init__(self, *documents):
        self.documents = list(documents)
        self.fetches = 0

    def __call__(self, url):
        assert url == URL
        self.fetches += 1
        document = self.documents.pop(0) if len(self.documents) > 1 else self.documents[0]
        if isinstance(document, Exception):
            raise document
        return document if isinstance(document, bytes) else json.dumps(document).encode()


URL = "https://keys.example/jwks.json"


def test_keys_are_fetched_once_and_again_when_stale(lib, issuer):
    clock, source = Clock(0.0), Source(issuer.jwks)
    verifier = lib.Verifier(URL, fetch=source, monotonic=clock, lifetime=timedelta(minutes=10))
    for passed, fetches in [(0, 1), (599, 1), (2, 2), (1, 2)]:
        clock.now += passed
        verifier.verify(issuer.token({}))
        assert source.fetches == fetches


def test_a_key_taken_out_of_the_document_is_trusted_no_longer(lib, issuer):
    clock, source = Clock(0.0), Source(issuer.jwks, Issuer("k2").jwks)
    verifier = lib.Verifier(URL, fetch=source, monotonic=clock)
    verifier.verify(issuer.token({}))
    clock.now += 601
    with pytest.raises(UnknownKey):
        verifier.verify(issuer.token({}))


def test_a_new_key_is_found_and_an_unknown_one_asked_for_once_a_cooldown(lib, issuer):
    clock, new = Clock(0.0), Issuer("k2")
    source = Source(issuer.jwks, {"keys": [issuer.jwk, new.jwk]})
    verifier = lib.Verifier(URL, fetch=source, monotonic=clock, cooldown=timedelta(seconds=30))
    verifier.verify(issuer.token({}))
    clock.now += 31
    verifier.verify(new.token({}))
    for _ in range(100):
        with pytest.raises(UnknownKey):
            verifier.verify(issuer.token({}, kid="no such key"))
    assert source.fetches == 2
    clock.now += 30
    with pytest.raises(UnknownKey):
        verifier.verify(issuer.token({}, kid="no such key"))
    assert source.fetches == 3


@pytest.mark.parametrize(
    "failure",
    [OSError("unreachable"), b"not json", {"keys": []}, {"error": "gone"}, b"[]", ValueError("?")],
)
def test_a_failed_fetch_never_empties_the_cache(lib, issuer, failure):
    clock, source = Clock(0.0), Source(issuer.jwks, failure)
    verifier = lib.Verifier(URL, fetch=source, monotonic=clock)
    for _ in range(5):
        verifier.verify(issuer.token({"n": 1}))
        clock.now += 601
    assert source.fetches == 5


def test_a_cold_start_without_keys_says_so_and_recovers(lib, issuer):
    clock = Clock(0.0)
    source = Source(OSError("unreachable"), issuer.jwks)
    verifier = lib.Verifier(URL, fetch=source, monotonic=clock)
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            verifier.verify(issuer.token({}))
    assert source.fetches == 1
    clock.now += 1
    verifier.verify(issuer.token({}))


def test_many_threads_at_a_cold_start_fetch_once(lib, issuer):
    started, release = threading.Event(), threading.Event()
    source = Source(issuer.jwks)

    def slow(url):
        started.set()
        assert release.wait(10)
        return source(url)

    verifier = lib.Verifier(URL, fetch=slow)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(verifier.verify(issuer.token({"n": 1}))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    assert results == [{"n": 1}] * 8
    assert source.fetches == 1


@pytest.mark.parametrize(
    "url", ["http://keys.example/", "file:///etc/passwd", "ftp://127.0.0.1/", "https://", "keys"]
)
def test_keys_from_an_open_channel_are_not_trusted(lib, url):
    with pytest.raises(ValueError, match="https"):
        lib.Verifier(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost/k", "http://[::1]/"])
def test_loopback_needs_no_tls(lib, url):
    lib.Verifier(url)


def test_keys_can_come_from_kms(lib):
    kms = LocalKms()
    kms.aliases["alias/a"] = kms.create()
    verifier = lib.Verifier(lambda: lib.jwks(["alias/a"], client=kms))
    assert verifier.verify(lib.Signer("alias/a", client=kms).sign({"n": 1})) == {"n": 1}
    calls = len(kms.calls)
    verifier.verify(lib.Signer("alias/a", client=kms).sign({"n": 1}))
    assert [name for name, _ in kms.calls[calls:]] == ["GetPublicKey", "Sign"]  # the Signer's
