"""Demand of a record, in the write itself, that nothing in it is corrupt.

A client that writes over a record which it has not seen makes this a condition: a refusal brings
the record, and `item.parse` says what is wrong with it. So what these conditions refuse, `parse`
refuses, too.

They cannot say all that `parse` does: no condition tells a fraction from a whole number. Of such a
fence a client learns by the reply to its grant, which it then gives back.
"""

from typing import Any

from interlock._protocol.locks.item import MOST_FENCE, MOST_TIME
from interlock._protocol.locks.settings import MOST_LEASE

_OPTIONAL = "(attribute_not_exists({0}) OR {0} BETWEEN {1} AND {2})"
# A request that its client has given up on may arrive minutes later. Each carries the time at which
# it was asked for (or the bound that it has read, if that is later), and a client that is done sets
# the bound after it. Wall clocks that differ cost another attempt, and decide nothing.
IN_TIME = _OPTIONAL.format("void_before", ":zero", ":asked")
# A row that a newer version of the library has written may mean something else by what it shows.
_KNOWN = _OPTIONAL.format("#format", ":one", ":format")
SOUND = " AND ".join(
    (
        _KNOWN,
        _OPTIONAL.format("fence", ":zero", ":most_fence"),
        _OPTIONAL.format("lease_ms", ":one", ":most_lease"),
        _OPTIONAL.format("#door", ":zero", ":most_fence"),
        "(attribute_not_exists(#queue) OR attribute_type(#queue, :list))",
    )
)
SOUND_NAMES = {"#format": "format", "#door": "door", "#queue": "queue"}
SOUND_VALUES: dict[str, Any] = {
    ":zero": {"N": "0"},
    ":one": {"N": "1"},
    ":most_fence": {"N": str(MOST_FENCE)},
    ":most_lease": {"N": str(round(MOST_LEASE * 1000))},
    ":list": {"S": "L"},
}
# Of what says nothing of the time at which it was asked for.
SOUND_BOUND = _OPTIONAL.format("void_before", ":zero", ":most_time")
MOST_BOUND = {":most_time": {"N": str(MOST_TIME)}}
