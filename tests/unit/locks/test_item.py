"""The item of a lock as it is read: what is believed, what is refused, and what people see."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from interlock._protocol.locks.item import (
    LockItem,
    broken_of,
    is_of,
    key_of,
    loss_of,
    parse,
    shows,
    sound_number,
    version_of,
)
from interlock._protocol.locks.runs import entry, run_of
from interlock._protocol.locks.state import LockBreak, LockRecord, LockWaiter, LossReason
from interlock._protocol.locks.ticket import Ticket
from interlock.errors import CorruptRecord
from tests.unit.locks.scripted import EPOCH, TABLE

MOST_TIME = 253_402_300_799_999
NOW = datetime.fromtimestamp(EPOCH, UTC)
TICKET = Ticket("t", int(EPOCH * 1000), 1500, "waiter").text


def number(value):
    return {"N": str(value)}


def item_of(**attributes: Any) -> dict[str, Any]:
    return {"pk": {"S": "lock#a"}, **attributes}


def parsed(**attributes):
    return parse(TABLE, item_of(**attributes))


def held(**attributes):
    return parsed(**{"version": {"S": "v"}, "lease_ms": number(20_000), **attributes})


def corrupt(**attributes):
    """Return the attribute that is said to be corrupt, and what it is said to be."""
    with pytest.raises(CorruptRecord) as caught:
        parsed(**attributes)
    assert (caught.value.table, caught.value.key) == (TABLE, "lock#a")
    return caught.value.attribute, caught.value.value


# What decides.


def test_an_item_that_says_nothing_is_a_free_lock():
    assert parsed() == LockItem(TABLE, "a", 0, None, 0.0, 0, None, (), item_of())


def test_an_item_is_read_as_it_was_written():
    attributes = {
        "format": number(1),
        "fence": number(7),
        "version": {"S": "v"},
        "lease_ms": number(20_000),
        "void_before": number(9),
        "door": number(3),
        "queue": {"L": [{"S": "x"}, {"S": "y"}]},
    }
    item = item_of(**attributes)
    assert parse(TABLE, item) == LockItem(TABLE, "a", 7, "v", 20.0, 9, 3, ("x", "y"), item)


@pytest.mark.parametrize(
    ("attribute", "least", "most"),
    [
        ("format", 1, 1),
        ("fence", 0, 10**18),
        ("lease_ms", 1, 30 * 24 * 3600 * 1000),
        ("void_before", 0, MOST_TIME),
        ("door", 0, 10**18),
    ],
)
def test_a_number_is_believed_from_the_least_to_the_most(attribute, least, most):
    for believed in (least, most):
        assert parsed(**{attribute: number(believed)})
    for refused in (least - 1, most + 1, 10 * most + 10):
        assert corrupt(**{attribute: number(refused)}) == (attribute, number(refused))


@pytest.mark.parametrize(("text", "fence"), [("1E3", 1000), ("7.0", 7), ("1E18", 10**18)])
def test_a_whole_number_may_be_spelled_in_another_way(text, fence):
    assert parsed(fence={"N": text}).fence == fence


@pytest.mark.parametrize(
    "text", ["x", "", "-1", "-7", "1.5", "1E-3", "1E19", "1E999999999", "Infinity", "NaN"]
)
def test_what_is_no_whole_number_within_the_bounds_is_corrupt(text):
    assert corrupt(fence={"N": text}) == ("fence", {"N": text})


@pytest.mark.parametrize("form", [2, 10**18])
def test_what_a_newer_version_has_written_is_said_to_be_so(form):
    with pytest.raises(CorruptRecord) as caught:
        parsed(format=number(form))
    assert caught.value.newer


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("fence", {"S": "7"}),
        ("version", {"N": "1"}),
        ("version", {"S": ""}),
        ("queue", {"S": "x"}),
        ("queue", {"L": [{"S": "x"}, {"N": "1"}]}),
    ],
)
def test_a_value_of_another_kind_is_corrupt(attribute, value):
    lease = {"lease_ms": number(20_000)}
    assert corrupt(**{**lease, attribute: value}) == (attribute, value)


def test_a_lock_that_is_held_has_a_lease():
    assert corrupt(version={"S": "v"}) == ("lease_ms", None)


def test_an_empty_queue_has_no_waiters():
    assert parsed(queue={"L": []}).waiters == ()


@pytest.mark.parametrize(
    ("milliseconds", "seconds"),
    [(None, None), (0, 0.0), (1_700_000_000_500, 1_700_000_000.5), (MOST_TIME, MOST_TIME / 1000)],
)
def test_the_end_of_a_lease_is_in_seconds_by_the_wall_clock(milliseconds, seconds):
    until = {} if milliseconds is None else {"held_until": number(milliseconds)}
    assert held(**until).held_until == seconds


@pytest.mark.parametrize("name", ["held_since", "held_until"])
@pytest.mark.parametrize("value", [-1, MOST_TIME + 1])
def test_a_time_that_is_none_is_not_shown_to_people(name, value):
    with pytest.raises(CorruptRecord, match=name):
        held(**{name: number(value)}).for_people(EPOCH)


# Breaks.

BREAK = {
    "because": {"S": "stuck"},
    "by": {"S": "operator"},
    "at": number(int(EPOCH * 1000)),
    "grant": number(7),
    "fence": number(8),
    "owner": {"S": "host"},
}


def broken(**changes):
    told = {name: value for name, value in {**BREAK, **changes}.items() if value is not None}
    return {"M": told}


def test_a_break_is_read_as_it_was_written():
    expected = LockBreak("stuck", "operator", NOW, 7, "host")
    assert parsed(broken=broken()).last_break == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("owner", None),
        ("at", number(0)),
        ("at", number(MOST_TIME)),
        ("grant", number(0)),
        ("grant", number(10**17)),
    ],
)
def test_a_break_is_told_if_it_says_as_much_as_is_needed(name, value):
    assert parsed(broken=broken(**{name: value})).last_break is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name in ("because", "by", "at", "grant")),
        ("at", number(-1)),
        ("at", number(MOST_TIME + 1)),
        ("grant", {"S": "7"}),
        ("grant", number(10**20)),
    ],
)
def test_a_break_that_is_not_clear_is_not_told(name, value):
    assert parsed(broken=broken(**{name: value})).last_break is None


@pytest.mark.parametrize("told", [None, {"S": "yes"}, {"M": {}}])
def test_without_a_record_of_it_there_was_no_break(told):
    item = parsed(fence=number(9), **({} if told is None else {"broken": told}))
    assert item.last_break is None
    assert item.follows_break is False


@pytest.mark.parametrize("item", [None, {}, item_of(), item_of(broken={"S": "yes"})])
def test_of_a_break_that_is_not_recorded_nothing_is_told(item):
    assert broken_of(item) == {}


@pytest.mark.parametrize(("fence", "follows"), [(7, False), (8, False), (9, True), (10, False)])
def test_the_grant_after_the_fence_of_a_break_follows_it(fence, follows):
    assert parsed(fence=number(fence), broken=broken()).follows_break is follows


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (None, LossReason.DELETED),
        ({}, LossReason.DELETED),
        (item_of(fence=number(8), broken=broken()), LossReason.BROKEN),
        (item_of(fence=number(7)), LossReason.RELEASED),
        (item_of(fence=number(7), broken=broken(grant=number(6))), LossReason.RELEASED),
        (item_of(fence=number(7), version={"S": "w"}), LossReason.TAKEN_OVER),
        (item_of(fence=number(8)), LossReason.TAKEN_OVER),
        (item_of(fence=number(8), version={"S": "w"}), LossReason.TAKEN_OVER),
    ],
)
def test_a_record_says_how_the_lock_of_a_fence_was_lost(item, reason):
    assert loss_of(item, 7) is reason


# What people see.


def test_a_free_lock_is_shown_with_its_history_and_its_queue():
    attributes = {
        "fence": number(8),
        "broken": broken(),
        "last_run": entry(7, "host", began=5.0, took=0.25),
        "queue": {"L": [{"S": "no ticket"}, {"S": TICKET}]},
        "election": {"BOOL": True},
    }
    item = parsed(**attributes)
    assert item.for_people(EPOCH) == LockRecord(
        "a",
        held=False,
        fencing_token=8,
        broken=LockBreak("stuck", "operator", NOW, 7, "host"),
        last_run=run_of("a", attributes),
        waiters=(LockWaiter(1, "waiter", NOW),),
        election=True,
    )


def test_a_lock_that_is_held_is_shown_with_all_that_it_says():
    attributes = {
        "fence": number(9),
        "owner": {"S": "host"},
        "data": {"S": "payload"},
        "held_since": number(int(EPOCH * 1000)),
        "held_until": number(int(EPOCH * 1000) + 20_000),
        "broken": broken(),
        "last_run": entry(7, "host", began=5.0, took=0.25),
        "queue": {"L": [{"S": TICKET}]},
        "election": {"BOOL": True},
    }
    assert held(**attributes).for_people(EPOCH) == LockRecord(
        "a",
        held=True,
        fencing_token=9,
        owner="host",
        lease=timedelta(seconds=20),
        since=NOW,
        data="payload",
        version="v",
        until=NOW + timedelta(seconds=20),
        broken=LockBreak("stuck", "operator", NOW, 7, "host"),
        last_run=run_of("a", attributes),
        waiters=(LockWaiter(0, "waiter", NOW),),
        election=True,
    )


@pytest.mark.parametrize("lock", [parsed, held])
def test_what_a_lock_does_not_say_is_not_made_up(lock):
    shown = lock().for_people(EPOCH)
    assert (shown.owner, shown.since, shown.until, shown.data) == (None, None, None, None)
    assert (shown.expired, shown.resting, shown.election) == (False, False, False)
    assert (shown.broken, shown.last_run, shown.waiters) == (None, None, ())


def test_times_of_the_epoch_itself_are_shown():
    shown = held(held_since=number(0), held_until=number(0)).for_people(EPOCH)
    assert (shown.since, shown.until) == (datetime.fromtimestamp(0, UTC),) * 2


@pytest.mark.parametrize(("later", "expired"), [(-0.5, False), (0.0, False), (0.5, True)])
def test_a_lease_has_expired_once_its_end_has_passed(later, expired):
    lock = held(held_until=number(int(EPOCH * 1000)))
    assert lock.for_people(EPOCH + later).expired is expired


@pytest.mark.parametrize(
    ("fence", "run", "resting"), [(0, None, False), (1, 1, True), (7, 7, True), (7, 6, False)]
)
def test_a_lock_rests_when_the_job_of_its_grant_has_run(fence, run, resting):
    told = {} if run is None else {"last_run": entry(run, "host", began=0.0, took=0.0)}
    assert held(fence=number(fence), **told).for_people(EPOCH).resting is resting


# What is asked of an item that was not checked.


def test_an_item_is_of_the_lock_of_its_key():
    assert key_of("a") == {"pk": {"S": "lock#a"}}
    assert is_of(item_of(), "a")
    assert not is_of(item_of(), "b")
    assert not is_of({}, "a")
    assert not is_of(None, "a")


@pytest.mark.parametrize(
    ("item", "version", "shown"),
    [
        (None, None, False),
        ({}, None, False),
        (item_of(), None, False),
        ({"version": {"S": "v"}}, "v", True),
        ({"version": {"S": "w"}}, "w", False),
        ({"version": {"N": "1"}}, "", False),
    ],
)
def test_an_item_shows_the_request_that_wrote_it_by_its_version(item, version, shown):
    assert version_of(item) == version
    assert shows(item, "v") is shown


@pytest.mark.parametrize(
    ("attribute", "value", "sound"),
    [
        ("fence", None, None),
        ("fence", number(0), 0),
        ("fence", number(10**18), 10**18),
        ("fence", number(10**18 + 1), None),
        ("fence", {"S": "x"}, None),
        ("void_before", number(MOST_TIME), MOST_TIME),
        ("void_before", number(MOST_TIME + 1), None),
    ],
)
def test_a_deciding_number_is_read_by_itself(attribute, value, sound):
    item = item_of(**({} if value is None else {attribute: value}))
    assert sound_number(TABLE, item, attribute) == sound
