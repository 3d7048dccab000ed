"""The checker of histories finds the textbook's anomalies, and nothing in good histories."""

import itertools
import random

import pytest

from tests.simulation.serializability import Committed, anomalies


def txn(name, reads=None, writes="", seconds=None):
    return Committed(name, reads or {}, frozenset(writes), seconds)


BAD: dict[str, tuple[list[Committed], dict[str, list[str]], str]] = {
    "lost update": (
        [txn("a", {"x": None}, "x"), txn("b", {"x": None}, "x")],
        {"x": ["a", "b"]},
        "no serial order",
    ),
    "write skew": (
        [txn("a", {"x": None, "y": None}, "x"), txn("b", {"x": None, "y": None}, "y")],
        {"x": ["a"], "y": ["b"]},
        "no serial order",
    ),
    "dirty read": (
        [txn("a", {"x": "aborted"}, "y")],
        {"y": ["a"]},
        "never committed",
    ),
    "aborted write left behind": ([txn("a")], {"x": ["b"]}, "never committed"),
    "torn read": (
        [txn("w", {}, "xy"), txn("r", {"x": "w", "y": None})],
        {"x": ["w"], "y": ["w"]},
        "no serial order",
    ),
    "long fork": (
        [
            txn("a", {}, "x"),
            txn("b", {}, "y"),
            txn("r", {"x": "a", "y": None}),
            txn("s", {"x": None, "y": "b"}),
        ],
        {"x": ["a"], "y": ["b"]},
        "no serial order",
    ),
    "committed write lost": ([txn("a", {}, "x")], {"x": []}, "0 times"),
    "applied twice": (
        [txn("a", {}, "x"), txn("b", {}, "x")],
        {"x": ["a", "b", "a"]},
        "2 times",
    ),
    "stale read after the fact": (
        [txn("a", {}, "x", (0, 1)), txn("r", {"x": None}, "", (2, 3))],
        {"x": ["a"]},
        "no serial order",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_anomaly_is_found(name):
    history, versions, told = BAD[name]
    assert any(told in problem for problem in anomalies(history, versions))


@pytest.mark.parametrize("seed", range(50))
def test_a_serial_run_has_none_and_stops_having_none_when_a_read_is_put_back(seed):
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    latest: dict[str, str] = {}
    versions: dict[str, list[str]] = {k: [] for k in "xyz"}
    history: list[Committed] = []
    for number in range(12):
        reads = {k: latest.get(k) for k in "xyz" if rng.random() < 0.7}
        writes = {k for k in reads if rng.random() < 0.6}
        history.append(txn(f"t{number}", reads, writes, (number, number)))
        for item in writes:
            latest[item] = f"t{number}"
            versions[item].append(f"t{number}")
    shuffled = rng.sample(history, len(history))
    assert list(anomalies(shuffled, versions)) == []
    for place, item in itertools.product(range(len(history)), "xyz"):
        good = history[place]
        if good.reads.get(item) is None:
            continue
        torn = Committed(good.name, {**good.reads, item: None}, good.writes, good.seconds)
        assert list(anomalies([*history[:place], torn, *history[place + 1 :]], versions))
