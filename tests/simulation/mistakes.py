"""Ways to get the lock protocol wrong, each of which the simulator has to notice."""

from types import ModuleType
from typing import NamedTuple

from interlock._protocol.locks import acquiring, grant, handing, record, renewing, sightings, slots


class Mistake(NamedTuple):
    """`wrong` in the place of `right` in a module, and what a run of a scenario says of it."""

    name: str
    scenario: str
    module: ModuleType
    right: str
    wrong: str
    says: str

    @property
    def edit(self) -> tuple[ModuleType, str, str]:
        """What `mutated` takes."""
        return self.module, self.right, self.wrong


CONDITION = '"ConditionExpression": _among(own, values),'
RENEWAL = '            "UpdateExpression": _RENEW,\n            '
RELEASE = '            "UpdateExpression": _RELEASE,\n            '
GUARD = '"fence = :fence AND attribute_exists(version)"'
TWO_HOLDERS = "by its clock|hold 'l'"

MISTAKES = (
    Mistake(
        "heartbeat without a condition",
        "lock-storm",
        record,
        RENEWAL + CONDITION,
        RENEWAL,
        "renewed the grant of|is held|given back|without a new fence",
    ),
    Mistake(
        "heartbeat that accepts more than its own recent versions",
        "lock-storm",
        record,
        RENEWAL + CONDITION,
        RENEWAL + '"ConditionExpression": values.update({":me": {"S": own[0].partition("-")[0]}'
        '}) or "begins_with(version, :me)",',
        "is held|given back|renewed",
    ),
    Mistake(
        "release without a condition",
        "lock-storm",
        record,
        RELEASE + CONDITION,
        RELEASE,
        "the store has it free",
    ),
    Mistake(
        "release that leaves a heartbeat on its way",
        "lock-storm",
        grant,
        "return tuple(dict.fromkeys((self.version, *(version for version, _ in sent))))",
        "return (self.version,)",
        "a lock that was given back is held",
    ),
    Mistake(
        "lease counted from the reply to an acquire",
        "lock-storm",
        acquiring,
        "until = lease_end(sent, wish.lease)",
        "until = lease_end(now, wish.lease)",
        TWO_HOLDERS,
    ),
    Mistake(
        "lease counted from the reply to a heartbeat",
        "lock-storm",
        renewing,
        "    else:\n        grant.renewed(version, sent)\n",
        "    else:\n        grant.renewed(version, (yield Monotonic()))\n",
        TWO_HOLDERS,
    ),
    Mistake(
        "lease without a margin for drift",
        "lock-drift",
        grant,
        "lease * (1.0 - DRIFT)",
        "lease",
        TWO_HOLDERS,
    ),
    Mistake(
        "take-over whatever the version is by now",
        "lock-storm",
        record,
        'f"{FREE} OR {_among(takeable, values)}"',
        '"attribute_not_exists(nothing)"',
        TWO_HOLDERS,
    ),
    Mistake(
        "take-over by a wall clock that nobody vouched for",
        "lock-storm",
        acquiring,
        "if skew is None or until is None:\n            return False",
        "if until is None:\n            return False\n        skew = skew or 0.0",
        TWO_HOLDERS,
    ),
    Mistake(
        "take-over by wall clocks without their skew",
        "lock-trusted-clocks",
        acquiring,
        'int(until["N"]) / 1000 + skew',
        'int(until["N"]) / 1000',
        TWO_HOLDERS,
    ),
    Mistake(
        "watch that does not start over with a new version",
        "lock-storm",
        sightings,
        "if known is not None and known[0] == version:\n            return\n",
        "if known is not None:\n            return\n",
        f"no progress|{TWO_HOLDERS}",
    ),
    Mistake(
        "no take-over at all",
        "lock-storm",
        acquiring,
        "if now >= self._sightings.dead_at(self.wish.name, version):",
        "if False:",
        "no progress",
    ),
    Mistake(
        "fence that starts again after its row was deleted",
        "lock-idle",
        record,
        '":seed": {"N": str(now)}',
        '":seed": {"N": "0"}',
        "the fence of 'l' went from",
    ),
    Mistake(
        "TTL in milliseconds",
        "lock-calm",
        record,
        "return int(wall + lease) + KEPT",
        "return int((wall + lease) * 1000) + KEPT",
        "TTL may delete",
    ),
    Mistake(
        "TTL taken for the lease",
        "lock-calm",
        record,
        "return int(wall + lease) + KEPT",
        "return int(wall) - 1",
        "TTL may delete",
    ),
    Mistake(
        "guard by the fence alone",
        "lock-storm",
        record,
        GUARD,
        '"fence = :fence"',
        "committed under a free lock",
    ),
    Mistake(
        "adoption whose answer comes after its lease",
        "lock-handed-over",
        handing,
        " and not grant.expired((yield Monotonic()))",
        "",
        "hold 'l'",
    ),
    Mistake(
        "permit whose lease ended while others were given back",
        "lock-permits",
        slots,
        "if now < grant.until:",
        "if now:",
        "hold 'l#",
    ),
    Mistake(
        "guard that accepts a successor",
        "lock-storm",
        record,
        GUARD,
        '"fence >= :fence AND attribute_exists(version)"',
        "a stale holder wrote",
    ),
)
