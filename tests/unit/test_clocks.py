"""Leases are counted on a clock that goes on while the machine sleeps."""

import time

import pytest

from interlock._drivers.clocks import lease_clock


def test_where_a_clock_counts_sleep_it_is_that_one(monkeypatch):
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", time.CLOCK_REALTIME, raising=False)
    assert time.time() <= lease_clock()() <= time.time()


@pytest.mark.parametrize(("platform", "clock"), [("darwin", "CLOCK_MONOTONIC"), ("win32", None)])
def test_elsewhere_it_is_the_best_that_the_system_has(monkeypatch, platform, clock):
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr("sys.platform", platform)
    if clock is not None:
        monkeypatch.setattr(time, clock, time.CLOCK_REALTIME)
        assert time.time() <= lease_clock()() <= time.time()
    else:
        assert lease_clock() is time.monotonic
