"""Distributed locks on DynamoDB whose fence the store itself enforces.

The protocol is described in docs/locks.md; `interlock.aio.locks` has the same, awaitable.
"""

from interlock._protocol.locks.record import LockRecord
from interlock.errors import LossReason
from interlock.locks._client import LockClient
from interlock.locks._election import LeaderElection
from interlock.locks._keeping import Lock, LockSet, Loss
from interlock.locks._semaphore import Semaphore

__all__ = [
    "LeaderElection",
    "Lock",
    "LockClient",
    "LockRecord",
    "LockSet",
    "Loss",
    "LossReason",
    "Semaphore",
]
