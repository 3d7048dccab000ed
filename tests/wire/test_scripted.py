"""Whatever comes over the wire, a call is sent once, ends in time, and believes only its answer."""

import contextlib
from collections import Counter
from typing import Any

import pytest

from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import Call, CallOnce
from interlock._wire import shapes
from interlock._wire.limits import CALL_TIMEOUT
from tests.simulation.seeds import seeds
from tests.wire.scripted import FATES, HALVES, REFUSALS, Event, Script, seeded
from tests.wire.service import HONEST, answer

ROUNDING = 0.01  # seconds


@pytest.fixture(params=HALVES)
def half(request):
    """Make a transport of either half over a script, and end it."""
    with contextlib.ExitStack() as made:
        yield lambda script: made.enter_context(request.param(script))


def calls(rng, service, count):
    """Make calls of all kinds, each about an item of its own, with its expected reply."""
    made: list[Any] = []
    for number in range(count):
        key = {"pk": {"S": f"item-{number}"}}
        item = key | {"of": {"S": str(number)}}
        kind = rng.choice(("read", "write", "add", "read together"))
        if kind.startswith("read"):
            service.store.perform("PutItem", {"TableName": "coordination", "Item": item})
        params: Any = {"TableName": "coordination", "Key": key}
        changed = {"ReturnValues": "ALL_NEW", "ExpressionAttributeNames": {"#of": "of"}}
        match kind:
            case "read":
                made.append((Call("GetItem", params), {"Item": item}))
            case "read together":
                call = Call("TransactGetItems", {"TransactItems": [{"Get": params}]})
                together: Any = {"Responses": [{"Item": item}]}
                made.append((call, together))
            case "write":
                values = {":of": {"S": str(number)}}
                update = {"UpdateExpression": "SET #of = :of", "ExpressionAttributeValues": values}
                made.append((Call("UpdateItem", params | update | changed), {"Attributes": item}))
            case "add":
                values = {":of": {"N": str(number + 1)}}
                update = {"UpdateExpression": "ADD #of :of", "ExpressionAttributeValues": values}
                counted = {"Attributes": key | {"of": {"N": str(number + 1)}}}
                made.append((CallOnce("UpdateItem", params | update | changed), counted))
    return made


def check(half, call, expected, timeout, *, idle_ends):
    """Make one call and hold its outcome against what really became of it."""
    script = half.script
    before, script.fate = len(script.service.received), None
    (outcome,) = half.run(call, timeout=timeout, pause=script.rng.random() * 2)
    arrived, fate = len(script.service.received) - before, script.fate
    what = f"{call.operation}, {fate}: {outcome!r}"
    assert arrived <= 1, f"sent twice: {what}"
    assert half.took <= (timeout or CALL_TIMEOUT) + ROUNDING, f"{half.took} s: {what}"
    if isinstance(outcome, Exception):
        assert isinstance(outcome, Fault), what
    if arrived == 0:
        # It left in part, or its connection ended under it.
        assert isinstance(outcome, NotSent | NoReply), what
    elif fate == HONEST:
        lost = idle_ends and isinstance(outcome, NoReply)
        assert lost or outcome == expected, what
    elif fate in REFUSALS:
        lost = isinstance(outcome, NoReply) and (idle_ends or fate == "request timeout")
        assert lost or (isinstance(outcome, Refused) and (outcome.throttled or outcome.transient))
    else:
        assert isinstance(outcome, NoReply), what


@pytest.mark.parametrize("seeds", seeds(40, 400))
def test_a_call_is_sent_once_ends_in_time_and_believes_only_its_own_answer(half, seeds):
    for seed in seeds:
        rng = seeded(seed)
        subject = half(Script(rng))
        for call, expected in calls(rng, subject.script.service, 12):
            timeout = rng.choice((None, 1.0, 0.05))
            check(subject, call, expected, timeout, idle_ends=True)
        sent = Counter(request.body for request in subject.script.service.received)
        assert not sent or max(sent.values()) == 1
        subject.transport.close()
        subject.run()
        assert subject.open() == 0, f"seed {seed}: connections are left open"


