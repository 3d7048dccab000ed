"""Sixteen workers move money between four accounts as fast as they can, by each peer in turn.

What counts beside the rate: that every transfer completes, how many attempts a commit takes, and
whether some workers starve so that others can be fast.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.exceptions import TransactWriteError

from benchmarks.history import note
from benchmarks.transactions.peers import TABLE, Interlock, Pynamo, Raw

WORKERS, ACCOUNTS, BALANCE = 16, 4, 1000
Transfer = Callable[[str, str], int]  # returns the attempts it took


@dataclass(frozen=True)
class Run:
    """The work of each worker: seconds and attempts of each of its transfers."""

    workers: list[list[tuple[float, int]]]
    elapsed: float

    @property
    def figures(self) -> dict[str, float]:
        """The figures that are kept of the run."""
        done = [len(worker) for worker in self.workers]
        times = sorted(seconds for worker in self.workers for seconds, _ in worker)
        attempts = [count for worker in self.workers for _, count in worker]
        return {
            "transfers_a_second": sum(done) / self.elapsed,
            "attempts_a_commit": statistics.mean(attempts),
            "least_of_a_worker": min(done),
            "most_of_a_worker": max(done),
            "p99_seconds": times[len(times) * 99 // 100],
        }

    def line(self, name: str) -> str:
        """Return the run as a line of the table."""
        done = [len(worker) for worker in self.workers]
        times = sorted(seconds for worker in self.workers for seconds, _ in worker)
        attempts = [count for worker in self.workers for _, count in worker]
        # Jain's index: 1 if all did the same, 1/16 if one worker did everything.
        fairness = sum(done) ** 2 / (len(done) * sum(count**2 for count in done))
        half, most = times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3
        return (
            f"  {name:22} {sum(done) / self.elapsed:6.0f}/s  "
            f"attempts {statistics.mean(attempts):5.2f}, at most {max(attempts):3}  "
            f"a worker {min(done):3} to {max(done):3}, fairness {fairness:.2f}  "
            f"p50 {half:5.0f} ms, p99 {most:6.0f} ms"
        )


def by_hand(raw: Raw, pause: Callable[[int], float]) -> Transfer:
    """Repeat the raw calls from the start after any refusal."""

    def transfer(source: str, target: str) -> int:
        attempts = 0
        while True:
            attempts += 1
            try:
                raw.transfer(source, target)
            except ClientError as error:
                if error.response["Error"]["Code"] != "TransactionCanceledException":
                    raise
                time.sleep(pause(attempts))
            else:
                return attempts

    return transfer


def by_pynamodb(pynamo: Pynamo) -> Transfer:
    """Repeat the models' transaction from the start after any refusal."""

    def transfer(source: str, target: str) -> int:
        attempts = 0
        while True:
            attempts += 1
            try:
                pynamo.transfer(source, target)
            except TransactWriteError:
                continue
            else:
                return attempts

    return transfer


def by_interlock(ours: Interlock) -> Transfer:
    """Let the library do the repeating."""
    mine = threading.local()

    def keep(report: Any) -> None:
        mine.attempts = report.attempts

    ours.listen(keep)

    def transfer(source: str, target: str) -> int:
        ours.transfer(source, target)
        return int(mine.attempts)

    return transfer


def at_once(_attempts: int) -> float:
    """Do not wait."""
    return 0.0


def full_jitter(attempts: int) -> float:
    """Wait as the AWS SDKs do: up to 10 ms, doubled with each defeat, a second at most."""
    return random.uniform(0.0, min(1.0, 0.01 * 2.0**attempts))


def contend(client: Any, url: str, seconds: float) -> None:
    """Run every peer for some seconds, and print what came of it."""
    pynamo = Pynamo(url)
    peers: dict[str, tuple[Transfer, str]] = {
        "interlock": (by_interlock(Interlock()), ""),
        "raw, retried at once": (by_hand(Raw(client), at_once), ""),
        "raw, full jitter": (by_hand(Raw(client), full_jitter), ""),
        "pynamodb, at once": (by_pynamodb(pynamo), "p"),
    }
    print(f"\ncontended: {WORKERS} workers, {ACCOUNTS} accounts, {seconds:.0f} s each")
    for name, (transfer, prefix) in peers.items():
        accounts = [f"{prefix}{number}" for number in range(ACCOUNTS)]
        for account in accounts:
            client.delete_item(TableName=TABLE, Key={"pk": {"S": account}})
            if prefix:
                pynamo.account(account, n=BALANCE).save()
            else:
                item = {"pk": {"S": account}, "n": {"N": str(BALANCE)}}
                client.put_item(TableName=TABLE, Item=item)
        run = _run(transfer, accounts, seconds)
        print(run.line(name))
        note("transactions", "contended", name, **run.figures)
        total = sum(_balance(client, account) for account in accounts)
        assert total == ACCOUNTS * BALANCE, f"{name}: the sum is {total}"


def _run(transfer: Transfer, accounts: list[str], seconds: float) -> Run:
    stop = threading.Event()

    def work(seed: int) -> list[tuple[float, int]]:
        dice, done = random.Random(seed), []
        while not stop.is_set():
            source, target = dice.sample(accounts, 2)
            began = time.perf_counter()
            attempts = transfer(source, target)
            done.append((time.perf_counter() - began, attempts))
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(work, seed) for seed in range(WORKERS)]
        stop.wait(seconds)
        stop.set()
        workers = [future.result() for future in futures]
    return Run(workers, time.perf_counter() - began)


def _balance(client: Any, account: str) -> int:
    key = {"pk": {"S": account}}
    return int(client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]["n"]["N"])
