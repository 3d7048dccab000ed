"""What a hostile client can put on the wire, and what must not come of it."""

import asyncio
import contextlib
import json

import httpx
import pytest

from server import events, protocol
from server.limits import caller_of
from tests.unit.server.conftest import until
from tests.unit.server.people import Api

HOST = "Host: service.test"


CLOSE = "Connection: close"


@pytest.mark.parametrize(
    "host", ["Host: a?b", "Host: a/..?", "Host: service.test#", "Host: [", "Host: a/api/x?"]
)
@pytest.mark.parametrize("path", ["/api/../stage", "/api/%2e%2e/stage", "/api/..%2fstage"])
async def test_no_host_header_smuggles_dot_segments_past_the_check(wire, host, path):
    api = Api()
    status, _, _ = await (await wire(api)).say(f"GET {path} HTTP/1.1", host, CLOSE)
    assert (status, api.requests) == (400, [])


@pytest.mark.parametrize("path", ["/api%2Fcounters", "/%61pi/counters", "/api%2f..%2fstage"])
async def test_an_encoded_prefix_does_not_leave_the_stage(wire, path):
    """`/api%2Fx` is `/api/x` once decoded, but `/stage%2Fx` would be another stage."""
    api = Api()
    status, _, _ = await (await wire(api)).say(f"GET {path} HTTP/1.1", HOST, CLOSE)
    assert status in {400, 404}
    assert api.requests == []


@pytest.mark.parametrize(
    "target",
    ["http://elsewhere.test/api/counters", "//elsewhere.test/api/counters", "@elsewhere.test/api/"],
)
async def test_no_target_leads_elsewhere(wire, target):
    api = Api()
    status, headers, _ = await (await wire(api)).say(f"GET {target} HTTP/1.1", HOST, CLOSE)
    assert status in {400, 404}
    assert "location" not in headers
    assert api.requests == []


@pytest.mark.parametrize(
    "target", ["/api/counters/a#b", "/api/counters/a;b", "/api/counters/a%00b", "/api/a@b:80/c"]
)
async def test_whatever_is_sent_is_what_was_signed_and_stays_below_the_stage(wire, target):
    api = Api()
    await (await wire(api)).say(f"GET {target} HTTP/1.1", HOST, CLOSE)
    for request in api.requests:
        assert request.url.host == "api.test"
        assert request.url.raw_path.startswith(b"/_aws/execute-api/abc/local/")
        assert request.headers["authorization"] == f"signed GET {request.url} 0"


@pytest.mark.parametrize(
    "target",
    ["/..%2fsettings.py", "/%2e%2e/settings.py", "/vendor/..%2f..%2f__main__.py", "/../server"],
)
async def test_no_file_outside_the_client_is_served(wire, target):
    status, _, rest = await (await wire(Api())).say(f"GET {target} HTTP/1.1", HOST, CLOSE)
    assert status == 404
    assert b"import" not in rest


