"""Visitors: threads that load a part of the page and count."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from local.identity import Visitor
from local.requests import Answer

LOOKS = 4
"""Requests of a visitor for each increment."""
_TRIES = 20
_AGAIN = frozenset({429, 502, 503, 504})
_OK = 200


class Unanswered(Exception):
    """A request was refused, or not answered however often it was repeated."""


@dataclass
class Tally:
    """Count of the visitors' requests.

    Each increment has a key, and is repeated until it is answered.
    """

    counted: int = 0
    repeated: int = 0
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, counted: int = 0, repeated: int = 0) -> None:
        """Count what a visitor did."""
        with self._lock:
            self.counted += counted
            self.repeated += repeated


@contextmanager
def visitors(
    person: Visitor, counter: str, tally: Tally, *, many: int, rest: float = 0.0
) -> Iterator[None]:
    """Have `many` visitors increment the counter at a path for as long as the context is open.

    Each rests for so many seconds after an increment. At the end all that they began is answered,
    or among the tally's failures.
    """
    leave, increment = threading.Event(), f"{counter}/increment"

    def visit() -> None:
        try:
            while not leave.wait(rest):
                for _ in range(LOOKS):
                    _ask(tally, partial(person.request, "GET", "/icon.svg"))
                key = {"Idempotency-Key": str(uuid.uuid4())}
                _ask(tally, partial(person.request, "POST", increment, {"amount": 1}, headers=key))
                tally.add(counted=1)
        except Exception as error:  # noqa: BLE001 - reported by the tally
            tally.failures.append(repr(error))

    threads = [threading.Thread(target=visit, name=f"visitor-{n}") for n in range(many)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        leave.set()
        for thread in threads:
            thread.join()


def _ask(tally: Tally, request: Callable[[], Answer]) -> None:
    """Ask until an instance answers: one that leaves may cut a connection."""
    last = ""
    for _ in range(_TRIES):
        try:
            answer = request()
        except OSError as error:
            last = repr(error)
        else:
            if answer.status == _OK:
                return
            last = f"{answer.status} {answer.content[:200]!r}"
            if answer.status not in _AGAIN:
                break
        tally.add(repeated=1)
    raise Unanswered(last)
