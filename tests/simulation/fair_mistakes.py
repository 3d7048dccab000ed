"""Ways to get the queue of a lock wrong, each of which the simulator has to notice."""

from interlock._protocol.locks import fair, queue, record
from tests.simulation.mutation import Mistake

MISTAKES = (
    Mistake(
        "release that names an heir under its own fence",
        "fair-calm",
        record,
        '":heir": {"S": heir},\n            ":one": _ONE,',
        '":heir": {"S": heir},\n            ":one": {"N": "0"},',
        "without a new fence",
    ),
    Mistake(
        "release that leaves the heir in the queue",
        "fair-calm",
        record,
        '"REMOVE #data, #queue[0] SET version = :heir',
        '"REMOVE #data SET version = :heir',
        "still in the queue",
    ),
    Mistake(
        "release that names who was the first before",
        "fair-storm",
        record,
        '_HEIR_IS_FIRST = "#queue[0] = :heir"',
        '_HEIR_IS_FIRST = "attribute_exists(#queue[0])"',
        "was first",
    ),
    Mistake(
        "entry that is carried out when its waiter is done",
        "fair-delayed",
        queue,
        'f"attribute_exists(pk) AND {IN_TIME} AND ',
        '"attribute_exists(pk) AND (void_before <> :asked OR void_before = :asked '
        "OR attribute_not_exists(void_before) OR :zero > :asked) AND ",
        "were done with it",
    ),
    Mistake(
        "waiter that stays in the queue when it gives up",
        "fair-calm",
        fair,
        "while (place := self.rank) is not None and self.row is not None:",
        "while (place := self.rank) is not None and self.row is None:",
        "were done with it|did not wait for the heir",
    ),
    Mistake(
        "first that is taken for dead before it may have looked",
        "fair-calm",
        fair,
        'return self._near.get(ticket, float("inf")) + sleeps',
        'return self._near.get(ticket, float("inf"))',
        "did not wait for the heir",
        found=284,
    ),
    Mistake(
        "heir that is taken for dead at once",
        "fair-calm",
        fair,
        "if now >= max(named, self._awake(heir)) + ACCEPTANCE:",
        "if now >= max(named, self._awake(heir)):",
        "did not wait for the heir",
    ),
    Mistake(
        "dead first that none passes over",
        "fair-pauses",
        fair,
        "if now < max(self._lying[1], self._awake(first)) + ACCEPTANCE:",
        "if True:",
        "no progress",
    ),
    Mistake(
        "newcomer that goes before those in the queue",
        "fair-broken",
        queue,
        '_NO_WAITER = "attribute_not_exists(#queue[0])"',
        '_NO_WAITER = "(attribute_not_exists(#queue[0]) OR attribute_exists(#queue[0]))"',
        "came before",
    ),
)
