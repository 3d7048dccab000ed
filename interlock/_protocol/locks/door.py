"""The door between the readers and the writer of one lock.

Rows: the writer's lock `lock#<name>`; a slot for each reader, `lock#<name>#0` and so on, each a
lock as a permit is; and `lock#<name>#slots`, which says how many slots there are.

    writer F   takes lock#name | writes door = F into each slot | waits until each is free | in
    reader     in slot 0 ....... heartbeats ... leaves it ......|
    reader     .......................... slot 1: refused, door F > what is known to be over: waits

1. Every grant of a slot is one conditional write that demands `door <= over` of its own row, where
   `over` is a fence of the writer's lock that this client has seen to be over: the row was free
   under it, or had a later one. Fences never come back, so what is over stays so.
2. A writer with the fence F writes `door = F` into every slot, never lowering it, and from then on
   no reader is let into that slot before F is over. Whatever the slot shows afterwards is the
   reader that was in, and its heartbeats. Once a slot was seen free with `door = F` it stays free,
   so the writer is alone when it has seen that of all, and its lease has not run out meanwhile.
3. A late copy of a reader's grant carries the `over` of its day, less than F, and is refused. A
   late copy of `door = F` closes a slot for a writer that is over, and the next reader learns that
   by one look. Opening needs no write: a release of the writer's lock, or its end, is all.
4. A reader whose heartbeats stay away for its lease, by the writer's own monotonic clock, is dead:
   the writer ends its grant and raises its fence, so that its guard fails. A writer is ended in
   the same way by readers, or taken over by another writer.
5. A slot without `door` (new, or deleted as old) is granted to none. It gets one by a transaction
   that demands, of the writer's lock, that it is free at that instant.
6. What is learned from an answer stays true, so an answer that belongs to an earlier call does no
   harm. That a lock has no record is believed of none: no answer shows of which lock it says so.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.kinds import written
from interlock._protocol.locks import record
from interlock._protocol.locks.agreed import SLOTS, Agreement
from interlock._protocol.locks.claim import Claim
from interlock._protocol.locks.item import Item, LockItem, is_of, key_of, parse
from interlock._protocol.locks.observed import ObservedVersions
from interlock._protocol.locks.settings import MOST_LEASE, AcquireOptions, Settings
from interlock._protocol.locks.sound import MOST_BOUND, SOUND, SOUND_BOUND, SOUND_NAMES
from interlock._protocol.requests import (
    Call,
    Monotonic,
    NewId,
    Operation,
    Time,
    TimeOfDay,
    draw,
    sleep,
)
from interlock._protocol.retry import RetryBudget
from interlock.errors import InvalidValue

MOST_READERS = 100  # actions of a transaction, items of one BatchGetItem
_CLOSE = "SET #door = :door, expires = :expires"
_CLOSING = "attribute_not_exists(#door) OR #door <= :door"
_LET_IN = "#door <= :over"
_MARK = "SET #door = :over, expires = :expires"
_UNMARKED = "attribute_not_exists(#door)"
_SOUND = f"{SOUND} AND {SOUND_BOUND}"


class Door:
    """The knowledge that a client has of one lock's door; shared by its threads.

    `over` is a fence up to which every writer is done, `known` whether the writer's lock was looked
    at, `agreement` what is known of the number of slots.
    """

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots
        self.agreement = Agreement(name, SLOTS, slots)
        self.over = 0
        self.known = False

    def saw(self, item: LockItem) -> None:
        """Note what the writer's lock was at any time."""
        self.over = max(self.over, item.fence if item.version is None else item.fence - 1)

    def keeps_out(self, mark: int | None) -> bool:
        """Return whether a slot with this `door` is not to be taken by what is known."""
        return mark is None or mark > self.over


class SlotClaim(Claim):
    """The claim of one slot: granted only if the door is open, in the same write."""

    def __init__(
        self,
        settings: Settings,
        options: AcquireOptions,
        observed: ObservedVersions,
        budget: RetryBudget,
        door: Door,
    ) -> None:
        super().__init__(settings, options, observed, budget)
        self._door = door
        self.mark: int | None = None  # the slot's `door` when it was last seen
        self.corrupt = False  # as it was last seen

    def request(
        self, version: str, time: Time, sent: float, seen: LockItem | None
    ) -> dict[str, Any]:
        """Return the update that takes the slot while the door is open."""
        update = super().request(version, time, sent, seen)
        update["ConditionExpression"] += f" AND {_LET_IN}"
        update["ExpressionAttributeValues"][":over"] = {"N": str(self._door.over)}
        return update

    def met(self, item: Mapping[str, Any] | None) -> Operation[LockItem | None]:
        """Take note of the slot's door, and of its holder; nothing of what is another's record."""
        if not is_of(item, self.name):
            item = None
        self.mark, self.corrupt = None, item is not None
        self.mark = None if item is None else parse(self.settings.table, item).door
        self.corrupt = False
        return (yield from super().met(item))


