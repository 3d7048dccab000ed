"""Which worker runs which tests: as `--dist loadgroup` says, in a time that grows with the tests.

pytest-xdist's own scheduler looks after each test through all that were run before, and finds each
by a search through the whole collection: with 14,000 tests that is longer than many of them take.
"""

from functools import cached_property
from typing import Any

from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]


class Scheduling(LoadGroupScheduling):  # type: ignore[misc]
    """pytest-xdist's scheduler by groups, which forgets what has been run."""

    @cached_property
    def _positions(self) -> dict[str, int]:
        # All workers have collected the same: that is demanded before anything is assigned.
        return {nodeid: index for index, nodeid in enumerate(self.collection or ())}

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Note that a worker has run a test, and give it more when it has hardly any left."""
        del duration
        nodeid = self.registered_collections[node][item_index]
        scope = self._split_scope(nodeid)
        unit = self.assigned_work[node][scope]
        del unit[nodeid]
        if not unit:
            del self.assigned_work[node][scope]
        self._reschedule(node)

    def _assign_work_unit(self, node: Any) -> None:
        scope, unit = self.workqueue.popitem(last=False)
        self.assigned_work[node][scope] = unit
        node.send_runtest_some([self._positions[nodeid] for nodeid in unit])
