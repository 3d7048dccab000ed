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
from tests.unit.locks.realtime import RealTime, take_away, wait_until
from tests.unit.locks.scripted import TABLE


@pytest.fixture
def driver():
    return RealTime()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads, which it has
def test_a_forked_child_holds_nothing_and_releases_nothing(driver):
    with LockClient(TABLE, driver=driver) as locks:
        lock = locks.acquire("a")
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - another process
            said = ["nothing"]
            try:
                calls = len(driver.calls)
                try:
                    lock.ensure()
                except LockLost as error:
                    said = [error.reason.name, str(lock.release()), str(len(driver.calls) - calls)]
                said.append(locks.acquire("b").name)
                locks.close()
            finally:
                os.write(writing, json.dumps(said).encode())
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answers:
            said = json.loads(answers.read())
        assert os.waitpid(child, 0)[1] == 0
        assert said == [LossReason.FORKED.name, "False", "0", "b"]
        lock.ensure()
        assert "version" in driver.row("a")


def test_what_is_held_at_the_end_of_the_interpreter_is_given_back():
    script = """
        from interlock import LockClient
        from tests.unit.locks.realtime import RealTime

        class Telling(RealTime):
            def perform(self, request):
                reply = super().perform(request)
                if getattr(request, "params", {}).get("UpdateExpression", "").startswith("REMOVE"):
                    print("given back", flush=True)
                return reply

        locks = LockClient("coordination", driver=Telling())
        lock = locks.acquire("a")
        raise SystemExit(3)
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "given back\n", "")


def test_what_happens_to_locks_is_measured(driver):
    lines: list[str] = []
    with LockClient(
        TABLE,
        driver=driver,
        lease=timedelta(seconds=0.4),
        metrics=EmbeddedMetrics(lines.append),
    ) as locks:
        locks.acquire("a")
        with pytest.raises(LockTimeout):
            locks.acquire("a", timeout=timedelta())
        with locks.acquire_all(["b", "c"]):
            pass
        take_away(driver, "a")
        wait_until(lambda: len(lines) == 4)
    names = {"LocksAcquired", "LocksContended", "LocksLost"}
    seen = [{k: v for k, v in json.loads(line).items() if k in names} for line in lines]
    assert seen == [
        {"LocksAcquired": 1},
        {"LocksContended": 1},
        {"LocksAcquired": 2},
        {"LocksLost": 1},
    ]
    assert all(json.loads(line)["Table"] == TABLE for line in lines)
    assert json.loads(lines[0])["LockWaitTime"] >= 0


def test_a_set_gives_all_back_and_says_which_was_lost(driver):
    with LockClient(TABLE, driver=driver) as locks:
        with locks.acquire_all(["a", "b", "c"], data="why") as held:
            assert [lock.name for lock in held] == ["a", "b", "c"]
        assert not any("version" in driver.row(name) for name in "abc")
        with pytest.raises(LockLost) as caught, locks.acquire_all(["a", "b", "c"]):
            take_away(driver, "b")
        assert caught.value.name == "b"
        assert ["version" in driver.row(name) for name in "abc"] == [False, True, False]


def test_a_lock_that_was_exported_is_not_given_back_at_the_end_of_its_body(driver):
    with LockClient(TABLE, driver=driver) as locks, LockClient(TABLE, driver=driver) as others:
        with locks.acquire("a") as lock:
            text = lock.export()
        heir = others.adopt(text)
        assert heir.fencing_token == lock.fencing_token
        heir.ensure()
        with pytest.raises(LockLost):
            lock.ensure()
