"""A delegated token is as good as its certificate, and a key of a process stays in it."""

import base64
import json
import logging
import multiprocessing
import threading
from datetime import timedelta

import pytest

from interlock._drivers import lifecycle
from interlock._protocol.signing import checking
from interlock._protocol.signing.ephemeral import new_key
from interlock.errors import (
    AlgorithmNotAllowed,
    AlgorithmUnavailable,
    BadSignature,
    ClaimMissing,
    ClaimRejected,
    InvalidToken,
    InvalidValue,
    KeyUnusable,
    MalformedToken,
    TokenExpired,
    TokenNotYetValid,
    UnknownKey,
)
from interlock.receipts import RECEIPT_TYPE
from tests.unit.signing.issuer import NOW, Clock, encode, header
from tests.unit.signing.kms import LocalKms, refusal

ISSUER = "https://api.example"


class Setup:
    def __init__(self, lib, kms, **options):
        self.lib, self.kms, self.clock = lib, kms, Clock()
        self.key = kms.create(options.pop("spec", "ECC_NIST_P256"))
        self.signer = lib.DelegatedSigner(
            self.key, client=kms, wall_clock=self.clock, **{"issuer": ISSUER, **options}
        )
        self.jwks = lib.jwks([self.key], client=kms)

    def verifier(self, **options):
        return self.lib.Verifier(self.jwks, wall_clock=self.clock, **options)

    def sign(self, **claims):
        return self.signer.sign({"iss": ISSUER, **claims}, token_type=RECEIPT_TYPE)

    def vouched(self, key, **changes):
        """Return a token of a key for which the KMS key vouches, with claims as a test wants."""
        begins = int(self.clock.now)
        claims = {
            "iat": begins,
            "exp": begins + 900,
            "scope": RECEIPT_TYPE,
            "iss": ISSUER,
            "cnf": {"jwk": key.jwk},
            **changes.pop("certificate", {}),
        }
        claims = {name: value for name, value in claims.items() if value is not ...}
        own = self.lib.Signer(self.key, client=self.kms)
        signer = changes.pop("signer", own)
        typ = changes.pop("certificate_type", "interlock-delegation+jwt")
        certificate = signer.sign(claims, token_type=typ)
        header = {
            "alg": key.algorithm,
            "kid": key.kid,
            "typ": RECEIPT_TYPE,
            "crit": ["delegation"],
            "delegation": certificate,
            **changes.pop("header", {}),
        }
        stated = {"iss": ISSUER, "iat": begins, "n": 1, **changes.pop("claims", {})}
        stated = {name: value for name, value in stated.items() if value is not ...}
        signing_input = f"{encode(header)}.{encode(stated)}"
        return f"{signing_input}.{encode(key.sign(signing_input.encode()))}"


@pytest.fixture
def setup(lib, kms):
    return Setup(lib, kms)


def kms_signatures(kms):
    return [name for name, _ in kms.calls].count("Sign")


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
@pytest.mark.parametrize(
    "spec", ["ECC_NIST_P256", "RSA_2048", "ECC_NIST_EDWARDS25519", "ML_DSA_65"]
)
def test_many_tokens_cost_one_signature_of_kms(lib, kms, spec, algorithm):
    setup = Setup(lib, kms, spec=spec, algorithm=algorithm)
    verifier = setup.verifier()
    for n in range(5):
        token = setup.sign(n=n)
        assert verifier.verify(token) == {"iss": ISSUER, "iat": int(NOW), "n": n}
        assert header(token)["alg"] == algorithm
    assert kms_signatures(kms) == 1


def test_receipts_are_issued_and_verified_by_the_key_set_that_was_there(setup):
    issuer = setup.lib.ReceiptIssuer(setup.signer, issuer=ISSUER, wall_clock=setup.clock)
    verifier = setup.lib.ReceiptVerifier(setup.jwks, issuer=ISSUER, wall_clock=setup.clock)
    receipt = verifier.verify(issuer.issue("visits", value=7, amount=3))
    assert (receipt.counter, receipt.value, receipt.amount) == ("visits", 7, 3)
    setup.clock.now += 10 * 86400  # a receipt is judged as of when it was signed
    assert verifier.verify(issuer.issue("visits", value=8, amount=1)).value == 8


def test_a_delegated_token_is_no_plain_one(setup):
    """Verifiers that do not know of delegations must not take the key for one of theirs."""
    head = header(setup.sign())
    assert head["crit"] == ["delegation"]
    with pytest.raises(AlgorithmUnavailable):
        setup.lib.KmsVerifier([setup.key], client=setup.kms).verify(setup.sign())
    with pytest.raises(MalformedToken):
        setup.verifier().verify_detached(setup.sign(), b"")


