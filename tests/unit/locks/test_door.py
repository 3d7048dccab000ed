"""The door of a lock: which closings the store takes, and what a look at it meets."""

import pytest

from interlock._protocol.locks.door import MOST_READERS, Door, checked_readers, close_call
from interlock._protocol.locks.item import key_of, parse
from interlock._protocol.requests import Time
from interlock.errors import (
    AccessDenied,
    InvalidValue,
    LockTimeout,
    ServiceUnavailable,
    Throttled,
)
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.conftest import Process
from tests.unit.locks.rows import refused, row, send
from tests.unit.locks.scripted import (
    EPOCH,
    TABLE,
    after,
    answer,
    carry_out,
    refuse,
    throttle,
    unreachable,
    whenever,
)
from tests.unit.locks.sides import SLOTS, drop, held, read, side, write

LEASE = 20.0


@pytest.mark.parametrize("number", [0, -1, MOST_READERS + 1, True, "3", 2.5, None])
def test_a_number_of_readers_that_cannot_be_is_refused(number):
    with pytest.raises(InvalidValue, match="readers"):
        checked_readers(number)


@pytest.mark.parametrize("number", [1, MOST_READERS])
def test_there_are_from_one_to_a_hundred_readers(process, number):
    assert MOST_READERS == 100
    assert read(process, readers=checked_readers(number))


# What is known of writers.


def test_a_client_that_has_seen_no_writer_believes_none_to_be_over():
    assert Door("a", SLOTS).keeps_out(1)


@pytest.mark.parametrize(
    ("version", "closed_by", "kept_out"),
    [(None, 7, False), (None, 8, True), ("v", 6, False), ("v", 7, True)],
)
def test_a_writer_is_over_when_its_lock_was_free_or_had_a_later_one(version, closed_by, kept_out):
    door, free = Door("a", SLOTS), key_of("a")
    holder = {} if version is None else {"version": {"S": version}, "lease_ms": {"N": "20000"}}
    door.saw(parse(TABLE, {**free, "fence": {"N": "7"}, **holder}))
    door.saw(parse(TABLE, {**free, "fence": {"N": "5"}}))  # an answer of earlier
    assert door.keeps_out(closed_by) == kept_out


# Closing.


@pytest.fixture
def store():
    return Store(Table(TABLE))


def closing(fence, *names):
    time = Time(EPOCH, EPOCH)
    return close_call(TABLE, names or ["a"], fence, time=time, token="t")


@pytest.mark.parametrize("door", [None, "6", "7"])
def test_a_writer_closes_a_slot_that_no_later_one_has_closed(store, door):
    item = {"pk": {"S": "lock#a"}} | ({} if door is None else {"door": {"N": door}})
    store.perform("PutItem", {"TableName": TABLE, "Item": item})
    send(store, closing(7))
    assert row(store)["door"] == {"N": "7"}
    assert int(row(store)["expires"]["N"]) > EPOCH


@pytest.mark.parametrize(
    "attribute",
    [{"door": {"N": "8"}}, {"door": {"S": "open"}}, {"fence": {"S": "x"}}, {"format": {"N": "99"}}],
)
def test_a_slot_that_a_later_writer_has_closed_or_that_is_corrupt_is_left_alone(store, attribute):
    item = {"pk": {"S": "lock#a"}, **attribute}
    store.perform("PutItem", {"TableName": TABLE, "Item": item})
    refused(store, closing(7))


def test_copies_of_a_transaction_are_known_by_its_token(process):
    process.release(read(process))
    write(process)
    tokens = [
        params["ClientRequestToken"]
        for operation, params in process.driver.calls
        if operation == "TransactWriteItems"
    ]
    assert len(set(tokens)) == 2  # one gives a slot its door, one closes all


# What stands before the door.


def nothing(_process, _other):
    """Let all be new."""


def dead_reader(_process, other):
    read(other)


def dead_writer(_process, other):
    write(other)


def writer_without_record(process, other):
    other.driver.now = process.driver.now - 60  # fences begin with the time
    other.release(write(other))
    drop(process, "a")


SITUATIONS = [nothing, dead_reader, dead_writer, writer_without_record]


