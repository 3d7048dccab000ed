"""What a job can be, and the times of its runs: from when they count, and what is left after."""

from functools import cmp_to_key
from time import time
from typing import Any

import pytest

from interlock._protocol.locks.jobs import Job, must_stay
from interlock._protocol.locks.runs import run_fence
from interlock._protocol.locks.settings import DRIFT, MOST_LEASE
from interlock.errors import InvalidLockName, InvalidValue, LockLost
from tests.unit.locks.conftest import Process
from tests.unit.locks.nightly import LEASE, a_job, begin, call, end, seconds
from tests.unit.locks.scripted import refuse, unreachable

LONGEST = (MOST_LEASE - LEASE) / (1 + DRIFT)
denied = refuse("AccessDeniedException")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"at_least": -1.0}, "at_least"),
        ({"at_least": 5}, r"timedelta\(seconds=5\)"),
        ({"at_least": None}, "at_least"),
        ({"at_least": 120.0, "at_most": seconds(60)}, "longer than at_most"),
        ({"at_least": LONGEST + 2}, "at_least: .*longer than about 29 days, 23:59:40"),
        ({"at_least": MOST_LEASE + 21}, "at_least: .*longer than about"),
        ({"at_most": seconds(0)}, "not positive"),
        ({"at_most": 2.5}, r"timedelta\(seconds=2.5\)"),
        ({"at_most": seconds(MOST_LEASE + 1)}, "at_most: .*longer than 30 days"),
        ({"otherwise": "wiat"}, "'skip', 'wait', 'result'"),
        ({"otherwise": None}, "otherwise"),
        ({"otherwise": "wait", "timeout": 3}, "timeout"),
        ({"timeout": seconds(1)}, "does not wait"),
    ],
)
def test_what_no_job_can_be_is_refused(process, options, why):
    with pytest.raises(InvalidValue, match=why):
        a_job(process, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"at_least": 0.0},
        {"at_least": 0.5},
        {"at_least": LONGEST - 2},
        {"at_least": 60.0, "at_most": seconds(60)},
        {"at_least": 0.0, "at_most": seconds(MOST_LEASE)},
        *({"otherwise": otherwise} for otherwise in ("skip", "wait", "result")),
        {"otherwise": "wait", "timeout": seconds(0)},
        {"otherwise": "result", "timeout": seconds(3)},
    ],
)
def test_what_a_job_can_be_is_taken(process, options):
    assert a_job(process, **options).otherwise == options.get("otherwise", "skip")


def test_a_function_in_the_place_of_a_job_s_name_is_told_how_to_name_it(process):
    function: Any = seconds
    options: Any = {"at_least": seconds(0), "at_most": None, "otherwise": "skip", "timeout": None}
    with pytest.raises(InvalidLockName, match="name the job"):
        Job.of(process.settings, function, **options)


def test_a_client_of_the_longest_lease_has_jobs_that_last_no_longer():
    process = Process(lease=MOST_LEASE)
    assert a_job(process, at_least=0.0).first_lease(process.settings) == MOST_LEASE


@pytest.mark.parametrize("function", [time, cmp_to_key(max)])
def test_a_function_whose_parameters_cannot_be_seen_may_be_a_job_with_a_result(process, function):
    a_job(process, "result").check_parameters(function)


@pytest.mark.parametrize("otherwise", ["skip", "wait", "result"])
def test_only_a_job_with_a_result_must_have_no_parameters(process, otherwise):
    def report(_customer):
        return 7

    job = a_job(process, otherwise)
    job.check_parameters(lambda: 7)
    if otherwise == "result":
        with pytest.raises(InvalidValue, match="_customer"):
            job.check_parameters(report)
    else:
        job.check_parameters(report)


@pytest.mark.parametrize(
    ("at_most", "bound"),
    [(None, float("inf")), (90.0, 90.0), (60.0, 60.0 * (1 + DRIFT))],
)
def test_the_times_of_a_run_count_from_its_begin(process, at_most, bound):
    grant = call(process)
    now = process.driver.now = 1010.0
    job = a_job(process, at_most=None if at_most is None else seconds(at_most))
    granted_until, grant.due = grant.until, 5000.0
    assert process.locks.begin(grant, job, now)
    assert grant.stays == now + 60.0 * (1 + DRIFT)
    assert grant.ends == now + bound
    assert grant.until == min(granted_until, now + bound)
    assert grant.due == grant.until
    assert grant.heartbeat_interval == LEASE / 4


def test_the_lock_of_a_job_is_renewed_as_often_as_any_other_of_its_client(process):
    any_other = process.acquire("b")
    assert call(process).heartbeat_interval == any_other.heartbeat_interval == LEASE / 4


@pytest.mark.parametrize(
    ("at_least", "left", "begins"),
    [(0.0, 0.0, False), (0.0, 0.1, True), (60.0, 60.0, False), (60.0, 60.1, True)],
)
def test_a_run_begins_if_its_lock_is_certain_to_last_for_its_time(process, at_least, left, begins):
    grant = call(process)
    job, now = a_job(process, at_least=at_least), process.driver.now
    grant.until = now + left
    assert process.locks.begin(grant, job, now) is begins
    assert grant.stays == (now + job.at_least if begins else float("-inf"))


def test_a_run_does_not_begin_under_a_lock_that_was_given_back(process):
    grant = call(process)
    grant.close()
    assert not process.locks.begin(grant, a_job(process), process.driver.now)


def test_the_lock_of_a_job_stays_taken_until_its_time_is_over(process):
    grant = begin(process)
    assert must_stay(grant, grant.stays - 0.01)
    assert not must_stay(grant, grant.stays)
    assert not must_stay(process.acquire("b"), 0.0)


def test_a_lock_that_is_reserved_is_over_when_its_time_is_and_that_is_no_loss(process):
    grant = begin(process)
    stays = grant.stays
    end(process, grant)
    assert grant.reserved
    assert (grant.until, grant.ends, grant.due) == (stays, stays, stays)
    assert not grant.expired(stays - 0.01)
    assert grant.expired(stays)
    assert not grant.report_loss()


@pytest.mark.parametrize("trouble", [denied, unreachable])
def test_a_run_that_cannot_be_recorded_before_its_time_is_over_is_by_its_release(
    process, caplog, trouble
):
    grant = begin(process)
    process.driver.script = [trouble] * 1000
    end(process, grant)
    assert "not recorded yet" in caplog.text
    process.driver.script = []
    assert process.release(grant)
    assert run_fence(process.driver.row("a")) == grant.fence


def test_a_run_whose_lock_is_another_s_is_not_recorded(process, other):
    grant = begin(process)
    process.driver.run(process.locks.break_lock("a", because="stuck"))
    other.acquire("a")
    with pytest.raises(LockLost):
        end(process, grant)
    assert run_fence(process.driver.row("a")) == 0
