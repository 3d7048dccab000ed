"""The commit of one attempt: what is sent, and what the answer says.

An attempt is sent again unchanged, under the same token, as long as nothing speaks against it
(a conflict in flight, throttling, a lost reply). It is given up only when an item that it read has
another version: that version never comes back, so no copy of the request that is still under way
can do harm any more. Where that proof is missing and a reply was lost, the answer is
`OutcomeUnknown`, never a guess.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock._protocol.faults import CancellationReason, Fault, NoReply, Refused
from interlock._protocol.locks.item import loss_of
from interlock._protocol.locks.record import guarded
from interlock._protocol.requests import Operation, call, monotonic, wall_clock
from interlock._protocol.transactions.attempt import NOTHING_KNOWN, Action, Attempt, Known
from interlock._protocol.transactions.items import Address, Image, native
from interlock._protocol.transactions.reads import read_many
from interlock._protocol.transactions.sending import CONDITION_FAILED, may_pass, rejected
from interlock._protocol.transactions.settings import (
    MAX_ACTIONS,
    MAX_ITEM_BYTES,
    MAX_TRANSACTION_BYTES,
    TOKEN_WINDOW,
)
from interlock.errors import (
    ConditionFailed,
    GuardFailed,
    InterlockError,
    ItemTooLarge,
    OutcomeUnknown,
    TransactionTooLarge,
)


class Verdict(enum.Enum):
    """What became of an attempt."""

    DONE = enum.auto()
    STALE = enum.auto()  # an item was written since it was read: run the function again
    RECORDED = enum.auto()  # the idempotency key has been used; `Answer.record` says for what


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, with the idempotency record that spoke it, or what the items are by now."""

    verdict: Verdict
    record: Mapping[str, Any] | None = None
    known: Known = NOTHING_KNOWN


def commit(attempt: Attempt, record: Action | None) -> Operation[Answer]:
    """Commit the attempt in one call, together with the idempotency record if there is one."""
    if not attempt.wants and record is None:
        known = yield from changes(attempt)
        return Answer(Verdict.DONE) if known is None else Answer(Verdict.STALE, known=known)
    actions = attempt.actions()
    if record is not None:
        actions.append(record)
    _fit(actions)
    if _single(actions):
        return (yield from _write_one(attempt, actions[0]))
    return (yield from _write_all(attempt, actions, record))


