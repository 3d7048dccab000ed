"""A job that cron starts on every machine, and that runs on one of them.

The first machine takes the lock, and it stays taken for ten minutes: a machine whose clock is late
finds it taken and ends, though the run may be over by then. The report is written in a transaction
that is guarded by the lock: had this machine been stopped in the middle and another taken over,
DynamoDB would refuse it.
"""

import os
import sys
from datetime import UTC, datetime, timedelta

from interlock import LockClient, TransactionClient

TABLE = os.environ.get("INTERLOCK_TABLE", "coordination")


def main(locks, transactions):
    """Write today's report; return False if another machine does, or has."""

    @locks.exclusive("nightly", at_least=timedelta(minutes=10))
    def nightly():
        rows = count_rows()

        def save(tx):
            tx.guard(locks.held("nightly"))
            tx.put("reports", {"pk": f"{datetime.now(UTC):%Y-%m-%d}"}, {"rows": rows})

        transactions.run(save)
        return rows

    return nightly() is not None


def count_rows():
    """Stand for the long part of the work."""
    return 7


if __name__ == "__main__":
    with LockClient(TABLE) as client:
        sys.exit(0 if main(client, TransactionClient(TABLE)) else 75)  # EX_TEMPFAIL
