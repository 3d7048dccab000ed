"""Locks at the end of a process and in its forked children; metrics of what happens to locks."""

import json
import os
import subprocess
import sys
import textwrap
from datetime import timedelta

import pytest

from interlock import EmbeddedMetrics, LockClient
from interlock.errors import LockLost, LockTimeout, LossReason
from interlock.testing import MemoryStore
from tests.halves import Half
from tests.unit.locks.conftest import LEASE
from tests.unit.locks.realtime import wait_until
from tests.unit.locks.scripted import TABLE


def in_a_child(act):
    """Return what a function returns in a forked child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        said = "nothing"
        try:
            said = act()
        finally:
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        said = json.loads(answers.read())
    assert os.waitpid(child, 0)[1] == 0
    return said


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads, which it has
def test_a_forked_child_holds_nothing_and_releases_nothing(network):
    with LockClient(TABLE, client=network.client(Half())) as locks:
        lock = locks.acquire("a")

        def child():
            calls = len(network.calls)
            try:
                lock.ensure()
            except LockLost as error:
                said = [error.reason.name, lock.release(), len(network.calls) - calls]
            with locks.acquire("b") as own:
                said.append(own.name)
            locks.close()
            return said

        assert in_a_child(child) == [LossReason.FORKED.name, False, 0, "b"]
        lock.ensure()
        assert network.held("a")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads, which it has
def test_a_client_that_was_only_used_before_a_fork_forgets_what_it_has_seen(network):
    with (
        LockClient(TABLE, client=network.client(Half()), lease=LEASE) as locks,
        LockClient(TABLE, client=network.client(Half()), lease=LEASE) as others,
    ):
        held = others.acquire("a")
        assert locks.try_acquire("a") is None
        assert in_a_child(lambda: len(locks._operations._observed._seen)) == 0
        assert len(locks._operations._observed._seen) == 1
        assert held.release()


def test_a_restored_snapshot_holds_nothing_and_goes_on(restore, make, network):
    locks = make(lease=LEASE)
    lock = locks.acquire("a")
    restore()
    with pytest.raises(LockLost, match="copy"):
        lock.ensure()
    with locks.acquire("b") as own:
        assert own.lost.wait(2 * LEASE) is False
    assert network.held("a")


def test_what_is_held_at_the_end_of_the_interpreter_is_given_back():
    script = """
        import os
        from interlock import LockClient
        from tests.halves import Half
        from tests.unit.locks.realtime import Network

        network = Network()
        inner = network.perform

        def perform(operation, params):
            reply = inner(operation, params)
            for statement in params.get("Statements", []):
                os.write(1, f"given back {statement['Parameters'][-1]['S']}\\n".encode())
            return reply

        network.perform = perform
        locks = LockClient("coordination", client=network.client(Half()))
        held = [locks.acquire(name) for name in "ab"]
        raise SystemExit(3)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert sorted(done.stdout.splitlines()) == ["given back lock#a", "given back lock#b"]


def test_what_happens_to_locks_is_measured(make, network):
    lines: list[str] = []
    locks = make(lease=timedelta(seconds=0.4), metrics=EmbeddedMetrics(lines.append))
    lock = locks.acquire("a")
    with pytest.raises(LockTimeout):
        locks.acquire("a", timeout=timedelta())
    with locks.acquire_all(["b", "c"]):
        pass
    network.take_away("a")
    wait_until(lambda: len(lines) == 6)
    broken = locks.acquire("d")
    make().break_lock("d", because="it hangs")
    wait_until(lambda: len(lines) == 8)
    told = [{k: v for k, v in json.loads(line).items() if "Lock" in k} for line in lines]
    times = {"LockWaitTime", "LockHoldTime"}
    seen = [{k: "long" if k in times else v for k, v in each.items()} for each in told]
    waited, held = {"LockWaitTime": "long"}, {"LockHoldTime": "long"}
    assert seen == [
        {"LocksAcquired": 1} | waited,
        {"LocksContended": 1},
        {"LocksAcquired": 2} | waited,
        held,
        held,
        held | {"LocksLost": 1},
        {"LocksAcquired": 1} | waited,
        held | {"LocksLost": 1, "LocksBroken": 1},
    ]
    assert all(each[name] >= 0 for each in told for name in times & set(each))
    assert all(json.loads(line)["Table"] == TABLE for line in lines)
    assert lock.lost.is_set()
    assert broken.lost.is_set()


def test_the_time_for_which_a_lock_was_held_is_that_until_its_end(half):
    store = MemoryStore(TABLE)
    lines: list[str] = []
    client = store.aio_client() if half.awaitable else store.client()
    metrics = EmbeddedMetrics(lines.append)
    with half.wrap(half.locks.LockClient(TABLE, client=client, metrics=metrics)) as locks:
        lock, exported = locks.acquire("a"), locks.acquire("b")
        store.clock.advance(timedelta(seconds=7))
        exported.export()
        store.clock.advance(timedelta(seconds=3))
        lock.release()
        assert lock.release() is True
    held = [json.loads(line).get("LockHoldTime") for line in lines]
    assert held == [None, None, pytest.approx(7000), pytest.approx(10_000)]


class Broken:
    """A receiver of metrics that fails."""

    def record(self, _values, _dimensions):
        raise OSError("the disk is full")


def test_metrics_that_fail_cost_no_lock_and_no_callback(make, network, losses):
    def on_lost(lock, reason):
        losses.append((lock.name, reason))

    locks = make(lease=timedelta(seconds=0.4), metrics=Broken(), on_lost=on_lost)
    kept, short = locks.acquire("a"), locks.acquire("b", max_hold=timedelta(seconds=0.3))
    taken = locks.acquire("c")
    network.take_away("c")
    wait_until(lambda: len(losses) == 2)
    assert taken.lost.is_set()
    assert short.lost.is_set()
    renewals = len(network.calls)
    wait_until(lambda: len(network.calls) >= renewals + 5)
    kept.ensure()
    assert kept.release() is True


def test_the_end_of_a_lock_that_cannot_be_told_ends_no_other(make, monkeypatch):
    locks = make(lease=timedelta(seconds=0.4))
    kept = locks.acquire("a")
    told = []

    def fail(self, *_, lost, **__):
        if lost:
            told.append(self)
            raise RuntimeError("it should never happen")

    monkeypatch.setattr("interlock.metrics.LockMetrics.ended", fail)
    short = locks.acquire("b", max_hold=timedelta(seconds=0.2))
    wait_until(lambda: told)
    assert not kept.lost.wait(timedelta(seconds=1))
    assert short.lost.is_set()
    assert kept.release() is True
