"""Instances of the service on this machine: processes, or containers."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from local import ROOT
from local.containers import STOP_TIMEOUT, Engine, Image
from local.emulator import without_aws
from local.processes import Process

_GRACE = STOP_TIMEOUT + 2.0  # the engine first waits for the container itself


class Compute(Protocol):
    """Starts instances."""

    def start(
        self, name: str, variables: Mapping[str, str], *, log: Path, records: Path
    ) -> Process:
        """Start the instance `name` with these variables alone, and AWS's of its emulator."""
        ...

    def pid(self, process: Process) -> int:
        """Return the process id of the service itself, which signals are for."""
        ...


class Processes:
    """Instances as processes of this machine, which share the checkout's packages."""

    def start(
        self, name: str, variables: Mapping[str, str], *, log: Path, records: Path
    ) -> Process:
        """Start the service."""
        return Process(
            name,
            [sys.executable, "-m", "server"],
            log=log,
            environment=without_aws() | dict(variables),
            directory=ROOT,
            records=records,
        )

    def pid(self, process: Process) -> int:
        """Return the process id."""
        return process.pid


@dataclass(frozen=True)
class Containers:
    """Instances as containers, of an image that is built."""

    engine: Engine
    image: Image
    _names: dict[int, str] = field(default_factory=dict)

    def start(
        self, name: str, variables: Mapping[str, str], *, log: Path, records: Path
    ) -> Process:
        """Start a container, which is removed with its process."""
        unique = f"interlock-{name}-{uuid4().hex[:8]}"
        start, remove = self.engine.start_command(unique, self.image.name, variables)
        process = Process(
            name,
            start,
            log=log,
            # The engine's own process has this machine's environment, the container its variables.
            environment=without_aws() | dict(variables),
            records=records,
            grace=_GRACE,
            afterwards=remove,
        )
        self._names[process.pid] = unique
        return process

    def pid(self, process: Process) -> int:
        """Return the process id of the container's first process, as this machine counts."""
        return self.engine.pid(self._names[process.pid])
