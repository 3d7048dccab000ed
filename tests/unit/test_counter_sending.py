"""One call of a counter, sent until it is answered: what is asked, believed, repeated, and told."""

from typing import Any

import pytest

from interlock._protocol.counters.sending import Kind, outpaced, send, unknown
from interlock._protocol.faults import CancellationReason, Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import (
    Call,
    CallOnce,
    Draw,
    Monotonic,
    Sleep,
    Time,
    TimeOfDay,
    WallClock,
)
from interlock._protocol.retry import RetryBudget
from interlock.errors import (
    AccessDenied,
    InterlockError,
    OutcomeUnknown,
    ServiceUnavailable,
    Throttled,
    TransactionConflict,
)
from tests.unit.test_counter_adding import handle

LOST, UNSENT = NoReply("lost"), NotSent("no connection")
KINDS = pytest.mark.parametrize("kind", list(Kind))
REPEATED = [Kind.HARMLESS, Kind.FENCED, Kind.TOKEN]
IN_DOUBT = [Kind.FENCED, Kind.TOKEN]
DONE: dict[str, Any] = {"Attributes": {"value": {"N": "1"}}}


def refusal(code="ConditionalCheckFailedException", **said):
    return Refused(code, "why", **said)


class Process:
    """Has its calls answered one after the other, each after some seconds; the last one for ever.

    `answers`: a reply, a fault, or either with the seconds that it takes.
    """

    def __init__(self, *answers):
        self.answers = [each if isinstance(each, tuple) else (each, 0.0) for each in answers]
        self.now, self.calls, self.pauses = 100.0, [], []
        self.asleep = 0.0  # seconds of each pause that the monotonic clock stands still
        self.budget = RetryBudget(handle().target, deadline=5000.0, most=8)

    def send(self, kind, operation="UpdateItem", **params):
        return self.run(send(kind, self.budget, operation, params or {"Key": {}}))

    def run(self, operation):
        reply, fault = None, None
        while True:
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as done:
                return done.value
            reply, fault = None, None
            match request:
                case Call():
                    self.calls.append(request)
                    answer, seconds = self.answers[0]
                    self.answers = self.answers[1:] or self.answers
                    self.now += seconds
                    reply, fault = (None, answer) if isinstance(answer, Fault) else (answer, None)
                case Draw():
                    reply = 1.0
                case Monotonic():
                    reply = self.now
                case WallClock():
                    reply = self.now + self.asleep * len(self.pauses)
                case TimeOfDay():
                    reply = Time(self.now, self.now)
                case Sleep(seconds):
                    self.pauses.append(seconds)


# What is asked.


@KINDS
def test_what_would_do_harm_twice_is_not_repeated_below_either(kind):
    process = Process(DONE)
    assert process.send(kind) == DONE
    (call,) = process.calls
    assert isinstance(call, CallOnce) is (kind in {Kind.ONCE, Kind.TOKEN})
    assert call.deadline == 5000.0


@pytest.mark.parametrize(
    ("operation", "params", "asked"),
    [
        ("GetItem", {}, {"ReturnConsumedCapacity": "TOTAL"}),
        ("TransactWriteItems", {}, {"ReturnConsumedCapacity": "TOTAL"}),
        ("UpdateItem", {}, {"ReturnValues": "UPDATED_NEW"}),
        ("UpdateItem", {"ReturnValues": "ALL_NEW"}, {}),
        ("PutItem", {}, {}),
    ],
)
def test_something_is_asked_back_that_only_the_calls_own_answer_has(operation, params, asked):
    given = {"TableName": "t", "Key": {"pk": {"S": "k"}}, **params}
    reply = {
        "Attributes": {"pk": {"S": "k"}},
        "Item": {"pk": {"S": "k"}},
        "ConsumedCapacity": [{"TableName": "t"}],
    }
    process = Process(reply)
    process.send(Kind.HARMLESS, operation, **given)
    (call,) = process.calls
    assert call.params == {**given, **asked}


# What is believed.

KEY = {"pk": {"S": "k"}}
ALL_NEW = {"Key": KEY, "ReturnValues": "ALL_NEW"}
NEXT = {"Key": KEY, "ExpressionAttributeValues": {":next": {"S": "e"}}}
CALL = {"Key": KEY, "ExpressionAttributeValues": {":call": {"S": "e"}}}
USED, ELSEWHERE = {"TableName": "t"}, {"TableName": "u"}


