"""`make histories SECONDS=60 SEED=7`: record a history of real processes and check it.

Eight processes call the library through a proxy that cuts, delays and replays, on each engine,
while processes are stopped, continued, killed and started again. A finding is printed, and the
history is kept in artefacts/.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from interlock import CounterClient, TransactionClient, create_table
from interlock.errors import CounterLimitExceeded
from local.dynamodb_local import dynamodb_local
from local.emulator import client_environment, emulator
from tests.histories import checkers, worker
from tests.histories.proxy import Faults, Proxy

ROOT = Path(__file__).parents[2]
PROCESSES = 8
START = 30
BOTH = 100


def main() -> int:
    """Record and check a history on each engine; return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.histories")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--engine", choices=["dynamodb-local", "ministack"], action="append")
    parser.add_argument("--calm", action="store_true", help="without faults, to check the checkers")
    options = parser.parse_args()
    found = 0
    for name in options.engine or ["dynamodb-local", "ministack"]:
        found += bool(_on(name, options.seconds, options.seed, calm=options.calm))
    return 1 if found else 0


def _on(engine: str, seconds: float, seed: int, *, calm: bool) -> list[str]:
    folder = ROOT / "artefacts" / f"history-{engine}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    if engine == "ministack":
        with emulator(say=_quiet) as running:
            return _history(engine, running.endpoint, folder, seconds, seed, calm=calm)
    with dynamodb_local() as endpoint:
        return _history(engine, endpoint, folder, seconds, seed, calm=calm)


def _history(
    engine: str, endpoint: str, folder: Path, seconds: float, seed: int, *, calm: bool
) -> list[str]:
    os.environ.update(client_environment(endpoint, {}))
    create_table(worker.TABLE)
    client = CounterClient(worker.TABLE)
    bounded = client.counter("bounded")
    bounded.configure(floor=worker.FLOOR, ceiling=worker.CEILING)
    bounded.reset(START)
    for name in ("left", "right"):
        client.counter(name, floor=0).increment(BOTH // 2, idempotency_key="start")
    counts = asyncio.run(_record(endpoint, folder, seconds, seed, calm=calm))
    events = _events(folder)
    calls = checkers.calls_of(events)
    final = _final()
    settled = _settled(client, calls)
    findings = [
        *checkers.transactions(calls, {name: final[name] for name in worker.ITEMS}),
        *checkers.locks(events, calls, final),
        *checkers.counters(calls, settled, floor=worker.FLOOR, ceiling=worker.CEILING),
    ]
    ended = sum(call.outcome == "done" for call in calls)
    grants = sum(event["event"] == "grant" for event in events)
    print(f"{engine}, seed {seed}: {len(calls)} calls, {ended} done, {grants} grants; {counts}")
    for finding in findings:
        print(f"  FOUND {finding}")
    if findings:
        print(f"  the history is in {folder.relative_to(ROOT)}")
    return findings


async def _record(
    endpoint: str, folder: Path, seconds: float, seed: int, *, calm: bool
) -> dict[str, int]:
    """Run the processes and what befalls them; return what the proxy counted."""
    rng = random.Random(seed)
    address = urlsplit(endpoint)
    faults = Faults(0, 0, 0, 0) if calm else Faults()
    proxy = Proxy(address.hostname or "", address.port or 0, faults, random.Random(seed + 1))
    port = await proxy.open()
    environment = client_environment(f"http://127.0.0.1:{port}") | {"PYTHONPATH": str(ROOT)}
    end = time.monotonic() + seconds
    lives = [0] * PROCESSES

    def start(number: int) -> subprocess.Popen[bytes]:
        lives[number] += 1
        name = f"p{number}-{lives[number]}"
        left = max(1.0, end - time.monotonic())
        command = [sys.executable, "-m", "tests.histories.worker", name]
        command += [str(seed * 1000 + number * 10 + lives[number]), str(left)]
        command.append(str(folder / f"{name}.jsonl"))
        errors = (folder / f"{name}.log").open("wb")
        return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=errors)

    running = [start(number) for number in range(PROCESSES)]
    stopped: dict[int, float] = {}
    try:
        while time.monotonic() < end:
            await asyncio.sleep(rng.uniform(0.3, 1.2))
            if calm:
                continue
            _strike(rng, running, stopped, start)
        for number in list(stopped):
            running[number].send_signal(signal.SIGCONT)
        await asyncio.to_thread(_wait, running)
        await proxy.settle()
    finally:
        for process in running:
            process.kill()
            process.wait()
        await proxy.close()
    return proxy.counts


def _strike(rng: random.Random, running: list[Any], stopped: dict[int, float], start: Any) -> None:
    """Stop, continue or kill a process."""
    now = time.monotonic()
    for number, until in list(stopped.items()):
        if now >= until:
            running[number].send_signal(signal.SIGCONT)
            del stopped[number]
    number = rng.randrange(len(running))
    if number in stopped or running[number].poll() is not None:
        return
    if rng.random() < 0.5:
        running[number].send_signal(signal.SIGSTOP)
        stopped[number] = now + rng.uniform(0.5, 7.0)  # leases are four seconds
    elif rng.random() < 0.4:
        running[number].kill()
        running[number].wait()
        running[number] = start(number)


def _wait(running: list[Any]) -> None:
    end = time.monotonic() + 60
    for process in running:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, end - time.monotonic()))


def _events(folder: Path) -> list[dict[str, Any]]:
    events = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            with suppress(json.JSONDecodeError):  # the last line of a process that was killed
                events.append(json.loads(line))
        log = path.with_suffix(".log").read_text()
        if "Traceback" in log:
            raise SystemExit(f"{path.stem} ended by itself:\n{log[-3000:]}")
    return events


def _final() -> dict[str, Any]:
    names = [*worker.ITEMS, *(f"log-{name}" for name in worker.LOCKS)]
    found = TransactionClient(worker.TABLE).snapshot([(worker.TABLE, {"pk": n}) for n in names])
    return {
        name: list(item["list"]) if item else [] for name, item in zip(names, found, strict=True)
    }


def _settled(client: CounterClient, calls: list[checkers.Called]) -> dict[str, Any]:
    """Ask once more for each key, without faults: that settles what was unknown."""
    keys: dict[str, int | None] = {}
    bounded = client.counter("bounded")
    for call in calls:
        if call.what == "count" and call.about["key"] not in keys:
            key, amount = call.about["key"], call.about["amount"]
            try:
                act = bounded.increment if amount > 0 else bounded.decrement
                act(abs(amount), idempotency_key=key)
                keys[key] = amount
            except CounterLimitExceeded:
                keys[key] = None
    left, right = (int(client.counter(name).get()) for name in ("left", "right"))
    value = int(bounded.get())
    return {
        "keys": keys,
        "start": START,
        "value": value,
        "left": left,
        "right": right,
        "both": BOTH,
    }


def _quiet(_message: str) -> None:
    """Say nothing."""


if __name__ == "__main__":
    raise SystemExit(main())
