"""The stream of states that the page lives on."""

import asyncio
import contextlib
import json

import httpx
import pytest

from server import events as module
from server.settings import Settings

HOST = "Host: service.test"


class Api:
    """One counter, `value`; `failing` makes the API answer 500."""

    def __init__(self):
        self.value = 1
        self.failing = False
        self.asked = 0

    def __call__(self, request):
        if request.method == "POST":
            self.value += 1
            return httpx.Response(200, json={"value": self.value})
        self.asked += 1
        if self.failing:
            return httpx.Response(500, json={"message": "no"})
        return httpx.Response(200, json={"counters": [{"name": "a", "value": self.value}]})


class Stream:
    """One listener on a socket of its own."""

    def __init__(self, reader, writer):
        self._reader = reader
        self.writer = writer

    async def status(self):
        """Return the status of the answer, whose first line it is."""
        async with asyncio.timeout(60):
            return int((await self._reader.readline()).split(b" ")[1])

    async def event(self, kind="state"):
        """Return the data of the next event of this kind."""
        async with asyncio.timeout(60):
            while (line := await self._reader.readline()).strip() != f"event: {kind}".encode():
                assert line, "the stream has ended"
            line = (await self._reader.readline()).decode().strip()
        text = line.removeprefix("data:").strip()
        return json.loads(text) if text else None


@pytest.fixture
async def listen():
    async with contextlib.AsyncExitStack() as stack:

        async def listen(running, *headers):
            reader, writer = await running.connect()
            stack.callback(writer.close)
            head = ["GET /events HTTP/1.1", HOST, *headers, "", ""]
            writer.write("\r\n".join(head).encode())
            return Stream(reader, writer)

        yield listen


async def increment(running):
    status, _, _ = await running.say(
        "POST /api/counters/a/increment HTTP/1.1", HOST, "Connection: close", "Content-Length: 0"
    )
    assert status == 200


async def test_the_first_event_is_the_state_of_now(wire, listen):
    state = await (await listen(await wire(Api()))).event()
    assert state["counters"] == [{"name": "a", "value": 1}]
    assert (state["instance"], state["problem"]) == ("i-test", None)
    assert [each["id"] for each in state["cluster"]["instances"]] == ["i-test"]


async def test_a_write_through_this_instance_is_pushed_at_once_to_all(wire, listen):
    running = await wire(Api(), look_every=3600)
    one, other = await listen(running), await listen(running)
    for stream in (one, other):
        await stream.event()
    await increment(running)
    for stream in (one, other):
        # The second may have asked for a look of its own, before the change.
        while (await stream.event())["counters"][0]["value"] != 2:
            pass


async def test_a_change_made_elsewhere_is_seen_by_looking(wire, listen):
    api = Api()
    stream = await listen(await wire(api, look_every=0.05))
    await stream.event()
    api.value = 9
    assert (await stream.event())["counters"][0]["value"] == 9


async def test_who_comes_back_gets_what_it_missed(wire, listen):
    running = await wire(Api(), look_every=3600)
    first = await listen(running)
    await first.event()
    first.writer.close()
    await increment(running)
    assert (await (await listen(running)).event())["counters"][0]["value"] == 2


async def test_a_look_costs_one_call_however_many_listen(wire, listen):
    api = Api()
    running = await wire(api, look_every=3600)
    streams = [await listen(running) for _ in range(20)]
    for stream in streams:
        await stream.event()
    asked, api.value = api.asked, 6
    await increment(running)  # has it looked at once
    for stream in streams:
        while (await stream.event())["counters"][0]["value"] != 7:
            pass
    assert api.asked - asked < 20


async def test_nobody_listens_nobody_looks(wire):
    api = Api()
    running = await wire(api, look_every=0.01)
    for _ in range(20):
        await running.say("GET /healthz HTTP/1.1", HOST, "Connection: close")
    assert api.asked == 0


async def test_an_api_that_fails_is_told_and_recovers_on_the_same_stream(wire, listen):
    api = Api()
    api.failing = True
    stream = await listen(await wire(api, look_every=0.05))
    state = await stream.event()
    assert (state["counters"], state["problem"]) == (None, "the API answers 500")
    api.failing = False
    assert (await stream.event())["problem"] is None


async def test_an_api_that_stalls_is_told_while_its_answer_is_awaited(wire, listen, monkeypatch):
    monkeypatch.setattr(module, "SLOW", 0.05)
    api, asked, answers = Api(), [], asyncio.Event()

    async def stalls(request):
        asked.append(request)
        await answers.wait()
        return api(request)

    stream = await listen(await wire(stalls, look_every=0.05))
    state = await stream.event()
    assert (state["counters"], state["problem"]) == (None, "the API has not answered for 0.05 s")
    assert state["cluster"]["instances"]
    assert len(asked) == 1  # and it is not asked again meanwhile
    answers.set()
    assert (await stream.event())["counters"] == [{"name": "a", "value": 1}]


async def test_an_api_that_always_takes_long_is_waited_for_and_shown(wire, listen, monkeypatch):
    monkeypatch.setattr(module, "SLOW", 0.05)
    monkeypatch.setattr(module, "TIMES", 1000.0)  # so that a busy machine is no stall
    api = Api()

    async def takes_long(request):
        await asyncio.sleep(0.06)
        api.value += 1
        return api(request)

    stream = await listen(await wire(takes_long, look_every=0.02))
    assert (await stream.event())["counters"] is None  # that it takes long is not known at first
    shown = [await stream.event() for _ in range(5)]
    assert None not in [state["counters"] for state in shown]


def test_a_stall_is_known_within_three_seconds():
    assert Settings.look_every + module.SLOW <= 2.5  # and half a second to get there


async def test_quiet_is_filled_with_signs_of_life(wire, listen, monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.02)
    stream = await listen(await wire(Api()))
    await stream.event("beat")
    await stream.event("beat")


async def test_one_caller_cannot_take_all_the_streams(wire, listen, monkeypatch):
    monkeypatch.setattr(module, "STREAMS_A_CALLER", 2)
    running = await wire(Api(), proxies=1, burst=100_000)
    held = [await listen(running, "X-Forwarded-For: 1.1.1.1") for _ in range(2)]
    for stream in held:
        await stream.event()
    ask = ("GET /events HTTP/1.1", HOST, "Connection: close")
    status, headers, _ = await running.say(*ask, "X-Forwarded-For: 1.1.1.1")
    assert (status, headers["retry-after"]) == (503, "5")
    await (await listen(running, "X-Forwarded-For: 2.2.2.2")).event()
    held[0].writer.close()
    again = await listen(running, "X-Forwarded-For: 1.1.1.1")
    async with asyncio.timeout(60):
        while await again.status() == 503:  # its place is free once the service has noticed
            again.writer.close()
            again = await listen(running, "X-Forwarded-For: 1.1.1.1")
    await again.event()


async def test_all_streams_have_a_limit(wire, listen, monkeypatch):
    monkeypatch.setattr(module, "STREAMS", 1)
    running = await wire(Api())
    await (await listen(running)).event()
    status, _, _ = await running.say("GET /events HTTP/1.1", HOST, "Connection: close")
    assert status == 503
