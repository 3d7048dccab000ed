"""The queue of a lock's fair waiters, in the lock's row, and what is asked of the store about it.

    waiter 1  enters ..... looks often .... named heir | accepts | holds ......... release: heir 2
    waiter 2      enters . looks by its rank ........... now first: looks often ... named heir | ...
    holder    ................. release: heir 1

1. `queue` is a list of tickets, texts of which each is made for one request. A waiter enters at its
   end, by one conditional write. So the order is the store's.
2. A release names the heir: one write, conditional on the heir being the first of the queue, takes
   its ticket out, makes it the record's `version`, and raises the fence, so that the guard of the
   holder that leaves fails. That is a grant like any other, of a short lease, which no client
   believes in: the heir takes the lock over from its own ticket, by an ordinary grant. Only then
   does it hold the lock, and its lease counts from before that request was sent. So whatever the
   times below are, there are never two holders: they decide who waits for how long.
3. The first of the queue alone takes a lock that is free, or whose holder is dead, by a grant that
   is conditional on its ticket being the first, and takes it out.
4. A waiter that is not heard of is known dead by what the others see: a waiter near the front looks
   often, so an heir, or a first, that lets a lock lie for `ACCEPTANCE` is dead, once it has been
   near for as long as its ticket says that it may sleep. Then it is passed over.
5. Late copies: of a grant, as ever (`claim`). Of an entry: it carries `:asked`, and a waiter that
   is done voids what may be on its way, and leaves. Of a release, a passing over, a leaving: each
   is conditional on a ticket's place, and no waiter enters twice with a ticket.
"""

from collections.abc import Mapping
from typing import Any

from interlock._protocol.locks.item import key_of
from interlock._protocol.locks.sound import IN_TIME
from interlock._protocol.requests import Call

MOST_WAITERS = 100
"""Tickets in a queue: 16 KB at the most, as a write of the record costs a unit for each KB."""
NEAR = 2  # places from the front from which on a waiter has to look often
FIRST_LOOKS = 0.09  # seconds between the looks of the first of a queue at the most
NEAR_LOOKS = 0.3
BY_RANK = 0.9  # for each place before it: seconds between the looks of the others,
TOGETHER = 6.0  # or as many as make these looks a second of all, if that is sooner
_SOONEST, _SOON = 0.01, 0.035  # seconds between the looks of the first at a lock just granted
QUICKEST, LONGEST = 0.01, 0.1  # seconds of a turn, as far as what was seen of turns is believed
_BEFORE_TIME = 0.8  # of the time that the turns before one's own will take
_LYING = 0.4

_NAMES = {"#queue": "queue"}
_NO_WAITER = "attribute_not_exists(#queue[0])"
_FIRST = "#queue[0] = :ticket"
_ENTER = "SET #queue = list_append(if_not_exists(#queue, :none), :entry)"
# A row that was deleted is made by a grant: it has a fence then, and a time to be kept for.
_ENTERING = (
    f"attribute_exists(pk) AND {IN_TIME} AND (attribute_not_exists(#queue) "
    "OR (size(#queue) <= :last AND NOT contains(#queue, :ticket)))"
)


class Pace:
    """The pace at which a lock changes hands, as a waiter saw it: so it knows when to look.

    A lock that was granted just now may be free again soon; one that has been held for long will
    be for longer. So looks become rarer while it is held, up to a bound by the waiter's rank.
    """

    def __init__(self, now: float) -> None:
        self._fence = 0
        self._changed = now
        self._turn = QUICKEST

    def saw(self, fence: int, now: float) -> None:
        """Note the fence that a lock had then, in monotonic seconds. A turn raises it by two."""
        if fence == self._fence:
            return
        if self._fence and fence >= self._fence + 2:
            turn = (now - self._changed) * 2 / (fence - self._fence)
            self._turn = min(max(turn, QUICKEST), LONGEST)
        self._fence, self._changed = fence, now

    def pause(self, rank: int, waiters: int, now: float, *, lies: bool) -> float:
        """Return the seconds until the next look of a waiter of so many.

        A lock that `lies` for a waiter who still sleeps has not been held for as long as that.
        """
        age = now - self._changed
        if rank == 0:
            return min(max(_SOONEST, min(age / 10, _SOON), age / 20), FIRST_LOOKS)
        if lies:
            age = min(age, _LYING)
        # Those before it have to take their turns, quick as they may be.
        turn = max(QUICKEST, self._turn * _BEFORE_TIME, age / 4)
        return min(rank * turn, longest_pause(rank, waiters))


