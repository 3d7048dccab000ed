"""What is read of a lock, of a page of them, and of those that wait for each other."""

import pytest

from interlock._protocol.locks import reading
from interlock._protocol.locks.reading import ATTRIBUTES, LockPage, deadlocks, inspect, page
from interlock._protocol.locks.ticket import Ticket
from interlock.errors import AccessDenied, ServiceUnavailable
from tests.unit.locks.conftest import Process
from tests.unit.locks.scripted import (
    EPOCH,
    TABLE,
    answer,
    lose_reply,
    refuse,
    throttle,
    unreachable,
)

HELD = {
    "version": {"S": "v"},
    "owner": {"S": "o"},
    "lease_ms": {"N": "1000"},
    "data": {"S": "long"},
}


@pytest.fixture
def reader():
    return Process()


def put(process, key, **attributes):
    item = {"pk": {"S": key}, "fence": {"N": "7"}, **attributes}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})


def ticket(owner):
    return {"queue": {"L": [{"S": Ticket("t", int(EPOCH * 1000), 90, owner).text}]}}


def look(process, name="a"):
    return process.driver.run(inspect(process.settings, name))


def listed(process, prefix="", after=None, *, held=False, **options):
    return process.driver.run(page(process.settings, prefix, after, held=held, **options))


def names(found):
    return sorted(lock.name for lock in found.locks)


# One lock.


def test_a_lock_is_read_as_it_is_now(reader):
    assert look(reader) is None
    put(reader, "lock#a", **HELD)
    assert look(reader).owner == "o"
    assert all(params["ConsistentRead"] for _, params in reader.driver.calls)


@pytest.mark.parametrize(
    "lie",
    [
        answer({}),
        answer({"ConsumedCapacity": {"TableName": "another", "CapacityUnits": 1.0}}),
        answer({"Item": {"pk": {"S": "lock#b"}, "fence": {"N": "9"}}}),
        throttle,
        unreachable,
        lose_reply,
    ],
)
def test_what_is_no_answer_about_a_lock_is_asked_again(reader, lie):
    put(reader, "lock#a", **HELD)
    reader.driver.script = [lie]
    assert look(reader).fencing_token == 7
    assert len(reader.driver.calls) == 2


def test_a_record_is_believed_of_a_store_that_says_nothing_of_capacity(reader):
    reader.driver.script = [answer({"Item": {"pk": {"S": "lock#a"}, "fence": {"N": "8"}}})]
    assert look(reader).fencing_token == 8


def test_a_look_is_given_up_in_time(reader):
    began = reader.driver.now
    reader.driver.script = [unreachable] * 10_000
    with pytest.raises(ServiceUnavailable):
        look(reader)
    assert 1.0 < reader.driver.now - began < 15.0
    assert all(began < deadline < began + 15.0 for deadline in reader.driver.deadlines)


# A page of locks.


@pytest.fixture
def filled(reader):
    put(reader, "lock#a/held", **HELD)
    put(reader, "lock#a/waited", **HELD, **ticket("w"))
    put(reader, "lock#a/free", last_run={"M": {}})
    put(reader, "lock#a/left", **ticket("w"))
    put(reader, "lock#b#3", **HELD)
    put(reader, "lock#b#queue", **HELD)
    put(reader, "counter#a", **HELD)
    return reader


@pytest.mark.parametrize(
    ("prefix", "options", "found"),
    [
        ("", {}, ["a/free", "a/held", "a/left", "a/waited", "b#3"]),
        ("a/", {}, ["a/free", "a/held", "a/left", "a/waited"]),
        ("a/f", {}, ["a/free"]),
        ("", {"held": True}, ["a/held", "a/waited", "b#3"]),
        ("a", {"held": True, "waited_for": True}, ["a/waited"]),
        ("a", {"held": False, "waited_for": True}, ["a/left", "a/waited"]),
    ],
)
def test_a_page_has_the_locks_that_are_asked_for(filled, prefix, options, found):
    assert names(listed(filled, prefix, **options)) == found


def test_a_page_is_one_scan_that_reads_no_payload(filled):
    found = listed(filled)
    ((operation, params),) = filled.driver.calls
    assert operation == "Scan"
    assert (params["Select"], params["TableName"]) == ("SPECIFIC_ATTRIBUTES", TABLE)
    read = params["ProjectionExpression"].split(", ")
    assert {params["ExpressionAttributeNames"][name] for name in read} == set(ATTRIBUTES)
    assert all((lock.data, lock.last_run) == (None, None) for lock in found.locks)
    assert (found.scanned, found.after, found.corrupt) == (7, None, ())


def test_the_last_run_of_a_job_is_not_listed(reader):
    run = {"M": {"grant": {"N": "7"}, "owner": {"S": "o"}, "at": {"N": "1"}, "took": {"N": "1"}}}
    put(reader, "lock#a", last_run=run)
    assert look(reader).last_run is not None
    assert [lock.last_run for lock in listed(reader).locks] == [None]


