"""A key set that is slow, odd or hostile costs a verifier no more than is promised."""

import asyncio
import http.server
import json
import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from interlock._drivers.fetching import fetch
from interlock.aio.signing import Verifier
from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidToken,
    InvalidValue,
    KeysUnavailable,
    UnknownKey,
)
from tests.unit.signing.issuer import Clock, Issuer, encode, number
from tests.unit.signing.kms import LocalKms


@contextmanager
def serving(respond):
    """Serve what `respond(handler)` writes; yield the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            try:
                respond(self)
            except OSError:
                broken.set()

        def log_message(self, *_):
            pass

    broken = threading.Event()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.broken = broken  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/jwks", broken
        server.shutdown()
        thread.join()


def answer(document):
    body = json.dumps(document).encode()

    def respond(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def drip(head, over=None):
    """Send a byte every 20 ms for as long as someone listens, or until an event."""

    def respond(handler):
        handler.wfile.write(head)
        while over is None or not over.is_set():
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.02)

    return respond


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "]
)
def test_a_key_set_that_drips_is_given_up_in_time_and_its_connection_broken_off(
    lib, issuer, monkeypatch, head
):
    monkeypatch.setattr("interlock._drivers.fetching.TIMEOUT", 0.2)
    with serving(drip(head)) as (url, broken):
        began = time.monotonic()
        with pytest.raises(KeysUnavailable, match="did not come within"):
            lib.Verifier(url).verify(issuer.token({}))
        assert time.monotonic() - began < 10
        assert broken.wait(30)


def test_a_host_whose_name_takes_for_ever_is_given_up_in_time(monkeypatch):
    monkeypatch.setattr("interlock._drivers.fetching.TIMEOUT", 0.1)
    released = threading.Event()

    def look_up(*_args, **_options):
        released.wait(10)
        raise OSError("no such host")

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    with pytest.raises(TimeoutError):
        fetch("https://keys.example/jwks")
    released.set()


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_loopback_is_never_asked_of_a_proxy(lib, issuer, monkeypatch, name):
    forger = Issuer()
    with serving(answer(forger.jwks)) as (proxy, _), serving(answer(issuer.jwks)) as (url, _):
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        verifier = lib.Verifier(url.replace("127.0.0.1", name))
        assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}
        with pytest.raises(BadSignature):
            verifier.verify(forger.token({"forged": True}))


def redirect(handler):
    handler.send_response(302)
    handler.send_header("Location", "http://127.0.0.1:1/")
    handler.end_headers()


RAW = {
    "no HTTP": lambda handler: handler.wfile.write(b"hello\r\n"),
    "nothing": lambda _: None,
    "cut short": lambda handler: handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"
    ),
    "a chunk of no size": lambda handler: handler.wfile.write(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
    ),
    "an error": lambda handler: handler.send_error(500),
    "a redirect": redirect,
}


@pytest.mark.parametrize("respond", RAW.values(), ids=RAW)
def test_what_is_no_answer_is_a_failed_fetch(lib, issuer, respond):
    with serving(respond) as (url, _), pytest.raises(KeysUnavailable):
        lib.Verifier(url).verify(issuer.token({}))


class Strange(dict[str, object]):
    def get(self, *_):
        raise RuntimeError("strange")


NONSENSE = [
    RuntimeError("boom"),
    KeyError("keys"),
    RecursionError(),
    b"[" * 200_000,
    b'{"keys":' + b"[" * 100_000,
    b"\xff",
    "<html>",
    None,
    7,
    {"keys": None},
    {"keys": {}},
    {"keys": [None, [], 3, {}, {"kid": "k"}, {"kid": "k", "kty": []}]},
    Strange(),
]


@pytest.mark.parametrize("nonsense", NONSENSE, ids=lambda value: repr(value)[:30])
def test_whatever_a_source_raises_or_returns_the_cache_serves(lib, issuer, nonsense):
    clock, found = Clock(0.0), [issuer.jwks]

    def source():
        if isinstance(found[0], Exception):
            raise found[0]
        return found[0]

    verifier = lib.Verifier(source, monotonic=clock)
    assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}
    found[0] = nonsense
    clock.now += 601
    assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}
    with pytest.raises(KeysUnavailable):
        lib.Verifier(source).verify(issuer.token({}))


ODD = {
    "of another type": {"kty": "oct", "k": "AA"},
    "of an unknown type": {"kty": "XYZ"},
    "of an unknown curve": {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
    "without a coordinate": {"kty": "EC", "crv": "P-256", "x": "AA"},
    "with a number for a coordinate": {"kty": "EC", "crv": "P-256", "x": 5, "y": "AA"},
    "with a list for a coordinate": {"kty": "EC", "crv": "P-256", "x": [1], "y": "AA"},
    "off the curve": {"kty": "EC", "crv": "P-256", "x": number(1), "y": number(1)},
    "with operations that are no list": {"kty": "EC", "crv": "P-256", "key_ops": 5},
    "with operations that are null": {"kty": "EC", "crv": "P-256", "key_ops": None},
    "with a use that is a list": {"kty": "EC", "crv": "P-256", "use": ["sig"]},
    "with an alg that is a list": {"kty": "RSA", "alg": [], "n": "AA", "e": "AQAB"},
    "of an Edwards curve, too short": {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    "of a lattice, too short": {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AA"},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_one_odd_key_never_disables_a_set(lib, issuer, odd):
    for kid in ("odd", "k1"):
        for keys in ([{**odd, "kid": kid}, issuer.jwk], [issuer.jwk, {**odd, "kid": kid}]):
            verifier = lib.Verifier({"keys": keys})
            assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_a_token_of_an_odd_key_is_refused(lib, issuer, odd):
    if odd["kty"] == "AKP":
        reason = "the cryptography package has no ML-DSA"
        pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa", reason=reason)
    keys = {"keys": [{**odd, "kid": "odd"}, issuer.jwk]}
    alg = {"OKP": "Ed25519", "AKP": "ML-DSA-65", "RSA": "PS256"}.get(odd["kty"], "ES256")
    with pytest.raises(InvalidToken):
        lib.Verifier(keys).verify(issuer.token({}, kid="odd", alg=alg))


def test_keys_of_one_kid_and_several_types_are_each_found(lib, issuer):
    """RFC 7517, 4.5: keys of different types may share a kid."""
    kms = LocalKms()
    others = [kms.create("RSA_2048"), kms.create("ECC_NIST_EDWARDS25519"), kms.create("ML_DSA_44")]
    published = [{**key, "kid": "k1"} for key in lib.jwks(others, client=kms)["keys"]]
    for keys in ([issuer.jwk, *published], [*published, issuer.jwk]):
        verifier = lib.Verifier({"keys": keys})
        assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}
        with pytest.raises(AlgorithmNotAllowed):
            verifier.verify(issuer.token({}, alg="ES384"))


def test_the_same_key_twice_is_one_key(lib, issuer):
    keys = {"keys": [issuer.jwk, {**issuer.jwk, "use": "sig", "x5c": ["more"]}]}
    assert lib.Verifier(keys).verify(issuer.token({"n": 1})) == {"n": 1}


def test_of_two_keys_of_one_kid_and_kind_each_verifies_its_own(lib, issuer):
    other, stranger = Issuer(), Issuer()
    verifier = lib.Verifier({"keys": [issuer.jwk, other.jwk]})
    assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}
    assert verifier.verify(other.token({"n": 2})) == {"n": 2}
    with pytest.raises(BadSignature):
        verifier.verify(stranger.token({}))


def test_very_many_keys_of_one_kid_cost_a_forged_token_no_more_than_four(lib, issuer):
    others = [Issuer() for _ in range(5)]
    verifier = lib.Verifier({"keys": [each.jwk for each in [*others, issuer]]})
    assert verifier.verify(others[3].token({})) == {}
    with pytest.raises(BadSignature):
        verifier.verify(issuer.token({}))


@pytest.mark.parametrize("bits", [1024, 2047, 2048])
def test_a_weak_rsa_key_verifies_nothing(lib, bits):
    """RFC 7518, 3.3 and 3.5: 2,048 bits or more."""
    private = rsa.generate_private_key(65537, bits)
    numbers = private.public_key().public_numbers()
    jwk = {"kty": "RSA", "e": "AQAB", "n": number(numbers.n, (bits + 7) // 8), "kid": "k"}
    signing_input = f"{encode({'alg': 'PS256', 'kid': 'k'})}.{encode({})}"
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    signature = private.sign(signing_input.encode(), pss, hashes.SHA256())
    verifier = lib.Verifier({"keys": [jwk]})
    if bits == 2048:
        assert verifier.verify(f"{signing_input}.{encode(signature)}") == {}
    else:
        with pytest.raises(UnknownKey, match=f"RSA of {bits} bits"):
            verifier.verify(f"{signing_input}.{encode(signature)}")


def test_others_verify_by_the_keys_they_have_while_one_fetches(lib, issuer):
    """And a failed fetch is not repeated by each that waited for it."""
    clock, slow, release, fetches = Clock(0.0), threading.Event(), threading.Event(), []

    def source():
        fetches.append(1)
        if slow.is_set():
            began.set()
            assert release.wait(10)
            raise OSError("gone")
        return issuer.jwks

    began = threading.Event()
    verifier = lib.Verifier(source, monotonic=clock, cooldown=timedelta(seconds=1))
    verifier.verify(issuer.token({}))
    slow.set()
    clock.now += 601
    results = []
    fetching = threading.Thread(target=lambda: results.append(verifier.verify(issuer.token({}))))
    fetching.start()
    assert began.wait(10)
    assert verifier.verify(issuer.token({"n": 1})) == {"n": 1}  # does not wait
    assert not results
    release.set()
    fetching.join(10)
    assert results == [{}]
    assert len(fetches) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"algorithms": "ES256"},
        {"algorithms": ["HS256"]},
        {"algorithms": ["ES256", "none"]},
        {"required": "exp"},
        {"audience": ["shop", "bank"]},
        {"issuer": ["one"]},
    ],
)
def test_an_option_that_would_accept_nothing_is_refused(lib, issuer, options):
    (name,) = options
    with pytest.raises(InvalidValue, match=name):
        lib.Verifier(issuer.jwks, **options)


def test_half_a_surrogate_pair_is_no_text(lib, issuer):
    verifier = lib.Verifier(issuer.jwks)
    assert verifier.verify(issuer.token(b'{"a":"\\ud83d\\ude00"}')) == {"a": "😀"}
    with pytest.raises(InvalidToken):
        verifier.verify(issuer.token(b'{"a":"\\ud83d"}'))


@pytest.fixture
def issuer():
    return Issuer()


@pytest.mark.parametrize("how", ["fetch", "keys"])
async def test_a_source_that_blocks_does_not_hold_up_the_loop(issuer, how):
    """It may be one that was written for the blocking half."""
    asked, release = threading.Event(), threading.Event()

    def source(*_url):
        asked.set()
        assert release.wait(10)
        return json.dumps(issuer.jwks).encode()

    verifier = (
        Verifier("https://keys.example/", fetch=source) if how == "fetch" else Verifier(source)
    )
    verifying = asyncio.create_task(verifier.verify(issuer.token({"n": 1})))
    async with asyncio.timeout(60):
        while not asked.is_set():  # noqa: ASYNC110 - of another thread; this loop goes on meanwhile
            await asyncio.sleep(0.001)
    assert not verifying.done()
    release.set()
    assert await verifying == {"n": 1}


async def test_a_drip_does_not_hold_up_the_loop(issuer, monkeypatch):
    monkeypatch.setattr("interlock._drivers.fetching.TIMEOUT", 60.0)
    head, over = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", threading.Event()
    with serving(drip(head, over)) as (url, _):
        verifying = asyncio.create_task(Verifier(url).verify(issuer.token({})))
        for _ in range(20):
            await asyncio.sleep(0.001)
            assert not verifying.done()
        over.set()  # and the answer is cut short
        with pytest.raises(KeysUnavailable):
            await verifying
