"""HTTP messages are signed by KMS and verified by the published key."""

import time
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

URL = "https://api.example/v1/counters/visits?x=1"
BODY = b'{"amount": 1}'


@pytest.fixture
def key(kms):
    return kms.create()


@pytest.fixture
def signer(lib, kms, key):
    return lib.Signer(key, client=kms)


@pytest.fixture
def verifier(lib, kms, key):
    return lib.Verifier(lib.jwks([key], client=kms))


def httpx_request(url=URL, content=BODY):
    return httpx.Request("POST", url, content=content)


def requests_request(url=URL, content=BODY):
    return requests.Request("POST", url, data=content).prepare()


@pytest.mark.parametrize("make", [httpx_request, requests_request])
def test_a_signed_request_verifies(lib, make, signer, verifier):
    request = make()
    lib.sign_message(
        request, signer, body=BODY, tag="interlock", nonce="n", lifetime=timedelta(hours=1)
    )
    parameters = lib.verify_message(request, verifier, body=BODY, tag="interlock")
    assert parameters["keyid"] == signer.key().kid
    assert (parameters["alg"], parameters["nonce"]) == ("ecdsa-p256-sha256", "n")
    assert int(parameters["expires"]) - int(parameters["created"]) == 3600


@pytest.mark.parametrize("spec", ["ECC_NIST_P384", "RSA_2048", "ECC_NIST_EDWARDS25519"])
def test_other_keys_sign_too(lib, kms, spec):
    key = kms.create(spec)
    request = httpx_request()
    lib.sign_message(request, lib.Signer(key, client=kms, rsa_algorithm="RS256"), body=BODY)
    document = lib.jwks([key], client=kms, rsa_algorithm="RS256")
    lib.verify_message(
        request, lib.Verifier(document, algorithms={"ES384", "RS256", "Ed25519"}), body=BODY
    )
    with pytest.raises(AlgorithmNotAllowed):
        lib.verify_message(request, lib.Verifier(document, algorithms={"ES256"}), body=BODY)


def test_a_signed_response_verifies(lib, signer, verifier):
    response = httpx.Response(200, content=BODY, request=httpx_request())
    lib.sign_message(response, signer, body=BODY)
    lib.verify_message(response, verifier, body=BODY)
    response.status_code = 201
    with pytest.raises(BadSignature, match="not of this content"):
        lib.verify_message(response, verifier, body=BODY)


def test_another_body_is_refused(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer, body=BODY)
    with pytest.raises(BadSignature, match=r"[Dd]igest"):
        lib.verify_message(request, verifier, body=b'{"amount": 2}')


def test_a_body_outside_the_signature_is_refused(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer)
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier, body=BODY)


@pytest.mark.parametrize(
    "url", [URL + "&y=2", URL.replace("visits", "other"), "https://evil.example/"]
)
def test_another_target_is_refused(lib, signer, verifier, url):
    request, other = httpx_request(), httpx_request(url=url)
    lib.sign_message(request, signer)
    for name in ("Signature", "Signature-Input"):
        other.headers[name] = request.headers[name]
    with pytest.raises(BadSignature):
        lib.verify_message(other, verifier)


def test_a_signature_must_cover_what_is_required(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer, components=["@method"])
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier)
    lib.verify_message(request, verifier, components=["@method"])


def test_an_old_signature_is_refused(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer, wall_clock=lambda: 1_000_000_000.0)
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier)


def test_a_strangers_key_and_a_missing_signature_are_refused(lib, kms, verifier):
    request = httpx_request()
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier)
    lib.sign_message(request, lib.Signer(kms.create(), client=kms))
    with pytest.raises(UnknownKey):
        lib.verify_message(request, verifier)


def test_missing_keys_are_no_bad_signature(lib, signer):
    def fetch(_url):
        raise OSError("unreachable")

    request = httpx_request()
    lib.sign_message(request, signer)
    with pytest.raises(KeysUnavailable):
        lib.verify_message(request, lib.Verifier("https://keys.example/", fetch=fetch))