@pytest.mark.parametrize(
    ("operation", "params", "reply", "believed"),
    [
        ("GetItem", {"Key": KEY}, {"Item": KEY}, True),
        ("GetItem", {"Key": KEY}, {"ConsumedCapacity": USED}, True),
        ("GetItem", {"Key": KEY}, {"ConsumedCapacity": ELSEWHERE}, False),
        ("GetItem", {"Key": KEY}, {}, False),
        ("TransactWriteItems", {"TransactItems": []}, {"ConsumedCapacity": [USED]}, True),
        ("TransactWriteItems", {"TransactItems": []}, {"ConsumedCapacity": [ELSEWHERE]}, False),
        ("TransactWriteItems", {"TransactItems": []}, {}, False),
        ("UpdateItem", {"Key": KEY}, {"Attributes": {}}, True),
        ("UpdateItem", {"Key": KEY}, {"Attributes": "page"}, False),
        ("UpdateItem", {"Key": KEY}, {}, False),
        ("UpdateItem", ALL_NEW, {"Attributes": KEY}, True),
        ("UpdateItem", ALL_NEW, {"Attributes": {"pk": {"S": "other"}}}, False),
        ("UpdateItem", ALL_NEW, {"Attributes": {}}, False),
        ("UpdateItem", {"Key": KEY}, {"Attributes": {"pk": {"S": "other"}}}, True),
        ("UpdateItem", NEXT, {"Attributes": {"era": {"S": "e"}}}, True),
        ("UpdateItem", NEXT, {"Attributes": {"era": {"S": "f"}}}, False),
        ("UpdateItem", CALL, {"Attributes": {"call#": {"S": "e"}}}, True),
        ("UpdateItem", CALL, {"Attributes": {"call#": {"S": "f"}}}, False),
        ("PutItem", {"Item": KEY}, {}, True),
        ("Query", {}, {"LastEvaluatedKey": KEY}, True),
        ("Query", {"ExclusiveStartKey": KEY}, {}, True),
        ("Query", {"ExclusiveStartKey": KEY}, {"LastEvaluatedKey": {"pk": {"S": "l"}}}, True),
        ("Query", {"ExclusiveStartKey": KEY}, {"LastEvaluatedKey": KEY}, False),
        ("Query", {"ExclusiveStartKey": KEY}, {"LastEvaluatedKey": {"pk": {"S": "j"}}}, False),
        ("Query", {"ExclusiveStartKey": KEY}, {"LastEvaluatedKey": {"pk": {"N": "9"}}}, False),
        ("Query", {"ExclusiveStartKey": KEY}, {"LastEvaluatedKey": {}}, False),
    ],
)
def test_a_reply_is_believed_if_it_can_only_be_that_to_the_call(operation, params, reply, believed):
    process = Process(reply)
    if believed:
        assert process.send(Kind.ONCE, operation, **params) == reply
    else:
        with pytest.raises(OutcomeUnknown):
            process.send(Kind.ONCE, operation, **params)


# What is repeated.


@pytest.mark.parametrize("kind", REPEATED)
@pytest.mark.parametrize(
    "fault",
    [
        LOST,
        UNSENT,
        refusal("ThrottlingException"),
        refusal("TransactionCanceledException", reasons=(CancellationReason("ThrottlingError"),)),
        {},
    ],
    ids=repr,
)
def test_what_was_not_answered_is_asked_again(kind, fault):
    process = Process(fault, fault, DONE)
    assert process.send(kind) == DONE
    assert len(process.calls) == 3


@pytest.mark.parametrize("fault", [UNSENT, refusal("ThrottlingException")], ids=repr)
def test_what_would_do_harm_twice_is_asked_again_if_it_was_not_carried_out(fault):
    process = Process(fault, DONE)
    assert process.send(Kind.ONCE) == DONE


def test_what_would_do_harm_twice_is_unknown_once_an_answer_is_missing():
    process = Process(LOST, DONE)
    with pytest.raises(OutcomeUnknown):
        process.send(Kind.ONCE)
    assert len(process.calls) == 1


@pytest.mark.parametrize(
    ("seconds", "unknown"), [((540.0,), False), ((541.0,), True), ((300.0, 300.0), True)]
)
@pytest.mark.parametrize("kind", REPEATED)
def test_a_token_is_relied_on_for_nine_minutes_from_its_first_sending(kind, seconds, unknown):
    process = Process(LOST, *((LOST, passed) for passed in seconds), DONE)
    if unknown and kind is Kind.TOKEN:
        with pytest.raises(OutcomeUnknown):
            process.send(kind)
    else:
        assert process.send(kind) == DONE


