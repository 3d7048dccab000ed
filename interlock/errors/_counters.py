"""Errors of counters."""

from interlock.errors._base import InterlockError


class InvalidCounterName(InterlockError, ValueError):
    """A name that a counter cannot have; nothing was sent."""

    def __init__(self, name: object, reason: str) -> None:
        super().__init__(f"invalid counter name {name!r}: {reason}")
        self.name = name


class CounterLimitExceeded(InterlockError):
    """The change would pass a bound; nothing was written.

    `value` is the counter's value at an instant when it had no room for the change; `floor` and
    `ceiling` are None where there is no bound. `name` is the counter's.
    """

    def __init__(
        self, value: int, floor: int | None, ceiling: int | None, *, name: str | None = None
    ) -> None:
        which = "the counter" if name is None else f"counter {name!r}"
        bounds = f"{_told('floor', floor)}, {_told('ceiling', ceiling)}"
        if floor is None and ceiling is None:
            bounds += ", but the 38 digits of a number"
        super().__init__(f"{which} is at {value} and may not leave its bounds: {bounds}")
        self.value = value
        self.floor = floor
        self.ceiling = ceiling
        self.name = name


_KINDS = {"count": "latch", "parties": "barrier"}


class CounterMismatch(InterlockError):
    """The counter exists with another configuration than the one declared in code.

    `what` differs: "floor", "ceiling", "shards", a latch's "count" or a barrier's "parties".
    """

    def __init__(self, name: str, what: str, declared: int, stored: int | None) -> None:
        kind = _KINDS.get(what, "counter")
        way_out = f"leave it out, or change the counter with configure({what}={declared})"
        if what in _KINDS:
            way_out = "give all clients the same number, or take another name"
        super().__init__(
            f"{kind} {name!r} has {_told(what, stored)}, but {declared} is declared; {way_out}"
        )
        self.name = name
        self.what = what
        self.declared = declared
        self.stored = stored


class CounterChanged(InterlockError):
    """The counter is not as it was expected to be, or gone; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"counter {name!r} has changed since it was read")
        self.name = name


class CounterNotFound(InterlockError):
    """There is no such counter; nothing was written."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no counter {name!r}")
        self.name = name


def _told(what: str, bound: int | None) -> str:
    """Return a bound in words, also one that is not there."""
    return f"no {what}" if bound is None else f"{what} {bound}"