def test_a_pss_key_has_no_algorithm_there(lib, kms):
    with pytest.raises(UnsupportedKey, match="PS256"):
        lib.sign_message(httpx_request(), lib.Signer(kms.create("RSA_2048"), client=kms))


def test_a_key_replaced_meanwhile_is_named_rightly(lib, kms):
    old, new = kms.create(), kms.create()
    kms.aliases["alias/a"] = old
    signer = lib.Signer("alias/a", client=kms)
    signer.key()
    kms.aliases["alias/a"] = new
    kms.disabled.add(old)
    request = httpx_request()
    lib.sign_message(request, signer)
    lib.verify_message(request, lib.Verifier(lib.jwks([new], client=kms)))


OTHERS = {
    "of another party": ('other=("@method");created=1;keyid="theirs"', "other=:AAAA:"),
    "by an algorithm of its own": ('other=();alg="x";keyid="theirs"', "other=:AAAA:"),
    "without a key": ("other=()", "other=:AAAA:"),
    "of no form": ("other=1", "other=abc"),
    "whose input has no signature": ('other=("@method");keyid="theirs"', None),
    "without an input": (None, "other=:AAAA:"),
    "with more parameters": ('other=("@method");keyid="theirs";more=1', "other=:AAAA:"),
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("first", [True, False])
def test_another_partys_signature_does_not_spoil_a_genuine_one(lib, signer, verifier, other, first):
    request = httpx_request()
    lib.sign_message(request, signer, body=BODY, tag="interlock")
    for name, more in zip(("Signature-Input", "Signature"), other, strict=True):
        if more is not None:
            own = request.headers[name]
            request.headers[name] = f"{more}, {own}" if first else f"{own}, {more}"
    for tag in ("interlock", None):
        parameters = lib.verify_message(request, verifier, body=BODY, tag=tag)
        assert parameters["keyid"] == signer.key().kid


def test_a_forged_signature_under_our_keys_name_does_not_spoil_a_genuine_one(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer)
    kid = signer.key().kid
    request.headers["Signature-Input"] += f', forged=("@method");created=1;keyid="{kid}"'
    request.headers["Signature"] += ", forged=:AAAA:"
    assert lib.verify_message(request, verifier)["keyid"] == kid
    del request.headers["Signature"]
    request.headers["Signature"] = "forged=:AAAA:"
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier)


def test_what_is_wrong_with_a_trusted_keys_signature_is_what_the_caller_learns(
    lib, signer, verifier
):
    request = httpx_request()
    lib.sign_message(request, signer)
    request.headers["Signature-Input"] += ', other=("@method");created=1;keyid="theirs"'
    request.headers["Signature"] += ", other=:AAAA:"
    request.url = httpx.URL("https://evil.example/")
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier)


def test_lines_of_a_header_are_one_list(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer)
    lines = [
        *request.headers.multi_items(),
        ("signature-input", 'other=();keyid="theirs"'),
        ("signature", "other=:AAAA:"),
    ]
    received = httpx.Request("POST", URL, headers=lines, content=BODY)
    assert lib.verify_message(received, verifier)["keyid"] == signer.key().kid


def test_a_signature_of_another_tag_does_not_count(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer, tag="other")
    with pytest.raises(BadSignature):
        lib.verify_message(request, verifier, tag="interlock")


def test_headers_that_are_no_dictionary_are_a_bad_signature(lib, signer, verifier):
    request = httpx_request()
    lib.sign_message(request, signer)
    request.headers["Signature-Input"] = "((("
    with pytest.raises(BadSignature, match="signature-input"):
        lib.verify_message(request, verifier)


@pytest.mark.parametrize(("ahead", "accepted"), [(1, True), (4, True), (60, False)])
def test_a_clock_a_little_ahead_does_not_refuse_a_fresh_signature(
    lib, signer, verifier, ahead, accepted
):
    request = httpx_request()
    lib.sign_message(request, signer, wall_clock=lambda: time.time() + ahead)
    if accepted:
        lib.verify_message(request, verifier)
    else:
        with pytest.raises(BadSignature):
            lib.verify_message(request, verifier)