@pytest.mark.parametrize("kind", REPEATED)
@pytest.mark.parametrize("fault", [UNSENT, refusal("ThrottlingException")], ids=str)
def test_a_token_is_over_whatever_it_meets_after_a_missing_answer(kind, fault):
    process = Process(LOST, (fault, 541.0), DONE)
    if kind is Kind.TOKEN:
        with pytest.raises(OutcomeUnknown):
            process.send(kind)
        assert len(process.calls) == 2
    else:
        assert process.send(kind) == DONE


@pytest.mark.parametrize(("asleep", "unknown"), [(540.0, False), (541.0, True)])
def test_a_token_is_over_as_well_when_the_machine_has_slept(asleep, unknown):
    process = Process(LOST, DONE)
    process.asleep = asleep
    if unknown:
        with pytest.raises(OutcomeUnknown):
            process.send(Kind.TOKEN)
    else:
        assert process.send(Kind.TOKEN) == DONE


def test_a_token_of_which_no_answer_is_missing_is_sent_as_long_as_there_is_time():
    assert Process((UNSENT, 600.0), DONE).send(Kind.TOKEN) == DONE


def test_what_fails_after_an_answer_is_waited_for_as_the_first_failure_is():
    process = Process(UNSENT, UNSENT, DONE, UNSENT, DONE)
    process.send(Kind.HARMLESS)
    process.send(Kind.HARMLESS)
    first, second, after = process.pauses
    assert first < second
    assert after == first


# What is told.


@KINDS
def test_a_condition_that_failed_is_for_the_caller_to_understand(kind):
    with pytest.raises(Refused) as refused:
        Process(refusal()).send(kind)
    assert not refused.value.resent


def test_so_is_one_of_a_transaction():
    reasons = (CancellationReason("None"), CancellationReason("ConditionalCheckFailed"))
    with pytest.raises(Refused):
        Process(refusal("TransactionCanceledException", reasons=reasons)).send(Kind.TOKEN)


@pytest.mark.parametrize(
    "answers",
    [
        [LOST, refusal()],
        [LOST, UNSENT, refusal()],
        [LOST, refusal("ThrottlingException"), refusal()],
        [refusal("ThrottlingException", resent=True), refusal()],
        [refusal(resent=True)],
    ],
)
@pytest.mark.parametrize(
    ("kind", "resent"), [(Kind.HARMLESS, False), (Kind.FENCED, True), (Kind.TOKEN, True)]
)
def test_a_refusal_says_whether_an_earlier_copy_was_not_answered(answers, kind, resent):
    given = [Refused(a.code, resent=a.resent) if isinstance(a, Refused) else a for a in answers]
    with pytest.raises(Refused) as refused:
        Process(*given).send(kind)
    assert refused.value.resent is resent


@pytest.mark.parametrize(
    ("kind", "answers", "error"),
    [
        (Kind.HARMLESS, [refusal("AccessDeniedException")], AccessDenied),
        (Kind.HARMLESS, [LOST, refusal("AccessDeniedException")], AccessDenied),
        (Kind.FENCED, [refusal("AccessDeniedException")], AccessDenied),
        (Kind.FENCED, [LOST, refusal("AccessDeniedException")], OutcomeUnknown),
        (Kind.HARMLESS, [refusal("ThrottlingException")], Throttled),
        (Kind.FENCED, [refusal("ThrottlingException")], Throttled),
        (Kind.FENCED, [LOST, refusal("ThrottlingException")], OutcomeUnknown),
        (Kind.HARMLESS, [UNSENT], ServiceUnavailable),
        (Kind.HARMLESS, [LOST], ServiceUnavailable),
        (Kind.FENCED, [UNSENT], ServiceUnavailable),
        (Kind.FENCED, [LOST, UNSENT], OutcomeUnknown),
        (Kind.TOKEN, [LOST, UNSENT], OutcomeUnknown),
        (Kind.ONCE, [UNSENT], ServiceUnavailable),
    ],
)
def test_what_fails_in_the_end_is_unknown_if_a_copy_may_have_been_carried_out(kind, answers, error):
    with pytest.raises(InterlockError) as failed:
        Process(*answers).send(kind)
    assert type(failed.value) is error


def test_a_writer_that_is_outpaced_pauses_and_gives_up_in_the_end():
    process = Process()
    for _ in range(7):
        process.run(outpaced(process.budget))
    assert len(process.pauses) == 7
    with pytest.raises(TransactionConflict):
        process.run(outpaced(process.budget))


def test_an_unknown_outcome_says_why():
    assert "no answer" in str(unknown("no answer"))
