"""The transports over real connections: encryption, forks, resets, loops and cancellation."""

import asyncio
import gc
import os
import signal
import socket
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from interlock._drivers.awaitable.wire import WireTransport as AwaitableTransport
from interlock._drivers.blocking.wire import WireTransport as BlockingTransport
from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock._protocol.requests import Call, CallOnce
from tests.wire.peers import Authority, honest, peer, reset
from tests.wire.scripted import ENVIRONMENT
from tests.wire.service import answer

GET = Call("GetItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})
ADD = CallOnce("UpdateItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})


class BlockingHalf:
    """The blocking transport."""

    def __init__(self, environ):
        self.transport = BlockingTransport("dynamodb", environ=environ)

    def send(self, call=GET, timeout=None):
        return self.transport.send(call, timeout)

    def close(self):
        self.transport.close()


class AwaitableHalf:
    """The awaitable transport, on a loop that is kept between two calls."""

    def __init__(self, environ):
        self.transport = AwaitableTransport("dynamodb", environ=environ)
        self.runner = asyncio.Runner()

    def send(self, call=GET, timeout=None):
        return self.runner.run(self.transport.send(call, timeout))

    def close(self):
        self.runner.close()


@pytest.fixture(params=[BlockingHalf, AwaitableHalf])
def half(request):
    """Make a transport of either half for an endpoint, and end it."""
    made = []

    def make(url, **environ):
        made.append(request.param(ENVIRONMENT | {"AWS_ENDPOINT_URL": url} | environ))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def plain():
    with peer() as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def encrypted(authority):
    with peer(authority.server()) as made:
        yield made


def environment(store):
    return ENVIRONMENT | {"AWS_ENDPOINT_URL": store.url}


def wait_until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen within 30 s"
        time.sleep(0.001)


def test_calls_go_over_one_connection(half, plain):
    transport = half(plain.url)
    for _ in range(5):
        assert transport.send() == {}
    assert plain.connections == 1


def test_a_transport_that_is_dropped_closes_its_sockets_without_a_warning(plain):
    transport = BlockingTransport("dynamodb", environ=environment(plain))
    transport.send(GET, None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        del transport
        gc.collect()
    assert told == []


def test_encrypted_calls_trust_the_configured_authority(half, encrypted, authority):
    transport = half(encrypted.url, AWS_CA_BUNDLE=str(authority.bundle))
    large = {"Item": {"pk": {"S": "a"}, "data": {"S": "x" * 300_000}}}
    encrypted.reply = lambda connected, _: connected.sendall(answer(200, large))
    for _ in range(3):
        assert transport.send() == large
    assert encrypted.connections == 1


def test_an_authority_that_is_not_trusted_is_sent_nothing(half, encrypted):
    with pytest.raises(NotSent, match="certificate verify failed"):
        half(encrypted.url).send()
    assert encrypted.requests == []


def test_a_certificate_of_another_host_is_not_trusted(half, authority):
    with peer(authority.server("127.0.0.9")) as other:
        with pytest.raises(NotSent, match="certificate"):
            half(other.url, AWS_CA_BUNDLE=str(authority.bundle)).send()
        assert other.requests == []


def test_a_bundle_that_is_missing_is_named(half, encrypted):
    with pytest.raises(Refused, match="AWS_CA_BUNDLE=/nonexistent"):
        half(encrypted.url, AWS_CA_BUNDLE="/nonexistent").send()


@pytest.mark.parametrize("ending", [reset, socket.socket.close])
@pytest.mark.parametrize("call", [GET, ADD])
def test_a_connection_that_ended_while_idle_is_noticed_before_a_request_is_sent(
    half, plain, ending, call
):
    end = threading.Event()

    def answer_and_end(connected, request):
        honest(connected, request)
        end.wait(30)
        ending(connected)

    transport = half(plain.url)
    plain.reply = answer_and_end
    transport.send(call)
    plain.reply = honest
    end.set()
    wait_until(lambda: _ended(transport))
    assert transport.send(call) == {}
    assert [number for number, _ in plain.requests] == [1, 2]


def _ended(half):
    """Whether the end of the one idle connection has come."""
    transport = half.transport
    if isinstance(half, BlockingHalf):
        idle = transport._opened[1]._idle[0]._socket
    else:
        (pool,) = transport._pools.values()
        idle = pool._idle[0]._socket
    from interlock._drivers.sockets import readable  # noqa: PLC0415 - as the transports look

    return readable(idle)


def test_a_reset_instead_of_an_answer_is_a_lost_reply(half, plain):
    transport = half(plain.url)
    transport.send()
    plain.reply = lambda connected, _: reset(connected)
    with pytest.raises(NoReply):
        transport.send(ADD)
    plain.reply = honest
    assert transport.send() == {}
    assert len(plain.requests) == 3


def test_a_peer_that_is_not_there_was_sent_nothing(half):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NotSent, match="no connection"):
        half(f"http://127.0.0.1:{port}").send()


def test_a_name_that_does_not_exist_was_sent_nothing(half):
    with pytest.raises(NotSent, match="name nonexistent"):
        half("http://nonexistent.invalid").send()


def test_a_resolver_that_hangs_costs_no_more_than_the_time_to_connect(half, monkeypatch):
    over = threading.Event()
    real: Any = socket.getaddrinfo

    def hanging(host, *args, **kwargs):
        if not kwargs.get("flags"):
            over.wait(30)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    began = time.monotonic()
    with pytest.raises(NotSent, match="not resolved within"):
        half("http://store.example").send(GET, 1.0)
    assert time.monotonic() - began < 5
    over.set()


def test_an_answer_that_trickles_ends_with_the_time_of_the_call(half, plain):
    over = threading.Event()

    def trickle(connected, _request):
        for byte in answer(200, {}):
            if over.wait(0.05):
                return
            connected.sendall(bytes([byte]))

    transport = half(plain.url)
    transport.send()  # so that there is a connection: a request is all that takes time
    plain.reply = trickle
    began = time.monotonic()
    with pytest.raises(NoReply, match="in time"):
        transport.send(GET, 0.5)
    assert time.monotonic() - began < 5
    over.set()


def test_a_late_answer_is_not_given_to_the_next_call(half, plain):
    late, sent = threading.Event(), threading.Event()

    def hesitate(connected, _request):
        late.wait(30)
        connected.sendall(answer(200, {"Item": {"pk": {"S": "a"}, "late": {"S": "1"}}}))
        sent.set()

    transport = half(plain.url)
    transport.send()  # so that there is a connection: a request is all that takes time
    plain.reply = hesitate
    with pytest.raises(NoReply):
        transport.send(GET, 0.5)
    plain.reply = honest
    late.set()
    assert transport.send() == {}
    assert plain.connections == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("tls", [False, True])
def test_children_share_no_connection_with_their_parent(half, plain, encrypted, authority, tls):
    """Each child's reply is its own, and the parent's connection survives their end."""
    store = encrypted if tls else plain

    def echo(connected, request):
        connected.sendall(answer(200, {"Item": request.params["Key"]}))

    store.reply = echo
    transport = half(store.url, AWS_CA_BUNDLE=str(authority.bundle))
    transport.send()
    parents = store.requests[-1][0]
    # No child begins before all are there: the store is threads of this process, and one that is
    # in a handshake at a fork leaves the child a mutex of OpenSSL's that is never given up.
    waiting, begin = os.pipe()
    children = []
    for number in range(4):
        child = os.fork()
        if not child:
            os.close(begin)
            os.read(waiting, 1)
            os._exit(_child(transport, number))
        children.append(child)
    for end in (waiting, begin):
        os.close(end)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0, 0, 0]
    assert transport.send() == {"Item": {"pk": {"S": "a"}}}
    assert store.requests[-1][0] == parents
    by: dict[str, set[int]] = {}
    for number, request in store.requests:
        by.setdefault(request.params["Key"]["pk"]["S"], set()).add(number)
    assert all(len(numbers) == 1 for numbers in by.values()), by
    assert len(set.union(*by.values())) == len(by) == 5


def _child(half, number):
    """Make calls in a forked child; return 0 if each reply was to its own."""
    try:
        signal.alarm(20)
        if isinstance(half, AwaitableHalf):
            half.runner = asyncio.Runner()  # a loop is not for two processes
        for _ in range(20):
            key = {"pk": {"S": f"child-{number}"}}
            if half.send(Call("GetItem", {"TableName": "t", "Key": key}))["Item"] != key:
                return 1
    except BaseException:  # noqa: BLE001 - a child must not run the rest of the tests
        return 2
    return 0


def test_a_restored_snapshot_drops_the_connections_that_it_inherited(restore, half, plain):
    transport = half(plain.url)
    transport.send()
    restore()
    assert transport.send() == {}
    assert [number for number, _ in plain.requests] == [1, 2]


def test_threads_have_a_connection_each_and_leave_them_to_the_next():
    with peer() as store:
        transport = BlockingTransport(
            "dynamodb", environ=ENVIRONMENT | {"AWS_ENDPOINT_URL": store.url}
        )
        barrier = threading.Barrier(8)

        def work():
            barrier.wait()
            for _ in range(10):
                assert transport.send(GET, None) == {}

        for _ in range(2):
            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert store.connections <= 8
        assert len(store.requests) == 160
        transport.close()


@pytest.fixture
def interruptible():
    """SIGINT is one KeyboardInterrupt, also in a job in the background, which is started without.

    Gives an event that is set by then: a signal that comes right before a wait does not end it.
    """
    interrupted = threading.Event()

    def interrupt(*_):
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    yield interrupted
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_ends_the_connection_of_its_call(plain, interruptible):
    """A KeyboardInterrupt while an answer is waited for: it is not the next call's answer."""
    begun, over = threading.Event(), threading.Event()

    def hang(_connected, _request):
        begun.set()
        over.wait(30)

    transport = BlockingHalf(environment(plain))
    plain.reply = hang

    def interrupt():
        begun.wait(30)
        while not interruptible.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            interruptible.wait(0.1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        transport.send(GET, 30.0)
    thread.join()
    over.set()
    assert transport.transport._opened
    assert not transport.transport._opened[1]._open
    plain.reply = honest
    assert transport.send() == {}
    assert plain.connections == 2
    transport.close()


async def test_a_cancelled_call_ends_its_connection(plain):
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()
    over = threading.Event()

    def hang(_connected, _request):
        loop.call_soon_threadsafe(begun.set)
        over.wait(30)

    transport = AwaitableTransport(
        "dynamodb", environ=ENVIRONMENT | {"AWS_ENDPOINT_URL": plain.url}
    )
    plain.reply = hang
    task = asyncio.create_task(transport.send(GET, 30.0))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (pool,) = transport._pools.values()
    assert not pool._open
    over.set()
    plain.reply = honest
    assert await transport.send(GET, None) == {}
    assert plain.connections == 2


def test_a_second_loop_has_connections_of_its_own(plain):
    transport = AwaitableTransport(
        "dynamodb", environ=ENVIRONMENT | {"AWS_ENDPOINT_URL": plain.url}
    )

    async def twice():
        return [await transport.send(GET, None) for _ in range(2)]

    for _ in range(3):
        assert asyncio.run(twice()) == [{}, {}]
    assert [number for number, _ in plain.requests] == [1, 1, 2, 2, 3, 3]
    assert len(transport._pools) == 1


def test_two_loops_at_once_do_not_meet(plain):
    transport = AwaitableTransport(
        "dynamodb", environ=ENVIRONMENT | {"AWS_ENDPOINT_URL": plain.url}
    )
    barrier = threading.Barrier(2)

    async def many():
        barrier.wait()
        return await asyncio.gather(*(transport.send(GET, None) for _ in range(20)))

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(asyncio.run(many()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[{}] * 20] * 2


async def test_more_tasks_than_connections_wait_for_one(plain, monkeypatch):
    monkeypatch.setattr("interlock._wire.limits.MOST_OPEN", 3)
    transport = AwaitableTransport(
        "dynamodb", environ=ENVIRONMENT | {"AWS_ENDPOINT_URL": plain.url}
    )
    replies = await asyncio.gather(*(transport.send(GET, 30.0) for _ in range(20)))
    assert replies == [{}] * 20
    assert plain.connections <= 3


def test_a_container_without_certificates_trusts_what_botocore_would(monkeypatch):
    import ssl  # noqa: PLC0415 - replaced here

    from interlock._drivers import tls  # noqa: PLC0415 - after it

    empty = Path("/nonexistent")
    paths = ssl.get_default_verify_paths()._replace(cafile=str(empty), capath=str(empty))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    assert tls.context(None).get_ca_certs()
