"""The versions that a client has seen of locks, by which it knows a dead holder."""

from collections import OrderedDict

_MOST_OBSERVED = 10_000  # locks; the oldest observation is forgotten first


class ObservedVersions:
    """The version of each lock that was seen, and since when. Shared by the threads of a client.

    A holder is dead for a client that has itself watched its version unchanged for the whole lease,
    on its own monotonic clock. Versions never come back, so two looks at the same one prove that
    nothing happened in between, however far apart they are: what one call has seen counts for the
    next, and a caller that never waits still takes over a dead lock in the end.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[str, float, float]] = OrderedDict()

    def observe(self, name: str, version: str, lease: float, now: float) -> None:
        """Note a version that the store held before `now` (monotonic seconds)."""
        known = self._seen.get(name)
        if known is not None and known[0] == version:
            return
        self._seen[name] = (version, now, lease)
        if len(self._seen) > _MOST_OBSERVED:
            self._seen.popitem(last=False)

    def forget(self, name: str) -> None:
        """Note that the lock is free, or the client's own."""
        self._seen.pop(name, None)

    def expires_at(self, name: str, version: str | None) -> float:
        """Return from when on this version may be taken over, infinity if it was not seen."""
        known = self._seen.get(name)
        if known is None or known[0] != version:
            return float("inf")
        return known[1] + known[2]

    def expired(self, name: str, now: float) -> str | None:
        """Return the version that may be taken over, if there is one."""
        known = self._seen.get(name)
        return known[0] if known is not None and now >= known[1] + known[2] else None
