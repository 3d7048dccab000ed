"""Locks and their holders. The client is made by the first request that asks."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock import LockClient, LockRecord


class Locks:
    """Looks at locks, and takes none."""

    def __init__(self, table: str, *, client: Any = None) -> None:
        self._table = table
        self._client = client

    def inspect(self, name: str) -> "LockRecord | None":
        """Return who holds a lock, None if it was never taken."""
        return self._locks.inspect(name)

    @cached_property
    def _locks(self) -> "LockClient":
        from interlock import LockClient

        return LockClient(self._table, client=self._client)
