"""MAC tokens survive a rotation, and no one without the key makes one."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest

from interlock.errors import (
    AlgorithmNotAllowed,
    BadSignature,
    InvalidValue,
    KeyUnusable,
    MalformedToken,
    RequestRefused,
    ServiceUnavailable,
    TokenExpired,
    UnknownKey,
)
from tests.unit.signing.issuer import SOON, Clock, encode
from tests.unit.signing.kms import refusal


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_token_is_what_any_jose_library_makes(lib, kms, algorithm):
    key = kms.create("HMAC")
    mac = lib.Mac(key, client=kms, algorithm=algorithm)
    token = mac.sign({"n": 1})
    assert mac.verify(token) == {"n": 1}
    head, payload, tag = token.split(".")
    expected = hmac.digest(kms.keys[key], f"{head}.{payload}".encode(), f"sha{algorithm[2:]}")
    assert base64.urlsafe_b64decode(tag + "=" * (-len(tag) % 4)) == expected


def test_a_rotation_drops_nothing(lib, kms):
    old, new = kms.create("HMAC"), kms.create("HMAC")
    before = lib.Mac(old, client=kms)
    during = lib.Mac(new, previous=[old], client=kms)
    after = lib.Mac(new, client=kms)
    token = before.sign({"n": 1})
    assert during.verify(token) == {"n": 1}
    assert after.verify(during.sign({"n": 2})) == {"n": 2}
    with pytest.raises(UnknownKey):
        after.verify(token)


def test_altered_claims_are_refused(lib, kms):
    mac = lib.Mac(kms.create("HMAC"), client=kms)
    head, _, tag = mac.sign({"n": 1}).split(".")
    payload = base64.urlsafe_b64encode(json.dumps({"n": 2}).encode()).rstrip(b"=").decode()
    with pytest.raises(BadSignature):
        mac.verify(f"{head}.{payload}.{tag}")


def test_times_are_judged(lib, kms):
    mac = lib.Mac(kms.create("HMAC"), client=kms, wall_clock=lambda: 1000.0)
    with pytest.raises(TokenExpired):
        mac.verify(mac.sign({"exp": 999}))


def test_another_algorithm_is_refused_without_asking_kms(lib, kms):
    mac = lib.Mac(kms.create("HMAC"), client=kms)
    head = json.loads(base64.urlsafe_b64decode(mac.sign({}).split(".")[0] + "=="))
    asked = len(kms.calls)
    for algorithm in ("HS512", "none", "ES256"):
        forged = base64.urlsafe_b64encode(json.dumps(head | {"alg": algorithm}).encode())
        with pytest.raises(AlgorithmNotAllowed):
            mac.verify(f"{forged.rstrip(b'=').decode()}.e30.")
    assert len(kms.calls) == asked


def test_claims_beyond_what_kms_takes_are_refused_before_sending(lib, kms):
    with pytest.raises(InvalidValue, match="4096"):
        lib.Mac(kms.create("HMAC"), client=kms).sign({"n": "x" * 4096})
    assert kms.calls == []


def foreign(kms, key, kid, size):
    """Return a token of another library, whose signing input has so many bytes."""
    claims = encode({"n": "x" * 2991})  # of 4,000 bytes
    for length in range(200):
        signing_input = f"{encode({'alg': 'HS256', 'kid': kid, 'typ': 'x' * length})}.{claims}"
        if len(signing_input) == size:
            tag = hmac.digest(kms.keys[key], signing_input.encode(), "sha256")
            return f"{signing_input}.{encode(tag)}"
    raise AssertionError(f"no header makes it {size} bytes")


def test_a_foreign_token_may_be_as_long_as_kms_takes_and_no_longer(lib, kms):
    key = kms.create("HMAC")
    mac = lib.Mac(key, client=kms)
    kid = jwt.get_unverified_header(mac.sign({}))["kid"]
    assert mac.verify(foreign(kms, key, kid, 4096))["n"]
    asked = len(kms.calls)
    with pytest.raises(MalformedToken, match="4096"):
        mac.verify(foreign(kms, key, kid, 4097))
    assert len(kms.calls) == asked


def test_claims_are_signed_up_to_what_kms_takes(lib, kms):
    """Base64url has no text of 4n + 1 characters, so that 4,096 bytes come about by no claims."""
    mac = lib.Mac(kms.create("HMAC"), client=kms)
    sizes = set()
    for length in range(2940, 3020):
        try:
            sizes.add(len(mac.sign({"n": "x" * length}).rpartition(".")[0]))
        except InvalidValue:
            break
    assert max(sizes) == 4095


@pytest.mark.parametrize("size", [0, 31, 33, 6145])
def test_what_cannot_be_a_mac_is_refused_without_asking_kms(lib, kms, size):
    """To more than 6,144 bytes it would say that the call is not valid, and not that the MAC is."""
    mac = lib.Mac(kms.create("HMAC"), client=kms)
    signing_input = mac.sign({"n": 1}).rpartition(".")[0]
    asked = len(kms.calls)
    with pytest.raises(BadSignature, match=f"{size} bytes"):
        mac.verify(f"{signing_input}.{encode(bytes(size))}")
    assert len(kms.calls) == asked


def test_a_detached_token_has_no_claims_to_verify(lib, kms):
    key = kms.create("HMAC")
    mac = lib.Mac(key, client=kms)
    header = jwt.get_unverified_header(mac.sign({}))
    head = encode({**header, "b64": False, "crit": ["b64"]})
    tag = hmac.digest(kms.keys[key], f"{head}.".encode(), "sha256")
    with pytest.raises(MalformedToken, match="no claims"):
        mac.verify(f"{head}..{encode(tag)}")


def test_a_refusal_of_the_call_is_no_bad_mac(lib, kms):
    mac = lib.Mac(kms.create("HMAC"), client=kms)
    token = mac.sign({})
    kms.failures = [refusal("ValidationException")]
    with pytest.raises(RequestRefused, match="ValidationException"):
        mac.verify(token)


def test_another_algorithm_than_kms_has_is_refused(lib, kms):
    with pytest.raises(InvalidValue, match="algorithm"):
        lib.Mac(kms.create("HMAC"), client=kms, algorithm="HS1")


def test_the_kid_of_a_key_stays_as_tokens_have_it_that_are_out(lib, kms):
    kms.keys["1234abcd-12ab-34cd-56ef-1234567890ab"] = bytes(32)
    token = lib.Mac("1234abcd-12ab-34cd-56ef-1234567890ab", client=kms).sign({})
    assert jwt.get_unverified_header(token)["kid"] == "DuSfb3qifvGSSnNe2VQqhQ"


def test_an_alias_is_no_mac_key(lib, kms):
    with pytest.raises(ValueError, match="alias"):
        lib.Mac("alias/cookies", client=kms)


def test_a_mac_by_another_key_than_asked_is_not_given_out(lib, kms):
    key, other = kms.create("HMAC"), kms.create("HMAC")
    generate = kms.generate_mac
    kms.generate_mac = lambda **params: generate(**params | {"KeyId": other})
    with pytest.raises(ServiceUnavailable, match=other):
        lib.Mac(key, client=kms, timeout=SOON, monotonic=Clock()).sign({})


def test_a_disabled_key_is_no_bad_signature(lib, kms):
    """A party that cannot check a token must not call it forged."""
    key = kms.create("HMAC")
    mac = lib.Mac(key, client=kms)
    token = mac.sign({})
    kms.disabled.add(key)
    with pytest.raises(KeyUnusable):
        mac.verify(token)


def test_the_kid_gives_no_account_away(lib, kms):
    arn = kms.create("HMAC")
    head = jwt.get_unverified_header(lib.Mac(arn, client=kms).sign({}))
    bare = jwt.get_unverified_header(lib.Mac(arn.rpartition("/")[2], client=_bare(kms)).sign({}))
    assert head["kid"] == bare["kid"]
    assert "111122223333" not in head["kid"]
    assert len(hashlib.sha256().digest()) > len(base64.urlsafe_b64decode(head["kid"] + "=="))


def _bare(kms):
    kms.aliases |= {arn.rpartition("/")[2]: arn for arn in kms.keys}
    return kms
