"""Sampling: every instance watches, the leader records, and no tick is lost between two."""

import asyncio

import httpx
import pytest

from server.history import History
from server.leading import LOCK, Term
from server.reading import Reading
from server.sampling import Sampling
from server.upstream import Upstream, UpstreamFailed
from tests.unit.server.conftest import API, PlainSigner, until
from tests.unit.server.table import Table

START = 1_700_000_040


class Api:
    """An API of one counter, whose value is the number of times it was listed."""

    def __init__(self, page=None):
        self.asked = []
        self.page = page
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, request):
        self.asked.append(str(request.url))
        await self.gate.wait()
        if self.page is not None:
            return httpx.Response(200, json=self.page)
        return httpx.Response(200, json={"counters": [{"name": "a", "value": len(self.asked)}]})

    def reading(self):
        transport = httpx.MockTransport(self)
        return Reading(Upstream(API, PlainSigner(), timeout=5, transport=transport))


@pytest.fixture
def api():
    return Api()


class Clock:
    """A wall clock on which waiting takes no time."""

    def __init__(self):
        self.now = START + 0.5

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    real = asyncio.sleep

    async def sleep(seconds):
        clock.now += seconds
        await real(0)

    monkeypatch.setattr("server.sampling.asyncio.sleep", sleep)
    return clock


@pytest.fixture
def table():
    table = Table()
    lead(table, 1)
    return table


def lead(table, fence):
    table.put(LOCK, fence={"N": str(fence)}, version={"S": f"v{fence}"})


def sampling(api, table, clock, remember=20.0):
    return Sampling(api.reading(), History(table, 3600), every=2.0, remember=remember, clock=clock)


async def ticks(table):
    read = await History(table, 3600).read("a", since=START, until=START + 600)
    return [(int(tick) - START, fence) for tick, _, fence in read]


async def watched(one, samples):
    """Let it watch until it has taken so many samples."""
    task = asyncio.create_task(one.watch())
    await until(lambda: len(one._samples) >= samples)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_leader_records_every_tick_once(api, table, clock):
    one = sampling(api, table, clock)
    await watched(one, 3)
    await one(Term(table="coordination", fence=1))
    assert (await ticks(table))[:3] == [(2, 1), (4, 1), (6, 1)]


async def test_who_takes_over_records_the_ticks_that_nobody_led(api, table, clock):
    old, new = sampling(api, table, clock), sampling(api, table, clock)
    await watched(old, 2)
    await old(Term(table="coordination", fence=1))
    first = len(await ticks(table))
    clock.now = START + 0.5
    await watched(new, 6)
    lead(table, 2)
    await new(Term(table="coordination", fence=2))
    recorded = await ticks(table)
    assert [tick for tick, _ in recorded][:6] == [2, 4, 6, 8, 10, 12]
    assert [fence for _, fence in recorded] == [1] * first + [2] * (len(recorded) - first)


async def test_who_was_overtaken_records_nothing(api, table, clock):
    one = sampling(api, table, clock)
    await watched(one, 2)
    lead(table, 2)
    await one(Term(table="coordination", fence=1))
    assert await ticks(table) == []


async def test_a_sample_that_comes_too_late_is_no_sample_of_its_tick(api, table, clock):
    """The process was paused between the tick and the reading."""
    one = sampling(api, table, clock)
    clock.now = START + 2.0
    await one._sample(START)
    assert not one._samples
    clock.now = START + 1.9
    await one._sample(START)
    assert [tick for tick, _ in one._samples] == [START]


async def test_a_table_that_is_away_delays_and_loses_nothing(api, table, clock):
    one = sampling(api, table, clock)
    await watched(one, 2)
    table.down = True
    with pytest.raises(Exception, match="Could not connect"):
        await one(Term(table="coordination", fence=1))
    table.down = False
    await asyncio.wait_for(one(Term(table="coordination", fence=1)), 5)
    assert (await ticks(table))[:2] == [(2, 1), (4, 1)]


async def test_memory_is_bounded(api, table, clock):
    one = sampling(api, table, clock, remember=4.0)
    await watched(one, 3)
    for _ in range(5):
        clock.now += 2
        await one._sample(int(clock.now))
    assert len(one._samples) == 3


async def test_an_api_that_fails_is_asked_again_at_the_next_tick(table, clock, caplog):
    api = Api({"counters": "none"})
    one = sampling(api, table, clock)
    task = asyncio.create_task(one.watch())
    await until(lambda: len(api.asked) > 2)
    task.cancel()
    assert "could not be sampled" in caplog.text


async def test_all_who_ask_meanwhile_share_one_call(api):
    reading = api.reading()
    api.gate.clear()
    first = asyncio.create_task(reading.counters())
    await until(lambda: len(api.asked) == 1)
    others = [asyncio.create_task(reading.counters()) for _ in range(50)]
    await asyncio.sleep(0)
    api.gate.set()
    assert await first == [{"name": "a", "value": 1}]
    # They asked after the first call had begun: what it saw may be older than their question.
    assert [await other for other in others] == [[{"name": "a", "value": 2}]] * 50
    assert len(api.asked) == 2


async def test_pages_are_followed_to_the_end():
    pages = {
        "/counters?limit=100": {"counters": [{"name": "b", "value": 2}], "next": "b&c"},
        "/counters?limit=100&after=b%26c": {"counters": [{"name": "a", "value": 1}]},
    }

    def play(request):
        return httpx.Response(200, json=pages[str(request.url).removeprefix(API)])

    upstream = Upstream(API, PlainSigner(), timeout=5, transport=httpx.MockTransport(play))
    names = [counter["name"] for counter in await Reading(upstream).counters()]
    assert names == ["a", "b"]


@pytest.mark.parametrize(
    "page",
    [
        {"counters": None},
        {"counters": [1]},
        {"counters": [{"value": 1}]},
        {"counters": [{"name": "a", "value": "x"}]},
        {"counters": [{"name": "a", "value": None}]},
        {},
        [],
        "text",
    ],
    ids=repr,
)
async def test_a_list_that_is_not_what_the_api_promises_is_refused(page):
    with pytest.raises(UpstreamFailed):
        await Api(page).reading().counters()
