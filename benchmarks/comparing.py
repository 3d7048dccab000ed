"""Times ways to do the same, side by side in one run, fairly to each."""

import random
import statistics
import time
from collections.abc import Callable, Mapping

IN_A_ROW = 10
WARM_UP = 2  # rounds


def medians(ways: Mapping[str, Callable[[int], object]], calls: int) -> dict[str, float]:
    """Return the median seconds of a call by each way, of at least so many.

    A way is given the number of the call, which differs in each. It is called ten times in a row,
    as a process calls the one client that it has: after another's code the first call finds the
    processor's caches cold, which costs whatever comes after the largest. Then it is another's
    turn, so that a slow moment meets them all, in an order that is drawn anew each round.
    """
    dice, order = random.Random(7), list(ways)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + -(-calls // IN_A_ROW)):
        dice.shuffle(order)
        for name in order:
            way = ways[name]
            for number in range(turn * IN_A_ROW, (turn + 1) * IN_A_ROW):
                began = time.perf_counter()
                way(number)
                taken[name].append(time.perf_counter() - began)
    return {name: statistics.median(times[WARM_UP * IN_A_ROW :]) for name, times in taken.items()}


def alike(ways: Mapping[str, Callable[[], object]]) -> dict[str, Callable[[int], object]]:
    """Return ways of which every call is the same, whichever its number."""
    return {name: lambda _, way=way: way() for name, way in ways.items()}  # type: ignore[misc]
