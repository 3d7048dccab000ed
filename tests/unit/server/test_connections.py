"""Connections to the API: reused, bounded, and given back whatever happens."""

import asyncio

import httpx
import pytest

from server.connections import Connections


class Server:
    """Counts connections; answers `/slow` only when released, and cuts `/cut`."""

    def __init__(self):
        self.url = ""
        self.connections = 0
        self.busy = self.most = 0
        self.release = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.busy += 1
                self.most = max(self.most, self.busy)
                if head.startswith(b"GET /cut"):
                    return
                if head.startswith(b"GET /slow"):
                    await self.release.wait()
                await asyncio.sleep(0.002)
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
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


def client(most):
    return httpx.AsyncClient(transport=Connections(most), trust_env=False, timeout=10)


async def test_one_after_another_share_one_connection(server):
    async with client(8) as api:
        for _ in range(5):
            assert (await api.get(server.url)).text == "ok"
    assert server.connections == 1


async def test_no_more_at_once_than_allowed(server):
    async with client(4) as api:
        replies = await asyncio.gather(*(api.get(server.url) for _ in range(40)))
    assert {reply.text for reply in replies} == {"ok"}
    assert server.most <= 4
    assert server.connections <= 4


async def test_a_request_that_is_cancelled_gives_its_place_back(server):
    async with client(1) as api:
        slow = asyncio.create_task(api.get(f"{server.url}/slow"))
        waiting = asyncio.create_task(api.get(server.url))
        async with asyncio.timeout(60):
            while not server.busy:  # noqa: ASYNC110 - another's attribute
                await asyncio.sleep(0.01)
        slow.cancel()
        assert (await waiting).text == "ok"


@pytest.mark.parametrize("steps", range(6))
async def test_nothing_waits_behind_a_request_whose_cleaning_up_was_cancelled_too(server, steps):
    """As after a pause of the process, when a read's deadline and the whole call's pass at once."""
    async with client(1) as api:
        for _ in range(3):
            slow = asyncio.create_task(api.get(f"{server.url}/slow"))
            async with asyncio.timeout(60):
                while not server.busy:  # noqa: ASYNC110 - another's attribute
                    await asyncio.sleep(0.01)
            for _ in range(steps):
                slow.cancel()
                await asyncio.sleep(0)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            server.busy = 0
            async with asyncio.timeout(60):
                assert (await api.get(server.url)).text == "ok"


async def test_one_that_is_cancelled_while_it_waits_takes_no_place(server):
    async with client(1) as api:
        slow = asyncio.create_task(api.get(f"{server.url}/slow"))
        waiting = asyncio.create_task(api.get(server.url))
        await asyncio.sleep(0)
        waiting.cancel()
        server.release.set()
        assert (await slow).text == "ok"
        assert (await api.get(server.url)).text == "ok"


async def test_a_connection_that_breaks_gives_its_place_back(server):
    async with client(1) as api:
        for _ in range(3):
            with pytest.raises(httpx.TransportError):
                await api.get(f"{server.url}/cut")
        assert (await api.get(server.url)).text == "ok"


async def test_an_answer_that_is_not_read_gives_its_place_back(server):
    async with client(1) as api:
        async with api.stream("GET", server.url):
            pass
        assert (await api.get(server.url)).text == "ok"
