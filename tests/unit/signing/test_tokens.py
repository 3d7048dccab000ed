"""A token is taken apart in one way only, and its times are judged to the instant."""

import json
from bisect import bisect_left
from contextlib import suppress

import pytest

from interlock._protocol.signing.tokens import (
    ClaimRules,
    check_type,
    choose_keys,
    read_json,
    read_token,
    time_of,
)
from interlock.errors import (
    AlgorithmNotAllowed,
    ClaimMissing,
    ClaimRejected,
    InvalidValue,
    MalformedToken,
    TokenExpired,
    TokenNotYetValid,
)
from tests.unit.signing.issuer import encode

HEADER = {"alg": "ES256", "kid": "k"}
NOW = 1_800_000_000


def compact(payload="e30", signature="AA", **header):
    stated = {name: value for name, value in (HEADER | header).items() if value is not ...}
    return f"{encode(stated)}.{payload}.{signature}"


def test_the_parts_of_a_token_are_told():
    token = read_token(compact(typ="a+jwt"))
    assert (token.algorithm, token.kid, token.extension) == ("ES256", "k", None)
    assert token.header == {**HEADER, "typ": "a+jwt"}
    assert (token.payload, token.signature) == (b"{}", b"\0")
    assert token.signing_prefix == compact(typ="a+jwt").rpartition(".")[0].encode()


def test_of_a_detached_token_the_header_is_signed_and_what_travels_apart():
    text = compact("", b64=False, crit=["b64"])
    token = read_token(text)
    assert (token.payload, token.extension) == (None, "b64")
    assert token.signing_prefix == text.partition(".")[0].encode() + b"."


def test_a_token_that_says_that_its_payload_is_encoded_has_it():
    token = read_token(compact(b64=True, crit=["b64"]))
    assert (token.payload, token.extension) == (b"{}", "b64")
    assert token.signing_prefix.endswith(b".e30")


def test_a_token_may_have_64_kib_and_no_more():
    text = compact()
    longest = compact("A" * (64 * 1024 - len(text) + 3))
    assert len(longest) == 64 * 1024
    assert read_token(longest).payload
    with pytest.raises(MalformedToken, match="at most 65536"):
        read_token(longest + "A")


MALFORMED = {
    "two parts": "e30.e30",
    "four parts": f"{compact()}.AA",
    "no text": b"a.b.c",
    "a header that is no base64url": f"{{}}.{compact().partition('.')[2]}",
    "a payload that is no base64url": compact("e30="),
    "a signature in another form": compact(signature="AB"),
    "a signature of one character": compact(signature="A"),
    "no key id": compact(kid=...),
    "an empty key id": compact(kid=""),
    "a key id that is a number": compact(kid=7),
    "a payload beside the word that it travels apart": compact(b64=False, crit=["b64"]),
    "an extension that is not critical": compact(b64=True),
    "an extension that is not there": compact(crit=["b64"]),
    "an unknown extension": compact(crit=["exp"], exp=1),
    "no extension in a list": compact(crit=[]),
    "two extensions": compact(crit=["b64", "b64"], b64=True),
    "an extension as a text": compact(crit="b64", b64=True),
    "an extension as a map": compact(crit={"b64": 1}, b64=True),
    "one that is null": compact(crit=None),
    "an extension that is no boolean": compact("", crit=["b64"], b64=0),
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_a_token_is_malformed_that_has(text):
    with pytest.raises(MalformedToken):
        read_token(text)


@pytest.mark.parametrize("algorithm", ["none", "HS256", None, 7, ["ES256"], {}, ...], ids=str)
def test_an_algorithm_is_never_accepted_that_is_not_known(algorithm):
    with pytest.raises(AlgorithmNotAllowed):
        read_token(compact(alg=algorithm))


@pytest.mark.parametrize(
    ("given", "expected", "accepted"),
    [
        (..., None, True),
        ("JWT", None, True),
        (7, None, True),
        ("interlock-delegation+jwt", None, False),
        ("Application/Interlock-Delegation+JWT", None, False),
        ("interlock-delegation+jwt", "interlock-delegation+jwt", True),
        ("a+jwt", "a+jwt", True),
        ("application/A+jwt", "a+jwt", True),
        ("a+jwt", "application/a+JWT", True),
        ("b+jwt", "a+jwt", False),
        (7, "a+jwt", False),
        (..., "a+jwt", False),
        (None, "a+jwt", False),
    ],
)
def test_a_token_is_of_the_type_that_is_expected(given, expected, accepted):
    token = read_token(compact(typ=given))
    if accepted:
        check_type(token, expected)
    else:
        with pytest.raises(ClaimRejected, match="typ"):
            check_type(token, expected)


def test_a_token_without_a_type_is_said_to_have_none():
    with pytest.raises(ClaimRejected, match="not there"):
        check_type(read_token(compact()), "a+jwt")


P256 = {"kty": "EC", "x": "AA"}
KEYS = {"P-256": [P256, {**P256, "alg": "ES384"}], "RS256": [{"kty": "RSA", "alg": "RS256"}]}


@pytest.mark.parametrize(
    ("algorithm", "permitted", "found"),
    [
        ("ES256", {"ES256"}, [P256]),
        ("RS256", {"RS256"}, KEYS["RS256"]),
        ("RS256", {"PS256"}, None),
        ("PS256", {"PS256"}, None),
        ("ES384", {"ES384"}, None),
        ("EdDSA", {"Ed25519"}, None),
    ],
)
def test_the_keys_of_a_tokens_algorithm_are_chosen(algorithm, permitted, found):
    token = read_token(compact(alg=algorithm))
    if found is None:
        with pytest.raises(AlgorithmNotAllowed):
            choose_keys(token, KEYS, permitted)
    else:
        assert choose_keys(token, KEYS, permitted) == found


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519"])
def test_an_algorithm_of_two_names_is_one(name):
    key = {"kty": "OKP", "alg": "EdDSA"}
    token = read_token(compact(alg=name))
    assert choose_keys(token, {"Ed25519": [key]}, {"Ed25519"}) == [key]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1,"a":1}',
        b'{"b":{"a":1,"a":1}}',
        b'{"a":' + b"[" * 100_000,
        b'{"a":"\\ud83d"}',
        b'{"a":{"\\udc00":1}}',
        b'{"a":1}x',
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_json_object_in_one_meaning_is_malformed(data):
    with pytest.raises(MalformedToken, match=r"the payload|twice|NaN|Infinity"):
        read_json(data, "payload")


