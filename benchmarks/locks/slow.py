"""A thousand locks over a slow network: how many are lost, and how many are refused.

    python -m benchmarks.locks.slow [--endpoint http://127.0.0.1:8000] [--lease 20] [--locks 1000]

A proxy lets every request wait; all locks are taken by 64 threads and held for a while.
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
from urllib.parse import urlsplit

from benchmarks.history import note
from benchmarks.locks.peers import TABLE, dynamodb, prepare
from benchmarks.transactions.__main__ import CREDENTIALS, endpoint
from interlock import LockClient
from interlock.errors import InterlockError
from interlock.locks import Lock

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
    """Take the locks, hold them, and print what became of them."""
    with slow(url, LATENCY) as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        client = LockClient(TABLE, lease=timedelta(seconds=lease))
        began = time.monotonic()
        with ThreadPoolExecutor(TAKERS) as pool:
            taken = list(pool.map(lambda number: _take(client, number), range(locks)))
        took = time.monotonic() - began
        time.sleep(held)
        kept = [one for one in taken if isinstance(one, Lock)]
        lost = sum(one.lost.is_set() for one in kept)
        refused = {type(one).__name__ for one in taken if not isinstance(one, Lock)}
        print(
            f"\n{locks} locks of {lease:g} s, {LATENCY * 1e3:.0f} ms a call, taken in {took:.1f} s "
            f"and held for {held:g} s: {len(kept)} granted, {lost} lost "
            f"{', '.join(sorted(refused))}"
        )
        note("locks", f"slow store, lease {lease:g} s", "interlock", lost=lost, granted=len(kept))
        with ThreadPoolExecutor(TAKERS) as pool:
            list(pool.map(lambda one: one.lost.is_set() or one.release(), kept))
        client.close()
        os.environ["AWS_ENDPOINT_URL"] = url


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
    options = parser.parse_args()
    os.environ.update(CREDENTIALS)
    with endpoint(options.endpoint) as url:
        prepare(dynamodb(url))
        report(url, locks=options.locks, lease=options.lease, held=options.held)


if __name__ == "__main__":
    main()
