"""A record that no client of this library has written: one typed error, and nothing granted."""

from datetime import timedelta

import pytest

from interlock._protocol.locks.item import MOST_FENCE, MOST_TIME
from interlock._protocol.locks.jobs import Job
from interlock._protocol.locks.settings import MOST_LEASE
from interlock.errors import CorruptRecord, LockLost, LockTimeout, LossReason
from tests.unit.locks.scripted import TABLE, lose_request, refuse

MOST_LEASE_MS = round(MOST_LEASE * 1000)
HELD = {
    "pk": {"S": "lock#a"},
    "fence": {"N": "7"},
    "version": {"S": "v"},
    "owner": {"S": "o"},
    "lease_ms": {"N": "1000"},
    "held_since": {"N": "1700000000000"},
    "held_until": {"N": "1700000001000"},
    "expires": {"N": "1800000000"},
}


def poison(process, **attributes):
    item = {**HELD, **attributes}
    item = {name: value for name, value in item.items() if value is not None}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})


DECIDING = [
    ("version", {"N": "1"}),
    ("version", {"S": ""}),
    ("fence", {"S": "x"}),
    ("fence", {"N": "9" * 38}),
    ("fence", {"N": "-5"}),
    ("fence", {"N": "1.5"}),
    ("lease_ms", {"N": "1" + "0" * 30}),
    ("lease_ms", {"N": "-1"}),
    ("lease_ms", {"N": "0.5"}),
    ("lease_ms", {"S": "x"}),
    ("lease_ms", None),
    ("void_before", {"S": "x"}),
    ("door", {"S": "x"}),
    ("format", {"N": "2"}),
]


@pytest.mark.parametrize(("attribute", "value"), DECIDING)
@pytest.mark.parametrize("timeout", [0.0, 30.0])
def test_nothing_is_decided_by_a_corrupt_record(process, attribute, value, timeout):
    poison(process, **{attribute: value})
    with pytest.raises(CorruptRecord) as caught:
        process.acquire(timeout=timeout)
    error = caught.value
    assert (error.table, error.key, error.attribute) == (TABLE, "lock#a", attribute)
    assert error.value == value
    assert process.driver.row("a")["version"] == (HELD | {attribute: value})["version"]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [*DECIDING, ("held_since", {"N": "1" + "0" * 20}), ("owner", {"N": "1"})],
)
def test_inspecting_a_corrupt_record_says_what_is_wrong(process, attribute, value):
    poison(process, **{attribute: value})
    with pytest.raises(CorruptRecord, match=attribute):
        process.driver.run(process.locks.inspect("a"))


@pytest.mark.parametrize("fence", [{"S": "x"}, {"N": "9" * 38}, {"N": "-5"}, {"N": "1.5"}])
def test_a_free_lock_with_a_corrupt_fence_is_not_granted(process, fence):
    poison(process, fence=fence, version=None)
    acquisition = process.acquisition(timeout=0.0)
    with pytest.raises(CorruptRecord, match="fence"):
        process.driver.run(acquisition.run())
    process.driver.run(acquisition.abandon())
    assert "version" not in process.driver.row("a")


def test_a_whole_number_in_another_spelling_is_one(process):
    poison(process, lease_ms={"N": "1E3"})
    with pytest.raises(LockTimeout) as caught:
        process.acquire(timeout=0.0)
    assert caught.value.holder.lease == timedelta(seconds=1)


def test_a_late_copy_of_a_request_does_not_take_a_lock_that_was_given_back(process, other):
    process.driver.script = [lose_request]
    grant = process.acquire()
    late = process.driver.calls[0]
    assert process.release(grant) is True
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        process.driver.store.perform(*late)
    assert other.acquire(timeout=0.0).fence == grant.fence + 1


def test_a_late_copy_of_a_request_that_was_given_up_does_not_take_the_lock(process, other):
    held = other.acquire()
    acquisition = process.acquisition(timeout=5.0)
    process.driver.script = [lose_request]
    with pytest.raises(LockTimeout):
        process.driver.run(acquisition.run())
    assert process.driver.run(acquisition.abandon()) is True
    other.release(held)
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        process.driver.store.perform(*process.driver.calls[0])
    assert process.acquire(timeout=0.0)


def test_a_slow_clock_is_not_kept_out_by_the_bound_on_late_requests(process, other):
    process.driver.script = [lose_request]
    process.release(process.acquire())
    other.driver.skew = -3600.0 - other.driver.now
    assert other.acquire(timeout=0.0)
    assert other.driver.operations() == ["UpdateItem", "UpdateItem"]


FREE = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "expires": {"N": "1800000000"}}
UNSOUND = [
    ("fence", {"S": "x"}),
    ("fence", {"N": "9" * 38}),
    ("fence", {"N": "-5"}),
    ("fence", {"N": str(MOST_FENCE + 1)}),
    ("lease_ms", {"S": "x"}),
    ("lease_ms", {"N": "-1"}),
    ("lease_ms", {"N": "0"}),
    ("lease_ms", {"N": str(MOST_LEASE_MS + 1)}),
    ("void_before", {"S": "x"}),
    ("void_before", {"N": "-1"}),
    ("void_before", {"N": str(MOST_TIME + 1)}),
    ("door", {"S": "x"}),
    ("door", {"N": "-1"}),
    ("door", {"N": str(MOST_FENCE + 1)}),
    ("format", {"S": "x"}),
    ("format", {"N": "0"}),
    ("format", {"N": "2"}),
    ("queue", {"S": "x"}),
    ("queue", {"N": "1"}),
]
ONE = {"timeout": timedelta(seconds=2)}
CLAIMS = {
    "plain": ("a", lambda locks: locks.acquire("a", **ONE)),
    "fair": ("a", lambda locks: locks.acquire("a", fair=True, **ONE)),
    "several": ("a", lambda locks: locks.acquire_all(["a", "b"], **ONE)),
    "permit": ("a#0", lambda locks: locks.permit("a", 1, **ONE)),
    "writer": ("a", lambda locks: locks.write("a", 1, **ONE)),
    "job": ("a", lambda locks: locks.job(job(locks, "skip"))),
    "waiting job": ("a", lambda locks: locks.job(job(locks, "wait"))),
}


