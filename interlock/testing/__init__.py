"""Tools for tests of code that uses this library: a store in memory, a clock, and faults.

`interlock.testing.fixtures` has them as pytest fixtures. Nothing here calls AWS.
"""

from interlock.testing._store.tables import Table
from interlock.testing.clock import FakeClock, SystemClock
from interlock.testing.memory import MemoryStore, SentCall

__all__ = ["FakeClock", "MemoryStore", "SentCall", "SystemClock", "Table"]
