"""Locks are listed by reading the table page by page; other records and parts are left out."""

import itertools

import pytest

from interlock.errors import AccessDenied, ServiceUnavailable
from interlock.testing import MemoryStore
from tests.unit.locks.scripted import TABLE
from tests.unit.locks.test_corrupt import poison


def page(process, prefix="", after=None, *, held=False):
    return process.driver.run(process.locks.page(prefix, after, held=held))


def names(found):
    return sorted(record.name for record in found.locks)


def test_locks_and_permits_are_listed_and_nothing_else(process):
    process.acquire("orders/1", data={"n": 1})
    process.release(process.acquire("orders/2"))
    process.driver.run(process.locks.permit("render", 3).run())
    for key in ("counter#a", "lock#a#queue", "once#lock#a"):
        item = {"pk": {"S": key}}
        process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    found = page(process)
    assert [name.partition("#")[0] for name in names(found)] == ["orders/1", "orders/2", "render"]
    assert (found.after, found.corrupt) == (None, ())
    assert names(page(process, "orders/")) == ["orders/1", "orders/2"]
    assert names(page(process, "orders/", held=True)) == ["orders/1"]
    (lock,) = page(process, "orders/1").locks
    assert (lock.held, lock.owner, lock.data) == (True, "somebody", None)


def agreed(process, name, item):
    item = {"pk": {"S": f"lock#{name}#slots"}, **item}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})


def test_a_page_says_how_many_permits_and_readers_were_agreed_upon(process):
    process.driver.run(process.locks.permit("a/render", 3).run())
    agreed(process, "a/map", {"slots": {"N": "10"}})
    agreed(process, "a/odd", {"permits": {"S": "x"}})
    agreed(process, "b", {"permits": {"N": "2"}})
    found = page(process, "a/")
    assert found.permits == {"a/render": 3, "a/map": 10}
    assert [name.partition("#")[0] for name in names(found)] == ["a/render"]
    assert page(process).permits == {"a/render": 3, "a/map": 10, "b": 2}


def test_a_lock_with_such_an_attribute_of_its_own_is_no_agreement(process):
    process.acquire("a")
    perform, key = process.driver.store.perform, {"pk": {"S": "lock#a"}}
    item = perform("GetItem", {"TableName": TABLE, "Key": key})["Item"]
    perform("PutItem", {"TableName": TABLE, "Item": {**item, "permits": {"N": "5"}}})
    assert page(process).permits == {}


def test_a_corrupt_record_is_told_beside_the_others(process):
    poison(process, fence={"S": "x"})
    process.acquire("b")
    found = page(process)
    assert names(found) == ["b"]
    assert [error.key for error in found.corrupt] == ["lock#a"]


def test_a_search_for_deadlocks_ends_though_the_pages_go_round(process):
    ends = itertools.cycle(["lock#b", "lock#a", "lock#c"])

    def page_of_many(_driver, _operation, _params):
        return {"Items": [], "ScannedCount": 9, "LastEvaluatedKey": {"pk": {"S": next(ends)}}}

    process.driver.script = [page_of_many] * 100
    with pytest.raises(ServiceUnavailable, match="go round: two end at 'lock#b'"):
        process.driver.run(process.locks.deadlocks("", None))
    assert process.driver.operations() == ["Scan"] * 4


@pytest.fixture
def store():
    store = MemoryStore(TABLE)
    for number in range(30):
        store.put(TABLE, {"pk": f"lock#a/{number}", "fence": number})
    return store


@pytest.fixture
def locks(half, store):
    client = store.aio_client() if half.awaitable else store.client()
    return half.wrap(half.locks.LockClient(TABLE, client=client))


def test_throttled_pages_are_tried_again(store, locks):
    store.throttle("Scan")
    assert len(locks.page().locks) == 30


def test_a_denied_listing_says_what_allows_it(store, locks):
    store.refuse("AccessDeniedException", "Scan")
    with pytest.raises(AccessDenied, match="grant_operate"):
        locks.page()


def test_all_pages_together_have_every_lock_once(locks, monkeypatch):
    monkeypatch.setattr("interlock.testing._store.reads.PAGE_BYTES", 200)
    found, after, pages, scanned = [], None, 0, 0
    while True:
        one = locks.page(prefix="a/", after=after)
        found += [record.name for record in one.locks]
        pages, scanned, after = pages + 1, scanned + one.scanned, one.after
        if after is None:
            break
    assert sorted(found) == sorted(f"a/{number}" for number in range(30))
    assert scanned == 30
    assert pages > 2
