"""Counters against raw ADD, PynamoDB and two counter packages: one endpoint, one run, ratios.

    python -m benchmarks.counters [--endpoint http://127.0.0.1:8000] [--rounds 500] [--seconds 5]

Without an endpoint a ministack is started on a free port and stopped again. The peers come with
`uv pip install --group bench`.
"""

import argparse
import os
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from distributed_counter import DistributedCounter
from dynamodb_counter import Counter as DynamodbCounter
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from benchmarks.comparing import alike, medians
from benchmarks.counters import contended
from benchmarks.counters.tables import PEERS, TABLE, dynamodb, prepare
from benchmarks.floor import Floor, Named, noted
from benchmarks.history import note
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import CounterClient, client_config

RAW = "raw ADD"
ADD: dict[str, Any] = {
    "TableName": TABLE,
    "Key": {"pk": {"S": "raw"}},
    "UpdateExpression": "ADD n :one",
    "ExpressionAttributeValues": {":one": {"N": "1"}},
    "ReturnValues": "UPDATED_NEW",
}


def raw(client: Any) -> Callable[[], int]:
    """Return the call that everybody writes first; it counts twice when a reply is lost."""

    def add() -> int:
        reply = client.update_item(**ADD)
        return int(reply["Attributes"]["n"]["N"])

    return add


def as_bytes(url: str, calls: Iterable[Named]) -> Callable[[], int]:
    """Return a call that sends the same bytes again: what no client can go below."""
    floor = Floor(url, calls)

    def send() -> int:
        floor.send()
        return 0  # it does not read what it is answered

    return send


def pynamo(url: str) -> Callable[[], int]:
    """Return an increment by PynamoDB's Model.update."""

    class Row(Model):
        class Meta:
            table_name = TABLE
            host = url
            region = CREDENTIALS["AWS_REGION"]

        pk = UnicodeAttribute(hash_key=True)
        n = NumberAttribute(default=0)

    row = Row("pynamodb", n=0)
    row.save()

    def add() -> int:
        row.update(actions=[Row.n.add(1)])
        return int(row.n)

    return add


def distributed(url: str) -> Callable[[], int]:
    """Return an increment by the package distributed-counter."""
    counter = DistributedCounter(
        PEERS, config=client_config(), endpoint_url=url, region_name=CREDENTIALS["AWS_REGION"]
    )
    counter.put("n", 0)
    return lambda: int(counter.increment("n", 1))


def plain(client: Any, url: str) -> dict[str, Callable[[], int]]:
    """Return an increment by each, and ours without and with bounds and shards."""
    counters = CounterClient(TABLE)
    on_boto3 = CounterClient(TABLE, client=client).counter("on-boto3")
    bounded = counters.counter("bounded", floor=0, ceiling=10**9)
    sharded = counters.counter("sharded", floor=0, ceiling=10**9, shards=8)
    unbounded = counters.counter("plain")
    package = DynamodbCounter(TABLE, client=client, pk="dynamodb-counter")
    with noted() as (driver, calls):
        noting = CounterClient(TABLE, client=driver).counter("bytes")
        noting.increment()
        noting.increment()  # the first may have made it, which is another call
    return {
        RAW: raw(client),
        "interlock": lambda: unbounded.increment().value,
        "interlock, bounded": lambda: bounded.increment().value,
        "interlock, 8 shards": lambda: sharded.increment().value,
        "interlock, a boto3 client passed": lambda: on_boto3.increment().value,
        "the raw call as bytes": as_bytes(url, [("UpdateItem", ADD)]),
        "interlock's call as bytes": as_bytes(url, calls[-1:]),
        "PynamoDB": pynamo(url),
        "dynamodb-counter": lambda: int(package.next()),
        "distributed-counter": distributed(url),
    }


def by_hand(client: Any) -> Callable[[], int]:
    """Return what the peers leave to their user: a record and an ADD in one transaction."""

    def add() -> int:
        client.transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": TABLE,
                        "Item": {"pk": {"S": str(uuid.uuid4())}},
                        "ConditionExpression": "attribute_not_exists(pk)",
                    }
                },
                {
                    "Update": {
                        "TableName": TABLE,
                        "Key": {"pk": {"S": "by-hand"}},
                        "UpdateExpression": "ADD n :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                },
            ]
        )
        return 0  # which value that made, the transaction does not tell

    return add


def compare(title: str, calls: dict[str, Callable[[], int]], rounds: int) -> None:
    """Time all in turn, and print how they compare with the first."""
    middles = medians(alike(calls), rounds)
    base = next(iter(middles.values()))
    print(f"\n{title}: median of {rounds}, rate against the first")
    for name, middle in middles.items():
        print(f"  {name:32} {middle * 1e3:7.3f} ms  {base / middle:5.2f}x")
        note("counters", title, name, seconds=middle, rate_against_first=base / middle)


def main() -> None:
    """Run all comparisons and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each contended run")
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        os.environ["AWS_ENDPOINT_URL"] = url  # of the clients that the library makes itself
        client = dynamodb(url)
        prepare(client)
        compare("one increment", plain(client, url), options.rounds)
        keyed = CounterClient(TABLE).counter("keyed")
        once = {
            "by hand": by_hand(client),
            "interlock": lambda: keyed.increment(idempotency_key=str(uuid.uuid4())).value,
            "interlock, replay": lambda: keyed.increment(idempotency_key="k").value,
        }
        compare("exactly once, by a key", once, options.rounds)
        contended.report(options.seconds)


if __name__ == "__main__":
    main()
