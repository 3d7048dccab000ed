"""While its key changes, and while KMS fails or hangs, a Signer signs by the right key or fails."""

import asyncio
import json
import threading
import time
from datetime import timedelta
from functools import partial

import pytest
from botocore.exceptions import ReadTimeoutError

from interlock import signing
from interlock.aio import signing as awaitable_signing
from interlock.errors import (
    AccessDenied,
    CredentialsRejected,
    KeyUnusable,
    RequestRefused,
    ServiceUnavailable,
    Throttled,
)
from interlock.metrics import EmbeddedMetrics
from tests.unit.signing.issuer import SOON, Clock, header
from tests.unit.signing.kms import refusal


def test_a_repointed_alias_never_yields_another_keys_kid(lib, kms):
    """Between the repointing and the look-up the old key signs, under its own name."""
    old, new = kms.create(), kms.create()
    kms.aliases["alias/receipts"] = old
    clock = Clock()
    signer = lib.Signer("alias/receipts", client=kms, monotonic=clock, refresh=timedelta(minutes=5))
    kids = {key: lib.Signer(key, client=kms).key().kid for key in (old, new)}
    verifier = lib.Verifier(lib.jwks([new, old], client=kms))
    assert header(signer.sign({}))["kid"] == kids[old]
    kms.aliases["alias/receipts"] = new
    for passed, key in [(299, old), (2, new)]:
        clock.now += passed
        token = signer.sign({"n": 1})
        assert header(token)["kid"] == kids[key]
        assert verifier.verify(token) == {"n": 1}


def test_a_signature_by_another_key_than_asked_is_not_given_out(lib, kms):
    key, other = kms.create(), kms.create()
    sign = kms.sign
    kms.sign = lambda **params: sign(**params | {"KeyId": other})
    with pytest.raises(ServiceUnavailable, match=other):
        lib.Signer(key, client=kms, timeout=SOON, monotonic=Clock()).sign({})


def test_a_retired_key_gives_way_to_its_successor_at_once(lib, kms):
    old, new = kms.create(), kms.create()
    kms.aliases["alias/a"] = old
    signer = lib.Signer("alias/a", client=kms)
    signer.sign({})
    kms.aliases["alias/a"] = new
    kms.disabled.add(old)
    assert lib.Verifier(lib.jwks([new], client=kms)).verify(signer.sign({"n": 2})) == {"n": 2}


def test_a_disabled_key_without_successor_is_reported(lib, kms):
    """It is not asked to sign once more, as no other key has taken its place."""
    key = kms.create()
    signer = lib.Signer(key, client=kms)
    signer.key()
    kms.calls.clear()
    kms.failures = [refusal("DisabledException")]
    with pytest.raises(KeyUnusable, match="DisabledException"):
        signer.sign({})
    assert [operation for operation, _ in kms.calls] == ["Sign", "GetPublicKey"]


def test_a_failing_look_up_leaves_the_known_key_signing(lib, kms, caplog):
    key, clock = kms.create(), Clock()
    signer = lib.Signer(key, client=kms, monotonic=clock)
    signer.sign({})
    clock.now += 301
    kms.failures = [ReadTimeoutError(endpoint_url="http://127.0.0.1")]
    kid = header(signer.sign({}))["kid"]
    assert kid == lib.Signer(key, client=kms).key().kid
    assert "cannot look up" in caplog.text


def looked_up(kms):
    return [operation for operation, _ in kms.calls].count("GetPublicKey")


@pytest.mark.parametrize(("refresh", "pause"), [(300, 30), (10, 10)])
def test_a_failing_look_up_is_tried_once_and_again_soon(lib, kms, refresh, pause):
    clock = Clock()
    options = {"monotonic": clock, "refresh": timedelta(seconds=refresh)}
    signer = lib.Signer(kms.create(), client=kms, **options)
    for passed, look_ups, failures in [
        (0, 1, 0),
        (refresh - 1, 1, 0),
        (1, 2, 1),
        (pause - 1, 2, 0),
        (1, 3, 2),  # of which the second, were it asked again, would be the signature's
        (pause, 4, 0),
        (refresh - 1, 4, 0),
        (1, 5, 0),
    ]:
        clock.now += passed
        kms.failures = [refusal("KMSInternalException", 500)] * failures
        signer.sign({})
        assert looked_up(kms) == look_ups


