"""Jobs step by step: who looks, for how long, and what is in the record."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.jobs import must_stay
from interlock._protocol.locks.runs import entry, run_fence
from interlock.errors import LockTimeout
from tests.unit.locks.nightly import AT_LEAST, LEASE, a_job, begin, call, end, seconds
from tests.unit.locks.scripted import carry_out, lose_reply, throttle


def at(process, other, seconds):
    """Set the other's wall clock to so many seconds after the process's."""
    other.driver.skew = process.driver.now + seconds - other.driver.now


def test_a_caller_that_skips_a_lock_that_is_held_asks_once(process, other):
    begin(process)
    at(process, other, 0.0)
    assert call(other) is None
    assert other.driver.operations() == ["UpdateItem"]


def test_a_lock_that_does_not_say_until_when_it_is_held_is_held(process):
    item = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "version": {"S": "v"}}
    item["lease_ms"] = {"N": "20000"}
    process.driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})
    assert call(process) is None
    assert process.driver.operations() == ["UpdateItem"]


def test_a_caller_whose_clock_says_that_the_holder_is_gone_watches_it_for_a_lease_and_runs(
    process, other
):
    dead = begin(process)
    at(process, other, 24 * 3600.0)
    came = other.driver.now
    grant = call(other)
    assert grant.fence == dead.fence + 1
    assert other.driver.now - came >= AT_LEAST + LEASE


def test_a_caller_whose_clock_is_wrong_sees_the_holder_live_and_skips(process, other):
    grant = begin(process)
    at(process, other, 24 * 3600.0)
    other.driver.during_sleep = [lambda: process.renew(grant)]
    came = other.driver.now
    assert call(other) is None
    assert other.driver.now - came < LEASE


@pytest.mark.parametrize(
    ("otherwise", "recorded", "found"),
    [
        ("skip", False, None),
        ("skip", True, None),
        ("result", True, "done"),
        ("result", False, "its own run"),
        ("result", "stopped", "its own run"),
        ("result", "of another grant", "its own run"),
    ],
)
def test_a_lock_that_is_given_back_while_it_is_watched_was_of_a_holder_that_lived(
    process, other, otherwise, recorded, found
):
    grant = begin(process, at_least=0.0)
    if recorded:
        fence = grant.fence - (recorded == "of another grant")
        error = KeyboardInterrupt() if recorded == "stopped" else None
        grant.run = entry(fence, "o", began=0.0, took=0.0, result='"done"', error=error)
    at(process, other, 24 * 3600.0)
    other.driver.during_sleep = [lambda: process.release(grant)]
    got = call(other, otherwise, at_least=0.0)
    if found == "its own run":
        assert got.fence == grant.fence + 1
    else:
        assert getattr(got, "result", None) == found


def test_a_lock_whose_record_is_deleted_while_it_is_watched_is_taken(process, other):
    begin(process)
    at(process, other, 0.0)
    other.driver.during_sleep = [process.driver.store.contents.items.clear]
    assert call(other, "result").name == "a"


def test_a_caller_waits_for_a_result_as_long_as_it_may(process, other):
    begin(process)
    at(process, other, 0.0)
    came = other.driver.now
    with pytest.raises(LockTimeout) as late:
        call(other, "result", timeout=seconds(3))
    assert came + 3.0 <= other.driver.now < came + 3.1
    assert late.value.waited == timedelta(seconds=other.driver.now - came)


def test_a_caller_that_does_not_wait_for_a_result_tries_a_call_that_failed_again(process):
    process.driver.script = [throttle]
    assert call(process, "result", timeout=seconds(0)).name == "a"


def test_a_caller_looks_at_a_run_with_pauses(process, other):
    begin(process)
    at(process, other, 0.0)
    with pytest.raises(LockTimeout):
        call(other, "result", timeout=seconds(10))
    assert len(other.driver.calls) < 50


def test_a_caller_whose_clock_is_behind_takes_over_what_its_client_has_watched(process, other):
    dead = begin(process)
    at(process, other, -3600.0)
    assert call(other) is None
    other.driver.now += AT_LEAST + LEASE + 1.0
    assert call(other).fence == dead.fence + 1


@pytest.mark.parametrize("ran", [0.0, 30.0])
def test_the_lease_in_the_record_lasts_until_the_time_is_over(process, ran):
    grant = begin(process)
    ends = process.driver.now + AT_LEAST
    process.driver.now += ran
    process.renew(grant)
    assert process.driver.now + int(process.driver.row("a")["lease_ms"]["N"]) / 1000 >= ends
    end(process, grant)
    assert process.driver.now + int(process.driver.row("a")["lease_ms"]["N"]) / 1000 >= ends
    assert must_stay(grant, ends - 0.01)
    assert not must_stay(grant, ends + 0.1)


def test_a_heartbeat_after_the_time_brings_the_client_s_lease(process):
    grant = begin(process)
    for _ in range(5):
        process.driver.now += LEASE / 2
        process.renew(grant)
        process.driver.now += LEASE / 2
    process.renew(grant)
    assert process.driver.row("a")["lease_ms"] == {"N": str(int(LEASE * 1000))}


def test_a_run_does_not_begin_under_a_lease_that_may_end_before_its_time(process):
    grant = call(process)
    process.driver.now += LEASE
    assert not process.locks.begin(grant, a_job(process), process.driver.now)
    lease = a_job(process).first_lease(process.settings)
    process.driver.run(process.locks.extend(grant, timedelta(seconds=lease)))
    assert process.locks.begin(grant, a_job(process), process.driver.now)
    assert grant.heartbeat_interval == LEASE / 4


def test_a_grant_whose_answer_came_late_is_asked_for_again(process):
    def late(driver, operation, params):
        reply = carry_out(driver, operation, params)
        driver.now += LEASE
        return reply

    process.driver.script = [late]
    grant = call(process)
    assert process.driver.operations() == ["UpdateItem"] * 2
    assert grant.until - process.driver.now >= AT_LEAST


def test_a_caller_in_the_time_of_a_runner_that_died_gets_its_result(process, other):
    end(process, begin(process), result='{"rows":3}')
    at(process, other, 10.0)
    assert call(other, "result").result == {"rows": 3}


def test_a_caller_after_the_time_of_a_runner_that_died_runs_it_again(process, other):
    grant = begin(process)
    end(process, grant)
    at(process, other, 3600.0)
    assert call(other, "result").fence == grant.fence + 1


def test_a_release_whose_reply_was_lost_is_known_by_the_record_of_the_run(process, other):
    grant = begin(process, at_least=0.0)
    grant.run = entry(grant.fence, grant.owner, began=0.0, took=0.0)

    def lost_and_overtaken(driver, operation, params):
        try:
            lose_reply(driver, operation, params)
        finally:
            other.acquire("a")

    process.driver.script = [lost_and_overtaken]
    assert process.release(grant)
    assert run_fence(process.driver.row("a")) == grant.fence


def test_a_release_that_never_came_is_known_by_the_missing_record(process):
    grant = begin(process, at_least=0.0)
    grant.run = entry(grant.fence, grant.owner, began=0.0, took=0.0)

    def lost_and_robbed(driver, operation, params):
        item = {**driver.row("a"), "fence": {"N": str(grant.fence + 1)}, "version": {"S": "x"}}
        driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})
        lose_reply(driver, operation, params)

    process.driver.script = [lost_and_robbed]
    assert not process.release(grant)


def test_the_row_of_a_job_is_kept_for_a_month_after_a_run(process):
    grant = begin(process, at_least=0.0)
    grant.run = entry(grant.fence, grant.owner, began=0.0, took=0.0)
    process.release(grant)
    assert int(process.driver.row("a")["expires"]["N"]) - 1_700_000_000 > 37 * 24 * 3600
