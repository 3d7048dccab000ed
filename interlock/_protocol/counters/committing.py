"""Commit a change of a counter's layout, bounds or value, of which the header's revision is proof.

Each of these transactions demands the revision that was seen, and sets one that never was before.
So at most one copy of it is ever carried out: DynamoDB knows a copy by the ClientRequestToken, and
answers it as it answered the first; and where a copy arrives after a refusal, the revision that it
demands is gone, or is taken away (`_fence`) before the refusal is believed.
"""

from collections.abc import Sequence
from typing import Any

from interlock._protocol.counters.checking import revised
from interlock._protocol.counters.escrow import Write
from interlock._protocol.counters.layout import Handle, Snapshot, integer, new_revision, number
from interlock._protocol.counters.sending import Kind, send, unknown
from interlock._protocol.faults import Refused
from interlock._protocol.requests import Operation, new_id
from interlock._protocol.retry import RetryBudget
from interlock.errors import InterlockError


def change_header(handle: Handle, seen: Snapshot) -> Operation[Write]:
    """Start the write of the header by which a change is the only one on what was seen."""
    write = Write(handle.table, handle.key())
    write.sets = ["revision = :next"]
    write.conditions = ["revision = :revision"]
    write.values = {
        ":revision": number(revised(handle.table, dict(seen.header))),
        ":next": number((yield from new_revision())),
    }
    return write


def commit(
    handle: Handle, actions: Sequence[dict[str, Any]], seen: Snapshot, budget: RetryBudget
) -> Operation[bool]:
    """Write all or nothing; return False if another change came first: then nothing was written.

    The first action is the header's. Raises `OutcomeUnknown` if neither is certain.
    """
    refused = yield from transact(actions, budget)
    if refused is None:
        return True
    if not refused.resent:
        return False
    reason = refused.reasons[0]
    stored = reason.item or {}
    is_as_seen = reason.code != "ConditionalCheckFailed" or (
        bool(stored) and integer(stored, "revision") == seen.revision
    )
    if is_as_seen:  # an action on a shard failed, which may succeed when the copy arrives
        yield from _fence(handle, seen, budget)
    return False


def transact(actions: Sequence[dict[str, Any]], budget: RetryBudget) -> Operation[Refused | None]:
    """Write all or nothing; return the refusal if a condition did not hold."""
    token = yield from new_id()
    params = {"TransactItems": list(actions), "ClientRequestToken": token}
    try:
        yield from send(Kind.TOKEN, budget, "TransactWriteItems", params)
    except Refused as refused:
        return refused
    return None


def _fence(handle: Handle, seen: Snapshot, budget: RetryBudget) -> Operation[None]:
    """End a revision, so that no late copy finds it. Raises `OutcomeUnknown` if one may have."""
    write = yield from change_header(handle, seen)
    try:
        yield from send(Kind.HARMLESS, budget, "UpdateItem", write.params())
    except Refused as refused:
        raise unknown(refused) from refused
    except InterlockError as error:
        raise unknown(error) from error
