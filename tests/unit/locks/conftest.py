from datetime import timedelta

import pytest

from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.settings import Settings
from tests.layouts import LAYOUT, LaidOutStore
from tests.unit.locks.realtime import Network
from tests.unit.locks.scripted import TABLE, Driver

LEASE = timedelta(seconds=0.4)


class Process:
    """A client process: a driver, and the operations of a lock client."""

    def __init__(self, store=None, owner="somebody", **settings):
        self.driver = Driver(store)
        self.settings = Settings(TABLE, **settings)
        self.locks = LockOperations(self.settings, lambda: owner)

    def acquisition(self, name="a", *, timeout=None, **options):
        wait = None if timeout is None else timedelta(seconds=timeout)
        return self.locks.acquire(name, timeout=wait, **options)

    def acquire(self, name="a", **options):
        return self.driver.run(self.acquisition(name, **options).run())

    def renew(self, grant):
        self.driver.run(self.locks.renew(grant))

    def release(self, grant):
        return self.driver.run(self.locks.release(grant))

    def adopt(self, text):
        return self.driver.run(self.locks.adopt(text, []))


def agreed(process, permits, name="jobs"):
    """Return a process that knows how many permits a semaphore has, of which there are no rows."""
    process.release(process.driver.run(process.locks.permit(name, permits).run()))
    process.driver.store.contents.items.clear()
    process.driver.calls.clear()
    process.driver.deadlines.clear()
    return process


@pytest.fixture(params=[None, LAYOUT], ids=["default", "laid_out"])
def process(request):
    """A process on a table as it is made by default, and on one of another layout."""
    return Process(None if request.param is None else LaidOutStore(request.param, TABLE))


@pytest.fixture
def other(process):
    """Another process on the same table, whose monotonic clock shows something else."""
    other = Process(process.driver.store)
    other.driver.now = 5_000_000.0
    return other


@pytest.fixture
def network():
    return Network()


@pytest.fixture
def losses():
    return []


@pytest.fixture
def make(half, network):
    """Return a function that makes clients of this half, which are closed in the end."""
    clients = []

    def make(**options):
        options.setdefault("client", network.client(half))
        locks = half.wrap(half.locks.LockClient(TABLE, **options))
        clients.append(locks)
        return locks

    yield make
    network.calm()
    for locks in clients:
        locks.close()


@pytest.fixture
def locks(half, make, losses):
    return make(
        lease=LEASE,
        poll=timedelta(seconds=0.02),
        on_lost=half.function(lambda lock, reason: losses.append((lock.name, reason))),
    )


@pytest.fixture
def grant(process):
    """A grant whose calls alone the driver has noted: none yet."""
    grant = process.acquire(heartbeats=True)
    process.driver.calls.clear()
    process.driver.deadlines.clear()
    return grant
