"""The library's transport against boto3, aiobotocore and the floor: the same UpdateItem, one run.

    python -m benchmarks.transport [--endpoint http://127.0.0.1:8000] [--seconds 2]

Each side is measured on a server that answers at once with fixed bytes, which leaves the client's
own work, and on an endpoint (a ministack is started if none is given). The floor sends bytes that
were made before over a raw socket. CPU is this process's. Sides take turns, three times, and the
median counts.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any
from urllib.request import urlopen

import boto3
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # it has no stubs
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it has no stubs
from botocore.config import Config

from benchmarks.floor import Floor
from benchmarks.history import note
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock._drivers.awaitable.wire import WireTransport as AwaitableTransport
from interlock._drivers.blocking.wire import WireTransport as BlockingTransport
from interlock._protocol.requests import Call

TABLE = "bench-transport"
PARAMS: dict[str, Any] = {
    "TableName": TABLE,
    "Key": {"pk": {"S": "a"}},
    "UpdateExpression": "SET version = :version, lease_ms = :lease",
    "ExpressionAttributeValues": {":version": {"S": "0" * 36}, ":lease": {"N": "20000"}},
    "ReturnValues": "ALL_NEW",
}
CALL = Call("UpdateItem", PARAMS)
MANY = (1, 8, 64)
ROUNDS = 3
SETTINGS: dict[str, Any] = {
    "connect_timeout": 1,
    "read_timeout": 2,
    "retries": {"total_max_attempts": 1},
    "max_pool_connections": max(MANY),
}
Send = Callable[[], Any]


@contextmanager
def fixed() -> Iterator[str]:
    """Give the URL of a server that always answers the same."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.transport.fixed"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def accepted(url: str) -> int:
    """Return how many connections the fixed server has accepted, without this one."""
    with urlopen(f"{url}/connections") as answer:  # noqa: S310 - a server of our own
        return int(answer.read())


def floor(url: str) -> Send:
    """Return a function that sends the call's bytes over a socket for each thread."""
    own = threading.local()

    def send() -> None:
        if not hasattr(own, "floor"):
            own.floor = Floor(url, [("UpdateItem", PARAMS)])
        own.floor.send()

    return send


def blocking(url: str) -> dict[str, Send]:
    """Return the sides that take threads."""
    ours = BlockingTransport("dynamodb", environ=os.environ | {"AWS_ENDPOINT_URL": url})
    sdk = boto3.client("dynamodb", endpoint_url=url, config=Config(**SETTINGS))
    return {
        "floor": floor(url),
        "interlock": lambda: ours.send(CALL, None),
        "boto3": lambda: sdk.update_item(**PARAMS),
    }


def one_by_one(send: Send, seconds: float) -> dict[str, float]:
    """Return the latency and the CPU of calls made one after the other."""
    for _ in range(50):
        send()
    taken: list[float] = []
    cpu, end = time.process_time(), time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        send()
        taken.append(time.perf_counter() - began)
    return _figures(taken, time.process_time() - cpu)


def by_threads(send: Send, threads: int, seconds: float) -> float:
    """Return the calls a second of so many threads."""
    counts = [0] * threads
    begin = threading.Barrier(threads + 1)
    over = threading.Event()

    def work(number: int) -> None:
        send()
        begin.wait()
        while not over.is_set():
            send()
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    began = time.perf_counter()
    time.sleep(seconds)
    done = sum(counts)
    took = time.perf_counter() - began
    over.set()
    for worker in workers:
        worker.join()
    return done / took


async def awaitable(url: str, seconds: float, report: Callable[..., None]) -> None:
    """Measure the sides that take tasks."""
    ours = AwaitableTransport("dynamodb", environ=os.environ | {"AWS_ENDPOINT_URL": url})
    async with AsyncExitStack() as stack:
        made = get_session().create_client(
            "dynamodb", endpoint_url=url, config=AioConfig(**SETTINGS)
        )
        sdk = await stack.enter_async_context(made)
        sides: dict[str, Callable[[], Awaitable[Any]]] = {
            "interlock.aio": lambda: ours.send(CALL, None),
            "aiobotocore": lambda: sdk.update_item(**PARAMS),
        }
        for _ in range(ROUNDS):
            for name, send in sides.items():
                for _ in range(50):
                    await send()
                taken: list[float] = []
                cpu, end = time.process_time(), time.perf_counter() + seconds
                while (began := time.perf_counter()) < end:
                    await send()
                    taken.append(time.perf_counter() - began)
                report(name, **_figures(taken, time.process_time() - cpu))
                for tasks in MANY:
                    report(name, **{f"calls/s at {tasks}": await by_tasks(send, tasks, seconds)})


async def by_tasks(send: Callable[[], Awaitable[Any]], tasks: int, seconds: float) -> float:
    """Return the calls a second of so many tasks."""
    end = time.perf_counter() + seconds
    counts = [0] * tasks

    async def work(number: int) -> None:
        while time.perf_counter() < end:
            await send()
            counts[number] += 1

    began = time.perf_counter()
    await asyncio.gather(*map(work, range(tasks)))
    return sum(counts) / (time.perf_counter() - began)


def _figures(taken: list[float], cpu: float) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "p50 ms": statistics.median(ordered) * 1e3,
        "p99 ms": ordered[int(len(ordered) * 0.99)] * 1e3,
        "CPU ms": cpu / len(taken) * 1e3,
    }


def measure(url: str, seconds: float, *, counts: bool) -> dict[str, dict[str, float]]:
    """Return the figures of all sides on one endpoint."""
    found: dict[str, dict[str, list[float]]] = {}

    def report(name: str, **figures: float) -> None:
        for figure, value in figures.items():
            found.setdefault(name, {}).setdefault(figure, []).append(value)

    for _ in range(ROUNDS):
        for name, send in blocking(url).items():
            before = accepted(url) if counts else 0
            report(name, **one_by_one(send, seconds))
            for threads in MANY:
                report(name, **{f"calls/s at {threads}": by_threads(send, threads, seconds)})
            if counts:
                report(name, connections=accepted(url) - before - 1)
    asyncio.run(awaitable(url, seconds, report))
    return {
        name: {figure: statistics.median(values) for figure, values in figures.items()}
        for name, figures in found.items()
    }


def show(title: str, found: dict[str, dict[str, float]]) -> None:
    """Print a table, and the ratios to the SDK of the same kind."""
    columns = list(found["interlock"])
    print(f"\n{title}\n{'':15}" + "".join(f"{column:>15}" for column in columns))
    for name, figures in found.items():
        cells = (f"{figures[c]:15.3f}" if c in figures else " " * 15 for c in columns)
        print(f"{name:15}" + "".join(cells))
        note("transport", title, name, **figures)
    for ours, sdk in (("interlock", "boto3"), ("interlock.aio", "aiobotocore")):
        ratios = {
            column: found[ours][column] / found[sdk][column]
            for column in columns
            if column in found[ours] and found[sdk].get(column)
        }
        told = ", ".join(f"{column} {ratio:.2f}x" for column, ratio in ratios.items())
        print(f"{ours} / {sdk}: {told}")
        note("transport", title, f"{ours} / {sdk}", **ratios)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--endpoint")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with fixed() as url:
        show("A fixed answer, at once", measure(url, options.seconds, counts=True))
    with endpoint(options.endpoint) as url:
        client = boto3.client("dynamodb", endpoint_url=url)
        if TABLE not in client.list_tables()["TableNames"]:
            client.create_table(
                TableName=TABLE,
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        show("An endpoint", measure(url, options.seconds, counts=False))


if __name__ == "__main__":
    main()
