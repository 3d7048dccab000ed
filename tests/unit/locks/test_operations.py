"""The operations of a lock client: what each passes on, and what one that holds may ask for."""

from datetime import timedelta

import pytest

from interlock._protocol.locks import client
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.jobs import Job
from interlock._protocol.locks.ticket import mark_of, read
from interlock.errors import (
    InterlockError,
    InvalidValue,
    LeaseTooShort,
    LockAlreadyHeld,
    LockTimeout,
    LossReason,
    UpgradeRefused,
)
from tests.unit.locks.conftest import Process
from tests.unit.locks.scripted import TABLE, lose_request

LEASE = 20.0
WAYS = {
    "lock": lambda locks, **given: locks.acquire("a", **given),
    "fair lock": lambda locks, **given: locks.acquire("a", fair=True, **given),
    "several locks": lambda locks, **given: locks.acquire_all(["a"], **given),
    "permit": lambda locks, **given: locks.permit("a", 1, **given),
    "read side": lambda locks, **given: locks.read("a", 2, **given),
    "write side": lambda locks, **given: locks.write("a", 2, **given),
    "leader": lambda locks, **given: locks.campaign("a", **{"data": None, "taker": None, **given}),
}
# Those who would wait for themselves.
WAITING = ["lock", "fair lock", "several locks", "leader"]
SIDES = ["read side", "write side"]
ME, ANOTHER = "this thread", "another thread"


def seconds(number):
    return timedelta(seconds=number)


@pytest.fixture
def mine():
    return Process(owner="me")


class Handle:
    """What the application has of a lock."""


def granted(process, acquisition):
    grants = process.driver.run(acquisition.run())
    return grants if isinstance(grants, Grant) else grants[0]


def take(process, way, **given):
    return granted(process, WAYS[way](process.locks, **given))


def keep(process, way, taker=ME, **given):
    """Take a lock in a thread, and keep it as a client does; return its grant and handle."""
    grant, handle = take(process, way, timeout=seconds(0), **given), Handle()
    process.locks.hold(grant, handle, taker)
    return grant, handle


def held_rows(process):
    return [row for row in process.driver.store.items(TABLE) if "version" in row]


@pytest.mark.parametrize("way", WAYS)
def test_the_record_shows_the_owner_and_the_payload(mine, way):
    take(mine, way, timeout=seconds(9), data={"n": 1})
    rows = held_rows(mine)
    assert {"M": {"n": {"N": "1"}}} in [row.get("data") for row in rows]
    assert {row["owner"]["S"] for row in rows} == {"me"}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "leader"])
def test_a_grant_has_the_lease_that_was_asked_for(mine, way):
    grant = take(mine, way, lease=seconds(7))
    assert grant.lease == 7.0
    assert {"N": "7000"} in [row.get("lease_ms") for row in held_rows(mine)]


@pytest.mark.parametrize("way", WAYS)
def test_a_caller_waits_for_as_long_as_it_would(mine, way):
    take(mine, "write side" if way == "read side" else way, timeout=seconds(9), data=None)
    other = Process(mine.driver.store)
    began = other.driver.now
    with pytest.raises(LockTimeout):
        take(other, way, timeout=seconds(3), data=None)
    assert 2.5 < other.driver.now - began < 5.0


def test_only_the_record_of_a_leader_says_that_it_is_one(mine):
    take(mine, "leader", timeout=None)
    granted(mine, mine.locks.acquire("b"))
    assert [mine.driver.run(mine.locks.inspect(name)).election for name in "ab"] == [True, False]


def test_a_lock_is_renewed_unless_it_is_not_to_be(mine):
    kept = granted(mine, mine.locks.acquire("a"))
    left = granted(mine, mine.locks.acquire("b", heartbeats=False))
    bound = granted(mine, mine.locks.acquire("c", max_hold=seconds(60)))
    assert (kept.due < kept.until, left.due == left.until) == (True, True)
    assert (kept.ends, bound.ends < float("inf")) == (float("inf"), True)


def test_an_acquisition_is_cut_to_an_invocation(mine):
    class Context:
        aws_request_id = "8f5e"

        def get_remaining_time_in_millis(self):
            return 5000

    grant = granted(mine, mine.locks.acquire("a", invocation=Context()))
    assert (grant.lease, grant.owner) == (5.0, "me/8f5e")


def test_fair_is_true_or_false(mine):
    with pytest.raises(InvalidValue, match="fair"):
        mine.locks.acquire("a", fair="yes")
    assert type(mine.locks.acquire("a")) is not type(mine.locks.acquire("a", fair=True))


