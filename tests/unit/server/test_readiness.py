"""Readiness has its own deadline, whatever the API does, and asks once for all who ask beside."""

import asyncio
import json

import pytest
from starlette.requests import Request

from server.readiness import HOLDS, Readiness

REQUEST = Request({"type": "http"})


class Api:
    """Answers when it is let, which may be never."""

    def __init__(self):
        self.asked = 0
        self.let = asyncio.Event()

    async def call(self, *_, **__):
        self.asked += 1
        await self.let.wait()
        raise AssertionError("it was not to answer")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
async def api():
    return Api()


async def test_an_api_that_does_not_answer_is_not_ready_at_the_deadline(api):
    answer = await Readiness(api, within=0.001).answer(REQUEST)
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    told = json.loads(bytes(answer.body))["detail"]
    assert told == "not ready: the API gave no answer within 0.001 s"


async def test_those_who_ask_beside_each_other_wait_for_one_deadline(api):
    """Also where the answer is no longer to be given again when their turn comes."""
    clock = Clock()
    readiness = Readiness(api, within=0.001, clock=clock)

    async def ask():
        answer = await readiness.answer(REQUEST)
        clock.now += HOLDS
        return answer.status_code

    assert await asyncio.gather(*(ask() for _ in range(5))) == [503] * 5
    assert api.asked == 1


async def test_one_who_asks_later_has_the_api_asked_again(api):
    clock = Clock()
    readiness = Readiness(api, within=0.001, clock=clock)
    for _ in range(2):
        clock.now += HOLDS
        await readiness.answer(REQUEST)
    assert api.asked == 2
