"""Give several locks back by one call, as far as that does.

    many locks    batch ... its outcomes told apart ... what it did not free, one by one

1. A batch is no transaction: each of its statements is the conditional write that a release is, and
   none depends on another. So it takes only what needs no more than that: no run to record, no
   waiter to hand on to, no heartbeat whose answer is missing, no bound to set.
2. It is sent once. What it did not free is released by `lease.release`, which knows from the grant
   whether the batch may yet free it: that is one more release whose reply was lost.
3. A role that may not, or a store that cannot, says so once; then all is released one by one.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.batching.html
"""

from collections.abc import Sequence
from typing import Any

from interlock._protocol.faults import Fault, NoReply
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.item import key_of
from interlock._protocol.locks.lease import PERHAPS_OURS, RELEASING
from interlock._protocol.locks.record import expiry
from interlock._protocol.locks.settings import Settings
from interlock._protocol.requests import CallOnce, Monotonic, Operation, Time, TimeOfDay
from interlock._protocol.retry import may_pass

MOST_STATEMENTS = 25  # of a BatchExecuteStatement
TRYING = 1.0  # seconds that a batch may take, of those that a release has
LEFT = RELEASING - TRYING  # seconds for what it has left
_FEWEST = 2  # locks of which a batch is made
# The key is the last parameter. `IS MISSING` is PartiQL's `attribute_not_exists`.
_RELEASE = (
    'UPDATE "{}" SET "expires" = ? REMOVE "version" REMOVE "lease_ms" REMOVE "held_since" '
    'REMOVE "held_until" REMOVE "owner" REMOVE "data" '
    'WHERE "version" = ? AND "queue"[0] IS MISSING AND "pk" = ?'
)
_PERHAPS = "InternalServerError"
_NEVER = frozenset({"AccessDenied", "ResourceNotFound", "ValidationError"})


class Together:
    """The batches of one client, until one is refused for good."""

    def __init__(self, settings: Settings) -> None:
        self._table = settings.table
        self._refused = False

    def batches(self, grants: Sequence[Grant]) -> list[list[Grant]]:
        """Return the grants, all of them closed, that batches may free, by their batch."""
        plain = [grant for grant in grants if _is_plain(grant)]
        if self._refused or len(plain) < _FEWEST:
            return []
        starts = range(0, len(plain), MOST_STATEMENTS)
        return [plain[start : start + MOST_STATEMENTS] for start in starts]

    def free(self, grants: Sequence[Grant]) -> Operation[None]:
        """Send a batch, and note of each grant whether it is freed, or may be. Raises nothing."""
        # What was interrupted is not sent again, but left in doubt to a release of its own.
        grants = [grant for grant in grants if not grant.perhaps_freed]
        if not grants:
            return
        time, now = (yield TimeOfDay()), (yield Monotonic())
        params = {"Statements": [_release(self._table, grant, time) for grant in grants]}
        for grant in grants:
            grant.perhaps_freed = True
        try:
            reply = yield CallOnce("BatchExecuteStatement", params, now + TRYING)
        except Fault as fault:
            self._refused = self._refused or not may_pass(fault)
            for grant in grants:
                grant.perhaps_freed = isinstance(fault, NoReply)
            return
        for grant, answer in zip(grants, reply["Responses"], strict=True):
            error = answer.get("Error")
            code = None if error is None else error.get("Code")
            grant.freed, grant.perhaps_freed = error is None, code == _PERHAPS
            self._refused = self._refused or code in _NEVER


def _is_plain(grant: Grant) -> bool:
    return (
        grant.loss in PERHAPS_OURS
        and not (grant.freed or grant.unconfirmed or grant.void_before)
        and grant.run is None
        and grant.heir is None
    )


def _release(table: str, grant: Grant, time: Time) -> dict[str, Any]:
    """Return the statement that `record.release_call` is as an UpdateItem."""
    expires, (key,) = {"N": str(expiry(time, 0.0))}, key_of(grant.name).values()
    return {
        "Statement": _RELEASE.format(table),
        "Parameters": [expires, {"S": grant.version}, key],
    }
