"""Bounds of a counter, and checks of what callers pass."""

from interlock._dataclasses import dataclass
from interlock._protocol.kinds import shown
from interlock._protocol.names import spelled
from interlock.errors import InvalidCounterName, InvalidValue

LARGEST = (
    10**38 - 1
)  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_NAME_BYTES = 512
MAX_KEY_BYTES = 512


def checked_name(name: str) -> str:
    """Return a counter's name in its one spelling (Unicode NFC), or raise `InvalidCounterName`."""
    return spelled(name, InvalidCounterName, apart="a shard", most=MAX_NAME_BYTES)


def checked_integer(value: int, path: str, *, least: int = -LARGEST, most: int = LARGEST) -> int:
    """Return an integer within bounds, by default of at most 38 digits, or raise `InvalidValue`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidValue(path, f"{shown(value)} is not an integer")
    if not least <= value <= most:
        bound = "10^38 - 1" if most == LARGEST else most
        raise InvalidValue(path, f"{shown(value)} is outside {least} to {bound}")
    return value


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a counter. A side that is None is limited by the store's 38 digits alone."""

    floor: int | None = None
    ceiling: int | None = None

    def __post_init__(self) -> None:
        for path, limit in (("floor", self.floor), ("ceiling", self.ceiling)):
            if limit is not None:
                checked_integer(limit, path)
        if self.least > self.most:
            raise InvalidValue("floor", f"{self.floor} is over the ceiling {self.ceiling}")
        if self.most - self.least > LARGEST:
            raise InvalidValue("ceiling", "ceiling - floor has more than 38 digits")

    @property
    def least(self) -> int:
        """The smallest value. `most - least` always fits the 38 digits of one escrow."""
        if self.floor is not None:
            return self.floor
        return -(LARGEST // 2) if self.ceiling is None else max(-LARGEST, self.ceiling - LARGEST)

    @property
    def most(self) -> int:
        """The largest value."""
        if self.ceiling is not None:
            return self.ceiling
        return LARGEST // 2 if self.floor is None else min(LARGEST, self.floor + LARGEST)

    @property
    def start(self) -> int:
        """The value of a new counter: 0, or the bound that is nearest to it."""
        return min(max(0, self.least), self.most)

    def contains(self, value: int) -> bool:
        """Whether the value is within."""
        return self.least <= value <= self.most
