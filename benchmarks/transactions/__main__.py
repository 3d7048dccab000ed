"""Transactions against raw boto3, PynamoDB and Powertools: one endpoint, one run, ratios.

    python -m benchmarks.transactions [--endpoint http://127.0.0.1:4566] [--rounds 200]

Without an endpoint a ministack is started on a free port and stopped again.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.comparing import medians
from benchmarks.history import note
from benchmarks.transactions import guarded
from benchmarks.transactions.contended import ACCOUNTS, WORKERS, contend
from benchmarks.transactions.peers import (
    POWERTOOLS,
    RECORDS,
    TABLE,
    Interlock,
    Powertools,
    Pynamo,
    Raw,
)

ON_BOTO3 = "interlock, a boto3 client passed"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
}


@contextmanager
def endpoint(given: str | None) -> Iterator[str]:
    """Give the endpoint to measure on, started here if none is given."""
    if given:
        yield given
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}
    server = subprocess.Popen(
        [sys.executable, "-m", "ministack"],
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def _await(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("ministack did not start") from None
            time.sleep(0.1)
        else:
            return


def dynamodb(url: str) -> Any:
    """Make a client like the library's own, with connections for all workers."""
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=WORKERS)
    return boto3.client("dynamodb", endpoint_url=url, config=config)


def prepare(client: Any) -> None:
    """Make the tables, new."""
    names = client.list_tables()["TableNames"]
    for table, key in ((TABLE, "pk"), (RECORDS, "pk"), (POWERTOOLS, "id")):
        if table in names:
            client.delete_table(TableName=table)
        client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )


def open_accounts(client: Any) -> None:
    """Give every account 1,000."""
    for number in range(ACCOUNTS):
        item = {"pk": {"S": str(number)}, "n": {"N": "1000"}}
        client.put_item(TableName=TABLE, Item=item)


def keyed(call: Callable[[str], None], run: str) -> Callable[[int], None]:
    """Give each round a key of its own, the same in every comparison of this run."""
    return lambda number: call(f"{run}-{number}")


def compare(title: str, calls: dict[str, Callable[[int], None]], rounds: int) -> None:
    """Time each peer in turn, and print how they compare with raw boto3."""
    middles = medians(calls, rounds)
    base = middles["raw boto3"]
    print(f"\n{title}, median of {rounds}")
    for name, middle in middles.items():
        print(f"  {name:32} {middle * 1e3:7.2f} ms  {middle / base:5.2f}x raw")
        note("transactions", title, name, seconds=middle, against_raw=middle / base)


def capacity(client: Any) -> None:
    """Print the write units of the same change as one write and as a transaction."""
    units: list[float] = []

    def ask(params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def count(parsed: dict[str, Any], **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        entries = consumed if isinstance(consumed, list) else [consumed]
        units.extend(float(entry["CapacityUnits"]) for entry in entries)

    events = client.meta.events
    for operation in ("UpdateItem", "TransactWriteItems"):
        events.register(f"provide-client-params.dynamodb.{operation}", ask)
        events.register(f"after-call.dynamodb.{operation}", count)
    ours = Interlock(client)
    ours.modify("0")
    ours.tx.run(lambda t: t.update(TABLE, {"pk": "0"}, add={"n": 1}))
    for operation in ("UpdateItem", "TransactWriteItems"):
        events.unregister(f"provide-client-params.dynamodb.{operation}", ask)
        events.unregister(f"after-call.dynamodb.{operation}", count)
    one, transaction = units
    print("\nwrite capacity of one item's change, as the endpoint reports it")
    print(f"  one write {one:g}, transaction {transaction:g}: {one / transaction:.2f}x")
    note("transactions", "write units", "one item", one=one, transaction=transaction)


def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        os.environ["AWS_ENDPOINT_URL"] = url  # of the clients that the library makes itself
        client = dynamodb(url)
        prepare(client)
        open_accounts(client)
        # Each peer has accounts of its own: their version attributes do not agree.
        raw, pynamo = Raw(client), Pynamo(url)
        ours, passed = Interlock(), Interlock(client)
        for name in ("p0", "p1"):
            pynamo.account(name, n=1000).save()
        # Outside Lambda there is no remaining time; Powertools then says so at each first call.
        warnings.filterwarnings("ignore", message="Couldn't determine the remaining time")
        powertools = Powertools(client)
        compare(
            "transfer between two items, uncontended",
            {
                "raw boto3": lambda _: raw.transfer("0", "1"),
                "interlock": lambda _: ours.transfer("2", "3"),
                ON_BOTO3: lambda _: passed.transfer("2", "3"),
                "pynamodb": lambda _: pynamo.transfer("p0", "p1"),
            },
            options.rounds,
        )
        compare(
            "read, modify and write one item",
            {
                "raw boto3": lambda _: raw.modify("0"),
                "interlock": lambda _: ours.modify("2"),
                ON_BOTO3: lambda _: passed.modify("2"),
                "pynamodb": lambda _: pynamo.modify("p0"),
            },
            options.rounds,
        )
        run = str(uuid.uuid4())
        compare(
            "transfer by a key (raw: without looking for the key first)",
            {
                "raw boto3": keyed(raw.transfer_once, f"{run}-raw"),
                "interlock": keyed(ours.transfer_once, f"{run}-ours"),
                "interlock, its reads named": keyed(ours.transfer_ahead, f"{run}-ahead"),
            },
            options.rounds,
        )
        for title, verb in (
            ("first (raw: without looking for the key first)", "once"),
            ("replay", "replay"),
        ):
            compare(
                f"idempotent call, {title}",
                {
                    name: keyed(getattr(peer, verb), f"{run}-{name}")
                    for name, peer in (
                        ("raw boto3", raw),
                        ("interlock", ours),
                        (ON_BOTO3, passed),
                        ("powertools", powertools),
                    )
                },
                options.rounds,
            )
        capacity(client)
        contend(client, url, options.seconds)
    guarded.report()


if __name__ == "__main__":
    main()
