"""Fewer samples of a long time, such that what stands out in them is kept."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

Sample = list[int | str]
"""`[tick, value, fence]`: epoch seconds, decimal text, and the fencing token of who recorded it."""


def width(span: float, most: int) -> int:
    """Return how many seconds share two samples, if `span` seconds may have `most`."""
    return max(1, math.ceil(2 * span / most))


def thinned(samples: Sequence[Sample], seconds: int) -> list[Sample]:
    """Return the least and the greatest of each `seconds`, in order.

    The first and the last sample stay too, and the first of each leader.
    """
    kept = {int(sample[0]) for sample in (*samples[:1], *samples[-1:])}
    kept |= {int(after[0]) for before, after in pairwise(samples) if before[2] != after[2]}
    for _, together in groupby(samples, lambda sample: int(sample[0]) // seconds):
        kept.update(_extremes(list(together)))
    return [sample for sample in samples if sample[0] in kept]


def _extremes(samples: Sequence[Sample]) -> Iterator[int]:
    for choose in (min, max):
        yield int(choose(samples, key=lambda sample: int(sample[1]))[0])
