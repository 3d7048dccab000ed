"""Give a lock back: one conditional write that removes `version` and keeps the row and its fence.

Conditional on our own versions, so that the lock of a successor is never touched, and on those of
heartbeats that are still under way, so that none of them comes after it.
"""

from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.patience import Patience
from interlock._protocol.locks.settings import Settings
from interlock._protocol.requests import Monotonic, Operation, WallClock
from interlock.errors import LossReason

PATIENCE = 5.0  # seconds by default; what is not given back by then ends with its lease


def release(
    settings: Settings, grant: Grant, patience_seconds: float = PATIENCE
) -> Operation[bool]:
    """Give the lock back; return False if it is certain that it had been lost before.

    Raises `Throttled` or `ServiceUnavailable` when the patience is over, `AccessDenied`,
    `RequestRefused` and `TableNotFound` at once; then the lock ends with its lease. No heartbeat
    follows, whatever comes of it.
    """
    own = grant.close()
    if grant.loss not in (None, LossReason.LEASE_RAN_OUT, LossReason.REFUSED):
        return False
    patience = Patience(settings.table, (yield Monotonic()) + patience_seconds)
    doubt = False
    while True:
        wall = yield WallClock()
        try:
            yield record.release_call(settings.table, grant.name, wall=wall, own=own)
        except Refused as refusal:
            doubt = doubt or refusal.resent
            if refusal.condition_failed:
                return _settled(grant, refusal, doubt=doubt)
            yield from patience.after(refusal)
        except Fault as fault:
            doubt = doubt or isinstance(fault, NoReply)
            yield from patience.after(fault)
        else:
            return True


def _settled(grant: Grant, refusal: Refused, *, doubt: bool) -> bool:
    """Say what a refusal means; `doubt`: an earlier copy of the release may be the cause of it.

    Then the lock counts as given back, as long as its record is there: if it has another fence by
    now, nobody can tell whether the successor came after the release or instead of it.
    """
    if doubt and refusal.item:
        return True
    grant.loss = record.loss_of(refusal.item, grant.fence)
    return False
