"""The checkers of histories find what is wrong with bad ones, and nothing with good ones."""

import asyncio
import random

import pytest

from tests.histories import checkers
from tests.histories.proxy import Faults, Proxy

_times = iter(range(1, 10_000))


def call(what, outcome="done", result=None, **about):
    """Return the two events of a call."""
    number = f"c{next(_times)}"
    return [
        {"event": "began", "call": number, "what": what, "at": float(next(_times)), **about},
        {
            "event": "ended",
            "call": number,
            "outcome": outcome,
            "result": result,
            "at": float(next(_times)),
        },
    ]


def append(unique, reads, writes=(), outcome="done"):
    return call(
        "append",
        outcome,
        reads if outcome == "done" else None,
        unique=unique,
        writes=list(writes),
    )


def found_in_transactions(*events, **final):
    calls = checkers.calls_of(event for pair in events for event in pair)
    return checkers.transactions(calls, final)


def test_a_serializable_history_has_no_findings():
    assert not found_in_transactions(
        append("1", {"x": []}, ["x"]),
        append("2", {"x": ["1"], "y": []}, ["y"]),
        append("3", {"y": ["2"]}, ["y"]),
        x=["1"],
        y=["2", "3"],
    )


def test_a_lost_update_is_found():
    (finding,) = found_in_transactions(
        append("1", {"x": []}, ["x"]), append("2", {"x": []}, ["x"]), x=["2"]
    )
    assert "lost 1" in finding


def test_an_append_that_counts_twice_is_found():
    findings = found_in_transactions(append("1", {"x": []}, ["x"]), x=["1", "1"])
    assert any("counts twice" in finding for finding in findings)


def test_a_refused_append_that_is_there_is_found():
    (finding,) = found_in_transactions(append("1", {}, ["x"], "refused"), x=["1"])
    assert "was refused" in finding


def test_an_unknown_append_may_be_there_or_not():
    for final in (["1"], []):
        assert not found_in_transactions(append("1", {}, ["x"], "unknown"), x=final)


def test_a_call_without_an_end_is_unknown():
    (began, _) = append("1", {}, ["x"])
    (one,) = checkers.calls_of([began])
    assert one.outcome == "unknown"


def test_a_read_of_what_never_was_is_found():
    findings = found_in_transactions(append("2", {"x": ["9"]}), x=["1"])
    assert any("never was" in finding for finding in findings)


@pytest.mark.parametrize(
    ("name", "events", "final"),
    [
        (
            "G0",
            [append("1", {}, ["x", "y"]), append("2", {}, ["x", "y"])],
            {"x": ["1", "2"], "y": ["2", "1"]},
        ),
        (
            "G1c",
            [append("1", {"y": ["2"]}, ["x"]), append("2", {"x": ["1"]}, ["y"])],
            {"x": ["1"], "y": ["2"]},
        ),
        (
            "G-single",
            [append("1", {}, ["x", "y"]), append("2", {"x": [], "y": ["1"]})],
            {"x": ["1"], "y": ["1"]},
        ),
        (
            "G2",
            [append("1", {"x": [], "y": []}, ["x"]), append("2", {"x": [], "y": []}, ["y"])],
            {"x": ["1"], "y": ["2"]},
        ),
    ],
)
def test_each_anomaly_is_found_and_named(name, events, final):
    findings = found_in_transactions(*events, **final)
    assert [finding.partition(":")[0] for finding in findings] == [name]


def grant(fence, at, lock="a"):
    return {"event": "grant", "lock": lock, "fence": fence, "grant": f"g{at}", "at": at}


def held(fence, at, lock="a"):
    return {"event": "held", "lock": lock, "fence": fence, "at": at}


def guarded(fence, unique, outcome):
    return call("guarded", outcome, lock="a", fence=fence, unique=unique)


def found_in_locks(events, log=()):
    return checkers.locks(events, checkers.calls_of(events), {"log-a": list(log)})


