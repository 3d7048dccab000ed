"""The commit of one attempt: what is sent, and what the answer says.

An attempt is sent again unchanged, under the same token, as long as nothing speaks against it
(a conflict in flight, throttling, a lost reply). It is given up only when no copy that is still
under way can do harm any more: an item that it read has another version, which never comes back;
its lock is lost; or its idempotency key is used, or will be by the attempt that follows. Where that
proof is missing and a reply was lost, the answer is `OutcomeUnknown`, never a guess.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.capacity import CAPACITY, answers_transaction
from interlock._protocol.faults import CancellationReason
from interlock._protocol.locks.item import loss_of
from interlock._protocol.locks.record import guarded
from interlock._protocol.requests import Operation
from interlock._protocol.transactions.actions import Action
from interlock._protocol.transactions.attempt import NOTHING_CACHED, Attempt, CachedReads
from interlock._protocol.transactions.items import Address, ItemSnapshot, native
from interlock._protocol.transactions.reads import read_many
from interlock._protocol.transactions.replies import answers_write
from interlock._protocol.transactions.sending import (
    CONDITION_FAILED,
    REJECTED,
    CommitRequest,
)
from interlock._protocol.transactions.settings import (
    MAX_ACTIONS,
    MAX_ITEM_BYTES,
    MAX_TRANSACTION_BYTES,
)
from interlock.errors import (
    ConditionFailed,
    GuardFailed,
    ItemTooLarge,
    OutcomeUnknown,
    TransactionConflict,
    TransactionTooLarge,
)


class Verdict(enum.Enum):
    """The outcome of an attempt."""

    DONE = enum.auto()
    STALE = enum.auto()  # an item was written since it was read: run the function again
    RECORDED = enum.auto()  # the idempotency key has been used; `Answer.record` says for what


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, with the idempotency record that spoke it, or what the items are by now.

    `outstanding` says that a copy of what is given up may be carried out yet, until another attempt
    with the same key is committed.
    """

    verdict: Verdict
    record: Mapping[str, Any] | None = None
    cached: CachedReads = NOTHING_CACHED
    outstanding: bool = False


def commit(attempt: Attempt, records: Sequence[Action] = ()) -> Operation[Answer]:
    """Commit the attempt in one call, together with its idempotency record if there is one."""
    if not attempt.wants and not records:
        cached = yield from changes(attempt)
        return Answer(Verdict.DONE) if cached is None else Answer(Verdict.STALE, cached=cached)
    actions = [*attempt.actions(), *records]
    _fit(actions)
    if _single(actions):
        return (yield from _write_one(attempt, actions[0]))
    return (yield from _write_all(attempt, actions))


def changes(attempt: Attempt) -> Operation[CachedReads | None]:
    """Return None if all reads of the attempt were true at one instant, else what is by now."""
    if attempt.instants <= 1:
        return None
    read_set = attempt.read_set()
    addresses = [entry.address for entry in read_set]
    items = yield from read_many(attempt.budget, addresses)
    if all(
        entry.snapshot is not None and entry.snapshot.same_as(item)
        for entry, item in zip(read_set, items, strict=True)
    ):
        return None
    return CachedReads(dict(zip(addresses, items, strict=True)), at_one_instant=True)


def _fit(actions: Sequence[Action]) -> None:
    if len(actions) > MAX_ACTIONS:
        raise TransactionTooLarge(f"{len(actions)} actions; DynamoDB takes {MAX_ACTIONS} at once")
    for action in actions:
        if action.bytes > MAX_ITEM_BYTES:
            raise ItemTooLarge(
                f"{action.table} {action.key} has {action.bytes} bytes; the limit is "
                f"{MAX_ITEM_BYTES}: keep the bulk in S3 and its name in the item"
            )
    total = sum(action.bytes for action in actions)
    if total > MAX_TRANSACTION_BYTES:
        raise TransactionTooLarge(f"{total} bytes; DynamoDB takes {MAX_TRANSACTION_BYTES} at once")


def _single(actions: Sequence[Action]) -> bool:
    """Whether one conditional write does what a transaction would, exactly once.

    Only for an item that was read with a version, and that stays: the version distinguishes a lost
    reply from a refusal. A blind write has none to compare; absence, or the lack of a version, can
    come back by the hand of others; and a deletion leaves nothing to look at. Those keep the token
    of a transaction.
    """
    if len(actions) != 1 or actions[0].kind not in {"Put", "Update"}:
        return False
    entry = actions[0].entry
    return entry is not None and entry.snapshot is not None and entry.snapshot.unique