@pytest.mark.parametrize(("taker", "shown"), [(ME, 1), (ANOTHER, 0), (None, None)])
def test_a_ticket_shows_what_its_thread_holds(mine, taker, shown):
    take(Process(mine.driver.store), "lock")
    grant, handle = granted(mine, mine.locks.acquire("b")), Handle()
    mine.locks.hold(grant, handle, ME)
    tickets = []
    mine.driver.during_sleep = [
        lambda: tickets.extend(mine.driver.row("a")["queue"]["L"]),
    ]
    with pytest.raises(LockTimeout):
        take(mine, "fair lock", timeout=seconds(3), taker=taker)
    (written,) = tickets
    ticket = read(written["S"])
    assert ticket is not None
    assert ticket.holds == (None if shown is None else (mark_of("b", grant.fence),) * shown)


@pytest.mark.parametrize("way", WAITING)
@pytest.mark.parametrize("timeout", [None, seconds(0.5)], ids=str)
def test_a_thread_does_not_wait_for_itself(mine, way, timeout):
    _, handle = keep(mine, "lock")
    with pytest.raises(LockAlreadyHeld):
        WAYS[way](mine.locks, timeout=timeout, taker=ME)
    assert handle


@pytest.mark.parametrize("way", WAITING)
@pytest.mark.parametrize(
    ("timeout", "taker"),
    [(seconds(0), ME), (seconds(-1), ME), (None, ANOTHER), (None, None)],
    ids=str,
)
def test_one_look_and_another_thread_are_let_through(mine, way, timeout, taker):
    _, handle = keep(mine, "lock")
    assert WAYS[way](mine.locks, timeout=timeout, taker=taker)
    assert handle


@pytest.mark.parametrize("way", WAITING)
def test_what_a_thread_holds_is_in_the_way_of_no_other_lock(mine, way):
    handle = Handle()
    mine.locks.hold(granted(mine, mine.locks.acquire("b")), handle, ME)
    assert WAYS[way](mine.locks, timeout=None, taker=ME)


@pytest.mark.parametrize("way", [*WAITING, *SIDES])
def test_a_lock_that_was_lost_is_in_no_ones_way(mine, way):
    grant, handle = keep(mine, "write side" if way in SIDES else "lock")
    grant.loss = LossReason.BROKEN
    assert WAYS[way](mine.locks, timeout=None, taker=ME)
    assert handle


@pytest.mark.parametrize(
    ("held", "asked", "error"),
    [
        ("read side", "read side", LockAlreadyHeld),
        ("read side", "write side", UpgradeRefused),
        ("write side", "read side", LockAlreadyHeld),
        ("write side", "write side", LockAlreadyHeld),
    ],
)
def test_a_thread_takes_one_side_once(mine, held, asked, error):
    _, handle = keep(mine, held)
    with pytest.raises(error) as refusal:
        WAYS[asked](mine.locks, taker=ME)
    assert refusal.value.name == "a"
    for taker in (ANOTHER, None):
        assert WAYS[asked](mine.locks, taker=taker)
    assert handle


@pytest.mark.parametrize("side", SIDES)
def test_the_side_of_another_lock_is_in_no_ones_way(mine, side):
    grant = granted(mine, mine.locks.read("b", 2))
    handle = Handle()
    mine.locks.hold(grant, handle, ME)
    assert WAYS[side](mine.locks, taker=ME)


def a_job(process, otherwise):
    return Job.of(
        process.settings,
        "a",
        at_least=seconds(0),
        at_most=None,
        otherwise=otherwise,
        timeout=None,
    )


@pytest.mark.parametrize(
    ("otherwise", "waits"), [("skip", False), ("wait", True), ("result", True)]
)
def test_a_job_that_waits_does_not_wait_for_itself(mine, otherwise, waits):
    job = a_job(mine, otherwise)
    assert (type(mine.locks.job(job, ME)) is type(mine.locks.acquire("a"))) is (otherwise == "wait")
    _, handle = keep(mine, "lock")
    if waits:
        with pytest.raises(LockAlreadyHeld):
            mine.locks.job(job, ME)
    assert mine.locks.job(job if not waits else a_job(mine, "skip"), ME)
    assert mine.locks.job(job, ANOTHER)
    assert handle


@pytest.mark.parametrize(("lease", "kept"), [(None, 9.0), (seconds(5), 5.0)])
def test_a_writer_becomes_a_reader_with_its_owner_and_lease(mine, lease, kept):
    writing = take(mine, "write side", lease=seconds(9))
    writing.owner = "its thread"
    reading = granted(mine, mine.locks.downgrade(writing, 2, lease=lease, data="d"))
    assert (reading.lease, reading.owner) == (kept, "its thread")
    assert {"S": "d"} in [row.get("data") for row in held_rows(mine)]


