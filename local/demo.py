"""`make demo` and `make demo-check`."""

import signal
import time
from types import FrameType

from local.application import Application, application
from local.emulator import PREFERRED_PORT
from local.instances import Fleet, Instance
from local.processes import stop_leftovers
from local.progress import Progress
from local.requests import request

COUNTER = "demo"
_CEILING = 1_000_000
_CHECK_EVERY = 1.0
_ELECTION_TIMEOUT = 30.0
_CREATED = (200, 201)
_FURNITURE: tuple[tuple[str, dict[str, int], int], ...] = (
    ("seats-sold", {"floor": 0, "ceiling": 200}, 187),
    ("waiting-list", {"floor": 0, "ceiling": 50}, 23),
    ("full-house", {"floor": 0, "ceiling": 5}, 5),
    ("page-views", {"shards": 4}, 1204),
)


class CheckFailed(Exception):
    """The application runs but does not count as it should."""


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


def run(*, instances: int, check: bool) -> None:
    """Deploy and run; with `check` count once and stop, else stay up until Ctrl-C or SIGTERM.

    Raises `CheckFailed`, `ProcessFailed` and, where it is told to stop before it is up, `Stopped`.
    Whatever was started is stopped in every case.
    """
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    progress = Progress()
    for name in stop_leftovers():
        progress.say(f"  Stopped {name}, left by an earlier run.")
    with application(
        instances=instances,
        progress=progress,
        preferred_port=None if check else PREFERRED_PORT,
    ) as running:
        with progress.step("count through every tier"):
            value = count(running, times=3 * instances)
        progress.say(f"  ready after {progress.elapsed:.1f} s; counter {COUNTER!r} is {value}")
        if check:
            return
        _furnish(running)
        try:
            _stay(running, progress)
        except Stopped:
            progress.say("\n  Stopping ...")


def count(running: Application, *, times: int) -> int:
    """Increment through balancer, service, API, function and table; return the value read back.

    Raises `CheckFailed` if any answer, or the value in the end, is not the expected one.
    """
    counter = f"{running.balancer_url}/api/counters/{COUNTER}"
    created = request("PUT", counter, {"ceiling": _CEILING})
    if created.status not in _CREATED:
        raise CheckFailed(f"PUT {counter}: {created.status} {created.content!r}")
    expected = 0
    for amount in range(1, times + 1):
        expected += amount
        answer = request("POST", f"{counter}/increment", {"amount": amount})
        if answer.status != _CREATED[0] or answer.json()["value"] != expected:
            raise CheckFailed(
                f"increment by {amount}: expected {expected}, got {answer.status} "
                f"{answer.content!r}"
            )
    read = request("GET", counter)
    if read.status != _CREATED[0] or read.json()["value"] != expected:
        raise CheckFailed(f"expected {expected}, read {read.status} {read.content!r}")
    return expected


def _stay(running: Application, progress: Progress) -> None:
    left_out = "\n".join(f"    {name}" for name in running.deployment.left_out) or "    nothing"
    progress.say(
        f"""
  Web client   {running.web_address}
  Try          curl -X POST -H 'content-type: application/json' -d '{{"amount": 1}}' \\
                 {running.balancer_url}/api/counters/{COUNTER}/increment
  Logs         .local/logs

  Left out, as the emulator does not know it:
{left_out}
"""
    )
    _show_leader(running, progress)
    progress.say("\n  Stop everything with Ctrl-C.")
    while True:
        for instance in running.fleet.check():
            ended = instance.process.returncode is not None
            what = "has ended" if ended else "does not answer"
            progress.say(f"\n  {instance.name} {what}: it gets no more requests.")
            if ended:
                # As Auto Scaling would.
                fresh = running.fleet.start()
                running.fleet.admit(fresh)
                progress.say(f"  {fresh.name} was started in its place.")
            _show_leader(running, progress, but_not=instance.name)
        time.sleep(_CHECK_EVERY)


def _show_leader(running: Application, progress: Progress, *, but_not: str = "") -> None:
    """Wait until somebody leads and say who, and the ways to see another take over."""
    began = time.monotonic()
    while time.monotonic() < began + _ELECTION_TIMEOUT:
        leader = _leader(running.fleet)
        if leader is not None and leader.name != but_not:
            pid, after = leader.process.pid, f" after {time.monotonic() - began:.1f} s"
            progress.say(
                f"""
  {leader.name} leads{after if but_not else ""}. See another take over, on the page's Cluster view:
    kill {pid:<8}        it resigns: the next leads at once
    kill -9 {pid:<8}     it dies: the next leads when the lease is over
    kill -STOP {pid:<8}  it is paused: the same, and once you let it go on
    kill -CONT {pid:<8}  it finds that it leads no longer, and adds nothing"""
            )
            return
        time.sleep(0.2)
    progress.say("  No instance leads yet; see the instances' logs.")


def _leader(fleet: Fleet) -> Instance | None:
    """Return who leads, as any instance that answers tells it."""
    by_name = {each.name: each for each in fleet.instances}
    for instance in fleet.instances:
        if instance in fleet.unhealthy:
            continue
        try:
            answer = request("GET", f"{instance.url}/service/cluster", timeout=2.0)
            leader = answer.json().get("leader") or {"id": ""}
            return by_name.get(leader["id"])
        except (OSError, ValueError):
            continue  # it has just stopped
    return None


def _furnish(running: Application) -> None:
    """Make the counters that a visitor finds."""
    for name, bounds, value in _FURNITURE:
        counter = f"{running.balancer_url}/api/counters/{name}"
        request("PUT", counter, bounds)
        request("POST", f"{counter}/increment", {"amount": value})


def _stop(number: int, _frame: FrameType | None) -> None:
    # Once: a second Ctrl-C must not cut the stopping short and leave something running.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped(signal.Signals(number).name)
