"""What a certificate of a delegation covers, to the second; whether it is genuine is told apart."""

import pytest

from interlock._protocol.signing.delegation import (
    certificate_claims,
    check_scope,
    read_certificate,
)
from interlock._protocol.signing.ephemeral import new_key
from interlock._protocol.signing.tokens import ClaimRules, read_token
from interlock.errors import (
    ClaimMissing,
    ClaimRejected,
    InvalidValue,
    MalformedToken,
    TokenNotYetValid,
)
from tests.unit.signing.issuer import encode

NOW = 1_800_000_000
KEY = new_key("ES256")
TYPE = "interlock-delegation+jwt"
STATED = {"iat": NOW, "exp": NOW + 900, "scope": "a+jwt b+jwt", "cnf": {"jwk": KEY.jwk}}


def token_of(payload, **header):
    """Return a token whose signature is that of no key."""
    text = f"{encode({'alg': 'ES256', 'kid': KEY.kid, **header})}.{encode(payload)}.AA"
    return read_token(text, extensions=("b64", "delegation"))


def delegated(claims, *, typ="a+jwt", **header):
    certificate = f"{encode({'alg': 'ES256', 'kid': 'k', 'typ': TYPE, **header})}.{claims}.AA"
    header = {"crit": ["delegation"], "delegation": certificate}
    return token_of({}, **header) if typ is None else token_of({}, typ=typ, **header)


def certificate_of(longest=900.0, **changes):
    stated = {k: v for k, v in (STATED | changes).items() if v is not ...}
    return read_certificate(delegated(encode(stated)), longest)


def covers(certificate, claims, *, typ="a+jwt", leeway=0.0, now=NOW):
    certificate.check(delegated("", typ=typ), claims, ClaimRules(leeway=leeway), now)


def test_a_certificate_reads_as_it_was_made():
    made = certificate_claims(
        KEY.jwk, token_types=["a+jwt", "b+jwt"], issuer="me", begins=NOW, lifetime=900.0
    )
    read = read_certificate(delegated(encode(made)), 3600.0)
    assert dict(read.jwk) == KEY.jwk
    assert read.token_types == frozenset({"a+jwt", "b+jwt"})
    assert (read.issuer, read.begins, read.ends) == ("me", NOW, NOW + 900)
    assert read.claims == made


@pytest.mark.parametrize(
    ("lasts", "longest", "accepted"),
    [
        (0, 900.0, False),
        (1, 900.0, True),
        (900, 900.0, True),
        (901, 900.0, False),
        (3600, 86400.0, True),
        (3601, 86400.0, False),
        (-1, 900.0, False),
    ],
)
def test_it_may_last_as_long_as_the_verifier_says_and_an_hour_at_most(lasts, longest, accepted):
    if accepted:
        assert certificate_of(longest, exp=NOW + lasts).ends == NOW + lasts
    else:
        with pytest.raises(ClaimRejected, match="exp"):
            certificate_of(longest, exp=NOW + lasts)


@pytest.mark.parametrize(
    ("issued", "leeway", "accepted"),
    [
        (-1, 0.0, True),
        (-1.5, 0.0, False),
        (901, 0.0, True),
        (901.5, 0.0, False),
        (-5, 5.0, True),
        (-5.5, 5.0, False),
        (905, 5.0, True),
        (905.5, 5.0, False),
    ],
)
def test_a_token_is_issued_within_its_time_give_or_take_the_slack(issued, leeway, accepted):
    claims = {"iat": NOW + issued}
    if accepted:
        covers(certificate_of(), claims, leeway=leeway)
    else:
        with pytest.raises(ClaimRejected, match="iat"):
            covers(certificate_of(), claims, leeway=leeway)


def test_a_token_without_a_time_is_not_covered():
    with pytest.raises(ClaimMissing, match="iat"):
        covers(certificate_of(), {})


