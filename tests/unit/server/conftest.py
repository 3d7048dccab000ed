"""The service in this process, over an API that each test plays itself."""

import contextlib
import dataclasses

import httpx
import pytest

from server.application import create_application
from server.group import Group
from server.reading import Reading
from server.settings import Settings
from server.upstream import Upstream

API = "http://api.test/_aws/execute-api/abc/local"


class PlainSigner:
    """Marks what it signed."""

    async def sign(self, method, url, body, headers):
        return {**headers, "authorization": f"signed {method} {url} {len(body)}"}


@pytest.fixture
def settings():
    return Settings(api_url=API, region="eu-west-1", instance_id="i-test", proxies=0)


@pytest.fixture
async def service(settings):
    """Start the service over a handler of httpx requests; returns a client of it."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler, *, signer=None, sleeps=None, **changes):
            own = dataclasses.replace(settings, **changes)

            async def sleep(seconds):
                if sleeps is not None:
                    sleeps.append(seconds)

            upstream = Upstream(
                API,
                signer or PlainSigner(),
                timeout=own.timeout,
                api_key=own.api_key,
                transport=httpx.MockTransport(handler),
                sleep=sleep,
            )
            app = create_application(own, upstream, Reading(upstream), Group(own, None, None, None))
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            return await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://service.test")
            )

        yield start
