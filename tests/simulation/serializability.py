"""A checker of histories: could these transactions have run one after the other?

The direct serialization graph of A. Adya, "Weak Consistency: A Generalized Theory and Optimistic
Implementations for Distributed Transactions" (1999): an edge from T to U where U must come later,
because U read what T wrote, overwrote it, or overwrote what T had read. A history is serializable
if the graph has no cycle and no transaction read what was never committed.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Committed:
    """A committed transaction: the writer of each item as it was read, and what it wrote.

    The writer None is the initial state. `seconds` (start, end) may be given to check that the
    order also agrees with real time (strict serializability). A transaction that is `early` may
    come before others that ended before it began, unless they wrote what it read.
    """

    name: str
    reads: Mapping[str, str | None] = field(default_factory=dict)
    writes: frozenset[str] = frozenset()
    seconds: tuple[float, float] | None = None
    early: bool = False


def anomalies(history: Sequence[Committed], versions: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield what is wrong; `versions` are the writers of each item in the order of the store."""
    names = {txn.name for txn in history}
    for txn in history:
        for item, writer in txn.reads.items():
            if writer is not None and writer not in names:
                yield f"{txn.name} read {item} from {writer}, which was never committed"
        for item in txn.writes:
            count = list(versions.get(item, ())).count(txn.name)
            if count != 1:
                yield f"{txn.name} wrote {item} {count} times"
    for item, writers in versions.items():
        for writer in writers:
            if writer not in names:
                yield f"{item} was written by {writer}, which was never committed"
    cycle = _cycle(names, set(_edges(history, versions)))
    if cycle:
        yield "no serial order: " + " before ".join(cycle)


def _edges(
    history: Sequence[Committed], versions: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, str]]:
    for writers in versions.values():
        yield from itertools.pairwise(writers)
    for txn in history:
        for item, writer in txn.reads.items():
            if writer is not None:
                yield writer, txn.name
            later = _next(versions.get(item, ()), writer)
            if later is not None and later != txn.name:
                yield txn.name, later
    timed = [(txn, txn.seconds) for txn in history if txn.seconds is not None]
    for first, (_, ended) in timed:
        for second, (began, _) in timed:
            if ended < began and (not second.early or first.writes & second.reads.keys()):
                yield first.name, second.name


def _next(writers: Sequence[str], writer: str | None) -> str | None:
    """Return who overwrote what `writer` wrote."""
    if writer is None:
        return writers[0] if writers else None
    if writer not in writers:
        return None
    place = writers.index(writer) + 1
    return writers[place] if place < len(writers) else None


def _cycle(names: Iterable[str], edges: set[tuple[str, str]]) -> list[str]:
    """Return the nodes of a cycle, or nothing: those never left by removing nodes without debts."""
    after: dict[str, set[str]] = {name: set() for name in names}
    for before, later in edges:
        if before != later and before in after and later in after:
            after[before].add(later)
    while free := [name for name, debts in after.items() if not debts]:
        for name in free:
            del after[name]
        for debts in after.values():
            debts.difference_update(free)
    if not after:
        return []
    # Every node that is left has an edge to another one that is left: walk until one repeats.
    path = [next(iter(after))]
    while True:
        step = min(after[path[-1]])
        if step in path:
            return [*path[path.index(step) :], step]
        path.append(step)
