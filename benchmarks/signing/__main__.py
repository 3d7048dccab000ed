"""What signing costs over a bare KMS call, and verifying without KMS: one endpoint, one run.

    python -m benchmarks.signing [--endpoint http://127.0.0.1:4566] [--rounds 300]

Without an endpoint a ministack is started on a free port and stopped again. The ways are measured
in turn, so that a slower minute slows them all. Times are medians of one call, in microseconds.
"""

import argparse
import hashlib
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import boto3

from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import CounterClient, Signer, Verifier
from interlock._drivers.clients import CLIENT_CONFIG
from interlock._protocol.signing.der import raw_to_der
from interlock.receipts import ReceiptIssuer
from interlock.signing import KmsVerifier, jwks

CLAIMS = {"counter": "visits", "value": 7, "amount": 3, "previous": 4}


def medians(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time each way once a round, and return the median of each in microseconds."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + rounds // 10):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if number >= rounds // 10:  # the first tenth warms up
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(spent) * 1e6 for name, spent in times.items()}


def show(title: str, spent: Mapping[str, float], bound: str = "") -> None:
    """Print a table of times, each also as a multiple of the first."""
    print(f"\n{title}{bound and f' ({bound})'}")
    first = next(iter(spent.values()))
    for name, time_us in spent.items():
        print(f"  {name:34} {time_us:10.0f} us  {time_us / first:6.2f} x")


def measure(url: str, rounds: int) -> None:
    """Print the three comparisons."""
    kms = boto3.client("kms", endpoint_url=url, config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", endpoint_url=url, config=CLIENT_CONFIG)
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    signer = Signer(key, client=kms)
    token = signer.sign(CLAIMS)
    digest = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
    signature = raw_to_der(signer.sign_bytes(token.rpartition(".")[0].encode()).value, 32)
    call: dict[str, Any] = {
        "KeyId": key,
        "MessageType": "DIGEST",
        "SigningAlgorithm": "ECDSA_SHA_256",
    }

    ways = {
        "KMS Sign by boto3": lambda: kms.sign(Message=digest, **call),
        "Signer.sign": lambda: signer.sign(CLAIMS),
    }
    show("Signing", medians(ways, rounds), "goal: at most 1.1 x")

    local, remote = Verifier(jwks([key], client=kms)), KmsVerifier([key], client=kms)
    checks = {
        "KMS Verify by boto3": lambda: kms.verify(Message=digest, Signature=signature, **call),
        "KmsVerifier.verify": lambda: remote.verify(token),
        "Verifier.verify, keys cached": lambda: local.verify(token),
    }
    show("Verifying", medians(checks, rounds))

    table = f"signing-{time.time_ns()}"
    dynamodb.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    counter = CounterClient(table, client=dynamodb).counter("visits")
    issuer = ReceiptIssuer(signer, issuer="benchmark")

    def with_receipt() -> None:
        change = counter.increment()
        issuer.issue("visits", value=change.value, amount=change.amount)

    show(
        "An increment",
        medians({"without receipt": counter.increment, "with receipt": with_receipt}, rounds),
    )


def main() -> None:
    """Measure on the endpoint given, or on one started here."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--endpoint")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        measure(url, options.rounds)


if __name__ == "__main__":
    main()
