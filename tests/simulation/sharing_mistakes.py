"""Ways to get readers and writers wrong, each of which the simulator has to notice."""

from interlock._protocol.locks import door, grant, readers, writers
from tests.simulation.mutation import Mistake

BESIDE = "beside|closed door|wrote since|by its clock"

MISTAKES = (
    Mistake(
        "reader let in without asking for the door",
        "readers-storm",
        door,
        '_LET_IN = "#door <= :over"',
        '_LET_IN = "(#door <= :over OR #door > :over)"',
        BESIDE,
    ),
    Mistake(
        "door taken for open while its writer is in",
        "readers-storm",
        door,
        "else item.fence - 1)",
        "else item.fence)",
        BESIDE,
    ),
    Mistake(
        "slot without a door that counts as open",
        "readers-vanishing",
        door,
        '_LET_IN = "#door <= :over"',
        '_LET_IN = "(attribute_not_exists(#door) OR #door <= :over)"',
        BESIDE,
    ),
    Mistake(
        "slot that is given a door while a writer is in",
        "readers-vanishing",
        door,
        '"ConditionExpression": record.FREE}',
        '"ConditionExpression": "attribute_not_exists(nothing)"}',
        BESIDE,
    ),
    Mistake(
        "lock without a record believed of whatever answer",
        "readers-swapped-replies",
        door,
        "            if item is None and mark is not None:\n",
        "            if item is None and mark is not None:\n"
        "                door.over = max(door.over, mark)\n"
        "                return None\n",
        BESIDE,
        found=26,
    ),
    Mistake(
        "door that a late copy of an earlier writer's lowers",
        "readers-delayed",
        door,
        '"attribute_not_exists(#door) OR #door <= :door"',
        '"attribute_not_exists(#door) OR #door <= :door OR #door > :door"',
        BESIDE,
    ),
    Mistake(
        "dead writer that readers do not end",
        "readers-one-writer",
        door,
        "elif (yield from claim.takeable(writer)):",
        "elif False:",
        "no progress",
    ),
    Mistake(
        "writer that does not wait for the readers that are in",
        "readers-storm",
        writers,
        "elif reader is not None:",
        "elif False:",
        BESIDE,
    ),
    Mistake(
        "reader ended before it was watched for its lease",
        "readers-storm",
        writers,
        "if (yield from slot.takeable(reader)):",
        "if (yield from slot.takeable(reader)) or True:",
        "by its clock",
    ),
    Mistake(
        "lease of a reader without a margin for drift",
        "readers-drift",
        grant,
        "lease * (1.0 - DRIFT)",
        "lease",
        "by its clock",
        found=14,
    ),
    Mistake(
        "dead reader that is left in its slot",
        "readers-storm",
        writers,
        "                inside[slot] = reader\n",
        "                if not (yield from slot.takeable(reader)):\n"
        "                    inside[slot] = reader\n",
        "wrote beside",
    ),
    Mistake(
        "downgrade that asks for no door",
        "readers-storm",
        readers,
        "door.over = writing.fence",
        "door.over = 2**59",
        BESIDE,
        found=13,
    ),
    Mistake(
        "downgrade that leaves before it comes in again",
        "readers-storm",
        readers,
        "        grant = yield from super().run()\n",
        "        yield from self._has_left()\n"
        "        self._writing.closed, self._door.over = False, 2**59\n"
        "        grant = yield from super().run()\n"
        "        self._writing.closed = True\n"
        "        return grant\n",
        BESIDE,
    ),
)