def _write_one(attempt: Attempt, action: Action) -> Operation[Answer]:
    name = attempt.settings.version_attribute
    read = (action.entry.snapshot if action.entry else None) or ItemSnapshot(None, name)
    # What a put replaces is what was read; an update returns what it has written.
    returned, version = "ALL_OLD", read.version
    if action.kind == "Update":
        returned, version = "UPDATED_NEW", {"S": read.successor(attempt.id)}
    request = CommitRequest(
        attempt.budget,
        f"{action.kind}Item",
        {**action.params, "ReturnValues": returned},
        [action.table],
        lambda reply: answers_write(reply, name, version),
    )
    refusal = yield from request.send()
    if refusal is None:
        return Answer(Verdict.DONE)
    if not refusal.condition_failed:
        raise request.error(refusal) from refusal
    found = ItemSnapshot(_item(refusal.item), name)
    if attempt.id in found.writers:
        return Answer(Verdict.DONE)
    if read.same_as(found.item):
        # The caller's condition. It may hold for a copy that lands later.
        raise request.settled(_condition_failed(0, action, refusal.item, attempt)) from refusal
    # Writers are listed newest first and without a gap. If the one that was read is among them,
    # then so is its successor, and that was not this attempt: no copy can meet its version again.
    certain = read.writers[0] in found.writers
    if not certain and request.in_doubt:
        raise OutcomeUnknown(
            f"{action.table} {action.key}: the reply to a write was lost, and the item has been "
            f"written too often since to say; use an idempotency_key where this matters"
        ) from refusal
    reason = CancellationReason(CONDITION_FAILED, item=refusal.item)
    return Answer(Verdict.STALE, cached=_found([action], [reason]))


def _write_all(attempt: Attempt, actions: Sequence[Action]) -> Operation[Answer]:
    tables = [action.table for action in actions]
    items = [{action.kind: action.params} for action in actions]
    request = CommitRequest(
        attempt.budget,
        "TransactWriteItems",
        {"TransactItems": items, "ClientRequestToken": attempt.id, **CAPACITY},
        tables,
        lambda reply: answers_transaction(reply, tables),
    )
    request.stands_back = attempt.stands_back
    refusal = yield from request.send()
    if refusal is None:
        return Answer(Verdict.DONE)
    failed = [
        (index, action, reason)
        for index, (action, reason) in enumerate(zip(actions, refusal.reasons, strict=False))
        if reason.code == CONDITION_FAILED
    ]
    if any(_written_by(attempt, action, reason) for _, action, reason in failed):
        return Answer(Verdict.DONE)
    for _, action, reason in failed:
        if action.is_record:
            # It stays for longer than a copy can be under way, and refuses that too.
            return Answer(Verdict.RECORDED, reason.item)
    for index, action, reason in failed:
        if _lock_of(action) is not None:
            # Lost for good: its fence never returns, so no copy can commit, and by the token none
            # has.
            raise _condition_failed(index, action, reason.item, attempt) from refusal
    stale = [action for _, action, reason in failed if _stale(action, reason)]
    if stale:
        outstanding = request.in_doubt and not any(_replaced(action) for action in stale)
        # Only one of the attempts with a key commits: once another has, a copy of this one can do
        # no harm.
        keyed = any(action.is_record for action in actions)
        if outstanding and not keyed:
            conflict = TransactionConflict(attempt.budget.attempts)
            raise request.settled(conflict) from refusal
        found = _found(actions, refusal.reasons)
        return Answer(Verdict.STALE, cached=found, outstanding=outstanding)
    error = request.error(refusal)
    if failed and not {reason.code for reason in refusal.reasons} & REJECTED:
        index, action, reason = failed[0]
        error = request.settled(_condition_failed(index, action, reason.item, attempt))
    raise error from refusal


def _found(actions: Sequence[Action], reasons: Sequence[CancellationReason]) -> CachedReads:
    """Return what a refusal shows of the items that were read, and those it found unchanged.

    An item that it does not show need not be absent: it has to be read.
    """
    found: dict[Address, Mapping[str, Any]] = {}
    for action, reason in zip(actions, reasons, strict=False):
        if action.entry is None or action.entry.snapshot is None:
            continue
        item = {CONDITION_FAILED: reason.item, "None": action.entry.snapshot.item}.get(reason.code)
        if item and action.entry.address.is_of(item):
            found[action.entry.address] = item
    return CachedReads(found)


def _stale(action: Action, reason: CancellationReason) -> bool:
    snapshot = action.entry.snapshot if action.entry else None
    return snapshot is not None and not snapshot.same_as(reason.item)


def _replaced(action: Action) -> bool:
    """Whether the version that the attempt depends on is gone for ever."""
    entry = action.entry
    return entry is not None and entry.snapshot is not None and entry.snapshot.unique


def _written_by(attempt: Attempt, action: Action, reason: CancellationReason) -> bool:
    """Whether the item that refuses was written by this very attempt, so that all of it was."""
    if action.entry is None or action.entry.write is None:
        return False
    found = ItemSnapshot(_item(reason.item), attempt.settings.version_attribute)
    return attempt.id in found.writers


def _item(item: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(item) if item else None


def _lock_of(action: Action) -> tuple[str, int] | None:
    """Return the name and the fence of the lock that the action guards by, if it does."""
    return guarded(action.params) if action.guards else None


def _condition_failed(
    index: int, action: Action, item: Mapping[str, Any] | None, attempt: Attempt
) -> ConditionFailed:
    seen = native(item, attempt.settings.version_attribute) if item else None
    lock = _lock_of(action)
    if lock is not None:
        reason = loss_of(item, lock[1])
        return GuardFailed(index, action.table, action.key, seen, *lock, reason)
    return ConditionFailed(index, action.table, action.key, seen)
