"""Readers and writers where calls are lost or late, and rows are gone or wrong."""

from collections import Counter

import pytest

from interlock._protocol.faults import CancellationReason, Refused
from interlock._protocol.locks.door import close_call
from interlock._protocol.requests import Time
from interlock.errors import (
    AccessDenied,
    CorruptRecord,
    LockTimeout,
    ReadersMismatch,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.locks.scripted import (
    TABLE,
    Keep,
    after,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    unreachable,
)
from tests.unit.locks.sides import LEASE, SLOTS, calls_of, give_up, held, read, row, side, write

# What is lost or late.


@pytest.mark.parametrize("trouble", [lose_reply, lose_request, send_twice, throttle, unreachable])
@pytest.mark.parametrize("which", ["read", "write"])
@pytest.mark.parametrize("step", range(4))
def test_what_is_lost_is_not_waited_out(process, which, trouble, step):
    process.driver.script = [*[None] * step, trouble]
    began = process.driver.now
    grant = process.driver.run(side(process, which).run())
    assert process.driver.now - began < LEASE / 2
    assert held(process) == [grant.name]


def test_a_late_copy_of_a_reader_is_refused_while_a_writer_is_in(process, other):
    kept = Keep()
    process.release(read(process))
    process.driver.script = [kept, *[unreachable] * 1000]
    with pytest.raises(ServiceUnavailable):
        process.driver.run(side(process, "read", 3.0).run())
    write(other)
    with pytest.raises(Refused):
        process.driver.store.perform(*kept.calls[0])
    assert held(other) == ["a"]


def test_a_late_copy_of_a_closed_door_costs_a_look(process, other):
    closings = []

    def note(driver, operation, params):
        closings.append((operation, params))
        return carry_out(driver, operation, params)

    other.driver.script = [None, None, note]
    other.release(write(other))
    process.release(read(process))
    other.driver.store.perform(closings[0][0], {**closings[0][1], "ClientRequestToken": "late"})
    assert read(process, 0.0)
    assert closings[0][0] == "TransactWriteItems"


def conflict(_driver, _operation, _params):
    reasons = (CancellationReason("TransactionConflict"), *[CancellationReason("None")] * 2)
    raise Refused("TransactionCanceledException", "why", reasons=reasons)


@pytest.mark.parametrize("slots", [2, SLOTS])
def test_a_door_that_readers_keep_busy_is_closed_slot_by_slot(process, slots):
    process.driver.script = [None, None, conflict]
    grant, sent = calls_of(process, lambda: write(process, readers=slots))
    assert sent[2:] == ["TransactWriteItems", *["UpdateItem"] * slots, "BatchGetItem"]
    doors = [row(process, f"a#{number}")["door"]["N"] for number in range(slots)]
    assert doors == [str(grant.fence)] * slots


def test_a_door_whose_closing_is_throttled_is_closed_by_one_call_all_the_same(process):
    process.driver.script = [None, None, throttle]
    sent = calls_of(process, lambda: write(process))[1]
    assert sent[2:] == ["TransactWriteItems"] * 2 + ["BatchGetItem"]


@pytest.mark.parametrize("slots", [1, SLOTS])
@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (unreachable, ServiceUnavailable),
        (throttle, Throttled),
        (refuse("AccessDeniedException"), AccessDenied),
    ],
)
def test_a_door_that_cannot_be_closed_is_told(process, slots, trouble, error):
    process.driver.script = [None, None, *[trouble] * 1000]
    began = process.driver.now
    with pytest.raises(error):
        write(process, 3.0, readers=slots)
    assert process.driver.now - began < 5.0


def test_a_door_that_is_closed_slot_by_slot_is_no_silent_store(process):
    closings: Counter[str] = Counter()

    def busy(driver, operation, params):
        driver.script.append(busy)
        key = str(params.get("Key"))
        closings[key] += ":door" in params.get("ExpressionAttributeValues", {})
        act = after(2.0, conflict) if 0 < closings[key] <= 3 else carry_out
        return (conflict if "TransactItems" in params else act)(driver, operation, params)

    process.driver.script = [busy]
    grant = write(process)
    assert held(process) == [grant.name]


