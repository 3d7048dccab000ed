"""Jobs step by step: who looks, for how long, and what is in the record."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.jobs import Job, must_stay
from interlock._protocol.locks.runs import entry, run_fence
from tests.unit.locks.scripted import carry_out, lose_reply

LEASE = 20.0
AT_LEAST = 60.0


def a_job(process, otherwise="skip", at_least=AT_LEAST, timeout=None):
    return Job.of(
        process.settings,
        "a",
        at_least=timedelta(seconds=at_least),
        at_most=None,
        otherwise=otherwise,
        timeout=timeout,
    )


def call(process, otherwise="skip", **options):
    """Call the job; return the grant, the run whose result the caller gets, or None."""
    acquisition = process.locks.job(a_job(process, otherwise, **options))
    process.driver.run(acquisition.run())
    return acquisition.granted[0] if acquisition.granted else acquisition.found


def begin(process, **options):
    """Begin a run, and return its grant."""
    grant = call(process, **options)
    assert process.locks.begin(grant, a_job(process, **options), process.driver.now)
    return grant


def end(process, grant, result='"done"'):
    """Record a run that has ended before its time was over."""
    grant.run = entry(grant.fence, grant.owner, began=0.0, took=0.0, result=result)
    process.driver.run(process.locks.reserve(grant))


def at(process, other, seconds):
    """Set the other's wall clock to so many seconds after the process's."""
    other.driver.skew = process.driver.now + seconds - other.driver.now


def test_a_caller_that_skips_a_lock_that_is_held_asks_once(process, other):
    begin(process)
    at(process, other, 0.0)
    assert call(other) is None
    assert other.driver.operations() == ["UpdateItem"]


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
