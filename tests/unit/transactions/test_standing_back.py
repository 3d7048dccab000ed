"""A commit lets the heartbeat of a lock that guards it go first, for a while."""

import pytest

from interlock._protocol.locks import record
from tests.unit.transactions.wire import stored

FENCE = 7


class Renewed:
    """A lock whose heartbeat is under way until a time."""

    def __init__(self, time, until):
        self.time, self.until = time, until

    @property
    def renewing(self):
        return self.time.now < self.until

    def guard(self):
        return record.guard("coordination", "a", FENCE)


@pytest.fixture(autouse=True)
def held(wire):
    item = {"pk": {"S": "lock#a"}, "fence": {"N": str(FENCE)}, "version": {"S": "v"}}
    wire.client.put_item(TableName="coordination", Item=item)


@pytest.mark.parametrize(("lasts", "waits"), [(0.0, 0.0), (0.3, 0.3), (1000.0, 1.0)])
def test_a_commit_waits_for_a_heartbeat_for_a_second_at_most(tx, wire, time, lasts, waits):
    began = time.now
    lock = Renewed(time, began + lasts)

    def write(t):
        t.guard(lock)
        t.put("t", {"pk": "row"}, {"n": 1})

    tx.run(write)
    assert waits <= time.now - began < waits + 0.1
    assert stored(wire, {"pk": "row"}) is not None


def test_what_guards_and_is_no_lock_is_not_waited_for(tx, wire, time):
    class Plain:
        def guard(self):
            return record.guard("coordination", "a", FENCE)

    began = time.now
    tx.run(lambda t: (t.guard(Plain()), t.put("t", {"pk": "row"}, {"n": 1})))
    assert time.now == began
    assert stored(wire, {"pk": "row"}) is not None
