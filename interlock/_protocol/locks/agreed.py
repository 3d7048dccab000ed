"""Agree on how many parts a name has: a semaphore's permits, or a readers' lock's slots.

`lock#<name>#slots` says it in `permits` or in `slots`; the first client that uses the name writes
it. All go by one number: a writer closes so many slots, and of permits the largest would apply.
"""

from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.locks.claim import Claim
from interlock._protocol.locks.item import Item, key_of, sound_number
from interlock._protocol.locks.settings import PREFIX, Settings
from interlock._protocol.requests import Call, Monotonic, Operation, Time, TimeOfDay
from interlock.errors import (
    CorruptRecord,
    InterlockError,
    InvalidLockName,
    PermitsMismatch,
    ReadersMismatch,
)

RECORD = "slots"  # of the name, whatever its parts are
PERMITS, SLOTS = "permits", "slots"
_USES = {PERMITS: "lock of readers and writers", SLOTS: "semaphore"}  # of the other parts
_ASKED_AGAIN = 3600.0  # seconds: so long may a client go on with a number that was changed
_KEPT = 400 * 24 * 3600  # seconds
_AGREE = "SET #parts = :number, expires = :expires"
_AGREEING = "attribute_not_exists(pk) OR #parts = :number"


@dataclass(slots=True)
class Agreement:
    """The number of a name's parts by a client; shared by its threads.

    `parts` are `PERMITS` or `SLOTS`, `at` is when it was last found right (monotonic seconds).
    """

    name: str
    parts: str
    number: int
    at: float = float("-inf")

    @property
    def key(self) -> dict[str, Any]:
        """The key of the record that all clients go by."""
        return key_of(f"{self.name}#{RECORD}")


def agree(settings: Settings, agreement: Agreement, claim: Claim) -> Operation[None]:
    """Return when all clients have the same number, which takes one round trip an hour.

    Raises `PermitsMismatch`, `ReadersMismatch`, `InvalidLockName` for a name that has parts of the
    other kind, and `CorruptRecord`. `claim` is what it is for.
    """
    now: float = yield Monotonic()
    while now >= agreement.at + _ASKED_AGAIN:
        time = yield TimeOfDay()
        try:
            call = _agree_call(settings.table, agreement, time, claim.call_deadline(now))
            item = (yield call).get("Attributes", {})
            if not _says_so(item, agreement):
                raise NoReply("the answer does not show the number that was asked for")
        except Refused as refusal:
            item = refusal.item
            if refusal.condition_failed and item is not None and _is_of(item, agreement):
                raise _mismatch(settings.table, agreement, item) from None
            fault = NoReply("the refusal is not about this number")
            yield from claim.budget.after(fault if refusal.condition_failed else refusal)
        except Fault as fault:
            yield from claim.budget.after(fault)
        else:
            claim.budget.answered()
            agreement.at = now
        now = yield Monotonic()


def agreement_of(table: str, item: Item) -> dict[str, int]:
    """Return by the name what was agreed, if a record says it; nothing of any other record.

    Raises `CorruptRecord` for one that is to say it and does not.
    """
    key = item["pk"]["S"]
    name, _, part = key.removeprefix(PREFIX).rpartition("#")
    if part != RECORD:
        return {}
    for parts in (PERMITS, SLOTS):
        number = sound_number(table, item, parts)
        if number is not None:
            return {name: number}
    parts = SLOTS if SLOTS in item else PERMITS
    raise CorruptRecord(table, key, parts, item.get(parts))


def _agree_call(table: str, agreement: Agreement, time: Time, deadline: float | None) -> Call:
    params = {
        "TableName": table,
        "Key": agreement.key,
        "UpdateExpression": _AGREE,
        "ConditionExpression": _AGREEING,
        "ExpressionAttributeNames": {"#parts": agreement.parts},
        "ExpressionAttributeValues": {
            ":number": {"N": str(agreement.number)},
            ":expires": {"N": str(time.expiry(_KEPT))},
        },
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    return Call("UpdateItem", params, deadline)


def _is_of(item: Item, agreement: Agreement) -> bool:
    return bool(item.get("pk") == agreement.key["pk"])


def _says_so(item: Item, agreement: Agreement) -> bool:
    number = {"N": str(agreement.number)}
    return _is_of(item, agreement) and item.get(agreement.parts) == number


def _mismatch(table: str, agreement: Agreement, item: Item) -> InterlockError:
    agreed = sound_number(table, item, agreement.parts)
    if agreement.parts not in item and not {PERMITS, SLOTS}.isdisjoint(item):
        return InvalidLockName(agreement.name, "it is that of a " + _USES[agreement.parts])
    if agreed is None:
        found = item.get(agreement.parts)
        return CorruptRecord(table, agreement.key["pk"]["S"], agreement.parts, found)
    mismatch = PermitsMismatch if agreement.parts == PERMITS else ReadersMismatch
    return mismatch(agreement.name, agreement.number, agreed)