def test_the_key_is_looked_up_once_for_many_signatures(lib, kms):
    signer = lib.Signer(kms.create(), client=kms)
    for _ in range(3):
        signer.sign({})
    assert [operation for operation, _ in kms.calls] == ["GetPublicKey", "Sign", "Sign", "Sign"]


@pytest.mark.parametrize(
    "failure",
    [
        refusal("ThrottlingException"),
        refusal("KMSInternalException", 500),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    ],
)
def test_a_passing_failure_is_retried(lib, kms, failure):
    key = kms.create()
    kms.failures = [failure]
    token = lib.Signer(key, client=kms).sign({"n": 1})
    assert lib.Verifier(lib.jwks([key], client=kms)).verify(token) == {"n": 1}


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (refusal("ThrottlingException"), Throttled),
        (refusal("KMSInternalException", 500), ServiceUnavailable),
        (refusal("AccessDeniedException"), AccessDenied),
        (refusal("ValidationException"), RequestRefused),
        (refusal("ExpiredTokenException"), CredentialsRejected),
    ],
)
def test_a_lasting_failure_has_its_own_error(lib, kms, failure, error):
    signer = lib.Signer(kms.create(), client=kms, timeout=SOON, monotonic=Clock())
    kms.failures = [failure] * 1000
    with pytest.raises(error):
        signer.sign({})


def test_each_error_is_counted_under_its_key(lib, kms):
    lines: list[str] = []
    key = kms.create()
    signer = lib.Signer(key, client=kms, metrics=EmbeddedMetrics(lines.append))
    signer.sign({})
    assert not lines
    kms.disabled.add(key)
    for sign in (lambda: signer.sign({}), lambda: signer.sign_detached(b"a")):
        with pytest.raises(KeyUnusable):
            sign()
    assert [(m["SigningErrors"], m["KeyId"]) for m in map(json.loads, lines)] == [(1, key)] * 2


@pytest.mark.parametrize("prefix", ["", "arn:aws:kms:eu-west-1:111122223333:"])
def test_until_the_key_is_known_an_error_is_counted_under_its_alias(lib, kms, prefix):
    """However the alias is written, so that one alarm can name it."""
    lines: list[str] = []
    signer = lib.Signer(f"{prefix}alias/a", client=kms, metrics=EmbeddedMetrics(lines.append))
    with pytest.raises(KeyUnusable):
        signer.sign({})
    assert [json.loads(line)["KeyId"] for line in lines] == ["alias/a"]


def test_metrics_that_fail_hide_no_error(lib, kms):
    class Broken:
        def record(self, _values, _dimensions):
            raise OSError("the disk is full")

    key = kms.create()
    kms.disabled.add(key)
    with pytest.raises(KeyUnusable):
        lib.Signer(key, client=kms, metrics=Broken()).sign({})


class Hangs:
    """A KMS client whose calls do not come back until they are let go."""

    def __init__(self):
        self.released = threading.Event()

    def get_public_key(self, **_):
        self.released.wait(60)

    sign = generate_mac = verify_mac = get_public_key


class HangsOnALoop:
    async def get_public_key(self, **_):
        await asyncio.sleep(60)

    sign = generate_mac = verify_mac = get_public_key


CALLS = {
    "Signer": lambda made, half: half(made.Signer, "k").sign({}),
    "jwks": lambda made, half: half(made.jwks, ["k"]),
    "Mac": lambda made, half: half(made.Mac, "k").sign({}),
    "KmsVerifier": lambda made, half: half(made.KmsVerifier, ["k"]).verify(TOKEN),
    "DelegatedSigner": lambda made, half: half(made.DelegatedSigner, "k").sign({}),
}
TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AAAA"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_kms_that_hangs_is_given_up_within_the_time_given(call):
    client = Hangs()
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        call(signing, partial(_made, client))
    assert time.monotonic() - began < 20
    client.released.set()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_kms_that_hangs_does_not_hold_up_a_loop(call):
    began = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        await call(awaitable_signing, partial(_made, HangsOnALoop()))
    assert time.monotonic() - began < 20


def _made(client, kind, key):
    return kind(key, client=client, timeout=timedelta(seconds=0.2))
