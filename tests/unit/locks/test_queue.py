"""Tickets and the queue in a lock's row: what they say, and which changes the store refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.locks import queue, record
from interlock._protocol.locks.ticket import (
    ACCEPTANCE,
    Ticket,
    acceptance,
    first_of,
    owner_of,
    read,
)
from interlock._protocol.requests import Time
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.rows import refused, row, send
from tests.unit.locks.scripted import EPOCH, TABLE

NOW = int(EPOCH * 1000)
DAY_MS = 24 * 3600 * 1000
YEAR_9999 = 253_402_300_799_999


@pytest.fixture
def store():
    return Store(Table(TABLE))


def ticket(number, sleeps=0, owner="w"):
    return Ticket(f"t{number}", NOW, sleeps, owner).text


def lay(store, *tickets, fence=7, version=None, **attributes):
    """Let the record of the lock be this."""
    item = {"pk": {"S": "lock#a"}, "fence": {"N": str(fence)}, **attributes}
    if tickets:
        item["queue"] = {"L": [{"S": text} for text in tickets]}
    if version is not None:
        item |= {"version": {"S": version}, "lease_ms": {"N": "20000"}}
    store.perform("PutItem", {"TableName": TABLE, "Item": item})


def line(store):
    return [entry["S"] for entry in row(store).get("queue", {"L": []})["L"]]


# Tickets.


@given(
    st.integers(0, YEAR_9999),
    st.integers(0, DAY_MS),
    st.text(st.characters(codec="utf-8"), max_size=64),
)
def test_a_ticket_is_read_as_it_was_written(since, sleeps, owner):
    written = Ticket("t", since, sleeps, owner)
    assert read(written.text) == written


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "0b6f0b3e-version",
        "t~1~2",
        "t~-1~2~w",
        "t~1~-2~w",
        "t~x~2~w",
        "t~1~x~w",
        f"t~{YEAR_9999 + 1}~2~w",
        f"t~1~{DAY_MS + 1}~w",
    ],
)
def test_what_is_no_ticket_is_none_and_keeps_nobody_waiting(text):
    assert read(text) is None
    assert acceptance(text or "") == ACCEPTANCE
    assert owner_of(text or "") == "a waiter"


@pytest.mark.parametrize(("since", "sleeps"), [(0, 0), (YEAR_9999, DAY_MS)])
def test_a_ticket_is_read_to_the_edges_of_time(since, sleeps):
    written = Ticket("t", since, sleeps, "w")
    assert read(written.text) == written


def test_a_lock_lies_for_a_waiter_for_as_long_as_it_may_sleep_and_a_moment():
    assert acceptance(ticket(1, sleeps=1500)) == ACCEPTANCE + 1.5
    assert ACCEPTANCE > queue.NEAR_LOOKS + queue.FIRST_LOOKS


def test_a_record_says_who_waits_in_a_bounded_length():
    assert owner_of(ticket(1, owner="host/7")) == "host/7"
    assert owner_of(ticket(1, owner="")) == "a waiter"
    assert owner_of(ticket(1, owner="x" * 1000)) == "x" * 64


def test_the_first_of_a_queue_is_its_first(store):
    lay(store, ticket(1), ticket(2))
    assert first_of(row(store)) == ticket(1)
    lay(store)
    assert first_of(row(store)) is None
    assert first_of(None) is None
    assert first_of({"queue": {"L": []}}) is None


# When to look.


def pause(pace, rank, now, waiters=queue.MOST_WAITERS, *, lies=False):
    return pace.pause(rank, waiters, now, lies=lies)


def test_the_first_looks_often_and_seldomer_while_nothing_changes():
    pace = queue.Pace(100.0)
    pauses = [pause(pace, 0, 100.0 + age) for age in (0.0, 0.2, 1.0, 5.0, 500.0)]
    assert pauses == sorted(pauses)
    assert 0.0 < pauses[0] < 0.02
    assert pauses[-1] == queue.FIRST_LOOKS


@pytest.mark.parametrize(
    ("age", "seconds"), [(0.0, 0.01), (0.2, 0.02), (0.5, 0.035), (1.0, 0.05), (9.0, 0.09)]
)
def test_the_first_looks_by_the_time_since_the_lock_changed_hands(age, seconds):
    assert pause(queue.Pace(100.0), 0, 100.0 + age) == pytest.approx(seconds)


@pytest.mark.parametrize(("age", "seconds"), [(0.0, 0.1), (1.0, 2.5), (9.0, 9.0)])
def test_the_others_look_by_that_time_and_by_their_rank(age, seconds):
    assert pause(queue.Pace(100.0), 10, 100.0 + age) == pytest.approx(seconds)


def test_only_those_near_the_front_look_as_often_as_they_do():
    assert queue.longest_pause(0) == queue.FIRST_LOOKS
    assert queue.longest_pause(1) == queue.NEAR_LOOKS
    assert queue.longest_pause(queue.NEAR) == queue.BY_RANK * queue.NEAR


def test_a_lock_that_changed_hands_is_looked_at_soon_again():
    pace = queue.Pace(100.0)
    pace.saw(7, 100.0)
    pace.saw(7, 500.0)
    assert pause(pace, 0, 500.0) == queue.FIRST_LOOKS
    pace.saw(8, 500.0)
    assert pause(pace, 0, 500.0) < 0.02


@pytest.mark.parametrize("rank", [1, 2, 5, 50])
def test_the_others_look_by_their_rank(rank):
    pace = queue.Pace(0.0)
    assert pause(pace, rank, 0.0) >= rank * 0.01
    assert pause(pace, rank, 3600.0) == queue.longest_pause(rank)
    assert pause(pace, rank, 0.1) > pause(pace, rank - 1, 0.1)
    assert queue.longest_pause(rank) >= queue.longest_pause(rank - 1)


@pytest.mark.parametrize("waiters", [1, 2, 3, 10, 20, 50, queue.MOST_WAITERS])
def test_more_waiters_do_not_look_oftener_together(waiters):
    assert sum(1 / queue.longest_pause(rank, waiters) for rank in range(waiters)) < 25


def test_no_one_far_back_sleeps_for_longer_than_one_that_is_farther():
    assert queue.longest_pause(15, 20) == queue.longest_pause(19, 20) < queue.longest_pause(15)


@pytest.mark.parametrize("turns", [1, 5])
@pytest.mark.parametrize("seconds", [0.02, 0.08])
def test_who_is_far_back_looks_by_the_time_that_turns_took(turns, seconds):
    pace, now = queue.Pace(0.0), 1.0 + turns * seconds
    pace.saw(10, 1.0)
    pace.saw(10 + 2 * turns, now)
    assert pause(pace, 10, now) == pytest.approx(10 * seconds * 0.8)


@pytest.mark.parametrize("fences", [[10], [10, 11]])
def test_what_was_seen_first_and_a_grant_that_is_half_a_turn_are_no_turn(fences):
    pace = queue.Pace(0.0)
    for fence in fences:
        pace.saw(fence, fence - 9.0)
    assert pause(pace, 10, fences[-1] - 9.0) == pytest.approx(10 * 0.01)


def test_a_long_hold_is_not_taken_for_the_time_of_a_turn():
    pace = queue.Pace(0.0)
    pace.saw(10, 1.0)
    pace.saw(12, 100.0)
    assert pause(pace, 10, 100.0) == pytest.approx(10 * 0.1 * 0.8)


def test_who_woke_up_stays_awake_while_the_lock_lies_for_one_that_sleeps():
    pace = queue.Pace(0.0)
    pace.saw(10, 1.0)
    assert pause(pace, 10, 9.0, lies=True) < 2.0 < pause(pace, 10, 9.0)


# Entering.


def entry(text, asked=10**14, last=queue.MOST_WAITERS - 1):
    return queue.entry_call(TABLE, "a", ticket=text, last=last, asked=asked)


def test_who_enters_stands_at_the_end(store):
    lay(store)
    for number in (1, 2, 3):
        reply = send(store, entry(ticket(number)))
        assert reply["Attributes"] == row(store)
    assert line(store) == [ticket(1), ticket(2), ticket(3)]


def test_nobody_enters_twice_with_a_ticket(store):
    lay(store, ticket(1), ticket(2))
    assert line(store) == [
        entry["S"] for entry in refused(store, entry(ticket(1))).item["queue"]["L"]
    ]


def test_a_queue_has_so_many_places_and_no_more(store):
    lay(store, *map(ticket, range(queue.MOST_WAITERS - 1)))
    send(store, entry(ticket(500)))
    refused(store, entry(ticket(501)))
    assert len(line(store)) == queue.MOST_WAITERS == 100


def test_nobody_enters_beyond_the_last_place_that_its_promise_is_good_for(store):
    lay(store, ticket(1), ticket(2))
    refused(store, entry(ticket(3), last=1))
    send(store, entry(ticket(3), last=2))
    assert len(line(store)) == 3


def test_a_crowd_is_in_after_a_few_waves():
    waves = [0]
    while waves[-1] < queue.MOST_WAITERS:
        waves.append(queue.last_place(waves[-1]) + 1)
    assert len(waves) < 8
    assert queue.last_place(waves[-1]) == queue.MOST_WAITERS - 1


def test_nobody_enters_the_queue_of_a_row_that_is_not_there(store):
    refused(store, entry(ticket(1)))


@pytest.mark.parametrize(("asked", "enters"), [(8, False), (9, True), (10, True)])
def test_a_late_copy_of_an_entry_is_void(store, asked, enters):
    lay(store, void_before={"N": "9"})
    if enters:
        send(store, entry(ticket(1), asked))
        assert line(store) == [ticket(1)]
    else:
        refused(store, entry(ticket(1), asked))


# Leaving, and passing over.


@pytest.mark.parametrize("place", [0, 1, 2])
def test_who_leaves_takes_its_own_place_with_it(store, place):
    lay(store, ticket(0), ticket(1), ticket(2))
    send(store, queue.leaving_call(TABLE, "a", ticket=ticket(place), place=place))
    assert line(store) == [ticket(number) for number in range(3) if number != place]


def test_nobody_leaves_another_place(store):
    lay(store, ticket(0), ticket(1))
    refused(store, queue.leaving_call(TABLE, "a", ticket=ticket(1), place=0))
    refused(store, queue.leaving_call(TABLE, "a", ticket=ticket(1), place=2))


def passing(number, fence=7):
    return queue.passing_call(TABLE, "a", ticket=ticket(number), fence=fence)


def test_the_first_alone_is_passed_over_and_not_after_a_grant(store):
    lay(store, ticket(0), ticket(1))
    refused(store, passing(1))
    refused(store, passing(0, fence=6))
    refused(store, passing(0, fence=8))
    send(store, passing(0))
    assert line(store) == [ticket(1)]


# Grants.


def update(data=None, takeable=()):
    return record.grant_update(
        TABLE,
        "a",
        version="v",
        owner="o",
        lease=20.0,
        data=data,
        time=Time(EPOCH, EPOCH),
        asked=NOW,
        takeable=takeable,
    )


DATA = pytest.mark.parametrize("data", [None, {"S": "mine"}])


@DATA
def test_a_lock_is_taken_without_a_turn_only_if_none_waits(store, data):
    call = record.grant_call(queue.grant_without_queue(update(data)))
    lay(store, ticket(1))
    refused(store, call)
    lay(store)
    send(store, call)
    assert row(store)["version"] == {"S": "v"}
    lay(store, queue={"L": []})
    send(store, call)


@DATA
def test_the_first_takes_a_lock_that_is_free_and_leaves_the_queue(store, data):
    lay(store, ticket(1), ticket(2), data={"S": "of the one before"})
    refused(store, record.grant_call(queue.grant_to_first(update(data), ticket(2))))
    send(store, record.grant_call(queue.grant_to_first(update(data), ticket(1))))
    assert line(store) == [ticket(2)]
    assert (row(store)["version"], row(store)["fence"]) == ({"S": "v"}, {"N": "8"})
    assert row(store).get("data") == data


def test_the_first_does_not_take_a_lock_that_is_held(store):
    lay(store, ticket(1), version="held")
    refused(store, record.grant_call(queue.grant_to_first(update(), ticket(1))))
    send(store, record.grant_call(queue.grant_to_first(update(takeable=("held",)), ticket(1))))
    assert line(store) == []


def test_an_heir_takes_the_lock_from_its_own_ticket_and_no_lock_that_is_free(store):
    call = record.grant_call(queue.grant_to_heir(update(takeable=(ticket(1),))))
    lay(store, ticket(2), version=ticket(1))
    send(store, call)
    assert line(store) == [ticket(2)]
    assert row(store)["fence"] == {"N": "8"}
    lay(store, version=ticket(2))
    refused(store, call)
    lay(store, ticket(2))
    refused(store, call)