def test_a_corrupt_record_is_listed_beside_the_others(reader):
    put(reader, "lock#a", **{**HELD, "lease_ms": {"S": "x"}})
    put(reader, "lock#b")
    found = listed(reader)
    assert names(found) == ["b"]
    assert [error.key for error in found.corrupt] == ["lock#a"]


def test_a_page_goes_on_where_the_one_before_ended(reader, monkeypatch):
    monkeypatch.setattr("interlock.testing._store.reads.PAGE_BYTES", 200)
    for number in range(20):
        put(reader, f"lock#{number}", **HELD)
    found, after, pages = [], None, 0
    while pages == 0 or after is not None:
        one = listed(reader, after=after)
        found += names(one)
        after, pages = one.after, pages + 1
    assert sorted(found) == sorted(map(str, range(20)))
    assert pages > 2


def ends_at(key):
    return answer({"Items": [], "LastEvaluatedKey": {"pk": {"S": key}}})


@pytest.mark.parametrize("fault", [ends_at("lock#a"), throttle, unreachable, lose_reply])
def test_a_page_that_does_not_go_on_is_asked_for_again(filled, fault):
    filled.driver.script = [fault]
    assert listed(filled, after="lock#a").after is None
    assert len(filled.driver.calls) == 2


def test_the_first_page_may_end_anywhere(filled):
    filled.driver.script = [ends_at("lock#a")]
    assert listed(filled) == LockPage((), (), 0, "lock#a")


def test_a_listing_that_is_not_answered_is_given_up_in_time(reader):
    began = reader.driver.now
    reader.driver.script = [unreachable] * 10_000
    with pytest.raises(ServiceUnavailable):
        listed(reader)
    assert 1.0 < reader.driver.now - began < 45.0
    assert all(began < deadline < began + 45.0 for deadline in reader.driver.deadlines)


def test_a_listing_that_is_denied_says_what_allows_it(reader):
    reader.driver.script = [refuse("AccessDeniedException")]
    with pytest.raises(AccessDenied, match="grant_operate_read"):
        listed(reader)


def test_a_page_is_of_the_public_module():
    assert LockPage.__module__ == "interlock.locks"


# Deadlocks.


def pair(process, one, other):
    """Let two holders wait for each other's lock."""
    put(process, f"lock#{one}", **{**HELD, "owner": {"S": f"of {one}"}}, **ticket(f"of {other}"))
    put(process, f"lock#{other}", **{**HELD, "owner": {"S": f"of {other}"}}, **ticket(f"of {one}"))


def found(process, prefix="", among=None):
    """Return the locks of each deadlock."""
    told = process.driver.run(deadlocks(process.settings, prefix, among))
    return ["".join(sorted(link.holds for link in one.links)) for one in told]


def test_deadlocks_are_found_over_all_pages_and_told_in_order(reader, monkeypatch):
    monkeypatch.setattr("interlock.testing._store.reads.PAGE_BYTES", 200)
    for one, other in ("cd", "ab", "ef"):
        pair(reader, one, other)
    put(reader, "lock#g", **HELD)
    assert found(reader) == ["ab", "cd", "ef"]


def test_deadlocks_are_found_among_what_was_listed_and_read_again(reader):
    pair(reader, "a", "b")
    pair(reader, "c", "d")
    among = listed(reader).locks
    put(reader, "lock#c", **HELD)
    reader.driver.calls.clear()
    assert found(reader, among=among) == ["ab"]
    assert set(reader.driver.operations()) == {"GetItem"}
    assert found(reader, "a", among) == []


@pytest.mark.parametrize("spoilt", ["gone", "corrupt"])
def test_what_cannot_be_read_again_is_in_no_deadlock(reader, spoilt):
    pair(reader, "a", "b")
    among = listed(reader).locks
    if spoilt == "gone":
        key = {"pk": {"S": "lock#a"}}
        reader.driver.store.perform("DeleteItem", {"TableName": TABLE, "Key": key})
    else:
        put(reader, "lock#a", **{**HELD, "lease_ms": {"S": "x"}})
    assert found(reader, among=among) == []


@pytest.mark.parametrize(("most", "told"), [(1, 1), (3, 1), (4, 2), (5, 2), (6, 3), (500, 3)])
def test_only_so_many_locks_are_read_again_but_those_of_one_deadlock(
    reader, monkeypatch, most, told
):
    monkeypatch.setattr(reading, "_MOST_READ", most)
    for one, other in ("ab", "cd", "ef"):
        pair(reader, one, other)
    assert len(found(reader)) == told
    assert reader.driver.operations().count("GetItem") == 2 * told


def test_a_lock_in_two_deadlocks_is_read_again_once(reader):
    """The holder of a waits for b and for c, whose holders wait for a."""
    put(
        reader,
        "lock#a",
        **{**HELD, "owner": {"S": "x"}},
        queue={"L": [ticket(owner)["queue"]["L"][0] for owner in "yz"]},
    )
    put(reader, "lock#b", **{**HELD, "owner": {"S": "y"}}, **ticket("x"))
    put(reader, "lock#c", **{**HELD, "owner": {"S": "z"}}, **ticket("x"))
    assert found(reader) == ["ab", "ac"]
    assert reader.driver.operations().count("GetItem") == 3