def test_good_locks_have_no_findings():
    events = [
        grant(1, 1.0),
        held(1, 1.5),
        *guarded(1, "u", "done"),
        grant(2, 3.0),
        *guarded(1, "v", "refused"),
    ]
    assert not found_in_locks(events, [[1, "u"]])


def test_a_fence_that_is_granted_twice_is_found():
    assert "granted to two" in found_in_locks([grant(1, 1.0), grant(1, 2.0)])[0]


def test_a_holder_that_is_sure_after_a_later_grant_is_found():
    (finding,) = found_in_locks([grant(1, 1.0), grant(2, 2.0), held(1, 2.5)])
    assert "was sure of its lock" in finding


def test_a_write_of_a_stale_holder_is_found():
    findings = found_in_locks([grant(1, 1.0), grant(2, 2.0)], [[2, "u"], [1, "v"]])
    assert any("stale holder wrote" in finding for finding in findings)


@pytest.mark.parametrize(("outcome", "log"), [("done", []), ("refused", [[1, "u"]])])
def test_a_guarded_write_that_is_not_as_it_was_reported_is_found(outcome, log):
    assert len(found_in_locks([grant(1, 1.0), *guarded(1, "u", outcome)], log)) == 1


SETTLED = {"keys": {"k": 2}, "start": 10, "value": 12, "left": 40, "right": 60, "both": 100}


def found_in_counters(*events, **changes):
    calls = checkers.calls_of(event for pair in events for event in pair)
    return checkers.counters(calls, SETTLED | changes, floor=0, ceiling=20)


def count(value, key="k", outcome="done"):
    result = {"value": value, "shard": None, "amount": 2}
    return call("count", outcome, result, key=key, amount=2)


def test_good_counters_have_no_findings():
    assert not found_in_counters(count(12), count(12), call("read", result=12))


@pytest.mark.parametrize(
    ("events", "changes", "what"),
    [
        ([count(12), count(14)], {}, "two results"),
        ([count(22)], {}, "out of bounds"),
        ([call("read", result=-1)], {}, "out of bounds"),
        ([], {"value": 14}, "add up to 12"),
        ([], {"value": 22, "keys": {"k": 12}}, "ends at 22"),
        ([], {"left": 41}, "made or lost"),
        ([count(12)], {"keys": {"k": None}, "value": 10}, "not any more"),
    ],
    ids=["two results", "change out of bounds", "read", "sum", "end", "transfers", "forgotten"],
)
def test_bad_counters_are_found(events, changes, what):
    assert any(what in finding for finding in found_in_counters(*events, **changes))


class Engine:
    """Answers each request with its body's length, and remembers the bodies."""

    def __init__(self):
        self.bodies = []

    async def serve(self, reader, writer):
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            self.bodies.append(await reader.readexactly(2))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()


REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"
NONE = {"late": 0.0, "cut_before": 0.0, "cut_after": 0.0, "replayed": 0.0}


@pytest.mark.parametrize(
    ("fault", "answers", "carried_out"),
    [
        ({}, [b"ok", b"ok"], 2),
        ({"cut_before": 1.0}, [b""], 0),
        ({"cut_after": 1.0}, [b""], 1),
        ({"replayed": 1.0, "longest_replay": 0.2}, [b"ok", b"ok"], 4),
    ],
    ids=["none", "cut before", "cut after", "replayed"],
)
async def test_the_proxy_does_to_requests_what_it_is_told(fault, answers, carried_out):
    engine = Engine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    rng = random.Random(1)  # noqa: S311 - seeded on purpose
    proxy = Proxy("127.0.0.1", port, Faults(**NONE | fault), rng)
    reader, writer = await asyncio.open_connection("127.0.0.1", await proxy.open())
    got = []
    for _ in answers:
        writer.write(REQUEST)
        answer = await reader.read(1024)
        got.append(answer[-2:])
    assert got == answers
    await proxy.settle()
    assert len(engine.bodies) == carried_out
    writer.close()
    await proxy.close()
    server.close()
