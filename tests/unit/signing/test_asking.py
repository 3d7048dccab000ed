"""KMS is asked until it answers what was asked: call by call, of a service that a test plays."""

from typing import Any

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.requests import Call, Draw, Monotonic, Sleep
from interlock._protocol.signing.kms import ask, expect, expect_key, octets
from interlock.errors import AccessDenied, KeyUnusable, ServiceUnavailable
from tests.unit.signing.kms import GRANTS

KEY = "arn:aws:kms:eu-west-1:111122223333:key/one"
OTHER = "arn:aws:kms:eu-west-1:111122223333:key/two"


class Service:
    """Answers with what a test hands over; a call takes a second, and what is raised is a fault."""

    def __init__(self, *answers):
        self.answers, self.calls, self.now = list(answers), [], 100.0

    def run(self, operation):
        """Run an operation to its end, and return its result."""
        reply = None
        try:
            while True:
                request = operation.send(reply)
                while isinstance(request, Call) and isinstance(self.answers[0], Exception):
                    self.calls.append(request)
                    self.now += 1
                    request = operation.throw(self.answers.pop(0))
                reply = self.reply(request)
        except StopIteration as end:
            return end.value

    def reply(self, request):
        if isinstance(request, Call):
            self.calls.append(request)
            self.now += 1
            return self.answers.pop(0)
        if isinstance(request, Sleep):
            self.now += request.seconds
        return {Monotonic: self.now, Draw: 0.5}.get(type(request))


def asking(read=dict, operation="Sign", **options):
    given: Any = {"key_id": KEY, "timeout": 9.0, "Message": b"m", **options}
    return ask(operation, read, **given)


def test_a_key_is_asked_with_what_is_handed_over_and_until_the_time_is_up():
    service = Service({"a": 1})
    assert service.run(asking()) == {"a": 1}
    assert service.calls == [Call("Sign", {"KeyId": KEY, "Message": b"m"}, 109.0)]


@pytest.mark.parametrize("error", [ValueError("?"), TypeError("?"), KeyError("?"), IndexError("?")])
def test_what_cannot_be_read_is_no_answer_and_is_asked_again(error):
    def read(reply):
        if reply["odd"]:
            raise error
        return "read"

    service = Service({"odd": True}, {"odd": False})
    assert service.run(asking(read)) == "read"
    assert service.calls[0] == service.calls[1]


def test_a_fault_of_the_reader_itself_is_not_taken_for_a_lost_reply():
    with pytest.raises(ZeroDivisionError):
        Service({}).run(asking(lambda _: 1 / 0))


def test_what_never_answers_is_an_outage_once_the_time_is_up():
    service = Service(*[{}] * 20)
    with pytest.raises(ServiceUnavailable, match=r"KMS .* no answer to Sign"):
        service.run(asking(lambda reply: reply["Signature"]))
    assert 7 <= len(service.calls) <= 9
    assert service.now <= 110


def test_it_is_asked_no_more_often_than_the_caller_says():
    service = Service({}, {}, {})
    with pytest.raises(ServiceUnavailable):
        service.run(asking(lambda reply: reply["Signature"], most=2))
    assert len(service.calls) == 2


@pytest.mark.parametrize(("operation", "grant"), GRANTS.items())
def test_a_denial_names_the_grant_that_allows_the_call(operation, grant):
    service = Service(Refused("AccessDeniedException", "no"))
    with pytest.raises(AccessDenied, match=rf"{grant}\(\.\.\.\)"):
        service.run(asking(operation=operation))
    assert len(service.calls) == 1


def test_a_key_that_is_not_usable_is_named():
    service = Service(Refused("DisabledException", "it is disabled"))
    with pytest.raises(KeyUnusable, match=KEY):
        service.run(asking())


@pytest.mark.parametrize("asked", [KEY, "one"])
def test_an_answer_of_the_key_that_was_asked_is_taken(asked):
    expect_key({"KeyId": KEY}, asked)


@pytest.mark.parametrize("given", [OTHER, "two", "", 7, None, [KEY], KEY.encode()], ids=repr)
def test_an_answer_of_another_key_or_none_is_refused(given):
    with pytest.raises(ValueError, match=f"{KEY} was asked"):
        expect_key({"KeyId": given}, KEY)


def test_an_answer_may_leave_out_what_was_asked_for_and_may_not_say_otherwise():
    expect({}, "SigningAlgorithm", "A")
    expect({"SigningAlgorithm": "A"}, "SigningAlgorithm", "A")
    for other in ("B", None, ""):
        with pytest.raises(ValueError, match="'A' was asked for"):
            expect({"SigningAlgorithm": other}, "SigningAlgorithm", "A")


def test_octets_are_bytes_and_not_none():
    assert octets({"Mac": b"a"}, "Mac") == b"a"
    for value in (b"", "MEUCIQ", bytearray(b"a"), 7, None):
        with pytest.raises(TypeError, match="Mac is"):
            octets({"Mac": value}, "Mac")