def longest_pause(rank: int, waiters: int = MOST_WAITERS) -> float:
    """Return for how long a waiter of so many may not look.

    All together then look no oftener for more. When many turns follow a long hold, each waits for
    those who are still asleep: so the longest pause of all is what such turns lose, once.
    """
    if rank == 0:
        return FIRST_LOOKS
    return NEAR_LOOKS if rank < NEAR else min(BY_RANK * rank, waiters / TOGETHER)


def last_place(waiters: int) -> int:
    """Return the place beyond which a waiter that saw so many does not enter.

    For how long it sleeps goes by its place, and stands in its ticket before it has one. Of a crowd
    that comes at once those who are refused see how many came, and are let in by the next request,
    or by the one after.
    """
    return min(2 * waiters + 2, MOST_WAITERS - 1)


def entry_call(
    table: str,
    name: str,
    *,
    ticket: str,
    last: int,
    asked: int,
    deadline: float | None = None,
) -> Call:
    """Return the call that puts a ticket at the end of the queue; the reply is the item.

    It is refused if that is beyond the place `last`.
    """
    values = {
        ":zero": {"N": "0"},
        ":none": {"L": []},
        ":entry": {"L": [{"S": ticket}]},
        ":ticket": {"S": ticket},
        ":last": {"N": str(last)},
        ":asked": {"N": str(asked)},
    }
    return _update(table, name, (_ENTER, _ENTERING), values, deadline)


def leaving_call(
    table: str, name: str, *, ticket: str, place: int, deadline: float | None = None
) -> Call:
    """Return the call that takes a ticket out, refused if it has another place by now."""
    place_of = f"#queue[{place}]"
    values = {":ticket": {"S": ticket}}
    change = f"REMOVE {place_of}", f"{place_of} = :ticket"
    return _update(table, name, change, values, deadline)


def passing_call(
    table: str, name: str, *, ticket: str, fence: int, deadline: float | None = None
) -> Call:
    """Return the call that passes over the first, refused if the lock was granted meanwhile."""
    values = {":ticket": {"S": ticket}, ":fence": {"N": str(fence)}}
    change = "REMOVE #queue[0]", f"{_FIRST} AND fence = :fence"
    return _update(table, name, change, values, deadline)


def grant_without_queue(update: dict[str, Any]) -> dict[str, Any]:
    """Return the update that takes a lock, if no one waits in its queue."""
    return _with(update, _NO_WAITER)


def grant_to_first(update: dict[str, Any], ticket: str) -> dict[str, Any]:
    """Return the update that takes a lock for the first of its queue, which leaves it."""
    changed = _with(update, _FIRST)
    expression = changed["UpdateExpression"]
    apart = ", " if "REMOVE" in expression else " REMOVE "
    changed["UpdateExpression"] = f"{expression}{apart}#queue[0]"
    values = {**changed["ExpressionAttributeValues"], ":ticket": {"S": ticket}}
    return {**changed, "ExpressionAttributeValues": values}


def grant_to_heir(update: dict[str, Any]) -> dict[str, Any]:
    """Return the update that takes a lock over from its taker's own ticket or request."""
    condition = f"{update['ConditionExpression']} AND attribute_exists(version)"
    return {**update, "ConditionExpression": condition}


def _with(update: dict[str, Any], condition: str) -> dict[str, Any]:
    return {
        **update,
        "ConditionExpression": f"{update['ConditionExpression']} AND {condition}",
        "ExpressionAttributeNames": {**update["ExpressionAttributeNames"], **_NAMES},
    }


def _update(
    table: str,
    name: str,
    change: tuple[str, str],
    values: Mapping[str, Any],
    deadline: float | None,
) -> Call:
    """Return the call that makes a change, if its condition holds; its reply is the item."""
    params = {
        "TableName": table,
        "Key": key_of(name),
        "UpdateExpression": change[0],
        "ConditionExpression": change[1],
        "ExpressionAttributeNames": _NAMES,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return Call("UpdateItem", params, deadline)
