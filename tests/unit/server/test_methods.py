"""Methods: what each address takes, what it answers to all others, and OPTIONS."""

import asyncio
import json

import httpx
import pytest

from tests.unit.server.people import Api

HOST = "Host: service.test"


CLOSE = "Connection: close"


@pytest.mark.parametrize("method", ["BREW", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/api/counters", "/healthz", "/"])
async def test_a_method_that_nothing_knows_is_501(wire, method, path):
    api = Api()
    status, headers, _ = await (await wire(api)).say(f"{method} {path} HTTP/1.1", HOST, CLOSE)
    assert (status, headers["content-type"], api.requests) == (501, "application/problem+json", [])


@pytest.mark.parametrize("path", ["/", "/app.js", "/healthz", "/events", "/service/cluster"])
async def test_a_method_that_an_address_does_not_take_is_405_with_those_it_does(wire, path):
    status, headers, _ = await (await wire(Api())).say(f"DELETE {path} HTTP/1.1", HOST, CLOSE)
    assert status == 405
    assert headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/service/me"), ("GET", "/service/cluster"), ("POST", "/service/sign-out")],
)
async def test_a_query_of_which_an_address_knows_nothing_is_refused(wire, method, path):
    line = f"{method} {path}?verbose=1 HTTP/1.1"
    status, headers, rest = await (await wire(Api())).say(line, HOST, CLOSE)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert json.loads(rest)["field"] == "verbose"


OWN = ["/", "/app.js", "/healthz", "/readyz", "/events", "/service/me", "/service/cluster"]
OWN += ["/service/history/a", "/service/locks", "/service/locks/a/b"]
POSTS = ["/service/sign-out", "/service/lock-breaks"]


@pytest.mark.parametrize("path", [*OWN, *POSTS])
async def test_options_say_what_an_address_takes(wire, path):
    status, headers, rest = await (await wire(Api())).say(f"OPTIONS {path} HTTP/1.1", HOST, CLOSE)
    takes = "OPTIONS, POST" if path in POSTS else "GET, HEAD, OPTIONS"
    assert (status, headers["allow"], rest) == (204, takes, b"")


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
async def test_what_takes_only_posts_is_no_missing_file(wire, method, path):
    line = f"{method} {path} HTTP/1.1"
    status, headers, _ = await (await wire(Api())).say(line, HOST, CLOSE)
    assert (status, headers["allow"]) == (405, "OPTIONS, POST")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "POST"])
@pytest.mark.parametrize("path", ["/none", "/service/none", "/events/", "/app.js/x", "/api"])
async def test_what_is_not_there_is_404_by_each_method(wire, method, path):
    status, headers, _ = await (await wire(Api())).say(f"{method} {path} HTTP/1.1", HOST, CLOSE)
    assert (status, "allow" in headers) == (404, False)


@pytest.mark.parametrize(
    "path",
    [
        "/api/counters//a",
        "/api//counters",
        "/api/counters/",
        "/api/locks/a//b",
        "/api/locks/a%2F/b",
    ],
)
async def test_an_empty_segment_of_a_path_is_no_other_spelling_of_one_without(wire, path):
    api = Api()
    status, _, _ = await (await wire(api)).say(f"GET {path} HTTP/1.1", HOST, CLOSE)
    assert (status, api.requests) == (404, [])


@pytest.mark.parametrize("path", ["/healthz", "/app.js", "/api/counters", "/events"])
async def test_an_upgrade_that_is_asked_for_is_left(wire, path):
    asked = ("Upgrade: websocket", "Connection: Upgrade, close", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    running = await wire(Api())
    reader, writer = await running.connect()
    lines = (f"GET {path} HTTP/1.1", HOST, key, *asked)
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_what_the_api_takes_is_said_by_the_api(wire):
    def api(request):
        assert request.method == "OPTIONS"
        return httpx.Response(204, headers={"allow": "GET, HEAD, OPTIONS"})

    running = await wire(api)
    status, headers, _ = await running.say("OPTIONS /api/counters HTTP/1.1", HOST, CLOSE)
    assert (status, headers["allow"]) == (204, "GET, HEAD, OPTIONS")
