"""Sampling: the leader and its standby watch, the leader records, and no tick is lost between."""

import asyncio

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError

from interlock.errors import LockLost
from server.history import History
from server.reading import Reading
from server.sampling import Sampling
from server.upstream import Upstream, UpstreamFailed
from tests.unit.server.conftest import API, PlainSigner, until
from tests.unit.server.playing import Played

# Leaders that vanish are left as they are.
pytestmark = pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")

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
        connections = Played(self)
        return Reading(Upstream(API, PlainSigner(), timeout=5, connections=connections))


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


async def test_the_leader_records_every_tick_once(api, table, clock, grant):
    one, lock = sampling(api, table, clock), await grant()
    await watched(one, 3)
    await one.record(lock)
    assert (await ticks(table))[:3] == [(tick, lock.fencing_token) for tick in (2, 4, 6)]


async def test_a_standby_that_comes_to_lead_records_the_ticks_that_nobody_led(
    api, table, clock, grant
):
    old, new = sampling(api, table, clock), sampling(api, table, clock)
    await watched(old, 2)
    before = await grant()
    await old.record(before)
    first = len(await ticks(table))
    clock.now = START + 0.5
    await watched(new, 6)
    after = await grant(owner="i-2")
    await new.record(after)
    recorded = await ticks(table)
    assert [tick for tick, _ in recorded][:6] == [2, 4, 6, 8, 10, 12]
    led = [fence for _, fence in recorded]
    assert led == [before.fencing_token] * first + [after.fencing_token] * (len(led) - first)


async def test_a_leader_that_was_overtaken_records_nothing(api, table, clock, grant):
    one, lock = sampling(api, table, clock), await grant()
    await watched(one, 2)
    await grant(owner="i-2")
    with pytest.raises(LockLost):
        await one.record(lock)
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


async def test_a_table_that_is_away_delays_and_loses_nothing(api, table, clock, grant):
    one, lock = sampling(api, table, clock), await grant()
    await watched(one, 2)
    table.down = True
    with pytest.raises(EndpointConnectionError):
        await one.record(lock)
    table.down = False
    await asyncio.wait_for(one.record(lock), 60)
    assert [tick for tick, _ in await ticks(table)][:2] == [2, 4]


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

    upstream = Upstream(API, PlainSigner(), timeout=5, connections=Played(play))
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