@pytest.mark.parametrize(
    "framing",
    [
        ("Content-Length: 3", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Content-Length: 40"),
        ("Content-Length: 3", "Content-Length: 4"),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked, identity",),
        ("Content-Length: +3",),
        ("Content-Length: 3_0",),
        ("Transfer-Encoding: chunked", "HTTP/1.0"),
    ],
    ids=" and ".join,
)
async def test_ambiguous_framing_is_refused_and_its_rest_is_no_request(wire, framing):
    api = Api()
    smuggled = b"0\r\n\r\nGET /api/counters/smuggled HTTP/1.1\r\nHost: service.test\r\n\r\n"
    *framing, version = framing if "HTTP/1.0" in framing else (*framing, "HTTP/1.1")
    status, headers, rest = await (await wire(api)).say(
        f"POST /api/counters/a/increment {version}", HOST, *framing, body=smuggled
    )
    assert status in {400, 501}
    assert headers["connection"] == "close"
    assert b"HTTP/1.1" not in rest
    assert api.requests == []


@pytest.mark.parametrize("value", [b"caf\xe9", b"\xc3\xa9"])
async def test_a_header_that_cannot_be_sent_on_is_refused_by_name(wire, value):
    api = Api()
    status, _, rest = await (await wire(api)).say(
        "GET /api/counters HTTP/1.1", HOST, CLOSE, b"Idempotency-Key: " + value
    )
    assert (status, api.requests) == (400, [])
    assert json.loads(rest)["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "injected", ["a\rb", "a\nSet-Cookie: x=1", "a\0b", "<script>alert(1)</script>", "a" * 200]
)
async def test_a_request_id_cannot_write_headers_or_logs(wire, injected):
    status, headers, _ = await (await wire(Api())).say(
        "GET /healthz HTTP/1.1", HOST, CLOSE, f"X-Request-Id: {injected}"
    )
    assert status in {200, 400}
    assert injected not in headers.get("x-request-id", "")
    assert "set-cookie" not in {name.lower() for name in headers}


async def test_cookies_and_other_headers_of_the_api_stay_behind(wire):
    def api(_):
        headers = {"set-cookie": "a=b", "access-control-allow-origin": "*", "server": "x"}
        return httpx.Response(200, json={}, headers=headers)

    _, headers, _ = await (await wire(api)).say("GET /api/counters HTTP/1.1", HOST, CLOSE)
    assert not {"set-cookie", "access-control-allow-origin", "server"} & set(headers)


async def test_a_body_that_trickles_is_given_up(wire):
    api = Api()
    running = await wire(api, timeout=0.2)
    status, _, _ = await running.say(
        "PUT /api/counters/a HTTP/1.1", HOST, "Content-Length: 100", CLOSE, body=b"{"
    )
    assert (status, api.requests) == (408, [])


@pytest.mark.parametrize(
    "sent", [b"", b"GET /healthz HTT", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: "]
)
async def test_a_head_that_does_not_come_in_time_ends_the_connection(wire, monkeypatch, sent):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.1)
    running = await wire(Api())
    reader, writer = await running.connect(sent)
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    if sent:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["title"] == "Request Timeout"
    else:
        assert answer == b""


async def test_a_second_head_on_a_connection_has_to_come_in_time_too(wire, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.1)
    running = await wire(Api())
    reader, writer = await running.connect(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /hea")
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answer


async def the_connection(running):
    connections = running.server.server_state.connections
    await until(lambda: connections)
    return next(iter(connections))


async def test_the_rest_of_a_body_that_is_answered_has_to_come_in_time_too(wire, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.1)
    running = await wire(Api())
    reader, writer = await running.connect(
        b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
    )
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_connection_whose_body_came_after_the_answer_is_kept(wire):
    running = await wire(Api())
    reader, writer = await running.connect(
        b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"
    )
    connection = await the_connection(running)
    async with asyncio.timeout(60):
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 404 ")
        writer.write(b"defghi")
        await until(lambda: connection._deadline is None)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_what_is_no_chunk_after_the_answer_ends_the_connection_quietly(wire, caplog):
    running = await wire(Api())
    reader, writer = await running.connect(
        b"POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    async with asyncio.timeout(60):
        answer = await reader.readuntil(b"}")
        writer.write(b"zz\r\n\r\n")
        assert await reader.read() == b""
    writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_head_with_the_claims_of_many_groups_may_come_in_pieces(wire):
    running = await wire(Api())
    reader, writer = await running.connect(
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nCookie: " + b"a" * 60_000
    )
    connection = await the_connection(running)
    await until(lambda: len(connection.conn.trailing_data[0]) > 60_000)
    writer.write(b"\r\n\r\n")
    async with asyncio.timeout(60):
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_a_head_that_is_too_large_is_told_so(wire):
    running = await wire(Api())
    begun = b"GET /healthz HTTP/1.1\r\nHost: a\r\nCookie: "
    reader, writer = await running.connect()
    writer.write(begun + b"a" * (protocol.LARGEST_HEAD + 1 - len(begun)))
    async with asyncio.timeout(60):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 431 ")
    assert json.loads(body)["title"] == "Request Header Fields Too Large"


async def test_a_slow_answer_is_no_slow_head(wire, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.05)

    async def slow(_):
        await asyncio.sleep(0.2)
        return httpx.Response(200, json={"counters": []})

    status, _, _ = await (await wire(slow)).say("GET /api/counters HTTP/1.1", HOST, CLOSE)
    assert status == 200


async def test_what_is_no_http_is_refused_as_a_problem_that_the_log_names(wire, caplog):
    caplog.set_level("INFO")
    status, headers, body = await (await wire(Api())).say("GET /healthz HTTP/1.1", "no colon")
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert json.loads(body)["status"] == 400
    told = [each.fields["request_id"] for each in caplog.records if each.name == "server.protocol"]
    assert [f"urn:interlock:request:{each}" for each in told] == [json.loads(body)["instance"]]


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/healthz", "/readyz", "/events", "/service/cluster", "/api/counters"]
)
async def test_head_ends_and_the_connection_goes_on(wire, path):
    """A load balancer reuses a connection: what was left on it would be another's answer."""
    running = await wire(Api())
    reader, writer = await running.connect()
    async with asyncio.timeout(60):
        for method in ("HEAD", "GET"):
            target = path if method == "HEAD" else "/healthz"
            writer.write(f"{method} {target} HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(2) == b"ok"
    writer.close()
    assert not running.server.config.app.state.events.listening


async def test_a_hundred_heads_lock_nobody_out_of_the_stream(wire):
    running = await wire(Api(), burst=1000)
    for _ in range(110):
        await running.say("HEAD /events HTTP/1.1", HOST, CLOSE)
    reader, writer = await running.connect()
    writer.write(f"GET /events HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_streams_that_are_opened_at_once_are_all_counted(wire, monkeypatch):
    monkeypatch.setattr(events, "STREAMS_A_CALLER", 3)
    running = await wire(Api())
    asked = b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n"
    opened = await asyncio.gather(*(running.connect(asked) for _ in range(8)))
    async with asyncio.timeout(60):
        lines = [await reader.readline() for reader, _ in opened]
    assert sorted(line.split(b" ")[1] for line in lines) == [b"200"] * 3 + [b"503"] * 5
    for _, writer in opened:
        writer.close()
    # All places are free again.
    statuses = set()
    while b"200" not in statuses:
        reader, writer = await running.connect(asked)
        statuses.add((await reader.readline()).split(b" ")[1])
        writer.close()


@pytest.mark.parametrize("header", ["Idempotency-Key", "Content-Type"])
async def test_a_header_of_one_value_that_comes_twice_is_refused(wire, header):
    api = Api()
    status, _, body = await (await wire(api)).say(
        "POST /api/counters/a/increment HTTP/1.1", HOST, CLOSE, f"{header}: a", f"{header}: b"
    )
    assert (status, api.requests, json.loads(body)["field"]) == (400, [], header)


async def test_the_lines_of_a_list_go_on_as_one(wire):
    api = Api()
    lines = ('If-None-Match: "a"', 'If-None-Match: W/"b", "c"')
    await (await wire(api)).say("GET /api/counters/a HTTP/1.1", HOST, CLOSE, *lines)
    assert api.requests[0].headers["if-none-match"] == '"a", W/"b", "c"'


async def test_a_caller_that_leaves_in_the_middle_is_no_error(wire, caplog):
    api = Api()
    running = await wire(api)
    _, writer = await running.connect()
    writer.write(b"PUT /api/counters/a HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    status, _, _ = await running.say("GET /healthz HTTP/1.1", HOST, CLOSE)
    assert (status, api.requests) == (200, [])
    assert "request failed" not in caplog.text


async def test_an_endless_head_is_cut_off(wire):
    running = await wire(Api())
    reader, writer = await running.connect()
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 200_000)
    async with asyncio.timeout(60):
        # A reset will do: there is more on the way than it is willing to read.
        with contextlib.suppress(ConnectionResetError):
            assert (await reader.read()).startswith(b"HTTP/1.1 4")
    writer.close()


@pytest.mark.parametrize("path", ["/api/counters", "/service/cluster", "/readyz", "/events"])
async def test_whatever_costs_a_call_is_metered(wire, path):
    running = await wire(Api(), burst=1, rate=0.001)
    await running.say("GET /service/cluster HTTP/1.1", HOST, CLOSE)
    status, headers, _ = await running.say(f"GET {path} HTTP/1.1", HOST, CLOSE)
    assert status == 429
    assert 900 < int(headers["retry-after"]) <= 1000


async def test_health_checks_and_the_page_are_not_metered(wire):
    running = await wire(Api(), burst=1, rate=0.001)
    for path in ("/healthz", "/", "/app.js", "/healthz"):
        status, _, _ = await running.say(f"GET {path} HTTP/1.1", HOST, CLOSE)
        assert status == 200


@pytest.mark.parametrize(
    ("proxies", "lines", "expected"),
    [
        (1, ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        (1, ["6.6.6.6, 7.7.7.7", "1.1.1.1"], "1.1.1.1"),
        (1, ["1.1.1.1:4711"], "1.1.1.1"),
        (1, ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (1, ["6.6.6.6, [2001:db8:1:2:ffff::1]:443"], "2001:db8:1:2::/64"),
        (1, ["::ffff:1.1.1.1"], "1.1.1.1"),
        (1, ["not an address"], "unknown"),
        (2, ["1.1.1.1"], "9.9.9.9"),
    ],
)
def test_a_caller_cannot_choose_who_it_is(proxies, lines, expected):
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    scope = {"type": "http", "client": ("9.9.9.9", 1), "headers": headers}
    assert caller_of(scope, proxies) == expected


async def test_readiness_does_not_multiply_calls_of_the_api(wire):
    api = Api()
    running = await wire(api)
    asked = (running.say("GET /readyz HTTP/1.1", HOST, CLOSE) for _ in range(20))
    assert {status for status, _, _ in await asyncio.gather(*asked)} == {200}
    assert len(api.requests) == 1


async def test_idle_connections_outlast_the_load_balancers_idle_timeout(wire):
    running = await wire(Api())
    assert running.server.config.timeout_keep_alive > 60


async def test_shutdown_finishes_what_is_in_flight_and_takes_nothing_new(wire):
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(_):
        arrived.set()
        await release.wait()
        return httpx.Response(200, json={"value": 1})

    running = await wire(slow)
    asked = asyncio.create_task(running.say("GET /api/counters/a HTTP/1.1", HOST))
    await asyncio.wait_for(arrived.wait(), 60)
    running.server.should_exit = True
    await until(lambda: not running.server.servers[0].is_serving())
    with pytest.raises(OSError, match=r"refused|reset|Connect"):
        await running.connect()
    assert not asked.done()
    release.set()
    status, _, rest = await asked
    assert (status, rest) == (200, b'{"value":1}')
    await asyncio.wait_for(running.task, 20)


async def test_shutdown_ends_streams_at_once(wire):
    running = await wire(Api())
    asked = asyncio.create_task(running.say("GET /events HTTP/1.1", HOST))
    await until(lambda: running.server.config.app.state.events.listening)
    running.server.should_exit = True
    status, _, rest = await asked
    assert status == 200
    assert rest.endswith(b"0\r\n\r\n")
    await asyncio.wait_for(running.task, 20)
