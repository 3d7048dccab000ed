"""A job that cron starts on every machine, and that runs on one of them.

The first machine takes the lock; the others find it taken and end. The report is written in a
transaction that is guarded by the lock: had this machine been stopped in the middle and another
taken over, DynamoDB would refuse it.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

from interlock import LockClient, TransactionClient

TABLE = os.environ.get("INTERLOCK_TABLE", "coordination")


def main(locks, transactions):
    """Write today's report, unless another machine does."""
    lock = locks.try_acquire("nightly", data={"started": datetime.now(UTC).isoformat()})
    if lock is None:
        print(f"runs on {locks.inspect('nightly').owner} already")
        return False
    with lock:
        rows = count_rows()

        def save(tx):
            tx.guard(lock)
            tx.put("reports", {"pk": f"{datetime.now(UTC):%Y-%m-%d}"}, {"rows": rows})

        transactions.run(save)
    return True


def count_rows():
    """Stand for the long part of the work."""
    return 7


if __name__ == "__main__":
    with LockClient(TABLE, lease=timedelta(seconds=60)) as client:
        sys.exit(0 if main(client, TransactionClient(TABLE)) else 75)  # EX_TEMPFAIL
