"""A thousand locks over a slow network: how many are lost, and how many are refused.

    python -m benchmarks.locks.slow [--alone] [--lease 20] [--locks 1000] [--held 30]

All locks are taken by 64 threads and held for a while. Over the network a proxy lets every request
wait, and the engine has to keep up; in this process only the client's own limits are met.
"""

import argparse
import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

from benchmarks.history import note
from benchmarks.locks.peers import TABLE, dynamodb, prepare
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import LockClient
from interlock.errors import InterlockError
from interlock.locks import Lock
from interlock.testing import MemoryStore, SystemClock

LATENCY = 0.2  # seconds
TAKERS = 64
HELD = 30.0  # seconds


@contextmanager
def slow(url: str, latency: float) -> Iterator[str]:
    """Run a proxy that lets each request wait for so many seconds; yield its address."""
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    proxy = context.Process(target=_proxy, args=(url, latency, theirs), daemon=True)
    proxy.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        proxy.terminate()
        proxy.join()


def _proxy(url: str, latency: float, ready: Connection) -> None:
    asyncio.run(_serve(url, latency, ready))


async def _serve(url: str, latency: float, ready: Connection) -> None:
    parts = urlsplit(url)

    async def carry(
        source: asyncio.StreamReader, target: asyncio.StreamWriter, wait: float
    ) -> None:
        while data := await source.read(65536):
            await asyncio.sleep(wait)
            target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(
            carry(reader, there[1], latency), carry(there[0], writer, 0.0), return_exceptions=True
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    ready.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def report(url: str, *, locks: int = 1000, lease: float = 20.0, held: float = HELD) -> None:
    """Take the locks over the network, hold them, and print what became of them."""
    print(f"\nlocks at {LATENCY * 1e3:.0f} ms a call, over the network")
    with slow(url, LATENCY) as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        _hold(LockClient(TABLE, lease=timedelta(seconds=lease)), locks, lease, held)
        os.environ["AWS_ENDPOINT_URL"] = url


def report_alone(locks: int, lease: float, held: float = HELD) -> None:
    """Do the same with the store in this process, and each call 200 ms long."""
    driver = MemoryStore(TABLE, clock=SystemClock()).client()
    send = driver.transport.send

    def late(call: Any, timeout: float | None) -> Any:
        time.sleep(LATENCY)
        return send(call, timeout)

    driver.transport.send = late
    _hold(LockClient(TABLE, client=driver, lease=timedelta(seconds=lease)), locks, lease, held)


def _hold(client: LockClient, locks: int, lease: float, held: float) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(TAKERS) as pool:
        taken = list(pool.map(lambda number: _take(client, number), range(locks)))
    took = time.monotonic() - began
    time.sleep(held)
    kept = [one for one in taken if isinstance(one, Lock)]
    lost = sum(one.lost.is_set() for one in kept)
    refused = {type(one).__name__ for one in taken if not isinstance(one, Lock)}
    print(
        f"  {locks} locks of {lease:g} s taken in {took:.1f} s, held for {held:g} s: "
        f"{len(kept)} granted, {lost} lost; refused by {', '.join(sorted(refused)) or 'nothing'}"
    )
    note("locks", f"{locks} locks of {lease:g} s", "interlock", lost=lost, granted=len(kept))
    with ThreadPoolExecutor(TAKERS) as pool:
        list(pool.map(lambda one: one.lost.is_set() or one.release(), kept))
    client.close()


def _take(client: LockClient, number: int) -> Lock | InterlockError:
    try:
        return client.acquire(f"slow-{number}")
    except InterlockError as error:
        return error


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint")
    parser.add_argument("--lease", type=float, default=20.0)
    parser.add_argument("--locks", type=int, default=1000)
    parser.add_argument("--held", type=float, default=HELD)
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    if options.alone:
        report_alone(options.locks, options.lease, options.held)
        return
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        prepare(dynamodb(url))
        report(url, locks=options.locks, lease=options.lease, held=options.held)


if __name__ == "__main__":
    main()
