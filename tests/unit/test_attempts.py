"""What the attempts of a client of botocore tell of its call."""

import asyncio
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from interlock._drivers.attempts import Attempts, attempts_of, date_of, disbelief, install
from interlock._protocol.faults import NoReply

DATE, NOW = "Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_000.0
OURS = {"x-amzn-requestid": "R", "date": DATE}
LOST = ReadTimeoutError(endpoint_url="http://x")
REFUSED = EndpointConnectionError(endpoint_url="http://x")


class Client:
    """A client with botocore's events; `answer` and `fail` are what its attempts come to."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self.ids: list[str] = []
        self.meta = SimpleNamespace(events=self)
        install(self)

    def register_first(self, event, handler, unique_id):
        self.handlers[event] = handler
        self.ids.append(unique_id)

    def send(self):
        return self.handlers["before-send"](request=None)

    def answer(self, status=200, headers=OURS, body=b"{}"):
        http = SimpleNamespace(status_code=status, headers=headers, content=body)
        return self.handlers["needs-retry"](response=(http, {}), attempts=1)

    def fail(self, error):
        return self.handlers["needs-retry"](caught_exception=error, attempts=1)


@pytest.fixture
def client():
    return Client()


def test_each_event_is_observed_once(client):
    assert len(set(client.ids)) == 2
    install(object())
    install(SimpleNamespace(meta=None))


def test_calls_of_others_are_left_alone(client):
    client.send()
    client.answer(500)
    client.fail(LOST)
    client.send()
    with attempts_of(once=True):
        pass
    client.fail(LOST)
    client.send()


def test_a_call_of_its_own_begins_without_any_doubt(client):
    with attempts_of(once=True) as attempts:
        client.send()
        assert attempts == Attempts(once=True)
        assert (attempts.ambiguous, attempts.in_doubt) == (None, False)


@pytest.mark.parametrize(
    ("event", "ambiguous"),
    [
        (lambda client: client.fail(LOST), str(LOST)),
        (lambda client: client.fail(REFUSED), None),
        (lambda client: client.answer(200), "the service answered 200"),
        (lambda client: client.answer(299), "the service answered 299"),
        (lambda client: client.answer(300), None),
        (lambda client: client.answer(400), None),
        (lambda client: client.answer(400, {}), "the service answered 400"),
        (lambda client: client.answer(429, {}), None),
        (lambda client: client.answer(500), "the service answered 500"),
        (lambda client: client.answer(503, {}), "the service answered 503"),
    ],
)
def test_an_attempt_that_may_have_worked_is_followed_by_none_or_in_doubt(client, event, ambiguous):
    for once in (True, False):
        with attempts_of(once=once) as attempts:
            client.send()
            event(client)
            assert attempts.ambiguous == ambiguous
            if once and ambiguous:
                with pytest.raises(NoReply, match=ambiguous[:20]):
                    client.send()
            else:
                client.send()
            assert attempts.in_doubt is (ambiguous is not None and not once)


def test_the_first_doubt_is_the_one_that_is_told(client):
    with attempts_of(once=False) as attempts:
        client.fail(LOST)
        client.answer(500)
        client.answer(400)
        client.fail(REFUSED)
        assert attempts.ambiguous == str(LOST)
    with attempts_of(once=False) as attempts:
        client.answer(500)
        client.fail(LOST)
        assert attempts.ambiguous == "the service answered 500"


@pytest.mark.parametrize(
    ("status", "headers", "believed"),
    [
        (200, OURS, True),
        (200, {}, False),
        (400, {"x-amzn-requestid": "R"}, True),
        (403, {"date": DATE}, False),
        (429, {}, True),
        (408, {}, True),
        (500, {}, True),
        (502, {}, True),
    ],
)
def test_an_answer_that_is_not_the_services_is_disbelieved(client, status, headers, believed):
    with attempts_of(once=False) as attempts:
        client.answer(status, headers)
        assert (attempts.disbelieved is None) is believed
        client.fail(LOST)
        assert attempts.disbelieved is None


def test_the_body_of_an_awaitable_client_comes_later(client):
    async def body():
        return b"{}"

    with attempts_of(once=False) as attempts:
        asyncio.run(client.answer(200, OURS | {"x-amz-crc32": "1"}, body()))
        assert attempts.disbelieved == "the answer's checksum does not fit its body"
        assert client.answer() is None
        assert client.fail(LOST) is None


@pytest.mark.parametrize("name", ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"])
def test_an_answer_bears_a_request_id_and_the_right_checksum_if_any(name):
    assert disbelief({name: "R"}, b"x") is None
    assert disbelief({name: "R", "x-amz-crc32": str(zlib.crc32(b"x"))}, b"x") is None
    assert "checksum" in (disbelief({name: "R", "x-amz-crc32": "1"}, b"x") or "")
    assert "request id" in (disbelief({"x-amz-crc32": str(zlib.crc32(b"x"))}, b"x") or "")


@pytest.mark.parametrize(
    ("status", "headers", "date"),
    [
        (200, OURS, NOW),
        (400, OURS, NOW),
        (200, {"date": DATE}, None),
        (429, OURS, None),
        (500, OURS, None),
        (200, {"x-amzn-requestid": "R"}, None),
        (200, OURS | {"date": "yesterday"}, None),
        (200, OURS | {"date": "Tue, 14 Nov 99999999999 22:13:20 GMT"}, None),
        (200, OURS | {"date": None}, None),
    ],
)
def test_only_an_answer_that_counts_tells_the_time(client, status, headers, date):
    with attempts_of(once=False) as attempts:
        client.answer(status, headers)
        assert attempts.date == date
        assert date_of(attempts, None) == date


def reply(**metadata):
    return {"ResponseMetadata": metadata}


@pytest.mark.parametrize(
    ("attempts", "told", "date"),
    [
        (Attempts(once=False), reply(RequestId="R", HTTPHeaders={"date": DATE}), NOW),
        (Attempts(once=False), reply(HTTPHeaders={"date": DATE}), None),
        (Attempts(once=False), reply(RequestId="R"), None),
        (Attempts(once=False), reply(RequestId="R", HTTPHeaders=None), None),
        (Attempts(once=False), {}, None),
        (Attempts(once=False), None, None),
        (Attempts(once=False, date=1.0), reply(RequestId="R", HTTPHeaders={"date": DATE}), 1.0),
        (
            Attempts(once=False, disbelieved="a page"),
            reply(RequestId="R", HTTPHeaders={"date": DATE}),
            None,
        ),
    ],
)
def test_the_reply_of_a_wrapper_may_tell_the_time(attempts, told, date):
    assert date_of(attempts, told) == date
