"""A passed client's answers are believed only if they are the service's, within the time given."""

import asyncio
import os
import threading
import time
import types
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from aiobotocore.session import get_session  # type: ignore[import-untyped]
from boto3.dynamodb.transform import DynamoDBHighLevelResource
from botocore.config import Config
from botocore.exceptions import ClientError, CredentialRetrievalError

from interlock import LockClient
from interlock._drivers.awaitable.client import ClientTransport as AwaitableClientTransport
from interlock._drivers.blocking.client import ClientTransport
from interlock._drivers.blocking.opening import open_driver
from interlock._drivers.blocking.workers import Workers, _Threads, _threads
from interlock._drivers.clients import checked_client, default_client, fault_of
from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock._protocol.requests import Call
from interlock.errors import CredentialsRejected, InvalidValue, RegionMissing

GET = Call("GetItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})
HONEST = {"x-amzn-RequestId": "1"}


class Answers(BaseHTTPRequestHandler):
    """Answers with `server.answer`: a status, headers and a body."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        status, headers, body = self.server.answer  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.trickle:  # type: ignore[attr-defined]
            for byte in body:
                if self.server.over.wait(0.05):  # type: ignore[attr-defined]
                    return
                self.wfile.write(bytes([byte]))
        else:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.trickle, server.over = False, threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.over.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def client_of(server):
    return boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{server.server_port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        ({"Content-Type": "text/html"}, b"<html>sign in</html>"),
        ({}, b""),
        ({**HONEST, "x-amz-crc32": "1"}, b'{"Item": {"pk": {"S": "a"}}}'),
    ],
    ids=["no request id", "a page", "nothing", "another checksum"],
)
def test_what_does_not_answer_the_question_is_a_lost_reply(server, headers, body):
    server.answer = 200, headers, body
    with pytest.raises(NoReply):
        ClientTransport(client_of(server)).send(GET, None)


def test_the_services_own_answer_is_believed(server):
    server.answer = 200, HONEST, b'{"Item": {"pk": {"S": "a"}}}'
    assert ClientTransport(client_of(server)).send(GET, 60.0)["Item"] == {"pk": {"S": "a"}}


def test_the_clock_of_the_service_is_learned(server, monkeypatch):
    server.answer = 200, HONEST, b"{}"
    transport = ClientTransport(client_of(server))
    transport.send(GET, None)
    assert abs(transport.clock.time(0.0).service - time.time()) < 5
    monkeypatch.setattr(Answers, "date_time_string", lambda _: "Wed, 01 Jan 2020 00:00:00 GMT")
    transport.send(GET, None)
    assert abs(transport.clock.time(0.0).service - time.time()) < 5
    transport.send(GET, None)
    assert transport.clock.time(0.0).service < time.time() - 86400


def test_a_reply_that_trickles_is_given_up_when_the_time_is_up(server):
    server.answer, server.trickle = (200, HONEST, b" " * 10_000), True
    began = time.monotonic()
    with pytest.raises(NoReply, match=r"no answer within 0\.2 s"):
        ClientTransport(client_of(server)).send(GET, 0.2)
    assert time.monotonic() - began < 5


def test_calls_that_hang_do_not_take_all_threads(monkeypatch):
    monkeypatch.setattr("interlock._drivers.blocking.workers._MOST_LEFT", 2)
    workers, over = Workers(), threading.Event()
    for _ in range(2):
        with pytest.raises(NoReply):
            workers.run(over.wait, 0.01)
    with pytest.raises(NotSent, match="hang"):
        workers.run(over.wait, 0.01)
    over.set()
    end = time.monotonic() + 30
    while workers._left:
        assert time.monotonic() < end
        time.sleep(0.001)
    assert workers.run(lambda: 7, 30.0) == 7


def test_a_call_is_made_on_the_callers_thread_if_there_can_be_no_other(monkeypatch):
    def refuse(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("interlock._drivers.blocking.workers._threads", _Threads())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Workers().run(threading.get_ident, 30.0) == threading.get_ident()


def test_an_exception_on_another_thread_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        Workers().run(lambda: 1 / 0, 30.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_drops_the_connections_of_its_parent(server):
    server.answer = 200, HONEST, b"{}"
    client = client_of(server)
    transport = ClientTransport(client)

    def pool():
        return next(iter(client._endpoint.http_session._manager.pools._container.values()))

    transport.send(GET, None)
    parents = pool()
    child = os.fork()
    if not child:
        transport.send(GET, None)
        os._exit(pool() is parents)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    transport.send(GET, None)
    assert pool() is parents


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"<html>"),
        ({}, b'{"__type":"a#ResourceNotFoundException"}'),
        (HONEST | {"x-amz-crc32": "1"}, b'{"__type":"a#ResourceNotFoundException"}'),
    ],
    ids=["a page", "no request id", "another checksum"],
)
def test_a_refusal_that_is_not_the_services_is_a_lost_reply(server, headers, body):
    server.answer = 400, headers, body
    transport = ClientTransport(client_of(server))
    with pytest.raises(NoReply):
        transport.send(GET, None)
    server.answer = 400, HONEST, b'{"__type":"a#ResourceNotFoundException"}'
    with pytest.raises(Refused, match="ResourceNotFound"):
        transport.send(GET, None)


@pytest.mark.parametrize(
    "refusal",
    [
        {"Error": {"Code": "ConditionalCheckFailedException"}},
        {"Error": {"Code": "TransactionCanceledException"}},
        {"Error": {"Code": "ValidationException"}, "Item": {"pk": {"S": "another"}}},
    ],
    ids=["of a condition", "of a transaction", "of another item"],
)
@pytest.mark.parametrize("awaitable", [False, True], ids=["blocking", "awaitable"])
def test_a_refusal_of_another_call_is_a_lost_reply(awaitable, refusal):
    def get_item(_self, **_params):
        raise ClientError(refusal, "GetItem")

    async def get_item_awaitably(_self, **_params):
        raise ClientError(refusal, "GetItem")

    def send():
        if awaitable:
            client = type("Client", (), {"get_item": get_item_awaitably})()
            return asyncio.run(AwaitableClientTransport(client).send(GET, 1.0))
        return ClientTransport(type("Client", (), {"get_item": get_item})()).send(GET, None)

    with pytest.raises(NoReply, match="does not count"):
        send()


def test_no_thread_of_a_child_calls_before_the_connections_of_its_parent_are_closed():
    closing, closed, called = threading.Event(), threading.Event(), []

    class Client:
        def get_item(self, **_params):
            called.append(closed.is_set())
            return {}

        def close(self):
            closing.set()
            assert closed.wait(30)

    transport = ClientTransport(Client())
    transport.forked()
    first = threading.Thread(target=transport.send, args=(GET, None))
    second = threading.Thread(target=transport.send, args=(GET, None))
    first.start()
    assert closing.wait(30)
    second.start()
    second.join(0.05)
    assert not called
    closed.set()
    for thread in (first, second):
        thread.join(30)
    transport.send(GET, None)
    assert called == [True] * 3


RESOURCE = partial(boto3.resource, "dynamodb", region_name="us-east-1")


@pytest.mark.parametrize(
    ("wrong", "way_out"),
    [
        (RESOURCE, "boto3.client('dynamodb')"),
        (lambda: RESOURCE().Table("t"), "boto3.client('dynamodb')"),
        (lambda: RESOURCE().meta.client, "without their types; pass boto3.client('dynamodb')"),
        (lambda: boto3.Session(region_name="us-east-1"), "session.client('dynamodb')"),
        (lambda: boto3.client("kms", region_name="us-east-1"), "of kms, not of dynamodb"),
    ],
    ids=["resource", "table", "a resource's client", "session", "another service"],
)
def test_a_client_of_the_wrong_kind_is_refused_with_the_right_way(wrong, way_out):
    with pytest.raises(InvalidValue, match="client") as refusal:
        open_driver(wrong())
    assert way_out in str(refusal.value)


class Resource:
    def __init__(self, client):
        self.meta = types.SimpleNamespace(client=client)


class TypedResource(DynamoDBHighLevelResource, Resource):
    """A resource as aioboto3 makes one, which mixes the same class of boto3's into its own."""


@pytest.fixture
async def awaitable_client():
    async with get_session().create_client("dynamodb", region_name="us-east-1") as client:
        yield client


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (lambda resource: resource, "is a resource"),
        (lambda resource: resource.meta.client, "without their types"),
    ],
    ids=["resource", "a resource's client"],
)
async def test_what_is_of_an_awaitable_resource_is_refused_with_the_way_to_a_client(
    awaitable_client, given, told
):
    with pytest.raises(InvalidValue, match=rf"{told}.*; pass session\.create_client\('dynamodb'\)"):
        checked_client(given(TypedResource(awaitable_client)), "dynamodb", awaitable=True)


