"""The clients of `interlock`, for asyncio: the same names, with the same parameters.

`from interlock.aio import LockClient`. A client that is passed is aiobotocore's
(`pip install interlock[aio]`).
"""

from typing import TYPE_CHECKING

from interlock._exports import lazily, without

if TYPE_CHECKING:
    from interlock.aio.counters import Counter, CounterChange, CounterClient, CounterState, Transfer
    from interlock.aio.locks import LeaderElection, LockClient, ReadWriteLock, Semaphore
    from interlock.aio.signing import Signer, Verifier
    from interlock.aio.tables import create_table
    from interlock.aio.transactions import Transaction, TransactionClient, TransactionReport

__all__ = [
    "Counter",
    "CounterChange",
    "CounterClient",
    "CounterState",
    "LeaderElection",
    "LockClient",
    "ReadWriteLock",
    "Semaphore",
    "Signer",
    "Transaction",
    "TransactionClient",
    "TransactionReport",
    "Transfer",
    "Verifier",
    "create_table",
]
without(__all__, {"Verifier": ("jwt", "cryptography")})

_HOMES = {
    "Counter": "counters",
    "CounterChange": "counters",
    "CounterClient": "counters",
    "CounterState": "counters",
    "LeaderElection": "locks",
    "LockClient": "locks",
    "ReadWriteLock": "locks",
    "Semaphore": "locks",
    "Signer": "signing",
    "Transaction": "transactions",
    "TransactionClient": "transactions",
    "TransactionReport": "transactions",
    "Transfer": "counters",
    "Verifier": "signing",
    "create_table": "tables",
}

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
