"""pytest fixtures; a conftest.py has them by `pytest_plugins = ["interlock.testing.fixtures"]`."""

import pytest

from interlock.testing.clock import FakeClock
from interlock.testing.memory import MemoryStore

__all__ = ["interlock_clock", "interlock_store"]


@pytest.fixture
def interlock_clock() -> FakeClock:
    """Return a clock that the test moves."""
    return FakeClock()


@pytest.fixture
def interlock_store(interlock_clock: FakeClock) -> MemoryStore:
    """Return a store in memory that has one table, "coordination"."""
    return MemoryStore("coordination", clock=interlock_clock)