@pytest.mark.parametrize("which", ["read", "write"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_both_sides_come_in_whatever_was_there_and_no_call_hangs(process, other, which, situation):
    situation(process, other)
    began, timeout = process.driver.now, LEASE + 5
    assert process.driver.run(side(process, which, timeout).run())
    for (_, params), deadline in zip(process.driver.calls, process.driver.deadlines, strict=True):
        if ":lease" not in str(params):  # a heartbeat has a time of its own
            assert deadline <= began + timeout + 1.0


LOOK = (nothing, lambda operation, params: operation == "GetItem" and is_door(params))
MARK = (nothing, lambda operation, _params: operation == "TransactWriteItems")
END = (dead_writer, lambda _operation, params: ":dead" in str(params))
FOUND = (
    writer_without_record,
    lambda operation, params: operation == "UpdateItem" and is_door(params),
)


@pytest.mark.parametrize("obstacle", [LOOK, END, FOUND], ids=["look", "end", "found"])
@pytest.mark.parametrize(
    ("trouble", "error"), [(unreachable, ServiceUnavailable), (throttle, Throttled)]
)
def test_a_door_that_no_answer_opens_is_told(process, other, obstacle, trouble, error):
    situation, is_meant = obstacle
    situation(process, other)
    process.driver.script = whenever(is_meant, trouble)
    with pytest.raises(error):
        read(process, LEASE + 5)


@pytest.mark.parametrize("obstacle", [LOOK, MARK, END, FOUND], ids=["look", "mark", "end", "found"])
def test_a_door_that_a_reader_may_not_open_is_told(process, other, obstacle):
    situation, is_meant = obstacle
    situation(process, other)
    process.driver.script = whenever(is_meant, refuse("AccessDeniedException"))
    with pytest.raises(AccessDenied):
        read(process, LEASE + 5)


def is_door(params):
    return params["Key"] == {"pk": {"S": "lock#a"}}


LATER = str(10**17)  # than the fence of any writer, as these begin with the time


@pytest.mark.parametrize("lie", [{}, {"Item": {"pk": {"S": "lock#b"}, "fence": {"N": LATER}}}])
@pytest.mark.parametrize("step", [1, 3])
def test_a_look_that_is_answered_with_another_record_opens_no_door(process, other, lie, step):
    writer = write(other)
    process.driver.script = [*[None] * step, answer(lie)]
    with pytest.raises(LockTimeout) as late:
        read(process, 1.0)
    assert late.value.holder.fencing_token == writer.fence
    assert held(process) == ["a"]


def test_a_slot_that_another_reader_has_opened_meanwhile_is_open(process, other):
    def opened(driver, operation, params):
        other.release(read(other))
        return carry_out(driver, operation, params)

    process.driver.script = [None] * 4 + [opened]
    assert read(process, 1.0)
    assert process.driver.operations().count("TransactWriteItems") == 1


def test_a_slot_that_a_writer_has_closed_meanwhile_stays_closed_for_what_came_before(
    process, other
):
    fences = []

    def closed(driver, operation, params):
        writer = write(other)
        fences.append(writer.fence)
        other.release(writer)
        return carry_out(driver, operation, params)

    process.driver.script = [None] * 4 + [closed]
    grant = read(process, 1.0)
    assert process.driver.row(grant.name)["door"] == {"N": str(fences[0])}


def test_a_dead_writer_that_another_reader_has_ended_meanwhile_is_over(process, other):
    write(process)
    reader = Process(process.driver.store)

    def ended(driver, operation, params):
        if ":dead" in str(params):
            reader.driver.now = driver.now
            reader.release(read(reader))
        else:
            driver.script.append(ended)
        return carry_out(driver, operation, params)

    other.driver.script = [ended]
    assert read(other)


def test_a_slot_that_was_granted_too_late_is_tried_again(process):
    process.release(read(process))

    def answer_late(driver, operation, params):
        reply = carry_out(driver, operation, params)
        driver.now += LEASE
        return reply

    process.driver.script = [answer_late]
    grant = read(process)
    assert grant.until > process.driver.now
    assert held(process) == [grant.name]


def test_a_store_that_opens_a_slot_is_not_silent(process):
    late = after(10.0, unreachable)
    process.driver.script = [*[None] * 4, *[late] * 6, None, *[late] * 6]
    assert read(process)


def test_a_writer_that_has_closed_nothing_yet_keeps_no_reader_out(process, other):
    other.release(write(other))
    other.acquire("a")
    assert read(process, 0.0)


def test_a_writer_that_has_closed_nothing_yet_keeps_readers_out_of_new_slots(process, other):
    writer = other.acquire("a")
    with pytest.raises(LockTimeout) as late:
        read(process, 1.0)
    assert late.value.holder.fencing_token == writer.fence
    assert held(process) == ["a"]


def test_a_door_that_no_writer_has_closed_is_waited_for_by_looks_and_no_longer_than_asked(process):
    process.release(read(process))
    for number in range(SLOTS):
        item = {"pk": {"S": f"lock#a#{number}"}, "fence": {"N": "7"}, "door": {"N": LATER}}
        process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    began, before = process.driver.now, len(process.driver.calls)
    with pytest.raises(LockTimeout):
        read(process, 1.0)
    assert process.driver.now - began < 1.5
    attempts = [params for _, params in process.driver.calls[before:] if ":over" in str(params)]
    assert len(attempts) == 1  # the writer's lock is looked at alone, which costs less
