"""What a history must be, whatever happened to the processes: checks that share nothing with the
simulator.

Each takes the events and what the table held at the end, and returns findings, in words.
Transactions are judged as K. Kingsbury and P. Alvaro do in "Elle: Inferring Isolation Anomalies
from Experimental Observations" (2020): appends to lists give the order of versions, reads give
dependencies, and a cycle of dependencies is an anomaly, named after A. Adya's thesis (1999).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

Event = Mapping[str, Any]
Lists = Mapping[str, Sequence[Any]]


@dataclass(slots=True)
class Called:
    """One call: what it was, and how it ended. A call whose process was killed is "unknown"."""

    what: str
    about: Event
    began: float
    ended: float = float("inf")
    outcome: str = "unknown"
    result: Any = None


@dataclass(slots=True)
class Graph:
    """Dependencies between transactions: ww, wr (it read my write), rw (it overwrote my read)."""

    edges: dict[str, dict[str, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    def add(self, kind: str, one: str | None, other: str | None) -> None:
        """Note that one comes before the other."""
        if one is not None and other is not None and one != other:
            self.edges[one][other].add(kind)


def calls_of(events: Iterable[Event]) -> list[Called]:
    """Return the calls of a history, in the order of their beginnings."""
    calls: dict[str, Called] = {}
    for event in events:
        if event["event"] == "began":
            calls[event["call"]] = Called(event["what"], event, event["at"])
        elif event["event"] == "ended":
            call = calls[event["call"]]
            call.ended, call.outcome, call.result = event["at"], event["outcome"], event["result"]
    return sorted(calls.values(), key=lambda call: call.began)


def transactions(calls: Sequence[Called], final: Lists) -> list[str]:
    """Find appends that were lost, doubled or refused and yet there, and cycles (G0 to G2)."""
    findings: list[str] = []
    writers: dict[str, Called] = {}
    for call in calls:
        if call.what == "append":
            writers[call.about["unique"]] = call
    for item, versions in final.items():
        if len(set(versions)) < len(versions):
            findings.append(f"{item}: an append counts twice: {versions}")
        findings += [
            f"{item}: holds {unique}, whose transaction was refused"
            for unique in versions
            if unique in writers and writers[unique].outcome == "refused"
        ]
    for unique, call in writers.items():
        if call.outcome == "done":
            findings += [
                f"{item}: lost {unique}, whose transaction was committed"
                for item in call.about["writes"]
                if unique not in final.get(item, ())
            ]
            findings += _torn(unique, call, final)
    graph = _dependencies(writers, final)
    return findings + [_named(cycle, graph) for cycle in cycles(graph)]


def _torn(unique: str, call: Called, final: Lists) -> list[str]:
    """Find reads of what never was: each must be a beginning of the item's last state."""
    found = []
    for item, read in (call.result or {}).items():
        if list(final.get(item, ()))[: len(read)] != list(read):
            found.append(f"{item}: {unique} read {read}, which the item never was")
    return found


def _dependencies(writers: Mapping[str, Called], final: Lists) -> Graph:
    graph = Graph()
    for versions in final.values():
        for one, other in pairwise(versions):
            graph.add("ww", one, other)
    for unique, call in writers.items():
        if call.outcome != "done":
            continue
        for item, read in (call.result or {}).items():
            versions = list(final.get(item, ()))
            graph.add("wr", read[-1] if read else None, unique)
            following = versions[len(read)] if len(read) < len(versions) else None
            graph.add("rw", unique, following)
    return graph


def cycles(graph: Graph) -> list[list[str]]:
    """Return one shortest cycle through each transaction that is in any, each cycle once."""
    found: dict[frozenset[str], list[str]] = {}
    for start in list(graph.edges):
        before: dict[str, str] = {}
        level = [start]
        while level and start not in before:
            following = []
            for node in level:
                for other in graph.edges.get(node, {}):
                    if other not in before:
                        before[other] = node
                        following.append(other)
            level = following
        if start in before:
            path = [start]
            while (node := before[path[-1]]) != start:
                path.append(node)
            found.setdefault(frozenset(path), [start, *reversed(path[1:])])
    return list(found.values())


