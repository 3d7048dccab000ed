"""Locks, transactions, counters and signatures on DynamoDB."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.clients import client_config
    from interlock.counters import Counter, CounterChange, CounterClient, CounterState, Transfer
    from interlock.locks import LeaderElection, Lock, LockClient, LockRecord, Semaphore
    from interlock.metrics import EmbeddedMetrics, Metric
    from interlock.signing import Signer, Verifier
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
    "Semaphore",
    "Signer",
    "Transaction",
    "TransactionClient",
    "TransactionReport",
    "Transfer",
    "Verifier",
    "client_config",
]

# Where each public name lives; imported when it is first used, so that its users pay for it alone.
_HOMES = {
    "Counter": "interlock.counters",
    "CounterChange": "interlock.counters",
    "CounterClient": "interlock.counters",
    "CounterState": "interlock.counters",
    "EmbeddedMetrics": "interlock.metrics",
    "Metric": "interlock.metrics",
    "LeaderElection": "interlock.locks",
    "Lock": "interlock.locks",
    "LockClient": "interlock.locks",
    "LockRecord": "interlock.locks",
    "Semaphore": "interlock.locks",
    "Signer": "interlock.signing",
    "Transaction": "interlock.transactions",
    "TransactionClient": "interlock.transactions",
    "TransactionReport": "interlock.transactions",
    "Transfer": "interlock.counters",
    "Verifier": "interlock.signing",
    "client_config": "interlock.clients",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