def test_a_writer_tries_for_some_seconds_to_become_a_reader(mine):
    writing = take(mine, "write side")
    mine.driver.script = [lose_request]
    assert granted(mine, mine.locks.downgrade(writing, 2))
    other = Process(owner="other")
    writing, began = take(other, "write side"), other.driver.now
    other.driver.script = [lose_request] * 1000
    with pytest.raises(InterlockError):
        granted(other, other.locks.downgrade(writing, 2))
    assert other.driver.now - began < 12.0


@pytest.mark.parametrize(("lease", "then"), [(None, LEASE), (seconds(60), 60.0)])
def test_a_lock_is_extended_for_its_lease_or_another(mine, lease, then):
    grant = take(mine, "lock")
    mine.driver.run(mine.locks.extend(grant, lease))
    assert grant.lease == then


def test_a_lease_that_is_too_short_extends_nothing(mine):
    grant = take(mine, "lock")
    with pytest.raises(LeaseTooShort):
        mine.locks.extend(grant, seconds(0.01))


def test_a_break_says_by_whom_it_was_and_why(mine):
    grant = take(mine, "lock")
    assert mine.driver.run(mine.locks.break_lock("a", because="stuck", fence=1)) is None
    record = mine.driver.run(mine.locks.break_lock("a", because="stuck", fence=grant.fence))
    assert (record.broken.because, record.broken.by) == ("stuck", "me")


@pytest.mark.parametrize(
    "call",
    [
        lambda locks: locks.break_lock("a", because=" "),
        lambda locks: locks.break_lock("a", because="stuck", fence="7"),
        lambda locks: locks.break_lock("a", because="stuck", fence=True),
        lambda locks: locks.page(7, None, held=False),
        lambda locks: locks.page("", 7, held=False),
        lambda locks: locks.deadlocks(7, None),
        lambda locks: locks.deadlocks("", ["a"]),
        lambda locks: locks.deadlocks("", 7),
    ],
)
def test_what_an_operator_cannot_ask_is_refused(mine, call):
    with pytest.raises(InvalidValue):
        call(mine.locks)


def test_a_listing_has_all_locks_or_those_that_are_held(mine):
    granted(mine, mine.locks.acquire("a"))
    mine.release(granted(mine, mine.locks.acquire("b")))
    for held, names in ((True, ["a"]), (False, ["a", "b"])):
        page = mine.driver.run(mine.locks.page("", None, held=held))
        assert sorted(lock.name for lock in page.locks) == names
    assert mine.driver.run(mine.locks.deadlocks("", page.locks)) == ()
    assert mine.driver.run(mine.locks.deadlocks("", None)) == ()


def test_what_is_held_is_kept_with_its_handle_and_its_thread(mine):
    grant, handle = keep(mine, "lock")
    assert mine.locks.held == [grant]
    assert mine.locks.taken_by(ME, "a") is handle
    assert mine.locks.taken_by(ME, "b") is None
    assert mine.locks.taken_by(ANOTHER, "a") is None
    assert mine.locks.let_go(grant) is handle
    assert mine.locks.let_go(grant) is None
    assert mine.locks.held == []


def test_the_application_may_drop_what_it_holds(mine):
    grant, handle = keep(mine, "lock")
    del handle
    assert mine.locks.held == [grant]
    assert mine.locks.let_go(grant) is None


def test_several_locks_go_back_together(mine):
    grants = [granted(mine, mine.locks.acquire(name)) for name in "ab"]
    assert mine.locks.together.batches(grants) == [grants]


def test_a_copy_of_a_process_holds_nothing_and_reports_no_loss(mine):
    grant, handle = keep(mine, "lock")
    mine.locks.forked()
    assert mine.locks.held == []
    assert (grant.loss, grant.loss_reported) == (LossReason.FORKED, True)
    assert mine.locks.taken_by(ME, "a") is None
    assert handle


def test_a_copy_of_a_process_watches_a_holder_anew(mine):
    take(mine, "lock")
    waiter = Process(mine.driver.store)
    with pytest.raises(LockTimeout):
        take(waiter, "lock", timeout=seconds(LEASE - 2))
    waiter.locks.forked()
    began = waiter.driver.now
    take(waiter, "lock")
    assert waiter.driver.now - began >= LEASE


def test_of_many_semaphores_the_one_that_was_used_last_is_remembered(mine, monkeypatch):
    monkeypatch.setattr(client, "_MOST_KNOWN", 2)

    def calls(name):
        mine.driver.calls.clear()
        mine.release(granted(mine, mine.locks.permit(name, 1)))
        return len(mine.driver.calls)

    for name in "ab":
        calls(name)
    known = calls("a")
    new = calls("c")
    assert known < new
    assert calls("a") == known
    assert calls("c") == known
    assert calls("b") > known