@pytest.mark.parametrize(("ahead", "leeway"), [(1, 0.0), (5, 5.0)])
def test_a_certificate_may_begin_ahead_by_the_slack_and_no_more(ahead, leeway):
    claims = {"iat": NOW}
    covers(certificate_of(), claims, leeway=leeway, now=NOW - ahead)
    with pytest.raises(TokenNotYetValid):
        covers(certificate_of(), claims, leeway=leeway, now=NOW - ahead - 0.5)


@pytest.mark.parametrize(
    ("issuer", "claims", "accepted"),
    [
        (..., {"iss": "anyone"}, True),
        (..., {}, True),
        ("me", {"iss": "me"}, True),
        ("me", {"iss": "you"}, False),
        ("me", {}, False),
    ],
)
def test_the_issuer_of_a_certificate_is_that_of_its_tokens(issuer, claims, accepted):
    certificate = certificate_of(iss=issuer)
    if accepted:
        covers(certificate, {"iat": NOW, **claims})
    else:
        with pytest.raises(ClaimRejected, match="iss"):
            covers(certificate, {"iat": NOW, **claims})


@pytest.mark.parametrize(
    ("typ", "accepted"),
    [("a+jwt", True), ("b+jwt", True), ("a+jwt b+jwt", False), ("c+jwt", False), (None, False)],
)
def test_the_types_of_its_scope_are_covered_and_no_others(typ, accepted):
    if accepted:
        covers(certificate_of(), {"iat": NOW}, typ=typ)
    else:
        with pytest.raises(ClaimRejected, match="typ"):
            covers(certificate_of(), {"iat": NOW}, typ=typ)


NO_KEYS = {
    "nothing": ...,
    "a text": "jwk",
    "no key": {},
    "a list": {"jwk": ["EC"]},
    "an empty key": {"jwk": {}},
    "a coordinate that is a number": {"jwk": {**KEY.jwk, "x": 5}},
    "a coordinate less": {"jwk": {k: v for k, v in KEY.jwk.items() if k != "y"}},
    "the private half": {"jwk": {**KEY.jwk, "d": "AA"}},
    "a curve that is none of the two": {"jwk": {**KEY.jwk, "crv": "P-384"}},
}


@pytest.mark.parametrize("confirmed", NO_KEYS.values(), ids=NO_KEYS)
def test_a_certificate_is_for_a_key_of_the_two_curves(confirmed):
    with pytest.raises(ClaimRejected, match="cnf"):
        certificate_of(cnf=confirmed)


@pytest.mark.parametrize("changes", [{"scope": ""}, {"scope": 7}, {"iss": ["me"]}])
def test_a_scope_is_a_list_of_types_and_an_issuer_a_text(changes):
    with pytest.raises(ClaimRejected, match="scope"):
        certificate_of(**changes)


@pytest.mark.parametrize(
    "header", [{"crit": ["b64"], "b64": False}, {"crit": ["delegation"], "delegation": "a"}]
)
def test_a_certificate_carries_its_claims_and_none_of_its_own(header):
    claims = "" if "b64" in header else encode(STATED)
    with pytest.raises(MalformedToken):
        read_certificate(delegated(claims, **header), 900.0)


def test_a_certificate_for_another_key_is_malformed():
    with pytest.raises(MalformedToken, match="another key"):
        certificate_of(cnf={"jwk": new_key("ES256").jwk})


@pytest.mark.parametrize("lifetime", [60.0, 3600.0])
def test_a_scope_may_be_lent_for_a_minute_to_an_hour(lifetime):
    assert check_scope(["a+jwt", "b+jwt"], lifetime) == ("a+jwt", "b+jwt")


@pytest.mark.parametrize(
    ("token_types", "lifetime", "name"),
    [
        (["a+jwt"], 59.5, "lifetime"),
        (["a+jwt"], 3600.5, "lifetime"),
        ([], 60.0, "token_types"),
        (["a+jwt", ""], 60.0, "token_types"),
        (["a+jwt", "b jwt"], 60.0, "token_types"),
        (["a+jwt", TYPE], 60.0, "token_types"),
    ],
)
def test_what_is_no_scope_is_refused(token_types, lifetime, name):
    with pytest.raises(InvalidValue, match=name):
        check_scope(token_types, lifetime)