def _named(cycle: Sequence[str], graph: Graph) -> str:
    """Name a cycle by the fewest anti-dependencies that it needs."""
    steps = list(zip(cycle, [*cycle[1:], cycle[0]], strict=True))
    kinds = [graph.edges[one][other] for one, other in steps]
    antidependent = sum(kind == {"rw"} for kind in kinds)
    if all("ww" in kind for kind in kinds):
        name = "G0"
    else:
        name = {0: "G1c", 1: "G-single"}.get(antidependent, "G2")
    text = ", ".join(
        f"{one} -{'/'.join(sorted(kind))}-> {other}"
        for (one, other), kind in zip(steps, kinds, strict=True)
    )
    return f"{name}: {text}"


def locks(events: Iterable[Event], calls: Sequence[Called], final: Lists) -> list[str]:
    """Find fences given twice, holders that were sure after a later grant, and stale writes."""
    findings: list[str] = []
    grants: dict[tuple[str, int], Event] = {}
    events = list(events)
    for event in events:
        if event["event"] == "grant":
            place = (event["lock"], event["fence"])
            if place in grants:
                findings.append(f"{place} was granted to two: {grants[place]} and {event}")
            grants[place] = event
    for event in events:
        if event["event"] == "held":
            findings += [
                f"{event} was sure of its lock after {grant} was granted"
                for (lock, fence), grant in grants.items()
                if lock == event["lock"] and fence > event["fence"] and grant["at"] < event["at"]
            ]
    for lock in {lock for lock, _ in grants}:
        log = final.get(f"log-{lock}", [])
        fences = [int(fence) for fence, _ in log]
        if fences != sorted(fences):
            findings.append(f"{lock}: a stale holder wrote: {fences}")
        written = [unique for _, unique in log]
        if len(set(written)) < len(written):
            findings.append(f"{lock}: a guarded write counts twice: {written}")
        findings += [
            f"{lock}: {call.about['unique']} was {call.outcome} and is {state}"
            for call in calls
            if call.what == "guarded" and call.about["lock"] == lock
            for there in [call.about["unique"] in written]
            for state in ["there" if there else "not there"]
            if (call.outcome, there) in {("done", False), ("refused", True)}
        ]
    return findings


def counters(
    calls: Sequence[Called], settled: Mapping[str, Any], *, floor: int, ceiling: int
) -> list[str]:
    """Find keys with two results, changes that were refused and yet counted, sums that do not fit.

    `settled` has what each key was told after the faults had ended ("keys": its amount, None where
    it is refused), the values at the end, and what they were at the start.
    """
    findings: list[str] = []
    results: dict[str, set[tuple[int, Any]]] = defaultdict(set)
    for call in calls:
        if call.what == "count" and call.outcome == "done":
            result = call.result
            results[call.about["key"]].add((result["value"], result["shard"]))
            if not floor <= result["value"] <= ceiling and result["shard"] is None:
                findings.append(f"{call.about['key']}: {result['value']} is out of bounds")
        if call.what == "read" and call.outcome == "done" and not floor <= call.result <= ceiling:
            findings.append(f"a read saw {call.result}, which is out of bounds")
    findings += [
        f"{key}: has two results: {sorted(map(str, values))}"
        for key, values in results.items()
        if len(values) > 1
    ]
    findings += [
        f"{key}: was counted, and is not any more"
        for key in results
        if settled["keys"].get(key, 0) is None
    ]
    total = settled["start"] + sum(amount or 0 for amount in settled["keys"].values())
    if total != settled["value"]:
        findings.append(f"the keys add up to {total}, and the counter says {settled['value']}")
    if not floor <= settled["value"] <= ceiling:
        findings.append(f"the counter ends at {settled['value']}, which is out of bounds")
    if settled["left"] + settled["right"] != settled["both"]:
        findings.append(
            f"{settled['left']} and {settled['right']} are not {settled['both']}: "
            "a transfer made or lost something"
        )
    return findings
