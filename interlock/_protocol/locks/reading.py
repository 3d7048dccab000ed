"""Look at a lock without taking it."""

from interlock._protocol.faults import Fault
from interlock._protocol.locks import record
from interlock._protocol.locks.patience import Patience
from interlock._protocol.locks.record import LockRecord
from interlock._protocol.locks.settings import Settings
from interlock._protocol.requests import Monotonic, Operation

_TIMEOUT = 5.0  # seconds


def inspect(settings: Settings, name: str) -> Operation[LockRecord | None]:
    """Return what the store holds of a lock, None if it was never taken (or long ago)."""
    patience = Patience(settings.table, (yield Monotonic()) + _TIMEOUT)
    while True:
        try:
            reply = yield record.read_call(settings.table, name)
        except Fault as fault:
            yield from patience.after(fault)
        else:
            item = reply.get("Item")
            return LockRecord.of(item) if item else None