@pytest.mark.parametrize(
    "data",
    [b'{"a":"\\ud83d\\ude00"}', '{"a":"😀"}'.encode(), b'{"a":"\\u00fc"}', b'{"a":{"b":1}}'],
)
def test_a_json_object_is_read(data):
    assert read_json(data, "payload") == json.loads(data)


def nested(depth):
    return b'{"\\u0061":' + b"[" * depth + b"]" * depth + b"}"


def is_read(depth):
    with suppress(MalformedToken):
        return bool(read_json(nested(depth), "header"))
    return False


def test_a_json_object_is_read_or_malformed_however_deep_it_is():
    """Also where it can just be parsed, and no more be looked through."""
    deepest = bisect_left(range(1 << 15), 1, key=lambda depth: 1 - is_read(depth + 1))
    assert deepest > 100
    for depth in range(deepest - 10, deepest + 20):
        is_read(depth)


YEARS = (-62_135_596_800, 253_402_300_799)  # of the first instant of year 1, the last of 9999


@pytest.mark.parametrize("value", [*YEARS, 0, 1.5])
def test_a_time_lies_in_the_years_that_a_date_can_have(value):
    assert time_of({"exp": value}, "exp") == value


@pytest.mark.parametrize(
    "value",
    [YEARS[0] - 1, YEARS[1] + 1, None, True, "1", [1], float("inf"), float("nan")],
    ids=repr,
)
def test_what_is_no_time_is_rejected(value):
    with pytest.raises(ClaimRejected, match="exp"):
        time_of({"exp": value}, "exp")


def test_a_time_that_is_not_there_is_none():
    assert time_of({}, "exp") is None


@pytest.mark.parametrize(
    ("claims", "leeway", "error"),
    [
        ({"exp": NOW + 1}, 0.0, None),
        ({"exp": NOW + 0.5}, 0.0, None),
        ({"exp": NOW}, 0.0, TokenExpired),
        ({"exp": NOW - 4.5}, 5.0, None),
        ({"exp": NOW - 5}, 5.0, TokenExpired),
        ({"nbf": NOW + 1}, 0.0, None),
        ({"nbf": NOW + 1.5}, 0.0, TokenNotYetValid),
        ({"iat": NOW + 1}, 0.0, None),
        ({"iat": NOW + 1.5}, 0.0, TokenNotYetValid),
        ({"iat": NOW + 1}, 0.5, None),
        ({"iat": NOW + 5}, 5.0, None),
        ({"iat": NOW + 5.5}, 5.0, TokenNotYetValid),
        ({"nbf": 1, "iat": 1}, 0.0, None),
    ],
)
def test_times_are_judged_to_the_instant(claims, leeway, error):
    rules = ClaimRules(leeway=leeway) if leeway else ClaimRules()
    if error is None:
        rules.check(claims, NOW)
    else:
        with pytest.raises(error):
            rules.check(claims, NOW)


@pytest.mark.parametrize(
    ("rule", "claims", "error"),
    [
        ({"issuer": "me"}, {"iss": "me"}, None),
        ({"issuer": "me"}, {"iss": "you"}, ClaimRejected),
        ({"issuer": "me"}, {"iss": ["me"]}, ClaimRejected),
        ({"issuer": "me"}, {}, ClaimMissing),
        ({"audience": "me"}, {"aud": "me"}, None),
        ({"audience": "me"}, {"aud": ["you", "me"]}, None),
        ({"audience": "me"}, {"aud": ["you"]}, ClaimRejected),
        ({"audience": "me"}, {"aud": "mean"}, ClaimRejected),
        ({"audience": "me"}, {}, ClaimMissing),
        ({"required": ["jti"]}, {"jti": None}, None),
        ({"required": ["jti"]}, {"iss": "me"}, ClaimMissing),
        ({}, {"iss": 7, "aud": 7}, None),
    ],
)
def test_claims_are_judged_by_the_rules_that_are_given(rule, claims, error):
    if error is None:
        ClaimRules(**rule).check(claims, NOW)
    else:
        with pytest.raises(error):
            ClaimRules(**rule).check(claims, NOW)


@pytest.mark.parametrize("rule", [{"issuer": 7}, {"audience": ["me"]}, {"required": "exp"}])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(InvalidValue, match=next(iter(rule))):
        ClaimRules(**rule)
