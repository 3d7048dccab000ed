"""Signatures against another KMS implementation, and checked by OpenSSL."""

import base64
import subprocess
from typing import Literal

import boto3
import pytest

from interlock._drivers.clients import CLIENT_CONFIG
from interlock._protocol.signing.der import raw_to_der
from interlock.errors import BadSignature
from interlock.signing import KmsVerifier, Mac, Signer, Verifier, jwks

SPECS = {
    "ECC_NIST_P256": "ES256",
    "ECC_NIST_P384": "ES384",
    "ECC_NIST_P521": "ES512",
    "ECC_SECG_P256K1": "ES256K",
    "RSA_2048": "PS256",
    "RSA_3072": "PS256",
}
PADDING = {
    "PS256": ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
    "RS256": ["-sigopt", "rsa_padding_mode:pkcs1"],
}


@pytest.fixture(scope="module")
def kms(ministack):
    return boto3.client(
        "kms",
        endpoint_url=ministack,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=CLIENT_CONFIG,
    )


def create(kms, spec, usage="SIGN_VERIFY"):
    return kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["Arn"]


@pytest.mark.parametrize(("spec", "algorithm"), SPECS.items())
def test_each_key_spec_goes_round(kms, spec, algorithm):
    key = create(kms, spec)
    token = Signer(key, client=kms).sign({"n": 1})
    head, _, signature = token.split(".")
    other = base64.urlsafe_b64encode(b'{"n":2}').rstrip(b"=").decode()
    for verifier in (
        Verifier(jwks([key], client=kms), algorithms={algorithm}),
        KmsVerifier([key], client=kms, algorithms={algorithm}),
    ):
        assert verifier.verify(token) == {"n": 1}
        with pytest.raises(BadSignature):
            verifier.verify(f"{head}.{other}.{signature}")


@pytest.mark.parametrize(("spec", "algorithm"), [*SPECS.items(), ("RSA_2048", "RS256")])
def test_openssl_agrees(kms, spec, algorithm, tmp_path):
    rsa: Literal["RS256", "PS256"] = "RS256" if algorithm == "RS256" else "PS256"
    signer = Signer(create(kms, spec), client=kms, rsa_algorithm=rsa)
    key = signer.key()
    assert key.algorithm.name == algorithm
    made = signer.sign_bytes(b"message")
    (tmp_path / "message").write_bytes(b"message")
    size = key.algorithm.size
    (tmp_path / "signature").write_bytes(raw_to_der(made.value, size) if size else made.value)
    (tmp_path / "key").write_bytes(kms.get_public_key(KeyId=key.arn)["PublicKey"])
    checked = subprocess.run(
        [
            *("openssl", "dgst", f"-{key.algorithm.hash_name}", "-keyform", "DER"),
            *PADDING.get(algorithm, ()),
            *("-verify", "key", "-signature", "signature", "message"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.stdout.strip() == "Verified OK", checked.stderr


def test_an_alias_is_followed_and_each_token_names_its_key(kms):
    old, new = create(kms, "ECC_NIST_P256"), create(kms, "ECC_NIST_P256")
    alias = f"alias/{old.rpartition('/')[2]}"
    kms.create_alias(AliasName=alias, TargetKeyId=old)
    verifier = Verifier(jwks([old, new], client=kms))
    before = Signer(alias, client=kms)
    assert verifier.verify(before.sign({"n": 1})) == {"n": 1}
    kms.update_alias(AliasName=alias, TargetKeyId=new)
    assert before.key().arn == old
    assert Signer(alias, client=kms).key().arn == new
    assert verifier.verify(before.sign({"n": 2})) == {"n": 2}


def test_macs_go_round(kms):
    mac = Mac(create(kms, "HMAC_256", "GENERATE_VERIFY_MAC"), client=kms)
    token = mac.sign({"n": 1})
    assert mac.verify(token) == {"n": 1}
    with pytest.raises(BadSignature):
        mac.verify(token[: token.rindex(".") + 1] + "A" * 43)