def demanding(params, **_):
    assert params["TableName"]


async def waiting(**_):
    await asyncio.sleep(0)


@pytest.mark.parametrize("function", [demanding, waiting])
async def test_functions_that_an_application_registered_do_not_keep_a_client_out(
    awaitable_client, function
):
    awaitable_client.meta.events.register("provide-client-params.dynamodb", function)
    assert checked_client(awaitable_client, "dynamodb", awaitable=True) is awaitable_client


def test_a_function_that_fails_without_parameters_does_not_keep_a_blocking_client_out():
    client = boto3.client("dynamodb", region_name="us-east-1")
    client.meta.events.register("provide-client-params.dynamodb", demanding)
    assert checked_client(client, "dynamodb", awaitable=False) is client


@pytest.mark.parametrize("awaitable", [False, True], ids=["blocking", "awaitable"])
@pytest.mark.parametrize("service", ["dynamodb", "kms"])
@pytest.mark.parametrize("wrong", [boto3, boto3.client, "dynamodb", False, Config(), object()])
def test_what_is_no_client_at_all_is_refused_when_a_client_is_made(wrong, service, awaitable):
    with pytest.raises(InvalidValue, match=r"client: .* has no .*; pass"):
        checked_client(wrong, service, awaitable=awaitable)


@pytest.mark.parametrize(
    ("service", "method"), [("dynamodb", "update_item"), ("kms", "sign"), ("kms", "verify_mac")]
)
def test_a_wrapper_of_an_applications_own_is_taken_if_it_fits(service, method):
    async def awaited(_self):
        return {}

    blocking = type("Wrapper", (), {method: lambda _self: {}})()
    assert checked_client(blocking, service, awaitable=False) is blocking
    awaitable = type("Wrapper", (), {method: awaited})()
    assert checked_client(awaitable, service, awaitable=True) is awaitable
    with pytest.raises(InvalidValue, match=r"interlock\.aio"):
        checked_client(awaitable, service, awaitable=False)


