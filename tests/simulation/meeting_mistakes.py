"""Ways to get latches and barriers wrong, each of which the simulator has to notice."""

from interlock._protocol.counters import awaiting
from interlock.aio import latches
from tests.simulation.mutation import Mistake

MISTAKES = (
    Mistake(
        "arrival that counts as often as it is tried",
        "meetings",
        latches,
        "adding = operations.add(handle, 1, key, ",
        "adding = operations.add(handle, 1, None, ",
        "went on from meeting",
    ),
    Mistake(
        "meeting of those that came before it",
        "meetings-calm",
        latches,
        "meeting = -(-arrived // self._parties)",
        "meeting = arrived // self._parties",
        "went on from meeting",
    ),
    Mistake(
        "wait that ends one too soon",
        "meetings-calm",
        awaiting,
        "(yield from get(max(end - now, GRACE))) < value:",
        "(yield from get(max(end - now, GRACE))) < value - 1:",
        "went on from meeting|the latch opened",
    ),
    Mistake(
        "time that is up for a meeting that took place",
        "meetings-calm",
        awaiting,
        "            return False\n",
        "            return True\n",
        "went on from meeting|the latch opened",
    ),
    Mistake(
        "part that is counted as often as it is told",
        "meetings-calm",
        latches,
        "self._counter.increment(idempotency_key=idempotency_key)",
        "self._counter.increment()",
        "are left, after|the latch opened",
    ),
)
