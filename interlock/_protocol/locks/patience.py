"""How long a step of the lock protocol is tried again when the store does not answer it."""

from dataclasses import dataclass

from interlock._protocol.faults import Fault
from interlock._protocol.requests import Operation, monotonic, sleep
from interlock._protocol.retrying import failure, jittered, may_pass

_FIRST, _LONGEST = 0.025, 1.0  # seconds between tries
_SILENCE = 15.0  # seconds without any answer until a caller is told, however long it would wait,
_SILENT_TRIES = 8  # if there were that many tries: a process that was stopped for a while has not
_GRACE = 1.0  # seconds for retries where the caller would not wait for another holder


@dataclass(slots=True)
class Patience:
    """The failures since the last answer. `deadline` is on the monotonic clock."""

    table: str
    deadline: float = float("inf")
    failures: int = 0
    since: float = 0.0

    def answered(self) -> None:
        """Note that the store has answered."""
        self.failures = 0

    def after(self, fault: Fault) -> Operation[None]:
        """Wait before the next try, or raise what the fault means to the caller."""
        error = failure(fault, [self.table], "grant_locks")
        if not may_pass(fault):
            raise error from fault
        now = yield from monotonic()
        if self.failures == 0:
            self.since = now
        self.failures += 1
        seconds = yield from jittered(self.failures, _FIRST, _LONGEST)
        silent = self.failures >= _SILENT_TRIES and now - self.since > _SILENCE
        if silent or now + seconds > max(self.deadline, self.since + _GRACE):
            raise error from fault
        yield from sleep(seconds)