def test_a_blocking_client_is_refused_where_an_awaitable_one_is_needed():
    client = boto3.client("dynamodb", region_name="us-east-1")
    with pytest.raises(InvalidValue, match="aiobotocore"):
        checked_client(client, "dynamodb", awaitable=True)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (408, "RequestTimeout", Refused),
        (429, "429", Refused),
        (503, "ServiceUnavailable", NoReply),
    ],
)
def test_statuses_that_pass_are_told_from_refusals(status, code, kind):
    response = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    fault = fault_of(ClientError(response, "GetItem"))  # type: ignore[arg-type]
    assert isinstance(fault, kind)
    if isinstance(fault, Refused):
        assert fault.throttled or fault.transient


def test_credentials_that_cannot_be_fetched_now_may_be_later():
    assert isinstance(
        fault_of(CredentialRetrievalError(provider="iam", error_msg="timed out")), NotSent
    )


@pytest.fixture
def bare_environment(monkeypatch, tmp_path):
    """An environment that names a proxy, so that the SDK carries the calls, and nothing of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    return monkeypatch


def test_the_sdk_is_given_the_region_that_the_library_honours(bare_environment):
    bare_environment.setenv("AWS_REGION", "eu-central-1")
    bare_environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert default_client("dynamodb").meta.region_name == "eu-central-1"


@pytest.mark.usefixtures("bare_environment")
def test_a_missing_region_is_said_so_where_the_sdk_carries_the_calls():
    with pytest.raises(RegionMissing, match="AWS_REGION"):
        LockClient("t").inspect("a")


def test_a_missing_profile_is_said_so_where_the_sdk_carries_the_calls(bare_environment):
    bare_environment.setenv("AWS_REGION", "eu-central-1")
    bare_environment.setenv("AWS_PROFILE", "absent")
    with pytest.raises(CredentialsRejected, match="AWS_PROFILE"):
        LockClient("t").inspect("a")


def test_the_warning_names_the_line_of_the_application():
    client = boto3.client("dynamodb", region_name="us-east-1")
    with pytest.warns(RuntimeWarning, match="may hang") as warned:
        LockClient("t", client=client)
    assert warned[0].filename == __file__


def test_a_call_may_take_the_longest_time_there_is():
    assert Workers().run(lambda: "reply", timedelta.max.total_seconds()) == "reply"


def test_clients_that_come_and_go_share_their_threads():
    Workers().run(lambda: None, 60.0)
    calling = calling_threads()
    for _ in range(20):
        wait_until_idle()
        Workers().run(lambda: None, 60.0)
    after = calling_threads()
    assert len(after) <= max(len(calling), 1)


def wait_until_idle():
    while not _threads._idle and calling_threads():  # one that was idle for long has ended
        time.sleep(0.001)


def calling_threads():
    return [thread for thread in threading.enumerate() if thread.name == "interlock-call"]


def test_xray_records_a_call_on_another_thread_under_the_callers_segment(monkeypatch):
    core = pytest.importorskip("aws_xray_sdk.core", reason="X-Ray's SDK is an application's choice")
    monkeypatch.setattr("aws_xray_sdk.core.patcher._PATCHED_MODULES", {"botocore"})
    recorder = core.xray_recorder
    monkeypatch.setattr(recorder, "sampling", False)  # or a thread asks for rules, for ever
    # What it sends with belongs to its module, which never closes it.
    with recorder.emitter._socket, recorder.in_segment("caller") as segment:
        seen = Workers().run(recorder.current_segment, 60.0)
        recorder.clear_trace_entities()
        recorder.set_trace_entity(segment)
    assert seen is segment
