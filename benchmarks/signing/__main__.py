"""Measure signing beside a bare KMS call, and verifying without KMS: one endpoint, one run.

    python -m benchmarks.signing [--endpoint http://127.0.0.1:4566] [--rounds 300]

Without an endpoint a ministack is started on a free port and stopped again. The ways are measured
in turn, so that a slower minute slows them all. Times are medians of one call.
"""

import argparse
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import boto3
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from benchmarks.comparing import alike, medians
from benchmarks.history import note
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import CounterClient, Signer, Verifier, client_config
from interlock.receipts import ReceiptIssuer
from interlock.signing import DelegatedSigner, KmsVerifier, jwks

LOCAL: tuple[Literal["ES256", "Ed25519"], ...] = ("ES256", "Ed25519")
CLAIMS = {"counter": "visits", "value": 7, "amount": 3, "previous": 4}


def show(title: str, spent: Mapping[str, float], bound: str = "") -> None:
    """Print a table of times, each also as a multiple of the first."""
    print(f"\n{title}{bound and f' ({bound})'}")
    first = next(iter(spent.values()))
    for name, seconds in spent.items():
        print(f"  {name:34} {seconds * 1e6:10.0f} us  {seconds / first:6.2f} x")
        note("signing", title, name, seconds=seconds, against_first=seconds / first)


def measure(url: str, rounds: int) -> None:
    """Print the comparisons."""
    kms = boto3.client("kms", endpoint_url=url, config=client_config())
    dynamodb = boto3.client("dynamodb", endpoint_url=url, config=client_config())
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    signer = Signer(key)
    delegated = {each: DelegatedSigner(key, algorithm=each) for each in LOCAL}
    token = signer.sign(CLAIMS)
    digest = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
    raw = signer.sign_bytes(token.rpartition(".")[0].encode()).value
    signature = encode_dss_signature(*(int.from_bytes(half) for half in (raw[:32], raw[32:])))
    call: dict[str, Any] = {
        "KeyId": key,
        "MessageType": "DIGEST",
        "SigningAlgorithm": "ECDSA_SHA_256",
    }

    ways: dict[str, Callable[[], object]] = {
        "KMS Sign by boto3": lambda: kms.sign(Message=digest, **call),
        "Signer.sign": lambda: signer.sign(CLAIMS),
        **{
            f"DelegatedSigner.sign, {name}": partial(each.sign, CLAIMS)
            for name, each in delegated.items()
        },
    }
    show("Signing", medians(alike(ways), rounds), "goal: at most 1.1 x")

    local, remote = Verifier(jwks([key])), KmsVerifier([key])
    checks: dict[str, Callable[[], object]] = {
        "KMS Verify by boto3": lambda: kms.verify(Message=digest, Signature=signature, **call),
        "KmsVerifier.verify": lambda: remote.verify(token),
        "Verifier.verify, keys cached": lambda: local.verify(token),
        **{
            f"the same, delegated to {name}": partial(local.verify, each.sign(CLAIMS))
            for name, each in delegated.items()
        },
    }
    show("Verifying", medians(alike(checks), rounds))

    table = f"signing-{time.time_ns()}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    counter = CounterClient(table).counter("visits")
    issuers = {
        "with receipt": ReceiptIssuer(signer, issuer="benchmark"),
        "with delegated receipt": ReceiptIssuer(delegated["ES256"], issuer="benchmark"),
    }

    def with_receipt(issuer: ReceiptIssuer) -> None:
        change = counter.increment()
        issuer.issue("visits", value=change.value, amount=change.amount)

    increments: dict[str, Callable[[], object]] = {"without receipt": counter.increment}
    increments |= {name: partial(with_receipt, issuer) for name, issuer in issuers.items()}
    show("An increment", medians(alike(increments), rounds))
    throughput(
        {
            "by KMS": partial(signer.sign, CLAIMS),
            **{f"delegated, {n}": partial(each.sign, CLAIMS) for n, each in delegated.items()},
        }
    )


def throughput(ways: Mapping[str, Callable[[], object]]) -> None:
    """Print how many tokens one thread signs in a second."""
    print("\nTokens a second, one thread")
    for name, way in ways.items():
        ended, count = time.perf_counter() + 1.0, 0
        while time.perf_counter() < ended:
            way()
            count += 1
        print(f"  {name:34} {count:10,}")
        note("signing", "Tokens a second, one thread", name, tokens=count)


def main() -> None:
    """Measure on the endpoint given, or on one started here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--endpoint")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        os.environ["AWS_ENDPOINT_URL"] = url  # of the clients that the library makes itself
        measure(url, options.rounds)


if __name__ == "__main__":
    main()
