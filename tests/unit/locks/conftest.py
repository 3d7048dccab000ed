import pytest

from interlock._protocol.locks.acquiring import Acquisition
from interlock._protocol.locks.settings import Settings, Wish
from interlock._protocol.locks.sightings import Sightings
from tests.unit.locks.scripted import TABLE, Driver


class Process:
    """A client process: a driver, its settings, and what it has seen."""

    def __init__(self, store=None, **settings):
        self.driver = Driver(store)
        self.settings = Settings(TABLE, **settings)
        self.sightings = Sightings()

    def acquisition(self, name="a", **wish):
        wish = {"lease": self.settings.lease, "owner": "somebody", **wish}
        return Acquisition(self.settings, Wish(name, **wish), self.sightings)

    def acquire(self, name="a", **wish):
        return self.driver.run(self.acquisition(name, **wish).run())


@pytest.fixture
def process():
    return Process()


@pytest.fixture
def other(process):
    """Another process on the same table, whose monotonic clock shows something else."""
    other = Process(process.driver.store)
    other.driver.now = 5_000_000.0
    return other
