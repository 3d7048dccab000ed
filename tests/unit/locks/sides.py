"""Both sides of the lock "a": taking one, giving it up or back, and what the records say then."""

from datetime import timedelta

import pytest

from interlock._protocol.locks import record
from interlock._protocol.locks.readers import ReadAcquisition
from interlock._protocol.locks.writers import WriteAcquisition
from interlock.errors import LockTimeout
from tests.unit.locks.scripted import TABLE

LEASE = 20.0
SLOTS = 3


def side(process, which, timeout=None, readers=SLOTS):
    wait = None if timeout is None else timedelta(seconds=timeout)
    acquisition = getattr(process.locks, which)("a", readers, timeout=wait)
    assert isinstance(acquisition, ReadAcquisition if which == "read" else WriteAcquisition)
    return acquisition


def read(process, timeout=None, readers=SLOTS):
    return process.driver.run(side(process, "read", timeout, readers).run())


def write(process, timeout=None, readers=SLOTS):
    return process.driver.run(side(process, "write", timeout, readers).run())


def downgrade(process, grant):
    return process.driver.run(process.locks.downgrade(grant, SLOTS).run())


def give_up(process, which, timeout):
    """Wait for a side in vain, as a client does: what was granted or may be is given back."""
    acquisition = side(process, which, timeout)
    with pytest.raises(LockTimeout) as caught:
        process.driver.run(acquisition.run())
    for grant in acquisition.granted:
        process.release(grant)
    process.driver.run(acquisition.abandon())
    return caught.value


def row(process, name):
    return process.driver.row(name) or {}


def held(process):
    names = ["a", *(f"a#{number}" for number in range(SLOTS))]
    return [name for name in names if "version" in row(process, name)]


def calls_of(process, work):
    before = len(process.driver.calls)
    result = work()
    return result, process.driver.operations()[before:]


def guarded_write(process, grant):
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "row"}}}}
    check = record.guard(TABLE, grant.name, grant.fence)
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [check, put]})


def stay(process, grant):
    """Let a holder renew its lock during each of the pauses to come."""

    def renew():
        process.renew(grant)

    return [renew] * 10_000


def drop(process, name):
    """Let a record be gone, as if it had been deleted."""
    process.driver.store.perform(
        "DeleteItem", {"TableName": TABLE, "Key": {"pk": {"S": f"lock#{name}"}}}
    )
