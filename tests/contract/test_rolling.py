"""A deployment in which two releases share a table, as processes on real engines.

The newer release reads what the older one writes. While it writes the older form, too, both work
side by side; once it writes a form of its own, the older one says so and changes nothing.
"""

from datetime import timedelta

import pytest

from interlock import CounterClient, LockClient
from interlock.errors import CorruptRecord
from tests.contract.conftest import PATIENT, connected, counting
from tests.contract.test_locks import lock_client, process, told

NEWER = 9
ROUNDS = 5
PATIENCE = timedelta(seconds=30)
KEYS = ({"pk": {"S": "lock#a"}}, {"pk": {"S": "counter#visits"}})
FORMATS = (
    "locks.item.FORMAT",
    "locks.record.FORMAT",
    "counters.checking.FORMAT",
    "counters.escrow.FORMAT",
    "counters.layout.FORMAT",
)


def used(locks: LockClient, counters: CounterClient) -> int:
    """Use a lock and a counter; return what the counter has then."""
    with locks.acquire("a", timeout=PATIENCE):
        return counters.counter("visits").increment().value


def run_newer(pipe, endpoint, table):
    """Be a newer release: `rewrite` has it write its own form from then on."""
    with pytest.MonkeyPatch.context() as patch:
        for name in FORMATS:
            patch.setattr(f"interlock._protocol.{name}", NEWER)
        counters, store = counting(endpoint, table), connected(endpoint, PATIENT)
        with lock_client(endpoint, table) as locks:
            pipe.send("ready")
            while (what := pipe.recv()) != "end":
                if what == "rewrite":
                    for key in KEYS:
                        store.update_item(
                            TableName=table,
                            Key=key,
                            UpdateExpression="SET #format = :newer",
                            ExpressionAttributeNames={"#format": "format"},
                            ExpressionAttributeValues={":newer": {"N": str(NEWER)}},
                        )
                pipe.send(used(locks, counters))


def test_two_releases_share_a_table_until_the_newer_writes_its_own_form(endpoint, table):
    counters = counting(endpoint, table)
    with lock_client(endpoint, table) as locks, process(run_newer, endpoint, table) as (_, newer):
        assert told(newer) == "ready"
        for turn in range(ROUNDS):
            assert used(locks, counters) == 2 * turn + 1
            newer.send("use")
            assert told(newer) == 2 * turn + 2
        newer.send("rewrite")
        assert told(newer) == 2 * ROUNDS + 1
        for call in (lambda: locks.acquire("a"), counters.counter("visits").increment):
            with pytest.raises(CorruptRecord, match="newer version of this library"):
                call()
        newer.send("use")
        assert told(newer) == 2 * ROUNDS + 2
        newer.send("end")
