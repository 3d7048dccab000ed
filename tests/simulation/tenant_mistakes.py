"""Ways to get the names of another layout wrong, each of which the simulator has to notice."""

from interlock._protocol import translation
from tests.simulation.mutation import Mistake

MISTAKES = (
    Mistake(
        "prefix that is left out of the keys of what is given back together",
        "tenants-calm",
        translation,
        '{"S": self.layout.prefix + key["S"]}, *self._sorted',
        '{"S": key["S"]}, *self._sorted',
        "names .* in BatchExecuteStatement",
    ),
    Mistake(
        "prefix that is left out of what a listing asks for",
        "tenants-calm",
        translation,
        '{"S": self.layout.prefix + values[name]["S"]}',
        '{"S": values[name]["S"]}',
        "is shown",
    ),
    Mistake(
        "sort key that a listing does not compare",
        "tenants-calm",
        translation,
        'self._sorted.items() if call.operation == "Scan" else ():',
        "():",
        "is shown",
    ),
    Mistake(
        "time for TTL under the name of the default",
        "tenants-calm",
        translation,
        "for name in (PARTITION_KEY, TTL, LISTING)}",
        "for name in (PARTITION_KEY, LISTING)} | {TTL: TTL}",
        "nothing says when TTL may delete",
    ),
    Mistake(
        "time for TTL under the name of the default in heartbeats",
        "tenants-for-weeks",
        translation,
        "if expression in params:",
        'if expression in params and params.get("ReturnValues") != "UPDATED_NEW":',
        "TTL may delete",
    ),
)
