"""Whether a history of concurrent calls could have happened one at a time.

The search of J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993), with the
cache of states already tried of G. Lowe, "Testing for linearizability" (2017).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Observed(Generic[S]):
    """One call: when it was made and answered, and what its answer says of the state.

    `step` returns the states that may follow one in which the call took effect: none where its
    answer was impossible. `ended` is None for a call without answer: it took effect at any time
    after it was made, or never.
    """

    began: float
    ended: float | None
    step: Callable[[S], Sequence[S]]
    name: str = ""


def linearizable(history: Sequence[Observed[S]], start: S) -> bool:
    """Whether an order of the calls explains all answers and respects which came before which."""
    tried: set[tuple[frozenset[int], S]] = set()
    todo: list[tuple[frozenset[int], S]] = [(frozenset(range(len(history))), start)]
    while todo:
        left, state = todo.pop()
        if all(history[i].ended is None for i in left):
            return True
        if (left, state) in tried:
            continue
        tried.add((left, state))
        first_end = min(e for i in left if (e := history[i].ended) is not None)
        for i in left:
            if history[i].began <= first_end:
                todo += [(left - {i}, after) for after in history[i].step(state)]
    return False
