"""What can be demanded of a commit beside its items: that a lock is still held."""

from collections.abc import Mapping
from typing import Any, Protocol


class Guard(Protocol):
    """Whatever can be demanded of a commit by a ConditionCheck of its own, as a held lock can."""

    def guard(self) -> Mapping[str, Any]:
        """Return `{"ConditionCheck": {...}}`, as TransactWriteItems takes it."""
        ...