def changes(attempt: Attempt) -> Operation[Known | None]:
    """Return None if all reads of the attempt were true at one instant, else what is by now."""
    if attempt.instants <= 1:
        return None
    read_set = attempt.read_set()
    addresses = [entry.address for entry in read_set]
    items = yield from read_many(attempt.patience, addresses)
    if all(
        entry.image is not None and entry.image.same_as(item)
        for entry, item in zip(read_set, items, strict=True)
    ):
        return None
    return Known(dict(zip(addresses, items, strict=True)), at_one_instant=True)


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

    Only for an item that was read and was there, and that stays: its version tells a lost reply
    from a refusal. A blind write has no version to compare, an item that was absent can be absent
    again, and a deletion leaves nothing that could tell; those keep the token of a transaction.
    """
    if len(actions) != 1 or actions[0].kind not in {"Put", "Update"}:
        return False
    entry = actions[0].entry
    return entry is not None and entry.image is not None and entry.image.item is not None


def _write_one(attempt: Attempt, action: Action) -> Operation[Answer]:
    sending = _Sending(attempt, [action])
    refusal = yield from sending.send(f"{action.kind}Item", action.params)
    if refusal is None:
        return Answer(Verdict.DONE)
    if not refusal.condition_failed:
        raise sending.failure(attempt.patience.error(refusal, [action.table])) from refusal
    image = action.entry.image if action.entry else None
    assert image is not None  # noqa: S101 - `_single` saw to it; this tells the type checker
    found = Image(_item(refusal.item), attempt.settings.version_attribute)
    if attempt.id in found.writers:
        return Answer(Verdict.DONE)
    if image.same_as(found.item):
        raise sending.failure(_condition_failed(0, action, refusal.item, attempt)) from refusal
    # Writers are listed newest first and without a gap. If the one that we read is among them,
    # then so is whoever came after it, and that was not us.
    certain = image.writers[0] in found.writers
    if not certain and sending.in_doubt:
        raise OutcomeUnknown(
            f"{action.table} {action.key}: the reply to a write was lost, and the item has been "
            f"written too often since to tell; use an idempotency_key where this matters"
        ) from refusal
    reason = CancellationReason(CONDITION_FAILED, item=refusal.item)
    return Answer(Verdict.STALE, known=_found([action], [reason]))


def _write_all(
    attempt: Attempt, actions: Sequence[Action], record: Action | None
) -> Operation[Answer]:
    sending = _Sending(attempt, actions)
    items = [{action.kind: action.params} for action in actions]
    refusal = yield from sending.send(
        "TransactWriteItems", {"TransactItems": items, "ClientRequestToken": attempt.id}
    )
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
        if action is record:
            return Answer(Verdict.RECORDED, reason.item)
    for index, action, reason in failed:
        if _lock_of(action) is not None:
            # The lock is lost for good: no copy that is still under way can commit either.
            raise _condition_failed(index, action, reason.item, attempt) from refusal
    stale = [action for _, action, reason in failed if _stale(action, reason)]
    if stale:
        if sending.in_doubt and not any(_replaced(action) for action in stale):
            raise sending.failure(attempt.patience.conflict()) from refusal
        return Answer(Verdict.STALE, known=_found(actions, refusal.reasons))
    error = attempt.patience.error(refusal, [action.table for action in actions])
    if failed and not rejected(refusal):
        index, action, reason = failed[0]
        error = _condition_failed(index, action, reason.item, attempt)
    raise sending.failure(error) from refusal


class _Sending:
    """Sends one request until it is answered for good, and knows whether a reply was lost."""

    def __init__(self, attempt: Attempt, actions: Sequence[Action]) -> None:
        self.in_doubt = False
        self._patience = attempt.patience
        self._tables = [action.table for action in actions]

    def send(self, operation: str, params: Mapping[str, Any]) -> Operation[Refused | None]:
        """Return None when it is done, or the refusal that sending it again would not change."""
        begun = yield from _clocks()
        streak = 0
        while True:
            sent = yield from monotonic()
            try:
                yield from call(operation, **params)
            except Refused as refusal:
                self.in_doubt |= refusal.resent
                if not may_pass(refusal):
                    return refusal
                fault: Fault = refusal
            except NoReply as lost:
                self.in_doubt, fault = True, lost
            except Fault as problem:
                fault = problem
            else:
                return None
            seconds = (yield from monotonic()) - sent
            try:
                yield from self._patience.after(fault, self._tables, streak=streak, seconds=seconds)
            except InterlockError as error:
                raise self.failure(error) from fault
            streak += 1
            # Either clock may stand still while a machine sleeps; together they do not.
            now = yield from _clocks()
            if self.in_doubt and max(now[0] - begun[0], now[1] - begun[1]) > TOKEN_WINDOW:
                raise self.failure(self._patience.error(fault, self._tables)) from fault

    def failure(self, error: InterlockError) -> InterlockError:
        """Return the error, or what it comes to when a lost reply leaves the outcome open."""
        if not self.in_doubt:
            return error
        unknown = OutcomeUnknown(f"a reply to the commit was lost; later attempts met: {error}")
        unknown.__cause__ = error
        return unknown


def _clocks() -> Operation[tuple[float, float]]:
    return (yield from monotonic()), (yield from wall_clock())


def _found(actions: Sequence[Action], reasons: Sequence[CancellationReason]) -> Known:
    """Return what a refusal shows of the items that were read, and those it found unchanged.

    An item that it does not show need not be absent: it has to be read.
    """
    found: dict[Address, Mapping[str, Any]] = {}
    for action, reason in zip(actions, reasons, strict=False):
        if action.entry is None or action.entry.image is None:
            continue
        item = {CONDITION_FAILED: reason.item, "None": action.entry.image.item}.get(reason.code)
        if item:
            found[action.entry.address] = item
    return Known(found)


def _stale(action: Action, reason: CancellationReason) -> bool:
    image = action.entry.image if action.entry else None
    return image is not None and not image.same_as(reason.item)


def _replaced(action: Action) -> bool:
    """Whether the version that the attempt depends on is gone for ever (absence may come back)."""
    entry = action.entry
    return entry is not None and entry.image is not None and entry.image.item is not None


def _written_by(attempt: Attempt, action: Action, reason: CancellationReason) -> bool:
    """Whether the item that refuses was written by this very attempt, so that all of it was."""
    if action.entry is None or action.entry.write is None:
        return False
    return attempt.id in Image(_item(reason.item), attempt.settings.version_attribute).writers


def _item(item: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(item) if item else None


def _lock_of(action: Action) -> tuple[str, int] | None:
    """Return the name and the fence of the lock that the action guards by, if it does."""
    return guarded(action.params) if action.kind == "ConditionCheck" else None


def _condition_failed(
    index: int, action: Action, item: Mapping[str, Any] | None, attempt: Attempt
) -> ConditionFailed:
    seen = native(item, attempt.settings.version_attribute) if item else None
    lock = _lock_of(action)
    if lock is not None:
        reason = loss_of(item, lock[1])
        return GuardFailed(index, action.table, action.key, seen, *lock, reason)
    return ConditionFailed(index, action.table, action.key, seen)