def test_the_certificate_is_no_token_of_another_type(setup):
    certificate = header(setup.sign())["delegation"]
    with pytest.raises(ClaimRejected, match="typ"):
        setup.verifier(token_type=RECEIPT_TYPE).verify(certificate)


@pytest.mark.parametrize("written", [str, str.upper, "application/{}".format])
def test_the_certificate_is_no_token_where_any_type_will_do(setup, written):
    """It is in each token of its key, so whatever sees one of those has it."""
    claims = {"iss": ISSUER, "iat": int(NOW), "exp": int(NOW) + 900, "scope": RECEIPT_TYPE}
    token_type = written("interlock-delegation+jwt")
    certificate = setup.lib.Signer(setup.key, client=setup.kms).sign(claims, token_type=token_type)
    in_kms = setup.lib.KmsVerifier([setup.key], client=setup.kms, wall_clock=setup.clock)
    for verifier in (setup.verifier(issuer=ISSUER), in_kms):
        with pytest.raises(ClaimRejected, match="vouches for a key"):
            verifier.verify(certificate)


def test_a_certificate_in_a_header_that_is_not_critical_is_refused(setup):
    key = new_key("ES256")
    with pytest.raises(MalformedToken):
        setup.verifier().verify(setup.vouched(key, header={"crit": ["b64"], "b64": True}))