@pytest.mark.parametrize("fate", FATES)
def test_each_fate_ends_as_it_should(half, fate):
    for seed in range(8):
        rng = seeded(seed)
        script = Script(rng, wrong=1.0, refused=0.0, dies_idle=0.0, fates=(fate,))
        subject = half(script)
        for call, expected in calls(rng, script.service, 3):
            check(subject, call, expected, None, idle_ends=False)
            assert script.fate == fate


def test_replies_that_are_not_checked_are_noticed(half, monkeypatch):
    """Without this the tests above would prove nothing."""
    monkeypatch.setattr(shapes, "checked", lambda _call, reply: reply)
    script = Script(seeded(1), wrong=1.0, refused=0.0, dies_idle=0.0, fates=("another item",))
    subject = half(script)
    (call, expected), *_ = calls(script.rng, script.service, 1)
    with pytest.raises(AssertionError, match="another item"):
        check(subject, call, expected, None, idle_ends=False)


def test_an_honest_wire_carries_everything_over_one_connection(half):
    rng = seeded(1)
    subject = half(Script(rng, wrong=0.0, refused=0.0, dies_idle=0.0))
    for call, expected in calls(rng, subject.script.service, 30):
        assert subject.run(call, pause=0.5) == [expected]
    assert len(subject.sockets) == 1


def test_a_call_that_cannot_be_repeated_uses_no_connection_that_may_be_dead(half):
    """A gateway that has dropped a connection answers nothing until a request was written."""
    rng = seeded(1)
    subject = half(Script(rng, wrong=0.0, refused=0.0, dies_idle=0.0))
    params = {
        "TableName": "coordination",
        "Key": {"pk": {"S": "a"}},
        "UpdateExpression": "ADD n :one",
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    once, often = CallOnce("UpdateItem", params), Call("UpdateItem", params)
    subject.run(once, once, often, pause=0.5)
    assert len(subject.sockets) == 1
    subject.run(once, pause=1.5)
    assert len(subject.sockets) == 1
    subject.run(often, pause=1.5)
    assert len(subject.sockets) == 1
    subject.run(once, pause=100.0)
    assert len(subject.sockets) == 2
    subject.run(often)
    assert len(subject.sockets) == 3


def test_a_connection_has_a_second_of_the_call(half):
    rng = seeded(1)
    rng.random = lambda: 1.0  # type: ignore[method-assign]
    subject = half(Script(rng, refused=2.0))
    read = Call("GetItem", {"TableName": "coordination", "Key": {"pk": {"S": "a"}}})
    for timeout, seconds in ((None, 1.0), (0.5, 0.5)):
        (outcome,) = subject.run(read, timeout=timeout)
        assert isinstance(outcome, NotSent)
        assert subject.took == pytest.approx(seconds)


def test_a_large_reply_on_a_slow_line_earns_the_time_it_takes(half):
    rng = seeded(1)
    script = Script(rng, wrong=0.0, refused=0.0, dies_idle=0.0)
    subject = half(script)
    key = {"pk": {"S": "a"}}
    large = {"Item": key | {"data": {"S": "x" * 6 * 2**20}}}
    whole = answer(200, large)
    size = 2**19
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    comes: list[Event] = [(0.45 * (n + 1), piece) for n, piece in enumerate(pieces)]
    script.events = lambda request: comes  # type: ignore[method-assign]  # noqa: ARG005 - events take the request
    read = Call("GetItem", {"TableName": "coordination", "Key": key})
    assert subject.run(read) == [large]
    assert subject.took > CALL_TIMEOUT
    (outcome,) = subject.run(read, timeout=1.0)
    assert isinstance(outcome, NoReply)
    assert subject.took <= 1.0 + ROUNDING
