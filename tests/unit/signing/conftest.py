"""Signing as a test uses it: the same test runs on the blocking half and on the awaitable one."""

import time

import pytest

from interlock._drivers.environment import Environment
from tests.halves import HALVES
from tests.unit.signing.issuer import Issuer
from tests.unit.signing.kms import LocalKms


class Clock:
    """The machine's, on which a pause before another try passes at once."""

    def __init__(self):
        self._paused = 0.0

    def now(self):
        return time.monotonic() + self._paused

    def pause(self, seconds):
        self._paused += seconds


class Library:
    """The names of `interlock.signing` and `interlock.receipts`, of one half.

    `client=` is a `LocalKms`, whose answers go straight into the half's driver.
    """

    def __init__(self, half):
        self._half = half

    def __repr__(self):
        return type(self._half).__name__

    def __getattr__(self, name):
        module = self._half.receipts if "Receipt" in name else self._half.signing
        made = getattr(module, name)

        def make(*args, **options):
            given = [self._half.function(each) if callable(each) else each for each in args]
            if "fetch" in options:
                options["fetch"] = self._half.function(options["fetch"])
            if isinstance(options.get("client"), LocalKms):
                clock = Clock()
                environment = Environment(
                    monotonic=options.pop("monotonic", clock.now),
                    wall_clock=options.get("wall_clock", time.time),
                )
                answer = options["client"].answer
                options["client"] = self._half.client(answer, environment, clock.pause)
            return self._half.wrap(self._half.call(made, *given, **options))

        return make


@pytest.fixture(params=HALVES, ids=["blocking", "awaitable"])
def lib(request):
    with request.param() as half:
        yield Library(half)


@pytest.fixture
def kms():
    return LocalKms()


@pytest.fixture
def issuer():
    return Issuer()
