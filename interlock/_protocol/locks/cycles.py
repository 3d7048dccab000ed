"""Name the cycles of a graph: each once, in an order that does not depend on how it was built.

Johnson, "Finding all the elementary circuits of a directed graph" (SIAM J. Comput. 4, 1975), over
strong components by two searches in depth (Sharir, "A strong-connectivity algorithm and its
applications in data flow analysis", 1981). Neither recurses here, as a chain of waiters may be
longer than a stack of calls.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeAlias

Graph: TypeAlias = Mapping[str, Iterable[str]]


def cycles(graph: Graph, most: int) -> list[tuple[str, ...]]:
    """Return up to `most` elementary cycles of two nodes or more, each from its least node on.

    What only follows others need be no key of the graph: it is in no cycle.

    A graph has exponentially many at the worst. Every search for cycles through a node finds at
    least one, so the work is O((nodes + edges) * (most + 1)), whatever the graph.
    """
    found: list[tuple[str, ...]] = []
    whole = {node: set(following) - {node} for node, following in graph.items()}
    left = _knots(whole, set(whole))
    while left and len(found) < most:
        knot = left.pop()
        first = min(knot)
        within = {node: sorted(whole[node] & knot, reverse=True) for node in knot}
        found += islice(_through(first, within), most - len(found))
        left += _knots(whole, knot - {first})
    return found


def _through(first: str, graph: Mapping[str, list[str]]) -> Iterator[tuple[str, ...]]:
    """Yield the elementary cycles through a node; `graph` has what follows each, last one first."""
    path, blocked = [first], {first}
    waiting: dict[str, set[str]] = {}  # blocked until that node is not
    on_cycle: set[str] = set()
    stack = [(first, list(graph[first]))]
    while stack:
        node, following = stack[-1]
        if following:
            after = following.pop()
            if after == first:
                yield tuple(path)
                on_cycle.update(path)
            elif after not in blocked:
                path.append(after)
                blocked.add(after)
                on_cycle.discard(after)
                stack.append((after, list(graph[after])))
            continue
        if node in on_cycle:
            _unblock(node, blocked, waiting)
        else:
            for after in graph[node]:
                waiting.setdefault(after, set()).add(node)
        stack.pop()
        path.pop()


def _unblock(node: str, blocked: set[str], waiting: dict[str, set[str]]) -> None:
    free = [node]
    while free:
        node = free.pop()
        if node in blocked:
            blocked.remove(node)
            free += waiting.pop(node, ())


def _knots(graph: Mapping[str, set[str]], nodes: set[str]) -> list[set[str]]:
    """Return the strong components of two nodes or more, the one with the least node last."""
    following = {node: graph[node] & nodes for node in nodes}
    before: dict[str, set[str]] = {node: set() for node in nodes}
    for node, others in following.items():
        for other in others:
            before[other].add(node)
    seen: set[str] = set()
    left = [node for root in nodes for node in _left(root, following, seen)]
    seen = set()
    knots = [set(_left(root, before, seen)) for root in reversed(left)]
    return sorted((knot for knot in knots if len(knot) > 1), key=min, reverse=True)


def _left(root: str, graph: Mapping[str, set[str]], seen: set[str]) -> list[str]:
    """Return what is reached from a node and was not seen, as a search in depth leaves it."""
    if root in seen:
        return []
    seen.add(root)
    stack, left = [(root, iter(graph[root]))], list[str]()
    while stack:
        node, following = stack[-1]
        after = next((one for one in following if one not in seen), None)
        if after is None:
            stack.pop()
            left.append(node)
        else:
            seen.add(after)
            stack.append((after, iter(graph[after])))
    return left
