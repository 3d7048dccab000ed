"""One run of the caller's function: what it has read, and what it wants to write."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from interlock._dataclasses import dataclass, field
from interlock._protocol.kinds import checked_object
from interlock._protocol.requests import Operation
from interlock._protocol.retry import RetryBudget
from interlock._protocol.transactions.actions import (
    Action,
    Entry,
    Guard,
    Releasable,
    guard_action,
    item_action,
)
from interlock._protocol.transactions.items import Address, ItemSnapshot, addresses
from interlock._protocol.transactions.reads import Images, read_many, read_one
from interlock._protocol.transactions.settings import Settings
from interlock._protocol.transactions.writes import (
    Delete,
    Put,
    Write,
    merged,
    typed,
    update_of,
)
from interlock.errors import TransactionClosed

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase


@dataclass(frozen=True, slots=True)
class CachedReads:
    """Items that were read ahead, or seen last by the attempt before: not to be read again.

    Where they are out of date by now, the commit is refused, as with any read.
    """

    items: Images
    at_one_instant: bool = False


_LOCK = "a lock that is held, as LockClient.acquire returns it (of several, one after the other)"
NOTHING_CACHED = CachedReads({})


@dataclass(slots=True)
class Attempt:
    """The read set and the buffered writes. `id` is its ClientRequestToken and its version.

    `instants` counts those at which the read set was seen: torn reads take more than one.
    """

    id: str
    settings: Settings
    budget: RetryBudget
    cached: CachedReads = NOTHING_CACHED
    entries: dict[Address, Entry] = field(default_factory=dict)
    guards: list[Guard] = field(default_factory=list)
    releases: list[Releasable] = field(default_factory=list)
    instants: int = 0
    recalled: bool = False
    closed: bool = False
    committing: bool = False

    def entry(self, table: str, key: Mapping[str, Any]) -> Entry:
        """Return what is known of an item."""
        return self._entry_at(Address.of(table, key))

    def get(self, table: str, key: Mapping[str, Any]) -> Operation[dict[str, Any] | None]:
        """Read an item, the transaction's own writes included."""
        entry = self.entry(table, key)
        if entry.snapshot is None and not isinstance(entry.write, Put | Delete):
            if entry.address in self.cached.items:
                item = self._recall(entry.address)
            else:
                item = yield from read_one(self.budget, entry.address)
                self.instants += 1
            entry.snapshot = self._image(item)
        return self._seen(entry)

    def get_many(
        self, targets: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> Operation[list[dict[str, Any] | None]]:
        """Read items at one instant, but for those that were read or put before."""
        entries = [self._entry_at(address) for address in addresses(targets)]
        unread = {
            entry.address: entry
            for entry in entries
            if entry.snapshot is None and not isinstance(entry.write, Put | Delete)
        }
        if unread and self.cached.at_one_instant and unread.keys() <= self.cached.items.keys():
            for entry in unread.values():
                entry.snapshot = self._image(self._recall(entry.address))
        elif unread:
            items = yield from read_many(self.budget, list(unread))
            for entry, item in zip(unread.values(), items, strict=True):
                entry.snapshot = self._image(item)
            self.instants += 1
        return [self._seen(entry) for entry in entries]

    def put(
        self,
        table: str,
        key: Mapping[str, Any],
        attributes: Mapping[str, Any],
        condition: "ConditionBase | None",
    ) -> None:
        """Buffer a whole item."""
        entry = self.entry(table, key)
        put = typed(entry.address, attributes, self.settings.version_attribute)
        self._buffer(entry, put, condition)

    def update(
        self,
        table: str,
        key: Mapping[str, Any],
        *,
        values: Mapping[str, Any],
        add: Mapping[str, Any],
        remove: Iterable[str],
        condition: "ConditionBase | None",
    ) -> None:
        """Buffer a change of some attributes."""
        entry = self.entry(table, key)
        fixed = frozenset({*entry.address.key, self.settings.version_attribute})
        self._buffer(entry, update_of(values, add, remove, fixed), condition)

    def delete(self, table: str, key: Mapping[str, Any], condition: "ConditionBase | None") -> None:
        """Buffer a deletion."""
        self._buffer(self.entry(table, key), Delete(), condition)

    def check(self, table: str, key: Mapping[str, Any], condition: "ConditionBase") -> None:
        """Demand something of an item as it is stored before this transaction."""
        _check_condition(condition)
        self._demand(self.entry(table, key), condition)

    def guard(self, guard: Guard) -> None:
        """Demand that a lock is still held; once is enough."""
        if self.closed:
            raise TransactionClosed
        checked_object("lock", guard, ("guard",), _LOCK)
        if not any(known is guard for known in self.guards):
            self.guards.append(guard)

    def release(self, lock: Releasable) -> None:
        """Give a lock back with the commit; once is enough."""
        if self.closed:
            raise TransactionClosed
        checked_object("lock", lock, ("guard", "release_action", "released", "kept"), _LOCK)
        if not any(known is lock for known in self.releases):
            self.releases.append(lock)

    def actions(self) -> list[Action]:
        """Return the actions of the commit, in the order in which the items were first used."""
        self.committing = True
        name = self.settings.version_attribute
        items = (item_action(entry, self.id, name) for entry in self.entries.values())
        guards = [guard_action(lock.release_action()) for lock in self.releases]
        # An item takes one action, and to give a lock back demands what guarding it does.
        for action in (guard_action(guard.guard()) for guard in self.guards):
            if not any((action.table, action.key) == (a.table, a.key) for a in guards):
                guards.append(action)
        return [*filter(None, items), *guards]

    def stands_back(self) -> bool:
        """Return whether a lock that the commit is guarded by is being renewed.

        Both write to the lock's row, where one would refuse the other: the commit can wait.
        """
        return any(getattr(lock, "renewing", False) for lock in (*self.guards, *self.releases))

    @property
    def wants(self) -> bool:
        """Whether there is anything to write or to demand, rather than reads alone."""
        actions = (e.write is not None or e.condition is not None for e in self.entries.values())
        return bool(self.guards or self.releases) or any(actions)

    def read_set(self) -> list[Entry]:
        """Return the entries that were read from the store."""
        return [entry for entry in self.entries.values() if entry.snapshot is not None]

    def _entry_at(self, address: Address) -> Entry:
        if self.closed:
            raise TransactionClosed
        return self.entries.setdefault(address, Entry(address))

    def _recall(self, address: Address) -> Mapping[str, Any] | None:
        if not (self.recalled and self.cached.at_one_instant):
            self.instants += 1
        self.recalled = True
        return self.cached.items[address]

    def _image(self, item: Mapping[str, Any] | None) -> ItemSnapshot:
        return ItemSnapshot(None if item is None else dict(item), self.settings.version_attribute)

    def _seen(self, entry: Entry) -> dict[str, Any] | None:
        item = entry.snapshot.item if entry.snapshot else None
        if entry.write is not None:
            item = entry.write.apply(item, entry.address)
        return self._image(item).native

    def _buffer(self, entry: Entry, write: Write, condition: "ConditionBase | None") -> None:
        # What may be refused comes before anything is changed.
        if condition is not None:
            _check_condition(condition)
        entry.write = merged(entry.write, write, entry.address)
        if condition is not None:
            self._demand(entry, condition)

    def _demand(self, entry: Entry, condition: "ConditionBase") -> None:
        entry.condition = condition if entry.condition is None else entry.condition & condition


def _check_condition(condition: Any) -> None:
    # Not by its class: boto3 is imported by those who make a condition, and by no others.
    wanted = 'a condition of boto3.dynamodb.conditions: Attr("state").eq("paid")'
    checked_object("condition", condition, ("get_expression",), wanted)