def pass_door(
    settings: Settings, door: Door, claim: Claim, mark: int | None
) -> Operation[LockItem | None]:
    """Look at the writer's lock; return its record if it keeps a slot closed, else None.

    A writer that is dead is ended. `claim` is of the writer's lock, `mark` is the slot's `door`.
    """
    while True:
        deadline = claim.call_deadline((yield Monotonic()))
        try:
            item = (yield record.read_call(settings.table, door.name, deadline)).get("Item")
            if item is None and mark is not None:
                item = yield from _founded(settings.table, door.name, deadline)
            if item is not None and not is_of(item, door.name):
                raise NoReply("the answer is not about this lock")
        except Fault as fault:
            yield from claim.budget.after(fault)
            continue
        door.known = True
        writer = yield from claim.met(item)
        found = parse(settings.table, key_of(door.name) if item is None else item)
        door.saw(found)
        if not door.keeps_out(mark) or (writer is None and mark is None):
            return None
        if writer is None:  # by an answer of earlier
            yield from claim.in_time(found)
            yield from sleep(settings.poll * 0.1 * (yield from draw()))
        elif (yield from claim.takeable(writer)):
            yield from end(settings, claim, writer)
        else:
            return writer


def mark_slot(
    settings: Settings, door: Door, slot: SlotClaim, condition: Mapping[str, Any]
) -> Operation[bool]:
    """Give a slot a `door` if it has none; return False if the writer's lock is not as demanded.

    Whether the slot can be taken shows in the next attempt.
    """
    time, token = (yield TimeOfDay()), (yield NewId())
    values = {
        ":over": {"N": str(door.over)},
        ":expires": {"N": str(record.expiry(time, MOST_LEASE))},
        **record.sound_values(),
        **MOST_BOUND,
    }
    update = {
        "TableName": settings.table,
        "Key": key_of(slot.name),
        "UpdateExpression": _MARK,
        "ConditionExpression": f"{_SOUND} AND {_UNMARKED}",
        "ExpressionAttributeNames": SOUND_NAMES,
        "ExpressionAttributeValues": values,
    }
    params = {"TransactItems": [condition, {"Update": update}], "ClientRequestToken": token}
    try:
        yield Call("TransactWriteItems", params, slot.call_deadline((yield Monotonic())))
    except Refused as refusal:
        codes = [reason.code for reason in refusal.reasons]
        if "ConditionalCheckFailed" in codes[:1]:
            return False
        if "ConditionalCheckFailed" not in codes:
            yield from slot.budget.after(refusal)
    except Fault as fault:
        yield from slot.budget.after(fault)
    else:
        slot.budget.answered()
    return True


def is_free(table: str, name: str) -> dict[str, Any]:
    """Return the ConditionCheck that the writer's lock is free."""
    check = {"TableName": table, "Key": key_of(name), "ConditionExpression": record.FREE}
    return {"ConditionCheck": check}


def end(settings: Settings, claim: Claim, item: LockItem) -> Operation[None]:
    """End the grant of a dead holder; the next look says what came of it."""
    time, now = (yield TimeOfDay()), (yield Monotonic())
    deadline = claim.call_deadline(now)
    version = item.version or ""
    try:
        yield record.ending_call(
            settings.table, claim.name, version=version, time=time, deadline=deadline
        )
    except Refused as refusal:
        if not refusal.condition_failed:
            yield from claim.budget.after(refusal)
    except Fault as fault:
        yield from claim.budget.after(fault)


def close_call(
    table: str,
    names: Iterable[str],
    fence: int,
    *,
    time: Time,
    token: str,
    deadline: float | None = None,
) -> Call:
    """Return the call that closes slots for a writer: several by one transaction."""
    values = {
        ":door": {"N": str(fence)},
        # The reader that is in may have any lease.
        ":expires": {"N": str(record.expiry(time, MOST_LEASE))},
        **record.sound_values(),
        **MOST_BOUND,
    }
    updates = [
        {
            "TableName": table,
            "Key": key_of(name),
            "UpdateExpression": _CLOSE,
            "ConditionExpression": f"{_SOUND} AND ({_CLOSING})",
            "ExpressionAttributeNames": SOUND_NAMES,
            "ExpressionAttributeValues": values,
        }
        for name in names
    ]
    if len(updates) == 1:
        return Call("UpdateItem", updates[0], deadline)
    items = [{"Update": update} for update in updates]
    params = {"TransactItems": items, "ClientRequestToken": token}
    return Call("TransactWriteItems", params, deadline)


def checked_readers(readers: int) -> int:
    """Return the number of slots, or raise `InvalidValue`."""
    valid = isinstance(readers, int) and not isinstance(readers, bool)
    if not valid or not 0 < readers <= MOST_READERS:
        wanted = f"an integer from 1 to {MOST_READERS}"
        raise InvalidValue("readers", f"{written(readers)} is not {wanted}")
    return readers


def _founded(table: str, name: str, deadline: float | None) -> Operation[Item]:
    """Return the record of a lock that is free, which is made if there is none."""
    time = yield TimeOfDay()
    try:
        reply = yield record.founding_call(table, name, time=time, deadline=deadline)
    except Refused as refusal:
        if not refusal.condition_failed:
            raise
        raise NoReply("there is a record, though an answer said that there is none") from refusal
    item: Item = reply.get("Attributes", {})
    return item
