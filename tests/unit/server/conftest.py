"""The service in this process, over an API that each test plays itself."""

import asyncio
import contextlib
import dataclasses
import functools
import socket
import types

import httpx
import pytest
import uvicorn.server

from server.__main__ import Server, configuration
from server.application import create_application
from server.assets import Assets
from server.group import Group
from server.reading import Reading
from server.settings import Settings
from server.upstream import Upstream
from tests.unit.server.people import Api, Publisher, claims_of
from tests.unit.server.playing import Played
from tests.unit.server.table import Grants, Table

API = "http://api.test/_aws/execute-api/abc/local"


@pytest.fixture(scope="session", autouse=True)
def _promptly():
    """Read and compress the client's files once, and let uvicorn look ten times as often.

    Each test has an application of its own, and many a server, which looks whether it should end,
    and when it does waits for what is on its way.
    """

    async def sleep(seconds):
        await asyncio.sleep(seconds / 10)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("server.application.Assets", functools.cache(Assets))
        prompt = types.SimpleNamespace(**{**vars(asyncio), "sleep": sleep})
        patch.setattr(uvicorn.server, "asyncio", prompt)
        yield


class PlainSigner:
    """Marks what it signed."""

    async def sign(self, method, url, body, headers):
        return {**headers, "authorization": f"signed {method} {url} {len(body)}"}


@pytest.fixture
def settings():
    return Settings(api_url=API, region="eu-west-1", instance_id="i-test", proxies=0)


@pytest.fixture
def table():
    return Table()


@pytest.fixture
async def grant(table):
    """Grants the leader's lock anew: `lock = await grant()`."""
    grants = Grants(table)
    yield grants
    await grants.close()


async def until(condition):
    """Wait for what no event tells."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition is another's attribute
            await asyncio.sleep(0.01)


class Made:
    """Builds applications whose API is a handler of httpx requests."""

    def __init__(self, settings):
        self._settings = settings

    def __call__(
        self,
        handler,
        *,
        signer=None,
        sleeps=None,
        group=None,
        locks=None,
        claims=None,
        hints=None,
        **changes,
    ):
        own = dataclasses.replace(self._settings, **changes)

        async def sleep(seconds):
            if sleeps is not None:
                sleeps.append(seconds)

        upstream = Upstream(
            API,
            signer or PlainSigner(),
            timeout=own.timeout,
            api_key=own.api_key,
            connections=Played(handler),
            sleep=sleep,
        )
        own_group = group or Group(own, None, None)
        app = create_application(
            own, upstream, Reading(upstream), own_group, locks=locks, claims=claims, hints=hints
        )
        return own, app


@pytest.fixture
def made(settings):
    return Made(settings)


@pytest.fixture
async def service(made):
    """Start the service over a handler of httpx requests; returns a client of it."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler, **options):
            _, app = made(handler, **options)
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://service.test")
            )

        yield start


class Wire:
    """The service as uvicorn serves it, on a socket, to say to it what no client would."""

    def __init__(self, server, task, port):
        self.server = server
        self.task = task
        self.port = port

    async def connect(self, sent=b""):
        """Connect, and send something before the service learns of the connection.

        However busy the machine, the service then finds it there, and waits for no more of it.
        """
        sock = socket.create_connection(("127.0.0.1", self.port))
        sock.sendall(sent)
        return await asyncio.open_connection(sock=sock)

    async def say(self, *lines, body=b""):
        """Send a request line and headers as they are; return status, headers, and the rest.

        The service must close the connection afterwards.
        """
        head = [line if isinstance(line, bytes) else line.encode() for line in lines]
        reader, writer = await self.connect(b"\r\n".join(head) + b"\r\n\r\n" + body)
        async with asyncio.timeout(60):
            answer = await reader.read()
        writer.close()
        head, _, rest = answer.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        named = (field.split(": ", 1) for field in fields)
        headers = {name.lower(): value for name, value in named}
        return int(status.split(" ")[1]), headers, rest


@pytest.fixture
async def wire(made):
    """Serve a handler of httpx requests on a port of its own."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler, **options):
            own, app = made(handler, **options)
            sock = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            server = Server(configuration(own, app))
            task = asyncio.create_task(server.serve(sockets=[sock]))

            async def stop():
                server.should_exit = server.force_exit = True
                await task

            stack.push_async_callback(stop)
            await until(lambda: server.started)
            return Wire(server, task, sock.getsockname()[1])

        yield start


@pytest.fixture
def api():
    return Api()


@pytest.fixture
def publisher():
    return Publisher()


@pytest.fixture
async def guarded(service, api, publisher):
    return await service(api, claims=claims_of(publisher))
