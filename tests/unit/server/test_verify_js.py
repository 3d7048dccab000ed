"""The page's own verification of receipts, run by Node.js, whose WebCrypto is that of browsers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from interlock.receipts import RECEIPT_TYPE
from interlock.signing import DelegatedSigner, Signer, jwks
from tests.unit.signing.kms import LocalKms

WEB = Path(__file__).parents[3] / "server" / "web"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")
# Stands for the page's calls: the key set comes on standard input, with the receipts.
API = """
const given = JSON.parse(await new Promise((resolve) => {
  let text = "";
  process.stdin.on("data", (part) => { text += part; }).on("end", () => resolve(text));
}));
export const parse = JSON.parse;
export const jwks = async () => given.jwks;
export const tokens = given.tokens;
"""
MAIN = """
import { tokens } from "./api.js";
import { alter, verify } from "./verify.js";
const words = [];
for (const token of tokens) {
  for (const each of [token, alter(token)]) words.push(await verify(each));
}
console.log(JSON.stringify(words));
"""
NOW = 1_800_000_000.0
CLAIMS = {"iss": "https://api.example", "iat": int(NOW), "counter": "a", "value": 7}

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js")


@pytest.fixture
def judge(tmp_path):
    """Return what the page says of receipts, each as it is and with one byte changed."""
    for module in ("verify.js", "words.js"):
        shutil.copy(WEB / module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "api.js").write_text(API)
    (tmp_path / "main.js").write_text(MAIN)

    def judged(keys, *tokens):
        run = subprocess.run(
            [str(NODE), "--no-warnings", str(tmp_path / "main.js")],
            input=json.dumps({"jwks": keys, "tokens": tokens}),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(run.stdout)

    return judged


@pytest.fixture
def kms():
    return LocalKms()


def delegated(kms, key, **options):
    return DelegatedSigner(key, client=kms, wall_clock=lambda: NOW, **options)


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("ECC_NIST_P256", {}),
        ("ECC_NIST_P384", {}),
        ("ECC_NIST_P521", {}),
        ("ECC_NIST_EDWARDS25519", {}),
        ("RSA_2048", {}),
        ("RSA_3072", {"rsa_algorithm": "RS256"}),
    ],
)
def test_a_receipt_of_each_kind_of_key_is_genuine_and_a_changed_one_is_not(
    judge, kms, spec, options
):
    key = kms.create(spec)
    token = Signer(key, client=kms, **options).sign(CLAIMS, token_type=RECEIPT_TYPE)
    genuine, forged = judge(jwks([key], client=kms, **options), token)
    assert genuine["valid"], genuine
    assert genuine["words"].startswith("Genuine")
    assert forged == {"valid": False, "words": "Refused: this is not what the key signed."}


@pytest.mark.parametrize("algorithm", ["ES256", "Ed25519"])
def test_a_receipt_of_a_delegated_key_is_genuine_and_a_changed_one_is_not(judge, kms, algorithm):
    key = kms.create()
    token = delegated(kms, key, algorithm=algorithm).sign(CLAIMS)
    genuine, forged = judge(jwks([key], client=kms), token)
    assert genuine["valid"], genuine
    assert "vouches for" in genuine["words"]
    assert not forged["valid"]


def test_a_delegation_covers_what_it_says_and_no_more(judge, kms):
    key, stranger = kms.create(), kms.create()
    tokens = [
        delegated(kms, stranger).sign(CLAIMS),
        delegated(kms, key, token_types=["other+jwt"]).sign(CLAIMS),
        Signer(key, client=kms).sign(CLAIMS, token_type="other+jwt"),
    ]
    # The head of one token, with a certificate for another key, before the rest of another.
    one, other = (delegated(kms, key).sign(CLAIMS) for _ in range(2))
    tokens.append(one.split(".")[0] + other[other.index(".") :])
    for verdict in judge(jwks([key], client=kms), *tokens):
        assert not verdict["valid"], verdict
        assert verdict["words"].startswith("Refused")


def test_a_short_rsa_key_verifies_nothing(judge, kms):
    key = kms.create("RSA_2048")
    token = Signer(key, client=kms).sign(CLAIMS, token_type=RECEIPT_TYPE)
    published = jwks([key], client=kms)
    published["keys"][0]["n"] = published["keys"][0]["n"][:171]  # 1,024 bits
    for verdict in judge(published, token):
        assert verdict == {"valid": False, "words": "Refused: the published key cannot be used."}


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("ML_DSA_44", "ML-DSA-44"),
        ("ML_DSA_65", "ML-DSA-65"),
        ("ML_DSA_87", "ML-DSA-87"),
        ("ECC_SECG_P256K1", "ES256K"),
    ],
)
def test_what_the_browser_cannot_verify_it_says(judge, kms, spec, algorithm):
    key = kms.create(spec)
    token = Signer(key, client=kms).sign(CLAIMS, token_type=RECEIPT_TYPE)
    genuine, forged = judge(jwks([key], client=kms), token)
    unable = f"Not checked: this browser cannot verify {algorithm} yet."
    assert genuine["valid"] or genuine["words"] == unable
    assert not forged["valid"]
