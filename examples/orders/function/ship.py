"""Ships an order, once at a time, and writes only as long as the lock is held."""

import os
from datetime import timedelta

from interlock import LockClient, TransactionClient

TABLE = os.environ["INTERLOCK_TABLE"]  # set by attach_to
locks = LockClient(TABLE)
transactions = TransactionClient(TABLE)


def handler(event, context):
    order = event["order"]
    patience = timedelta(seconds=5)
    with locks.acquire(f"orders/{order}", timeout=patience, invocation=context) as lock:

        def ship(t):
            t.guard(lock)  # refused by DynamoDB itself, should the lock be another's by now
            t.put("orders", {"id": order}, {"status": "shipped", "fence": lock.fencing_token})

        transactions.run(ship)
        return {"order": order, "fencing_token": lock.fencing_token}
