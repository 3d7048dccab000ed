"""Distributed locks on DynamoDB whose fence the store itself enforces.

The protocol is described in docs/locks.md. Both halves of the library offer the same.
"""

from interlock._protocol.locks.deadlock import Deadlock, DeadlockLink
from interlock._protocol.locks.reading import LockPage
from interlock._protocol.locks.state import JobRun, LockBreak, LockRecord, LockWaiter
from interlock.aio.locks._client import LockClient
from interlock.aio.locks._election import LeaderElection
from interlock.aio.locks._lock import Lock, LockSet, Loss
from interlock.aio.locks._readers import ReadWriteLock, WriteLock
from interlock.aio.locks._semaphore import Semaphore
from interlock.aio.locks._term import Term
from interlock.errors import LossReason

__all__ = [
    "Deadlock",
    "DeadlockLink",
    "JobRun",
    "LeaderElection",
    "Lock",
    "LockBreak",
    "LockClient",
    "LockPage",
    "LockRecord",
    "LockSet",
    "LockWaiter",
    "Loss",
    "LossReason",
    "ReadWriteLock",
    "Semaphore",
    "Term",
    "WriteLock",
]

for _public in (
    LeaderElection,
    Lock,
    LockClient,
    LockSet,
    Loss,
    ReadWriteLock,
    Semaphore,
    Term,
    WriteLock,
):
    _public.__module__ = __name__