def job(locks, otherwise):
    return Job.of(
        locks.settings,
        "a",
        at_least=timedelta(),
        at_most=None,
        otherwise=otherwise,
        timeout=None,
    )


def put_free(process, name, attribute, value):
    item = {**FREE, "pk": {"S": f"lock#{name}"}, attribute: value}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    return process.driver.row(name)


@pytest.mark.parametrize(("attribute", "value"), UNSOUND)
@pytest.mark.parametrize("claim", CLAIMS)
def test_a_free_lock_whose_record_is_corrupt_is_not_even_written(process, claim, attribute, value):
    name, acquisition_of = CLAIMS[claim]
    item = put_free(process, name, attribute, value)
    acquisition = acquisition_of(process.locks)
    with pytest.raises(CorruptRecord) as caught:
        process.driver.run(acquisition.run())
    assert (caught.value.key, caught.value.attribute) == (f"lock#{name}", attribute)
    assert not acquisition.granted
    process.driver.run(acquisition.abandon())
    assert process.driver.row(name) == item
    assert process.driver.row("b") is None


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("fence", "0"),
        ("lease_ms", "1"),
        ("lease_ms", str(MOST_LEASE_MS)),
        ("void_before", "0"),
        ("door", "0"),
        ("door", str(MOST_FENCE)),
        ("format", "1"),
    ],
)
@pytest.mark.parametrize("claim", CLAIMS)
def test_a_free_lock_whose_record_says_the_least_or_the_most_is_granted(
    process, claim, attribute, value
):
    name, acquisition_of = CLAIMS[claim]
    put_free(process, name, attribute, {"N": value})
    process.driver.run(acquisition_of(process.locks).run())
    assert "version" in process.driver.row(name)


def test_a_request_that_the_store_cannot_carry_out_says_what_is_wrong_with_the_record(process):
    put_free(process, "a", "fence", {"S": "x"})
    process.driver.script = [refuse("ValidationException")]
    with pytest.raises(CorruptRecord, match="fence"):
        process.acquire()


@pytest.mark.parametrize(("attribute", "value"), UNSOUND)
def test_a_corrupt_slot_is_not_written_by_readers_who_take_another(process, attribute, value):
    process.release(process.driver.run(process.locks.read("a", 2, **ONE).run()))
    item = put_free(process, "a#1", attribute, value)
    for _ in range(4):
        reader = process.driver.run(process.locks.read("a", 2, **ONE).run())
        assert reader.name == "a#0"
        process.release(reader)
    assert process.driver.row("a#1") == item


@pytest.mark.parametrize(("attribute", "value"), UNSOUND)
def test_a_corrupt_slot_is_not_written_by_a_writer_that_is_told_of_it(process, attribute, value):
    item = put_free(process, "a#0", attribute, value)
    acquisition = process.locks.write("a", 1, **ONE)
    with pytest.raises(CorruptRecord) as caught:
        process.driver.run(acquisition.run())
    assert (caught.value.key, caught.value.attribute) == ("lock#a#0", attribute)
    assert process.driver.row("a#0") == item


@pytest.mark.parametrize("fence", [{"S": "x"}, {"N": "9" * 38}, {"N": "-5"}, {"N": "1.5"}])
def test_a_lock_whose_fence_became_corrupt_is_not_adopted_nor_written(process, other, fence):
    text = process.locks.export(process.acquire())
    item = {**process.driver.row("a"), "fence": fence}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    with pytest.raises(CorruptRecord, match="fence"):
        other.adopt(text)
    assert process.driver.row("a") == item


def test_a_lock_whose_fence_is_another_is_not_adopted(process, other):
    grant = process.acquire()
    text = process.locks.export(grant)
    item = {**process.driver.row("a"), "fence": {"N": str(grant.fence + 1)}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    with pytest.raises(LockLost):
        other.adopt(text)
    assert process.driver.row("a") == item


def test_a_lock_that_another_has_is_lost_though_its_record_is_corrupt(process, other):
    text = process.locks.export(process.acquire())
    spoil(process, "version", {"S": "of another"})
    spoil(process, "fence", {"S": "x"})
    with pytest.raises(LockLost) as lost:
        other.adopt(text)
    assert lost.value.reason is LossReason.TAKEN_OVER


def test_a_release_to_an_heir_by_a_fence_that_is_none_says_so(process):
    grant = process.acquire()
    spoil(process, "queue", {"L": [{"S": "v~1700000000000~90~o"}]})
    spoil(process, "fence", {"S": "x"})
    with pytest.raises(CorruptRecord, match="fence"):
        process.release(grant)
    assert grant.over


@pytest.mark.parametrize(("attribute", "value"), UNSOUND)
def test_a_waiter_of_a_lock_that_becomes_corrupt_leaves_what_it_can(
    process, other, attribute, value
):
    process.acquire()
    waiting = other.acquisition(fair=True)
    other.driver.during_sleep = [lambda: spoil(process, attribute, value)]
    with pytest.raises(CorruptRecord, match=attribute):
        other.driver.run(waiting.run())
    assert other.driver.run(waiting.abandon()) is False
    assert process.driver.row("a").get("queue", {}).get("L", []) == []


def spoil(process, attribute, value):
    """Write one attribute of a lock past the library."""
    item = {**process.driver.row("a"), attribute: value}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
