"""Visitors count what was answered, and repeat with the same key what was not."""

import threading
from typing import TYPE_CHECKING, cast

import pytest

from local.requests import Answer
from local.visitors import Tally, visitors

if TYPE_CHECKING:
    from local.identity import Visitor


class Service:
    """Counts each key once, as the API does; fails as its script says, before or after counting."""

    def __init__(self, script):
        self.script = iter(script)
        self.keys = set()
        self.enough = threading.Event()
        self.refused = threading.Event()
        self._lock = threading.Lock()

    def request(self, method, path, body=None, *, headers=None):
        if method == "GET":
            return Answer(200, {}, b"")
        assert (path, body) == ("/api/counters/a/increment", {"amount": 1})
        with self._lock:
            turn = next(self.script, "count")
            if turn == "lost":
                self.keys.add(headers["Idempotency-Key"])
                raise ConnectionError("the answer is lost")
            if turn != "count":
                self.refused.set()
                return Answer(int(turn), {}, b"no")
            self.keys.add(headers["Idempotency-Key"])
            if len(self.keys) > 20:
                self.enough.set()
        return Answer(200, {}, b"{}")


@pytest.mark.parametrize("turn", ["lost", 429, 502, 503, 504])
def test_what_is_not_answered_is_repeated_and_counted_once(turn):
    service = Service(["count", turn, turn, "count", turn])
    tally = Tally()
    with visitors(cast("Visitor", service), "/api/counters/a", tally, many=3):
        assert service.enough.wait(30)
    assert tally.failures == []
    assert tally.counted == len(service.keys)
    assert tally.repeated == 3


@pytest.mark.parametrize("script", [[400], [503] * 100])
def test_a_refusal_and_what_is_never_answered_are_reported(script):
    service = Service(script)
    tally = Tally()
    with visitors(cast("Visitor", service), "/api/counters/a", tally, many=1):
        assert service.refused.wait(30)
    assert tally.counted == 0
    assert f"{script[0]} b'no'" in tally.failures[0]
