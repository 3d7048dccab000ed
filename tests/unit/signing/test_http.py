"""HTTP messages are signed by KMS and verified by the published key."""

from datetime import timedelta

import httpx
import pytest
import requests

from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    KeysUnavailable,
    UnknownKey,
    UnsupportedKey,
)
from interlock.signing import Signer, Verifier, jwks, sign_message, verify_message
from tests.unit.signing.kms import LocalKms

URL = "https://api.example/v1/counters/visits?x=1"
BODY = b'{"amount": 1}'


@pytest.fixture
def kms():
    return LocalKms()


@pytest.fixture
def key(kms):
    return kms.create()


@pytest.fixture
def signer(kms, key):
    return Signer(key, client=kms)


@pytest.fixture
def verifier(kms, key):
    return Verifier(jwks([key], client=kms))


def httpx_request(url=URL, content=BODY):
    return httpx.Request("POST", url, content=content)


def requests_request(url=URL, content=BODY):
    return requests.Request("POST", url, data=content).prepare()


@pytest.mark.parametrize("make", [httpx_request, requests_request])
def test_a_signed_request_verifies(make, signer, verifier):
    request = make()
    sign_message(
        request, signer, body=BODY, tag="interlock", nonce="n", lifetime=timedelta(hours=1)
    )
    parameters = verify_message(request, verifier, body=BODY, tag="interlock")
    assert parameters["keyid"] == signer.key().kid
    assert (parameters["alg"], parameters["nonce"]) == ("ecdsa-p256-sha256", "n")
    assert int(parameters["expires"]) - int(parameters["created"]) == 3600


@pytest.mark.parametrize("spec", ["ECC_NIST_P384", "RSA_2048"])
def test_other_keys_sign_too(kms, spec):
    key = kms.create(spec)
    request = httpx_request()
    sign_message(request, Signer(key, client=kms, rsa_algorithm="RS256"), body=BODY)
    document = jwks([key], client=kms, rsa_algorithm="RS256")
    verify_message(request, Verifier(document, algorithms={"ES384", "RS256"}), body=BODY)
    with pytest.raises(AlgorithmNotAllowed):
        verify_message(request, Verifier(document, algorithms={"ES256"}), body=BODY)


def test_a_signed_response_verifies(signer, verifier):
    response = httpx.Response(200, content=BODY, request=httpx_request())
    sign_message(response, signer, body=BODY)
    verify_message(response, verifier, body=BODY)
    response.status_code = 201
    with pytest.raises(BadSignature):
        verify_message(response, verifier, body=BODY)


def test_another_body_is_refused(signer, verifier):
    request = httpx_request()
    sign_message(request, signer, body=BODY)
    with pytest.raises(BadSignature, match=r"[Dd]igest"):
        verify_message(request, verifier, body=b'{"amount": 2}')


def test_a_body_outside_the_signature_is_refused(signer, verifier):
    request = httpx_request()
    sign_message(request, signer)
    with pytest.raises(BadSignature):
        verify_message(request, verifier, body=BODY)


@pytest.mark.parametrize(
    "url", [URL + "&y=2", URL.replace("visits", "other"), "https://evil.example/"]
)
def test_another_target_is_refused(signer, verifier, url):
    request, other = httpx_request(), httpx_request(url=url)
    sign_message(request, signer)
    for name in ("Signature", "Signature-Input"):
        other.headers[name] = request.headers[name]
    with pytest.raises(BadSignature):
        verify_message(other, verifier)


def test_a_signature_must_cover_what_is_required(signer, verifier):
    request = httpx_request()
    sign_message(request, signer, components=["@method"])
    with pytest.raises(BadSignature):
        verify_message(request, verifier)
    verify_message(request, verifier, components=["@method"])


def test_an_old_signature_is_refused(signer, verifier):
    request = httpx_request()
    sign_message(request, signer, wall_clock=lambda: 1_000_000_000.0)
    with pytest.raises(BadSignature):
        verify_message(request, verifier)


def test_a_strangers_key_and_a_missing_signature_are_refused(kms, verifier):
    request = httpx_request()
    with pytest.raises(BadSignature):
        verify_message(request, verifier)
    sign_message(request, Signer(kms.create(), client=kms))
    with pytest.raises(UnknownKey):
        verify_message(request, verifier)


def test_missing_keys_are_no_bad_signature(signer):
    def fetch(_url):
        raise OSError("unreachable")

    request = httpx_request()
    sign_message(request, signer)
    with pytest.raises(KeysUnavailable):
        verify_message(request, Verifier("https://keys.example/", fetch=fetch))


def test_a_pss_key_has_no_algorithm_there(kms):
    with pytest.raises(UnsupportedKey, match="PS256"):
        sign_message(httpx_request(), Signer(kms.create("RSA_2048"), client=kms))


def test_a_key_replaced_meanwhile_is_named_rightly(kms):
    old, new = kms.create(), kms.create()
    kms.aliases["alias/a"] = old
    signer = Signer("alias/a", client=kms)
    signer.key()
    kms.aliases["alias/a"] = new
    kms.disabled.add(old)
    request = httpx_request()
    sign_message(request, signer)
    verify_message(request, Verifier(jwks([new], client=kms)))
