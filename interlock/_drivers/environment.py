"""Answers that need no network: clocks, randomness and identifiers."""

import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Request,
    Sleep,
    TimeOfDay,
    WallClock,
)

# Not a seeded generator: a snapshot of a process that is restored many times (Lambda SnapStart)
# would draw the same delays in each.
_SYSTEM = random.SystemRandom()


def random_id() -> str:
    """Return a random UUID."""
    return str(uuid.uuid4())


class Environment:
    """The clocks (in seconds), the random numbers in [0, 1) and the identifiers of a driver."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = _SYSTEM.random,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self.monotonic = monotonic
        self.wall_clock = wall_clock
        self.draw = draw
        self.new_id = new_id

    def answer(self, request: Request) -> Any:
        """Return the reply to a request that needs neither the network nor a pause."""
        match request:
            case Monotonic():
                return self.monotonic()
            case WallClock():
                return self.wall_clock()
            case Draw():
                return self.draw()
            case NewId():
                return self.new_id()
            case Call() | Sleep() | TimeOfDay():
                raise TypeError(f"{request!r} is for the driver")

    def left(self, call: Call) -> float | None:
        """Return the seconds until a call's deadline, None if it has none."""
        return None if call.deadline is None else call.deadline - self.monotonic()
