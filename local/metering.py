"""Measurements of the instances: the requests that they get, their processor time."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from local.instances import Fleet, Instance
from local.scaling import Metric

_REQUEST = b'"logger": "server.access"'
_MINUTE = 60.0
_USER, _SYSTEM = 11, 12  # of the fields of /proc/<pid>/stat after the command's name


class Meter:
    """Measures the mean instance of a fleet, from one reading to the next."""

    def __init__(self, fleet: Fleet, clock: Callable[[], float] = time.monotonic) -> None:
        self._fleet = fleet
        self._clock = clock
        self._since = clock()
        self._read: dict[str, int] = {}
        self._spent: dict[str, float] = {}
        self.read()

    def read(self) -> dict[Metric, float]:
        """Return what was measured since the last reading, of those that were there for it all.

        Without /proc, as on macOS, processor time is left out.
        """
        now = self._clock()
        span, self._since = max(now - self._since, 1e-3), now
        requests, seconds = [], []
        for instance in self._fleet.instances:
            known = instance.name in self._read
            fresh, spent = self._requests(instance), self._seconds(instance)
            if known:
                requests.append(fresh)
                if spent is not None:
                    seconds.append(spent)
        point = {}
        if requests:
            point[Metric.REQUESTS] = sum(requests) / len(requests) / span * _MINUTE
        if seconds:
            point[Metric.PROCESSOR] = sum(seconds) / len(seconds) / span * 100.0
        return point

    def _requests(self, instance: Instance) -> int:
        with instance.process.log.open("rb") as log:
            log.seek(self._read.get(instance.name, 0))
            text = log.read()
        # A line that is not whole yet is counted the next time.
        whole = text[: text.rfind(b"\n") + 1]
        self._read[instance.name] = self._read.get(instance.name, 0) + len(whole)
        return whole.count(_REQUEST)

    def _seconds(self, instance: Instance) -> float | None:
        try:
            fields = Path(f"/proc/{instance.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        spent = (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")
        before = self._spent.get(instance.name, spent)
        self._spent[instance.name] = spent
        return spent - before
