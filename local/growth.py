"""`make demo-scale`: under load the group grows, then it shrinks, and no increment is lost."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from local import STATE
from local.application import Application
from local.demo import deployed
from local.identity import Visitor
from local.metering import Meter
from local.progress import Progress
from local.scaling import OVER, UNDER, Metric, Scaling, Tracking, scaling_of
from local.visitors import Tally, visitors

VISITORS = 6
REST = 2.0
"""Seconds between two rounds of the one visitor who stays while the group shrinks."""

PERIOD = 1.0
"""Seconds from one data point to the next; a minute on AWS."""
PATIENCE = 120.0
"""Seconds within which the group has to grow, and within which it has to shrink."""
_OK, _CREATED = 200, 201


class NotScaled(Exception):
    """The group did not follow its load, or the counter is not at what was counted."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run: the sizes that the group had, in order, and what was counted."""

    sizes: tuple[int, ...]
    counted: int
    repeated: int


def run(*, instances: int, containers: bool = False, state: Path = STATE) -> None:
    """Deploy, load, and stop again. Raises `NotScaled`, and what `local.demo.run` raises."""
    progress = Progress()
    with deployed(
        instances=instances, containers=containers, state=state, progress=progress
    ) as running:
        progress.say(
            f"\n  Watch it on the Cluster view, as alice or bob: {running.web_address}#/cluster"
        )
        done = scale(running, progress)
        progress.say(
            f"\n  The group had {' -> '.join(map(str, done.sizes))} instances; all "
            f"{done.counted:,} increments were counted once, {done.repeated} requests repeated."
        )


def scale(running: Application, progress: Progress) -> Outcome:
    """Load the application until its group is as large as it may be, and wait until it shrinks.

    The group is as it was afterwards, where it was as small as it may be. Raises `NotScaled`.
    """
    scaling = scaling_of(running.deployment.templates)
    counter = f"/api/counters/load-{uuid4().hex[:8]}"
    person = running.administrator
    made = person.request("PUT", counter, {"floor": 0})
    if made.status != _CREATED:
        raise NotScaled(f"PUT {counter}: {made.status} {made.content!r}")
    progress.say(_announcement(scaling))
    group = _Group(running, scaling, progress)
    tally = Tally()
    with visitors(person, counter, tally, many=VISITORS):
        group.follow_until(lambda size: size == scaling.most, tally, "grow")
        group.wait_until_seen(person)
    with visitors(person, counter, tally, many=1, rest=REST):
        group.follow_until(lambda size: size == scaling.least, tally, "shrink")
        group.wait_until_seen(person)
    _audit(person, counter, tally)
    person.request("DELETE", counter)
    return Outcome(tuple(group.sizes), tally.counted, tally.repeated)


class _Group:
    """The fleet, held at the size that the policies ask for."""

    def __init__(self, running: Application, scaling: Scaling, progress: Progress) -> None:
        self._fleet = running.fleet
        self._tracking = Tracking(scaling)
        self._meter = Meter(running.fleet)
        self._progress = progress
        self._began = time.monotonic()
        self.sizes = [len(self._fleet.instances)]

    def follow_until(self, reached: Callable[[int], bool], tally: Tally, verb: str) -> None:
        """Do what the policies ask for, a data point a period, until the group has a size."""
        deadline = time.monotonic() + PATIENCE
        while not reached(self.sizes[-1]):
            if tally.failures:
                raise NotScaled(f"a visitor failed: {tally.failures[0]}")
            if time.monotonic() > deadline:
                raise NotScaled(
                    f"the group has {self.sizes[-1]} instances and did not {verb} further within "
                    f"{PATIENCE:g} s"
                )
            with _period():
                self._follow(tally)

    def _follow(self, tally: Tally) -> None:
        self._fleet.dismiss()  # they had a period to finish in
        size, point = len(self._fleet.instances), self._meter.read()
        wanted = self._tracking.decide(size, point)
        self._progress.detail(f"{size} instances, {_words(point)}, {tally.counted} counted")
        if wanted == size:
            return
        self._progress.say(
            f"  {time.monotonic() - self._began:5.1f} s  {_words(point)}: {size} -> {wanted}"
        )
        fresh = [self._fleet.start() for _ in range(wanted - size)]
        for instance in fresh:
            self._fleet.admit(instance)
        for instance in self._fleet.instances[wanted:]:
            self._fleet.withdraw(instance)
        self.sizes.append(wanted)

    def wait_until_seen(self, person: Visitor) -> None:
        """Wait until the service itself, and so the page, shows the group as large as it is."""
        self._fleet.dismiss()
        expected = {instance.name for instance in self._fleet.instances}
        deadline = time.monotonic() + PATIENCE
        while (shown := _shown(person)) != expected:
            if time.monotonic() > deadline:
                raise NotScaled(f"the Cluster view shows {sorted(shown)}, not {sorted(expected)}")
            time.sleep(PERIOD / 10)
        self._progress.say(f"           the Cluster view shows {len(shown)} instances")


@contextmanager
def _period() -> Iterator[None]:
    """Make the body last a period at least: it is what a data point is of."""
    ends = time.monotonic() + PERIOD
    yield
    time.sleep(max(0.0, ends - time.monotonic()))


def _shown(person: Visitor) -> set[str]:
    answer = person.request("GET", "/service/cluster")
    if answer.status != _OK:
        return set()
    return {each["id"] for each in answer.json()["instances"] if not each["silent"]}


def _audit(person: Visitor, counter: str, tally: Tally) -> None:
    if tally.failures:
        raise NotScaled(f"{len(tally.failures)} visitors failed; the first: {tally.failures[0]}")
    answer = person.request("GET", counter)
    value = answer.json()["value"] if answer.status == _OK else f"{answer.content!r}"
    if value != tally.counted:
        raise NotScaled(f"{tally.counted} increments were answered, and the counter is at {value}")


def _words(point: Mapping[Metric, float]) -> str:
    units = {Metric.REQUESTS: "requests a minute each", Metric.PROCESSOR: "% of a processor each"}
    parts = [f"{value:,.0f} {units[metric]}" for metric, value in point.items()]
    return ", ".join(parts) or "nothing measured yet"


def _announcement(scaling: Scaling) -> str:
    return f"""
  {VISITORS} visitors load the page and count; then one stays. As synthesized, the group has
  {scaling.least} to {scaling.most} instances, held at {_words(scaling.targets)}.
  A data point is a minute on AWS and a second here: {OVER} in a row over a target make the group
  grow, {UNDER} well under all of them make it shrink.
"""
