"""Clients of three layouts in one table of an application's own, with its items beside theirs.

All use the same names of locks and counters. Each sees its own alone, all promises hold for it as
if the table were its own, and what is the application's stays as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from interlock._protocol.counters import keyed
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import Handle, integer
from interlock._protocol.counters.ledger import Once
from interlock._protocol.layout import TableLayout
from interlock._protocol.requests import Call, Operation, draw, sleep
from interlock._protocol.translation import Translation
from interlock.testing import Table
from interlock.testing._store.attributes import Item
from interlock.testing._store.tables import Change, Place
from tests.simulation.counting import GIVEN_UP, budget
from tests.simulation.faults import Faults
from tests.simulation.locking import SETTINGS, TABLE, Plan, User
from tests.simulation.process import Task
from tests.simulation.referee import Referee
from tests.simulation.world import World

LAYOUTS = {
    "ab": TableLayout(partition_key="PK", sort_key=("SK", "own"), ttl="ttl"),
    "cd": TableLayout(partition_key="PK", sort_key=("SK", "own"), ttl="ttl", prefix="TEAM#"),
    "ef": TableLayout(partition_key="PK", sort_key=("SK", "other"), ttl="ttl"),
}
"""By the names of their processes: the first one's differs from each other's by one thing."""
ROUNDS, SHARDS = 4, 2
PLAN = Plan(names=("l", "m"), together=0.5, fair=0.3, within=1200.0)

# Locks that are held for longer than a record is kept that no client touches.
DAY = 86400.0
HELD_LONG = Plan(
    replace(SETTINGS, lease=DAY, poll=DAY / 24),
    processes=2,
    rounds=1,
    timeouts=(None,),
    work=30 * DAY,
    within=1000 * DAY,
)
OWN = ("lock#", "counter#", "data#")
BESIDE = ("lock#l", "TEAM#lock#l", "counter#n", "TEAM#counter#n#1", "TEAM#data#l", "ORDER#1")
# Attributes that the library's items have by default are the application's here.
THEIRS = {"version": {"S": "x-1"}, "fence": {"N": "9"}, "pk": {"S": "p"}, "expires": {"N": "1"}}


@dataclass(slots=True, eq=False)
class Share:
    """What is one layout's, shown as a store with a table by the names of the default.

    It shares no code with the library's translation, which it judges.
    """

    world: "Tenants"
    layout: TableLayout
    store: "Share" = field(init=False)
    contents: "Share" = field(init=False)
    invariant: Callable[[Callable[[], None]], None] = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.contents = self
        self.invariant = self.world.invariant

    @property
    def now(self) -> float:
        """The time of the world."""
        return self.world.now

    @property
    def held(self) -> set[Place]:
        """The items that a transaction occupies."""
        held = self.world.store.contents.held
        return {self.inside(place) for place in held if self.has(place.key)}

    def key(self, name: str) -> tuple[str, str]:
        """Return the key of an item."""
        assert self.layout.sort_key is not None
        return self.layout.prefix + name, self.layout.sort_key[1]

    def has(self, key: tuple[Any, ...]) -> bool:
        """Return whether a key is of this layout."""
        name = key[0].removeprefix(self.layout.prefix)
        return key == self.key(name) and name.startswith(OWN)

    def inside(self, place: Place) -> Place:
        """Return an item's place as it is by the names of the default."""
        return Place(TABLE, (place.key[0].removeprefix(self.layout.prefix),))

    def item(self, table: str, name: str) -> Item | None:
        """Return an item as it is now, or None."""
        return self.shown(self.world.store.item(table, *self.key(name)))

    def on_change(self, watcher: Callable[[Change], None]) -> None:
        """Have every change of an item of this layout shown to a watcher."""

        def watch(change: Change) -> None:
            place, before, after = change
            if self.has(place.key):
                watcher(Change(self.inside(place), self.shown(before), self.shown(after)))

        self.world.store.on_change(watch)

    @staticmethod
    def shown(item: Item | None) -> Item | None:
        """Return an item with the default's name for the time at which TTL may delete it."""
        if item is None or not item["PK"]["S"].partition("lock#")[1]:
            return item
        assert "ttl" in item, f"nothing says when TTL may delete {item['PK']['S']}"
        return {**item, "expires": item["ttl"]}