class TestRenewal:
    def test_a_key_is_renewed_ahead_of_its_end(self, setup):
        first = header(setup.sign())["kid"]
        setup.clock.now += 719
        assert header(setup.sign())["kid"] == first
        setup.clock.now += 2  # a fifth of 15 minutes is left
        second = header(setup.sign())["kid"]
        assert second != first
        assert kms_signatures(setup.kms) == 2

    def test_while_kms_fails_the_old_key_signs_to_its_end(self, lib, kms, caplog):
        setup = Setup(lib, kms, timeout=timedelta(milliseconds=20))
        first = header(setup.sign())["kid"]
        kms.failures = [refusal("KMSInternalException", 500)] * 10_000
        setup.clock.now += 721
        with caplog.at_level(logging.WARNING, "interlock"):
            assert header(setup.sign())["kid"] == first
        assert "cannot be renewed yet" in caplog.text
        asked = len(kms.calls)
        assert header(setup.sign())["kid"] == first
        assert len(kms.calls) == asked  # tried again in ten seconds only
        setup.clock.now += 178
        assert header(setup.sign())["kid"] == first
        setup.clock.now += 2
        with pytest.raises(Exception, match="KMS"):
            setup.sign()
        kms.failures = []
        assert setup.verifier().verify(setup.sign(n=1))["n"] == 1

    def test_a_clock_set_back_makes_a_new_key(self, setup):
        first = header(setup.sign())["kid"]
        setup.clock.now -= 3600
        token = setup.sign(n=1)
        assert header(token)["kid"] != first
        assert setup.verifier().verify(token)["n"] == 1

    def test_many_callers_at_the_start_cause_one_certificate(self, setup):
        tokens = []
        threads = [
            threading.Thread(target=lambda: tokens.append(setup.sign(n=1))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(tokens) == 8
        assert len({header(token)["kid"] for token in tokens}) == 1
        assert kms_signatures(setup.kms) == 1

    def test_a_disabled_key_vouches_for_nothing(self, setup):
        setup.kms.disabled.add(setup.key)
        with pytest.raises(KeyUnusable):
            setup.sign()

    def test_a_restored_snapshot_makes_a_new_key(self, setup):
        before = header(setup.sign())["kid"]
        lifecycle._copied()  # what SnapStart's hook and a fork's call
        assert header(setup.sign())["kid"] != before
        assert setup.verifier().verify(setup.sign(n=1))["n"] == 1


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
def test_a_forked_child_makes_a_new_key():
    from interlock.signing import DelegatedSigner  # noqa: PLC0415 - beside the halves' own

    kms = LocalKms()
    signer = DelegatedSigner(kms.create(), client=kms)
    before = header(signer.sign({}))["kid"]
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(header(signer.sign({}))["kid"]))
    child.start()
    assert receiver.poll(20)
    assert receiver.recv() != before
    child.join(20)
    assert header(signer.sign({}))["kid"] == before


class TestScope:
    def test_it_is_what_is_signed(self, setup):
        with pytest.raises(InvalidValue, match="token_type"):
            setup.signer.sign({"iss": ISSUER}, token_type="other+jwt")
        with pytest.raises(InvalidValue, match="iss"):
            setup.signer.sign({"iss": "elsewhere"})
        with pytest.raises(InvalidValue, match="iat"):
            setup.signer.sign({"iss": ISSUER, "iat": int(NOW) - 1})

    def test_one_type_needs_no_naming_and_several_do(self, lib, kms):
        setup = Setup(lib, kms, token_types=["a+jwt", "b+jwt"], issuer=None)
        with pytest.raises(InvalidValue, match=r"a\+jwt"):
            setup.signer.sign({})
        token = setup.signer.sign({"n": 1}, token_type="b+jwt", lifetime=timedelta(minutes=1))
        assert setup.verifier(token_type="b+jwt").verify(token)["exp"] == int(NOW) + 60
        assert header(Setup(lib, kms, issuer=None).signer.sign({}))["typ"] == RECEIPT_TYPE

    @pytest.mark.parametrize(
        "options",
        [
            {"token_types": "a+jwt"},
            {"token_types": []},
            {"token_types": ["a b"]},
            {"token_types": ["interlock-delegation+jwt"]},
            {"lifetime": timedelta(hours=1, seconds=1)},
            {"lifetime": timedelta(0)},
            {"algorithm": "RS256"},
        ],
    )
    def test_an_improper_one_is_refused(self, lib, kms, options):
        with pytest.raises(InvalidValue, match=next(iter(options))):
            Setup(lib, kms, **options)


CERTIFICATES = {
    "longer than an hour": ({"exp": int(NOW) + 3601}, ClaimRejected),
    "that ends before it begins": ({"exp": int(NOW)}, ClaimRejected),
    "without an end": ({"exp": ...}, ClaimRejected),
    "without a beginning": ({"iat": ...}, ClaimRejected),
    "of times that are texts": ({"iat": str(int(NOW))}, ClaimRejected),
    "of true for a time": ({"iat": True}, ClaimRejected),
    "for another type": ({"scope": "other+jwt"}, ClaimRejected),
    "without a scope": ({"scope": ...}, ClaimRejected),
    "of a scope that is a list": ({"scope": [RECEIPT_TYPE]}, ClaimRejected),
    "for another issuer": ({"iss": "elsewhere"}, ClaimRejected),
    "for an issuer that is a list": ({"iss": [ISSUER]}, ClaimRejected),
    "from the future": ({"iat": int(NOW) + 60, "exp": int(NOW) + 900}, TokenNotYetValid),
    "without a key": ({"cnf": ...}, ClaimRejected),
    "of a key that is none": ({"cnf": {"jwk": {"crv": []}}}, ClaimRejected),
    "of another key": ({"cnf": {"jwk": new_key("ES256").jwk}}, MalformedToken),
    "of an RSA key": ({"cnf": {"jwk": {"kty": "RSA", "n": "AA", "e": "AQAB"}}}, ClaimRejected),
}


@pytest.mark.parametrize(("certificate", "error"), CERTIFICATES.values(), ids=CERTIFICATES)
def test_a_token_by_a_certificate_is_refused_that_is(setup, certificate, error):
    with pytest.raises(error):
        setup.verifier().verify(setup.vouched(new_key("ES256"), certificate=certificate))


TOKENS = {
    "signed before": ({"iat": int(NOW) - 2}, ClaimRejected),
    "signed after": ({"iat": int(NOW) + 902}, InvalidToken),
    "without a time": ({"iat": ...}, ClaimMissing),
    "of another issuer": ({"iss": "elsewhere"}, ClaimRejected),
    "that has expired": ({"exp": int(NOW)}, TokenExpired),
}


@pytest.mark.parametrize(("claims", "error"), TOKENS.values(), ids=TOKENS)
def test_a_token_beyond_its_certificate_is_refused(setup, claims, error):
    with pytest.raises(error):
        setup.verifier().verify(setup.vouched(new_key("ES256"), claims=claims))


@pytest.mark.parametrize("typ", [[RECEIPT_TYPE], {}, 7, None], ids=repr)
def test_a_token_of_a_type_that_is_no_text_is_beyond_its_certificate(setup, typ):
    with pytest.raises(ClaimRejected, match="typ"):
        setup.verifier().verify(setup.vouched(new_key("ES256"), header={"typ": typ}))


def test_a_verifier_may_accept_shorter_delegations_or_none(setup):
    token = setup.sign()  # by a certificate of 15 minutes
    setup.verifier(delegation=timedelta(minutes=15)).verify(token)
    for longest in (timedelta(minutes=14), timedelta(0)):
        with pytest.raises(ClaimRejected, match="exp"):
            setup.verifier(delegation=longest).verify(token)
    longer = setup.vouched(new_key("ES256"), certificate={"exp": int(NOW) + 3601})
    with pytest.raises(ClaimRejected):  # an hour is the most in any case
        setup.verifier(delegation=timedelta(days=1)).verify(longer)


def test_what_a_test_vouches_for_is_accepted_otherwise(setup):
    assert setup.verifier().verify(setup.vouched(new_key("Ed25519")))["n"] == 1


def test_a_token_signed_after_its_certificate_ended_stays_refused(setup):
    token = setup.vouched(new_key("ES256"), claims={"iat": int(NOW) + 902})
    setup.clock.now += 10_000
    with pytest.raises(ClaimRejected, match="iat"):
        setup.verifier().verify(token)


class TestForgery:
    def test_a_key_vouches_for_no_other_key(self, setup):
        """A delegated key that certifies a further one."""
        middle, last = new_key("ES256"), new_key("ES256")

        class Middle:
            def sign(self, claims, *, token_type):
                return setup.vouched(middle, header={"typ": token_type}, claims=claims)

        with pytest.raises(MalformedToken, match="critical"):
            setup.verifier().verify(setup.vouched(last, signer=Middle()))

    def test_a_stranger_vouches_for_nothing(self, setup):
        stranger = setup.lib.Signer(setup.kms.create(), client=setup.kms)
        with pytest.raises(UnknownKey):
            setup.verifier().verify(setup.vouched(new_key("ES256"), signer=stranger))

    def test_another_type_of_token_is_no_certificate(self, setup):
        for typ in (None, RECEIPT_TYPE, "JWT"):
            with pytest.raises(ClaimRejected, match="typ"):
                setup.verifier().verify(setup.vouched(new_key("ES256"), certificate_type=typ))

    @pytest.mark.parametrize("part", [0, 1, 2])
    def test_no_part_can_be_altered(self, setup, part):
        one, other = (setup.vouched(new_key("ES256"), claims={"n": n}) for n in (1, 2))
        parts, others = one.split("."), other.split(".")
        parts[part] = others[part]
        with pytest.raises(InvalidToken):
            setup.verifier().verify(".".join(parts))

    def test_an_altered_certificate_is_refused(self, setup):
        token = setup.sign()
        verifier = setup.verifier()
        verifier.verify(token)
        _, payload, signature = token.split(".")
        fields = header(token)
        name, claims, by = fields["delegation"].split(".")
        longer = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"scope": "admin+jwt"}
        fields["delegation"] = f"{name}.{encode(longer)}.{by}"
        with pytest.raises(BadSignature):
            verifier.verify(f"{encode(fields)}.{payload}.{signature}")

    @pytest.mark.parametrize("certificate", [None, 7, [], {}, "", "a.b.c", "x" * 70_000])
    def test_what_is_no_certificate_is_malformed(self, setup, certificate):
        with pytest.raises(MalformedToken):
            setup.verifier().verify(
                setup.vouched(new_key("ES256"), header={"delegation": certificate})
            )

    def test_both_algorithms_must_be_allowed(self, setup):
        token = setup.vouched(new_key("Ed25519"))
        for algorithms in (["Ed25519"], ["ES256"]):
            with pytest.raises(AlgorithmNotAllowed):
                setup.verifier(algorithms=algorithms).verify(token)
        setup.verifier(algorithms=["ES256", "Ed25519"]).verify(token)

    def test_a_certificate_is_remembered_for_its_own_key_only(self, setup):
        """The key set may lose the key, or have another under its kid."""
        token = setup.sign(n=1)
        assert setup.verifier().verify(token)["n"] == 1
        stranger = setup.lib.jwks([setup.kms.create()], client=setup.kms)["keys"][0]
        kid = setup.jwks["keys"][0]["kid"]
        keys = {"keys": [{**stranger, "kid": kid}]}
        with pytest.raises(BadSignature):
            setup.lib.Verifier(keys, wall_clock=setup.clock).verify(token)


def test_what_is_remembered_of_certificates_is_bounded(setup, monkeypatch):
    """Each restart of a process brings a new one, and verifiers run for months."""
    monkeypatch.setattr(checking, "_MOST_GENUINE", 2)
    remembered: set[object] = set()
    monkeypatch.setattr(checking, "_genuine", remembered)
    for _ in range(5):
        assert setup.verifier().verify(setup.vouched(new_key("ES256")))["n"] == 1
        assert len(remembered) <= 2
