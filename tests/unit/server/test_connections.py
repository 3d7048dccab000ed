"""Connections to the API: reused, bounded, given back whatever happens, and nothing sent twice."""

import asyncio
import contextlib
import gzip
import socket
import ssl
from functools import partial

import pytest

from server import outgoing
from server.connections import Connections
from server.sender import Answer, Broken, TooLong, Unreachable
from tests.unit.server.conftest import until
from tests.wire.peers import Authority

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Counts connections and keeps requests; answers `/slow` only when released, cuts `/cut`."""

    def __init__(self):
        self.url = ""
        self.context = ssl.create_default_context()
        self.answer = OK
        self.connections = 0
        self.requests = []
        self.busy = self.most = 0
        self.release = asyncio.Event()
        self.writers = []

    async def __call__(self, reader, writer):
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head)
                self.busy += 1
                self.most = max(self.most, self.busy)
                if b" /cut" in head:
                    return
                if b" /slow" in head:
                    await self.release.wait()
                await asyncio.sleep(0.002)
                writer.write(self.answer)
                self.busy -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server():
    playing = Server()
    async with await asyncio.start_server(playing, "127.0.0.1", 0) as listening:
        playing.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield playing
        playing.release.set()


@pytest.fixture
async def encrypted(tmp_path):
    """The same over TLS; `context` trusts it, as nobody else does."""
    playing, authority = Server(), Authority(tmp_path)
    context = authority.server("127.0.0.1")
    async with await asyncio.start_server(playing, "127.0.0.1", 0, ssl=context) as listening:
        playing.url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        playing.context = ssl.create_default_context(cafile=authority.bundle)
        yield playing


@pytest.fixture
async def api(server):
    """Makes clients of the server, of so many connections."""
    async with contextlib.AsyncExitStack() as stack:

        def make(most=8, **options):
            made = Connections(most, **options)
            stack.push_async_callback(made.close)
            return Client(made, server.url)

        yield make


class Client:
    def __init__(self, made, url):
        self._made = made
        self._url = url

    async def __call__(self, path="/", method="GET", *, body=b"", most=1000, **headers):
        return await self._made.send(
            method, self._url + path, headers=headers, body=body, most=most
        )


async def test_one_after_another_share_one_connection(server, api):
    get = api()
    for _ in range(5):
        assert await get() == Answer(200, {"content-length": "2"}, b"ok")
    assert server.connections == 1


async def test_no_more_at_once_than_allowed(server, api):
    get = api(4)
    replies = await asyncio.gather(*(get() for _ in range(40)))
    assert {reply.body for reply in replies} == {b"ok"}
    assert server.most <= 4
    assert server.connections <= 4


async def test_a_request_that_is_cancelled_gives_its_place_back(server, api):
    get = api(1)
    slow = asyncio.create_task(get("/slow"))
    waiting = asyncio.create_task(get())
    await until(lambda: server.busy)
    slow.cancel()
    assert (await waiting).body == b"ok"
    assert server.connections == 2  # the answer to the first may still come on the other


@pytest.mark.parametrize("steps", range(6))
async def test_nothing_waits_behind_a_request_whose_cleaning_up_was_cancelled_too(
    server, api, steps
):
    """As after a pause of the process, when a read's deadline and the whole call's pass at once."""
    get = api(1)
    for _ in range(3):
        slow = asyncio.create_task(get("/slow"))
        await until(lambda: server.busy)
        for _ in range(steps):
            slow.cancel()
            await asyncio.sleep(0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        server.busy = 0
        async with asyncio.timeout(60):
            assert (await get()).body == b"ok"


async def test_one_that_is_cancelled_while_it_waits_takes_no_place(server, api):
    get = api(1)
    slow = asyncio.create_task(get("/slow"))
    waiting = asyncio.create_task(get())
    await asyncio.sleep(0)
    waiting.cancel()
    server.release.set()
    assert (await slow).body == b"ok"
    assert (await get()).body == b"ok"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("before", [0, 1])
async def test_a_request_whose_connection_breaks_is_sent_once(server, api, method, before):
    """Also on a connection that was kept: a client may take that for leave to try another."""
    get = api(1)
    for _ in range(before):
        await get()
    for _ in range(3):
        with pytest.raises(Broken):
            await get("/cut", method)
    assert len(server.requests) == before + 3
    assert (await get()).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_what_is_no_answer_breaks_the_connection(server, api, answer):
    get = api(1)
    server.answer = answer
    with pytest.raises(Broken):
        await get()
    server.answer = OK
    assert (await get()).body == b"ok"
    assert server.connections == 2


async def test_an_answer_that_ends_too_soon_is_none(server, api):
    get = api(1)
    server.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"
    asking = asyncio.create_task(get())
    await until(lambda: server.requests and not server.busy)
    server.writers[0].close()
    with pytest.raises(Broken):
        await asking


async def test_an_answer_that_is_too_long_gives_its_place_back(server, api):
    get = api(1)
    server.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 11
    with pytest.raises(TooLong):
        await get(most=10)
    server.answer = OK
    assert (await get(most=2)).body == b"ok"
    assert server.connections == 2


async def test_the_bound_holds_for_what_was_compressed(server, api):
    packed = gzip.compress(b"x" * 10_000_000)
    server.answer = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n%s" % (
        len(packed),
        packed,
    )
    with pytest.raises(TooLong):
        await api()(most=100_000)
    assert len((await api()(most=10_000_000)).body) == 10_000_000


async def test_a_connection_that_ended_while_it_was_idle_is_not_used(server, api):
    """Its end may have come while the process was paused: the event loop has not seen it yet."""
    get = api()
    await get()
    server.writers[0].transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
    assert (await get(method="POST")).body == b"ok"
    assert (server.connections, len(server.requests)) == (2, 2)


@pytest.mark.parametrize("seen", [False, True], ids=["in the socket", "in the event loop"])
async def test_what_was_not_asked_for_is_not_taken_for_an_answer(server, api, seen):
    get = api()
    await get()
    server.writers[0].write(OK.replace(b"ok", b"no"))
    for _ in range(3 * seen):  # turns of the event loop
        await asyncio.sleep(0)
    assert (await get()).body == b"ok"
    assert server.connections == 2


async def test_an_answer_behind_the_answer_is_not_the_next_ones(server, api):
    get = api()
    server.answer = OK + OK.replace(b"ok", b"no")
    assert [(await get()).body for _ in range(3)] == [b"ok"] * 3
    assert server.connections == 3


async def test_where_nothing_listens_nothing_was_sent():
    made = Connections()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        with pytest.raises(Unreachable):
            await made.send("POST", url, headers={}, body=b"", most=1)
    await made.close()


async def test_who_does_not_shake_hands_in_time_was_sent_nothing(server):
    """TLS that the other side never begins: the server waits for a request in the clear."""
    made = Connections(connect=0.2)
    url = server.url.replace("http:", "https:")
    with pytest.raises(Unreachable):
        await made.send("POST", url, headers={}, body=b"", most=1)
    assert server.requests == []
    await made.close()


async def test_a_certificate_of_no_known_authority_is_not_trusted(encrypted):
    made = Connections()
    with pytest.raises(Unreachable):
        await made.send("GET", encrypted.url, headers={}, body=b"", most=10)
    assert encrypted.requests == []
    await made.close()


async def test_a_trusted_connection_is_kept_too(encrypted, monkeypatch):
    monkeypatch.setattr(outgoing, "certificates", lambda: encrypted.context)
    made = Connections()
    get = partial(made.send, "GET", encrypted.url, headers={}, body=b"", most=10)
    assert [(await get()).body for _ in range(3)] == [b"ok"] * 3
    assert encrypted.connections == 1
    await made.close()


async def test_the_environment_says_nothing_about_connections(api, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await api()()).body == b"ok"


async def test_a_request_arrives_as_it_was_given(server, api):
    get = api()
    await get("/a%2Fb%7e//..?x=%26&y=+", "PATCH", **{"X-One": "1"})
    await get("/", "POST")
    first, second = (request.decode().lower().split("\r\n") for request in server.requests)
    assert first[0] == "patch /a%2fb%7e//..?x=%26&y=+ http/1.1"
    assert "x-one: 1" in first
    assert f"host: {server.url.removeprefix('http://')}" in first
    assert not [line for line in first + second if line.startswith(("content-type", "cookie"))]
    assert "content-length: 0" in second


async def test_headers_that_came_several_times_are_one_list_and_cookies_are_not_kept(server, api):
    get = api()
    server.answer = OK.replace(
        b"\r\n\r\n", b"\r\nLink: <a>\r\nset-cookie: a=b\r\nlink: <b>, \xe4\r\n\r\n"
    )
    assert (await get()).headers["link"] == "<a>, <b>, \xe4"
    await get()
    assert b"ookie" not in server.requests[1]


async def test_a_header_may_be_long(server, api):
    link = "x" * 20_000
    server.answer = OK.replace(b"\r\n\r\n", b"\r\nlink: %s\r\n\r\n" % link.encode())
    assert (await api()()).headers["link"] == link


async def test_a_redirect_is_an_answer(server, api):
    server.answer = b"HTTP/1.1 302 Found\r\nlocation: /cut\r\ncontent-length: 0\r\n\r\n"
    assert (await api()()).status == 302
