"""Records that a co-tenant spoils while clients use them, and what must hold all the same.

Of a record that no client has written nothing is believed: `CorruptRecord` is all that its users
are told, none is granted anything by it, and what is beside it stays usable. An operator mends.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeAlias

from interlock._protocol.counters import adding
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import Handle
from interlock._protocol.locks.acquire import Acquiring
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import key_of, parse
from interlock._protocol.locks.settings import PREFIX
from interlock._protocol.requests import Operation, draw, monotonic, sleep
from interlock.errors import (
    CorruptRecord,
    LockTimeout,
    OutcomeUnknown,
    RequestRefused,
)
from interlock.testing._store.tables import Change, Place
from tests.simulation.counting import budget
from tests.simulation.faults import Faults
from tests.simulation.locking import GIVEN_UP, SETTINGS, TABLE
from tests.simulation.process import Process
from tests.simulation.world import World

LOCKS = ("l", "m")
PERMITS = 3
SPOILT = (*LOCKS, "s#0", "s#1")  # one permit is left alone
COUNTER = "counter#n"
ROUNDS, WORK = 4, 4.0
UNTIL = 90.0  # seconds, from when on nothing is spoilt any more
Value: TypeAlias = dict[str, Any]
TEXT: Value = {"S": "x"}
YES: Value = {"BOOL": True}
NEGATIVE, ZERO, LARGE, FRACTION = ({"N": text} for text in ("-5", "0", "9" * 38, "1.5"))
OF_LOCKS: list[tuple[str, Value]] = [
    *[("fence", value) for value in (TEXT, NEGATIVE, LARGE, FRACTION, YES)],
    *[("lease_ms", value) for value in (TEXT, NEGATIVE, LARGE, FRACTION)],
    *[("version", value) for value in (NEGATIVE, YES)],
    ("version", {"S": ""}),
    *[("queue", value) for value in (TEXT, ZERO)],
    ("queue", {"L": [{"N": "1"}]}),
    *[("void_before", value) for value in (TEXT, NEGATIVE, LARGE)],
    *[("format", value) for value in (TEXT, ZERO)],
    ("door", NEGATIVE),
]
OF_COUNTERS: list[tuple[str, Value]] = [
    *[(name, value) for name in ("value", "up", "down") for value in (TEXT, YES)],
    *[("up", value) for value in (NEGATIVE, LARGE)],
    *[("span", value) for value in (TEXT, NEGATIVE, ZERO, {"N": "1000"})],
    ("shards", FRACTION),
]


@dataclass(slots=True)
class User:
    """One process that takes locks and permits, and counts."""

    world: "Poisoned"
    process: Process
    dice: random.Random
    locks: LockOperations = field(init=False)
    handle: Handle = field(default_factory=lambda: Handle(TABLE, "n", Bounds(), None))

    def __post_init__(self) -> None:
        self.locks = LockOperations(SETTINGS, lambda: self.process.name)

    def life(self) -> Operation[None]:
        """Do each, as many times as planned."""
        for _ in range(ROUNDS):
            yield from sleep(2.0 * (yield from draw()))
            timeout = self.dice.choice((None, timedelta(seconds=20), timedelta()))
            match self.dice.randrange(4):
                case 0:
                    permit = partial(self.locks.permit, "s", PERMITS, timeout=timeout)
                    yield from self.hold(permit, usable=True)
                case 1:
                    yield from self.hold(partial(self.locks.acquire_all, LOCKS, timeout=timeout))
                case _:
                    name, fair = self.dice.choice(LOCKS), self.dice.random() < 0.5
                    one = partial(self.locks.acquire, name, timeout=timeout, fair=fair)
                    yield from self.hold(one)
            yield from self.count()

    def hold(
        self, asking: Callable[[], Acquiring[Any]], *, usable: bool = False
    ) -> Operation[None]:
        """Take what is asked for until it is granted, work, and give it back.

        `usable`: there is something in it that is not spoilt.
        """
        while True:
            acquisition = asking()
            try:
                yield from acquisition.run()
            except (LockTimeout, CorruptRecord) as error:
                spoilt = isinstance(error, CorruptRecord)
                if usable and spoilt:
                    raise AssertionError(f"no permit is usable: {error}") from error
                self.world.told += spoilt
            except GIVEN_UP:
                pass
            else:
                break
            yield from acquisition.abandon()
            yield from sleep(2.0 * (yield from draw()))
        for grant in acquisition.granted:
            self.world.granted(self.process, grant)
            self.process.start(self.beat(grant), name="heartbeat", awaited=False)
        yield from sleep(WORK * (yield from draw()))
        for grant in acquisition.granted:
            try:
                yield from self.locks.release(grant)
            except (CorruptRecord, *GIVEN_UP):
                grant.closed = True

    def beat(self, grant: Grant) -> Operation[None]:
        """Renew a lock when it is due."""
        while not grant.over:
            now = yield from monotonic()
            if now < grant.due:
                yield from sleep(grant.due - now)
            yield from self.locks.renew(grant)

    def count(self) -> Operation[None]:
        """Add one, if the counter is as it should be."""
        self.world.asked += 1
        try:
            yield from adding.add(self.handle, 1, (yield from budget(10.0)))
        except CorruptRecord:
            self.world.told += 1
        except (OutcomeUnknown, *GIVEN_UP):
            pass
        except RequestRefused:  # it was mended between the refusal and the look
            self.world.told += 1
        else:
            self.world.added += 1


class Poisoned(World):
    """Processes, an outsider that spoils their records, and an operator who mends them."""

    def __init__(self, seed: int, faults: Faults, *, processes: int = 4) -> None:
        super().__init__(seed, faults=faults, within=1800.0)
        self.dice = random.Random(f"{seed} poison")  # noqa: S311 - repeatable on purpose
        self.outside = False
        self.kept: dict[str, Any] = {}  # of the counter's attributes that are spoilt: as they were
        self.given: dict[tuple[str, str], str] = {}  # by whom, the grants that the store has made
        self.held: list[tuple[Process, Grant]] = []
        self.spoilt = self.told = self.asked = self.added = 0
        self.store.on_change(self.changed)
        self.invariant(self.believers_are_alone)
        for name in "abcdefgh"[:processes]:
            process = self.process(name)
            dice = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
            process.start(User(self, process, dice).life(), name="work")
        operator = LockOperations(SETTINGS, lambda: "operator")
        self.process("o").start(self.mend(operator), name="mend", awaited=False)
        self.at(1.0, self.spoil)

    # What is done to records.

    def spoil(self) -> None:
        """Put into one of the records what no client writes there."""
        if self.now > UNTIL:
            return
        name = self.dice.choice((*SPOILT, COUNTER))
        key = name if name == COUNTER else PREFIX + name
        attribute, value = self.dice.choice(OF_COUNTERS if name == COUNTER else OF_LOCKS)
        item = self.store.item(TABLE, key)
        if item is not None and Place(TABLE, (key,)) not in self.store.contents.held:
            if name == COUNTER:
                self.kept.setdefault(attribute, item.get(attribute))
            self.spoilt += 1
            self.timeline.add(self.now, "", f"an outsider writes {attribute}={value} to {key}")
            self.write(key, attribute, value)
        self.at(self.now + 4.0 * self.dice.random(), self.spoil)

    def mend(self, operator: LockOperations) -> Operation[None]:
        """Break each lock that is corrupt; put back what the counter had."""
        while True:
            yield from sleep(6.0 * (yield from draw()))
            for name in SPOILT:
                try:
                    yield from operator.inspect(name)
                except CorruptRecord:
                    yield from self.broken(operator, name)
                except GIVEN_UP:
                    pass
            while self.kept:
                self.write(COUNTER, *self.kept.popitem())

    def broken(self, operator: LockOperations, name: str) -> Operation[None]:
        """Mend the record of a lock, as far as the store answers."""
        try:
            yield from operator.break_lock(name, because="it was corrupt")
        except (CorruptRecord, *GIVEN_UP):  # spoilt again, or there is no answer
            pass

    def write(self, key: str, attribute: str, value: Any) -> None:
        """Write one attribute past the library, now."""
        self.outside = True
        params = {
            "TableName": TABLE,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "SET #a = :a",
            "ExpressionAttributeNames": {"#a": attribute},
            "ExpressionAttributeValues": {":a": value},
        }
        self.store.perform("UpdateItem", params)
        self.outside = False
        # The holder may have lost it by that, and cannot know.
        self.ended(key.removeprefix(PREFIX))

    # What must hold.

    def granted(self, process: Process, grant: Grant) -> None:
        """Judge what a process was told that it holds."""
        assert self.given.get((grant.name, str(grant.fence))) == process.name, (
            f"{process.name} was told that it holds {grant.name!r}, which the store never gave it"
        )
        item = self.store.item(TABLE, PREFIX + grant.name) or {}
        if item.get("fence") == {"N": str(grant.fence)}:  # else it was told late
            self.held.append((process, grant))

    def ended(self, name: str) -> None:
        """Note that whoever believes that it holds a lock may be wrong from now on."""
        self.held = [one for one in self.held if one[1].name != name]

    def believers_are_alone(self) -> None:
        """Demand that no two hold a lock by their clocks, if no one else has written to it."""
        self.held = [
            (process, grant)
            for process, grant in self.held
            if process.alive and not grant.over and process.monotonic() < grant.until
        ]
        names = [grant.name for _, grant in self.held]
        assert len(names) == len(set(names)), f"two hold one lock: {names}"

    def changed(self, change: Change) -> None:
        """Judge each grant as the store makes it."""
        key, before, after = change.place.key[0], change.before, change.after
        name = key.removeprefix(PREFIX)
        if self.outside or after is None or name not in (*SPOILT, f"s#{PERMITS - 1}"):
            return
        if before is not None and after.get("broken") != before.get("broken"):
            self.ended(name)
            return
        version = after.get("version", {}).get("S", "")
        if not version or "~" in version or after.get("fence") == (before or {}).get("fence"):
            return
        assert not known_bad(before), f"{key} was granted by a corrupt record"
        if not known_bad(after, of_all=True):
            self.given[name, after["fence"]["N"]] = version.rpartition("-")[0]


def known_bad(item: Mapping[str, Any] | None, *, of_all: bool = False) -> bool:
    """Return whether a lock's record is one that no client writes, as far as a condition can tell.

    No condition knows a fraction, nor what a list has in it: the reply shows that (`of_all`).
    """
    try:
        parse(TABLE, item or key_of("l"))
    except CorruptRecord as error:
        value = error.value or {}
        return of_all or not ("." in value.get("N", "") or "L" in value)
    return False
