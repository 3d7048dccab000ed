"""Ways to believe a spoilt record, each of which the simulator has to notice."""

from interlock._protocol.counters import checking
from interlock._protocol.locks import breaking, fair, item, lease, permits, record
from tests.simulation.mutation import Mistake

MISTAKES = (
    Mistake(
        "grant that does not ask whether the record is sound",
        "spoilt-calm",
        record,
        'f"{SOUND} AND {in_time}"',
        'f"({SOUND} OR attribute_not_exists(nothing)) AND {in_time}"',
        "granted by a corrupt record",
    ),
    Mistake(
        "fraction that is taken for a fence",
        "spoilt-calm",
        item,
        "int(exact) if small and exact == exact.to_integral_value() else -1",
        "int(exact) if small else -1",
        "which the store never gave it",
    ),
    Mistake(
        "corrupt permit that keeps the others from being tried",
        "spoilt-calm",
        permits,
        "        except CorruptRecord as problem:\n            # The others",
        "        except LookupError as problem:\n            # The others",
        "no permit is usable",
    ),
    Mistake(
        "corrupt permit that keeps the others from being looked at",
        "spoilt-calm",
        permits,
        "        if problem is not None and not items:",
        "        if problem is not None:",
        "no permit is usable",
    ),
    Mistake(
        "waiter that leaves a corrupt queue by an error",
        "spoilt-calm",
        fair,
        "            except CorruptRecord:\n                return False\n",
        "",
        "raised CorruptRecord",
    ),
    Mistake(
        "queue that no break mends",
        "spoilt-calm",
        breaking,
        "if a in item and not _is_sound(table, item, a)]",
        "if a in item and sound_number(table, item, a) is None]",
        "no progress",
    ),
    Mistake(
        "release that does not say what is wrong with the record",
        "spoilt",
        lease,
        '    if refusal.code == "ValidationException":\n',
        "    if False:\n",
        "raised RequestRefused",
        found=24,
    ),
    Mistake(
        "room of a counter that is negative",
        "spoilt-calm",
        checking,
        "if name in item and not _is_integer(",
        'if name in item and name != "up" and not _is_integer(',
        "raised CounterLimitExceeded",
        found=8,
    ),
)