@pytest.mark.parametrize("which", ["read", "write"])
def test_no_call_hangs_for_longer_than_its_caller_waits(process, which):
    began = process.driver.now
    process.driver.run(side(process, which, 3.0).run())
    assert all(deadline <= began + 3.0 + 1.0 for deadline in process.driver.deadlines)


def test_a_reader_whose_grant_was_lost_holds_no_writer_up(process, other):
    process.release(read(process))
    closed = []

    def writer_comes():
        closed.append(held(process))
        fence = other.acquire("a").fence
        names = [f"a#{number}" for number in range(SLOTS)]
        other.driver.perform(close_call(TABLE, names, fence, time=Time(1.7e9, 1.7e9), token="t"))

    process.driver.script = [lose_reply]
    waits = [lambda: closed.append(held(process))] * 3
    process.driver.during_sleep = [writer_comes, *waits]
    give_up(process, "read", 5.0)
    assert len(closed[0]) == 1
    assert closed[-1] == ["a"]  # while it still waits


# Rows that are gone, wrong, or of another number.


def test_a_slot_whose_row_is_gone_is_taken_only_while_the_writers_lock_is_free(process, other):
    process.release(read(process, readers=1))
    other.release(write(other, readers=1))
    process.release(read(process, readers=1))
    writer = write(other, readers=1)
    del process.driver.store.contents.items[
        next(
            place
            for place in process.driver.store.contents.items
            if place.key[0].endswith("lock#a#0")
        )
    ]
    with pytest.raises(LockTimeout):
        read(process, 1.0, readers=1)
    other.release(writer)
    assert read(process, 0.0, readers=1)


@pytest.mark.parametrize("which", ["read", "write"])
def test_another_number_of_readers_is_told_and_nothing_held(process, other, which):
    process.release(read(process))
    with pytest.raises(ReadersMismatch) as caught:
        other.driver.run(side(other, which, readers=5).run())
    assert (caught.value.name, caught.value.readers, caught.value.agreed) == ("a", 5, SLOTS)
    assert held(process) == []


def test_the_number_of_readers_is_asked_for_again_after_an_hour(process, other):
    process.release(read(process))
    other.driver.store.contents.items.clear()
    other.release(read(other, readers=5))
    process.driver.now += 3601
    with pytest.raises(ReadersMismatch):
        read(process)


@pytest.mark.parametrize("which", ["read", "write"])
@pytest.mark.parametrize("value", [{"S": "x"}, {"N": "-1"}])
def test_a_number_of_readers_that_is_none_is_a_corrupt_record(process, which, value):
    item = {"pk": {"S": "lock#a#slots"}, "slots": value}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    with pytest.raises(CorruptRecord) as caught:
        process.driver.run(side(process, which).run())
    assert (caught.value.key, caught.value.attribute) == ("lock#a#slots", "slots")


@pytest.mark.parametrize("draw", [0.0, 0.5])
def test_a_slot_with_a_door_that_is_none_is_left_alone_by_readers_and_told_to_writers(
    process, draw
):
    process.release(read(process))
    process.driver.draw = draw
    item = {"pk": {"S": "lock#a#0"}, "fence": {"N": "7"}, "door": {"S": "open"}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    assert {read(process).name for _ in range(2)} == {"a#1", "a#2"}
    acquisition = side(process, "write")
    with pytest.raises(CorruptRecord) as caught:
        process.driver.run(acquisition.run())
    assert (caught.value.key, caught.value.attribute) == ("lock#a#0", "door")
    process.driver.run(process.locks.break_lock("a#0", because="it was corrupt"))
    assert "door" not in row(process, "a#0")


def test_a_door_that_a_later_writer_closed_though_there_is_none_is_told(process):
    process.release(write(process))
    item = {"pk": {"S": "lock#a#0"}, "fence": {"N": "7"}, "door": {"N": str(10**17)}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    with pytest.raises(CorruptRecord) as caught:
        write(process)
    assert caught.value.attribute == "door"
