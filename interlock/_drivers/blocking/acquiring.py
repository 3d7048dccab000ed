"""An acquisition that is made where it is asked for."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def acquiring(begin: Callable[[], T]) -> T:
    """Return what the acquisition returns."""
    return begin()
