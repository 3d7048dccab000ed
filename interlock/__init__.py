"""Locks, transactions, counters and signatures on DynamoDB."""

from typing import TYPE_CHECKING, Any

from interlock._exports import lazily, without

if TYPE_CHECKING:
    from interlock.clients import client_config
    from interlock.counters import Counter, CounterChange, CounterClient, CounterState, Transfer
    from interlock.locks import (
        LeaderElection,
        Lock,
        LockClient,
        LockRecord,
        ReadWriteLock,
        Semaphore,
    )
    from interlock.metrics import EmbeddedMetrics, Metric
    from interlock.signing import Signer, Verifier
    from interlock.tables import TableLayout, create_table
    from interlock.transactions import Transaction, TransactionClient, TransactionReport

__all__ = [
    "Counter",
    "CounterChange",
    "CounterClient",
    "CounterState",
    "EmbeddedMetrics",
    "LeaderElection",
    "Lock",
    "LockClient",
    "LockRecord",
    "Metric",
    "ReadWriteLock",
    "Semaphore",
    "Signer",
    "TableLayout",
    "Transaction",
    "TransactionClient",
    "TransactionReport",
    "Transfer",
    "Verifier",
    "client_config",
    "create_table",
]
without(__all__, {"Verifier": ("jwt", "cryptography")})

# Where each public name lives; imported when it is first used: what is not used costs nothing.
_HOMES = {
    "Counter": "counters",
    "CounterChange": "counters",
    "CounterClient": "counters",
    "CounterState": "counters",
    "EmbeddedMetrics": "metrics",
    "LeaderElection": "locks",
    "Lock": "locks",
    "LockClient": "locks",
    "LockRecord": "locks",
    "Metric": "metrics",
    "ReadWriteLock": "locks",
    "Semaphore": "locks",
    "Signer": "signing",
    "TableLayout": "tables",
    "Transaction": "transactions",
    "TransactionClient": "transactions",
    "TransactionReport": "transactions",
    "Transfer": "counters",
    "Verifier": "signing",
    "client_config": "clients",
    "create_table": "tables",
}
_lazily = lazily(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - reads a file

        return version("interlock")
    return _lazily(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
