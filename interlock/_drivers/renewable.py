"""A grant as far as a heartbeat engine needs to know it."""

from typing import Protocol


class Renewable(Protocol):
    """Something that is held until a time, and renewed before it. Times on the engine's clock."""

    due: float
    until: float

    @property
    def over(self) -> bool:
        """Whether there is nothing left to renew."""
        ...
