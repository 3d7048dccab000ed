"""Answers that need no network: clocks, randomness and identifiers."""

import os
import time
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


def random_id() -> str:
    """Return a random UUID, as `uuid.uuid4` does (RFC 9562, 5.4), without its import."""
    drawn = int.from_bytes(os.urandom(16)) & ~(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62
    text = f"{drawn:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def random_number() -> float:
    """Return a random number in [0, 1) with 53 bits, as `random.SystemRandom` does.

    Not of a seeded generator: a snapshot of a process that is restored many times (Lambda
    SnapStart) would draw the same delays in each.
    """
    return (int.from_bytes(os.urandom(7)) >> 3) * 2.0**-53


class Environment:
    """The clocks (in seconds), the random numbers in [0, 1) and the identifiers of a driver."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        draw: Callable[[], float] = random_number,
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
