"""`make demo` and `make demo-check`."""

import time
from pathlib import Path

from local import STATE
from local.application import Application, application
from local.emulator import PREFERRED_PORT
from local.instances import Fleet, Instance
from local.processes import ProcessFailed, stop_leftovers, stop_own
from local.progress import Progress
from local.requests import request
from local.stopping import Stopped, stop_on_signals

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


def run(
    *,
    instances: int,
    check: bool,
    containers: bool = False,
    preferred_port: int = PREFERRED_PORT,
    state: Path = STATE,
) -> None:
    """Deploy and run; with `check` count once and stop, else stay up until Ctrl-C or SIGTERM.

    Raises `CheckFailed`, `ProcessFailed` and, where it is told to stop before it is up, `Stopped`.
    Whatever was started is stopped in every case.
    """
    stop_on_signals()
    progress = Progress()
    for name in stop_leftovers(state / "run"):
        progress.say(f"  Stopped {name}, left by an earlier run.")
    try:
        with application(
            instances=instances,
            containers=containers,
            progress=progress,
            preferred_port=None if check else preferred_port,
            state=state,
        ) as running:
            with progress.step("count through every tier"):
                value = count(running, times=3 * instances)
            progress.say(f"  ready after {progress.elapsed:.1f} s; counter {COUNTER!r} is {value}")
            if not check:
                _stay_until_told(running, progress)
    finally:
        stop_own(state / "run")


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


def _stay_until_told(running: Application, progress: Progress) -> None:
    try:
        _furnish(running)
        _introduce(running, progress)
        _watch(running, progress)
    except Stopped:
        progress.say("\n  Stopping ...")


def _introduce(running: Application, progress: Progress) -> None:
    left_out = "\n".join(f"    {name}" for name in running.deployment.left_out) or "    nothing"
    progress.say(
        f"""
  Web client   {running.web_address}
  Try          curl -X POST -H 'content-type: application/json' -d '{{"amount": 1}}' \\
                 {running.balancer_url}/api/counters/{COUNTER}/increment
  Logs         {running.fleet.logs}

  Left out, as the emulator does not know it:
{left_out}
"""
    )


def _watch(running: Application, progress: Progress) -> None:
    """Replace the instances that end, as Auto Scaling would, and say what happens."""
    shown = _show_leader(running, progress)
    progress.say("\n  Stop everything with Ctrl-C.")
    emulator = running.emulator.process
    while emulator.returncode is None:
        for instance in running.fleet.check():
            ended = instance.process.returncode is not None
            what = "has ended" if ended else "does not answer"
            progress.say(f"\n  {instance.name} {what}: it gets no more requests.")
            if ended:
                fresh = running.fleet.start()
                running.fleet.admit(fresh)
                progress.say(f"  {fresh.name} was started in its place.")
            if instance.name == shown:
                shown = _show_leader(running, progress, but_not=shown)
        time.sleep(_CHECK_EVERY)
    raise ProcessFailed(f"the emulator has ended; end of {emulator.log}:\n{emulator.tail()}")


def _show_leader(running: Application, progress: Progress, *, but_not: str = "") -> str:
    """Wait until somebody leads and say who, and the ways to see another take over."""
    began = time.monotonic()
    while time.monotonic() < began + _ELECTION_TIMEOUT:
        leader = _leader(running.fleet)
        if leader is not None and leader.name != but_not:
            pid, after = leader.pid, f" after {time.monotonic() - began:.1f} s"
            progress.say(
                f"""
  {leader.name} leads{after if but_not else ""}. See another take over, on the page's Cluster view:
    kill {pid:<8}        it resigns: the next leads at once
    kill -9 {pid:<8}     it dies: the next leads when the lease is over
    kill -STOP {pid:<8}  it is paused: the same, and once you let it go on
    kill -CONT {pid:<8}  it finds that it leads no longer, and adds nothing"""
            )
            return leader.name
        time.sleep(0.2)
    progress.say("  No instance leads yet; see the instances' logs.")
    return ""


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
