"""A call that must not be repeated is not, whatever retries the client was made with.

The server is real HTTP on loopback: it counts what it carries out, and cuts the connection after.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from aiobotocore.config import AioConfig  # type: ignore[import-untyped]  # it has no stubs
from aiobotocore.retries.bucket import AsyncTokenBucket  # type: ignore[import-untyped]  # it has no stubs
from aiobotocore.session import get_session  # type: ignore[import-untyped]  # it has no stubs
from botocore import retryhandler
from botocore.config import Config
from botocore.retries.bucket import TokenBucket
from botocore.retries.standard import ExponentialBackoff

from interlock._drivers.awaitable.opening import open_driver as open_awaitable
from interlock._drivers.blocking.opening import open_driver
from interlock._protocol import requests
from interlock._protocol.faults import NoReply, Refused

PARAMS = {
    "TableName": "t",
    "Key": {"pk": {"S": "a"}},
    "ConditionExpression": "attribute_exists(pk)",
}
REFUSED = b'{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}'
THROTTLED = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow"}'


class Store(BaseHTTPRequestHandler):
    """Answers each request by the next of `server.plan`; what it carries out, it counts."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        step = self.server.plan.pop(0)
        if step == "throttle":
            self.answer(400, THROTTLED)
            return
        if step == "refuse":
            self.answer(400, REFUSED)
            return
        self.server.carried_out += 1
        match step:
            case "cut":
                self.close_connection = True
            case "cut and leave":
                self.close_connection = True
                self.server.socket.close()
            case "corrupt":
                self.answer(200, b"{}", {"x-amz-crc32": "1"})
            case 500 | 503:
                self.answer(step, b"{}")
            case _:
                self.answer(200, b"{}")

    def answer(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Store)
        self.plan = []
        self.carried_out = 0

    def handle_error(self, *_):
        pass  # a client that hangs up is part of the plan


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Let botocore repeat at once what it would repeat after a while."""
    monkeypatch.setattr(retryhandler, "delay_exponential", lambda *_, **__: 0.0)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0.0)
    for bucket in (TokenBucket, AsyncTokenBucket):
        monkeypatch.setattr(bucket, "_sleep_amount", lambda *_: 0.0)


@pytest.fixture(params=["legacy", "standard", "adaptive"])
def settings(request, server):
    retries: Any = {"mode": request.param, "total_max_attempts": 4}
    return {
        "region_name": "us-east-1",
        "endpoint_url": f"http://127.0.0.1:{server.server_address[1]}",
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
        "config": Config(retries=retries, read_timeout=5, connect_timeout=5),
    }


def once():
    yield requests.CallOnce("UpdateItem", PARAMS)


def often():
    return requests.call("UpdateItem", **PARAMS)


@pytest.mark.parametrize("loss", ["cut", 500, 503])
def test_a_lost_reply_reaches_the_operation_instead_of_a_second_write(server, settings, loss):
    client = boto3.client("dynamodb", **settings)
    server.plan = [loss, "answer", "answer", "answer"]
    with pytest.raises(NoReply):
        open_driver(client).run(once())
    assert server.carried_out == 1


def test_a_reply_that_botocore_does_not_trust_is_not_asked_for_again(server, settings):
    server.plan = ["corrupt", "answer", "answer", "answer"]
    driver = open_driver(boto3.client("dynamodb", **settings))
    with pytest.raises(NoReply):
        driver.run(once())
    assert server.carried_out == 1


def test_the_same_loss_makes_an_unmarked_call_count_twice(server, settings):
    """Without this the test above would prove nothing."""
    server.plan = ["cut", "answer"]
    open_driver(boto3.client("dynamodb", **settings)).run(often())
    assert server.carried_out == 2


def test_a_call_that_was_only_throttled_is_still_repeated_by_the_client(server, settings):
    server.plan = ["throttle", "throttle", "answer"]
    open_driver(boto3.client("dynamodb", **settings)).run(once())
    assert server.carried_out == 1


def test_a_loss_after_a_throttle_is_seen(server, settings):
    server.plan = ["throttle", "cut", "answer"]
    with pytest.raises(NoReply):
        open_driver(boto3.client("dynamodb", **settings)).run(once())
    assert server.carried_out == 1


@pytest.mark.parametrize(
    ("plan", "resent"),
    [(["refuse"], False), (["throttle", "refuse"], False), (["cut", "refuse"], True)],
)
def test_a_refusal_says_whether_a_copy_may_have_been_carried_out(server, settings, plan, resent):
    server.plan = list(plan)
    with pytest.raises(Refused) as refusal:
        open_driver(boto3.client("dynamodb", **settings)).run(often())
    assert refusal.value.condition_failed
    assert refusal.value.resent is resent


def test_a_server_that_is_gone_after_a_lost_reply_leaves_the_call_in_doubt(settings, server):
    """botocore raises what came of its last attempt alone: that there was no connection."""
    retries: Any = {**settings["config"].retries, "total_max_attempts": 2}
    settings["config"] = settings["config"].merge(Config(retries=retries))
    server.plan = ["cut and leave"]
    with pytest.raises(NoReply):
        open_driver(boto3.client("dynamodb", **settings)).run(often())


@pytest.mark.parametrize("loss", ["cut", 503])
async def test_the_awaitable_driver_holds_back_too(server, settings, loss):
    server.plan = [loss, "answer", "answer", "answer"]
    config = settings.pop("config")
    async with get_session().create_client(
        "dynamodb", **settings, config=AioConfig(retries=config.retries)
    ) as client:
        with pytest.raises(NoReply):
            await open_awaitable(client).run(once())
    assert server.carried_out == 1