@dataclass(slots=True)
class Tenant(User):
    """One process of a layout: it takes locks, counts, and looks at what is its own."""

    share: Share
    fellows: str

    def start(self) -> Task:
        """Put the process into the world."""
        process = self.enter()
        process.start(self.translated(self.count()), name="count")
        return process.start(self.translated(self.life()), name="work")

    def translated(self, operation: Operation[Any]) -> Operation[Any]:
        """Return an operation as a client with a layout runs it."""
        return Translation(self.share.layout).operation(operation)

    def beat(self, grant: Any) -> Operation[None]:
        """Renew a lock as the driver does."""
        return self.translated(super(Tenant, self).beat(grant))

    def count(self) -> Operation[None]:
        """Add one under a key until it is known to be there, and list the locks, in turn."""
        handle = Handle(TABLE, "n", Bounds(), SHARDS)
        for number in range(ROUNDS):
            yield from sleep(self.plan.work * (yield from draw()))
            once = Once(f"{self.name}-{number}", 86400.0)
            self.share.world.asked.append(self.share)
            while True:
                try:
                    yield from keyed.add_once(handle, 1, once, (yield from budget(20.0)))
                except GIVEN_UP:
                    continue
                break
            self.share.world.counted.append(self.share)
            yield from self.look()

    def look(self) -> Operation[None]:
        """See no lock but one's own."""
        try:
            page = yield from self.operations.page("", None, held=True)
        except GIVEN_UP:
            return
        assert not page.corrupt, f"{self.name} is shown what is none of its locks: {page.corrupt}"
        for lock in page.locks:
            self.share.world.shown += 1
            own = lock.name in self.plan.names and (lock.owner or "") in self.fellows
            assert own, f"{self.name} is shown {lock.name!r} of {lock.owner}"


class Tenants(World):
    """A table with the items of three layouts, and an application that writes its own."""

    def __init__(self, seed: int, faults: Faults, plan: Plan = PLAN) -> None:
        table = Table(TABLE, "PK", "SK", ttl="ttl")
        super().__init__(seed, faults=faults, tables=[table], within=plan.within)
        self.dice = Random(f"{seed} application")  # noqa: S311 - repeatable on purpose
        self.theirs: dict[tuple[Any, ...], Item] = {}
        self.asked: list[Share] = []
        self.counted: list[Share] = []
        self.shown = 0
        self.shares: dict[str, Share] = {}
        self.referees: list[Referee] = []
        self.store.on_change(self.changed)
        self.write()
        for fellows, layout in LAYOUTS.items():
            share: Any = Share(self, layout)
            referee = Referee(share, TABLE)
            self.referees.append(referee)
            for name in fellows[: plan.processes]:
                self.shares[name] = share
                dice = Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
                Tenant(self, name, plan, referee, dice, share, fellows).start()

    def write(self) -> None:
        """Write an item of the application's, beside one of a tenant's."""
        item = {"PK": {"S": self.dice.choice(BESIDE)}, "SK": {"S": "META"}, **THEIRS}
        self.theirs[item["PK"]["S"], "META"] = item
        self.store.perform("PutItem", {"TableName": TABLE, "Item": item})
        if self.now < self.faults.until:
            self.at(self.now + 4.0 * self.dice.random(), self.write)

    def send(self, task: Task, call: Call) -> None:
        """Demand that a process names nothing but what is its own."""
        share = self.shares[task.process.name]
        for key in keys_in(call.params):
            assert share.has(key), f"{task.process.name} names {key} in {call.operation}"
        super().send(task, call)

    def changed(self, change: Change) -> None:
        """Demand that each item of the application's is as it was written."""
        key, after = change.place.key, change.after
        assert self.theirs.get(key, after) == after, f"the application's {key} was touched"

    def run(self) -> None:
        """Let everything happen, and demand that each counter is its own processes' count."""
        super().run()
        self.drain()
        for share in set(self.shares.values()):
            counted, asked = self.counted.count(share), self.asked.count(share)
            value = sum(
                integer(item, "value")
                for place, item in self.store.contents.items.items()
                if share.has(place.key) and "up" in item  # a shard
            )
            assert counted <= value <= asked, f"{value} counted of {counted} to {asked}"


def keys_in(part: Any) -> Iterator[tuple[str, ...]]:
    """Find the keys that the parameters of a call have."""
    if isinstance(part, list):
        for one in part:
            yield from keys_in(one)
    if not isinstance(part, Mapping):
        return
    for name, value in part.items():
        match name:
            case "Key" | "Item":
                yield _key(value)
            case "Keys":
                yield from map(_key, value)
            case "Parameters":  # of a statement, whose last ones are the key
                yield tuple(one["S"] for one in value[-2:])
            case _:
                yield from keys_in(value)


def _key(item: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(item.get(name, {}).get("S", "") for name in ("PK", "SK"))
