"""Which seeds a test runs: a share of them always, the rest with the whole test suite."""

from typing import Any

import pytest


def seeds(quick: int, whole: int) -> list[Any]:
    """Two parameters: the range of the first seeds, and that of the others, which is slow."""
    return [
        pytest.param(range(quick), id=f"{quick} seeds"),
        pytest.param(range(quick, whole), id=f"{whole - quick} more", marks=pytest.mark.slow),
    ]
