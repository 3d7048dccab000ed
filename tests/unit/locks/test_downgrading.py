"""Downgrading: from the write side to the read side, with no other writer in between."""

from datetime import timedelta

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks.readers import DOWNGRADING
from interlock.errors import LockLost, LossReason, ServiceUnavailable
from tests.unit.locks.scripted import (
    TABLE,
    after,
    carry_out,
    lose_reply,
    lose_request,
    send_twice,
    throttle,
    unreachable,
)
from tests.unit.locks.sides import (
    LEASE,
    SLOTS,
    calls_of,
    downgrade,
    drop,
    give_up,
    guarded_write,
    held,
    read,
    row,
    write,
)


def test_a_writer_becomes_a_reader_by_two_calls(process, other):
    writer = write(process)
    reader, sent = calls_of(process, lambda: downgrade(process, writer))
    assert sent == ["UpdateItem", "UpdateItem"]
    assert held(process) == [reader.name]
    assert writer.closed
    assert writer.loss is None
    guarded_write(process, reader)
    assert read(other).name != reader.name
    with pytest.raises(Refused):
        guarded_write(process, writer)


def test_no_writer_comes_between_the_two_calls(process, other):
    writer = write(process)

    def rival_comes(driver, operation, params):
        give_up(other, "write", 0.0)
        give_up(other, "read", 0.0)
        return carry_out(driver, operation, params)

    process.driver.script = [None, rival_comes]
    reader = downgrade(process, writer)
    assert held(process) == [reader.name]


@pytest.mark.parametrize("step", range(2))
@pytest.mark.parametrize("trouble", [lose_reply, lose_request, send_twice, throttle, unreachable])
def test_a_downgrade_bears_what_is_lost(process, step, trouble):
    writer = write(process)
    process.driver.script = [*[None] * step, trouble]
    reader = downgrade(process, writer)
    assert held(process) == [reader.name]
    assert writer.loss is None


def test_a_downgrade_makes_a_slot_whose_row_is_gone(process):
    writer = write(process)
    for number in range(SLOTS):
        drop(process, f"a#{number}")
    reader = downgrade(process, writer)
    assert held(process) == [reader.name]
    assert writer.loss is None
    guarded_write(process, reader)


def test_a_downgrade_heeds_the_bound_of_others_on_a_slot(process):
    writer = write(process)
    bound = int(process.driver.time_of_day().wall * 1000) + 3_600_000
    for number in range(SLOTS):
        item = {**row(process, f"a#{number}"), "void_before": {"N": str(bound)}}
        process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    reader = downgrade(process, writer)
    assert held(process) == [reader.name]


def test_a_downgrade_leaves_a_slot_alone_that_is_corrupt(process):
    writer = write(process)
    item = {"pk": {"S": "lock#a#1"}, "fence": {"N": "7"}, "door": {"S": "open"}}
    process.driver.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    sent = calls_of(process, lambda: downgrade(process, writer))[1]
    assert "TransactWriteItems" not in sent
    assert held(process) in (["a#0"], ["a#2"])


def test_a_write_side_that_was_broken_is_not_said_to_be_taken_over(process, other):
    writer = write(process)
    process.driver.run(process.locks.break_lock("a", because="it hangs"))
    process.renew(writer)
    write(other)
    with pytest.raises(LockLost) as lost:
        downgrade(process, writer)
    assert lost.value.reason is LossReason.BROKEN


@pytest.mark.parametrize("trouble", [None, lose_request])
def test_a_write_side_that_was_given_back_meanwhile_is_not_downgraded(process, trouble):
    writer = write(process)
    process.release(writer)
    process.driver.script = [trouble]
    acquisition = process.locks.downgrade(writer, SLOTS)
    with pytest.raises(LockLost) as lost:
        process.driver.run(acquisition.run())
    assert lost.value.reason is LossReason.RELEASED


@pytest.mark.parametrize("late", [0.0, 3 * LEASE])
@pytest.mark.parametrize("rival", ["reader", "writer"])
def test_a_write_side_that_was_lost_is_not_downgraded(process, other, rival, late):
    writer = write(process)
    (read if rival == "reader" else write)(other)
    process.driver.now += late
    acquisition = process.locks.downgrade(writer, SLOTS)
    with pytest.raises(LockLost):
        process.driver.run(acquisition.run())
    for grant in acquisition.granted:
        process.release(grant)
    assert len(held(other)) == 1


def test_a_write_side_whose_lease_ran_out_on_the_way_is_not_downgraded(process):
    writer = write(process)
    process.driver.now = writer.until - 1
    process.driver.script = [after(2.0)]
    acquisition = process.locks.downgrade(writer, SLOTS, lease=timedelta(seconds=60))
    with pytest.raises(LockLost) as lost:
        process.driver.run(acquisition.run())
    assert lost.value.reason is LossReason.LEASE_RAN_OUT


def test_a_write_side_that_cannot_be_given_back_is_a_reader_all_the_same(process, other, caplog):
    writer = write(process)
    process.driver.script = [None, *[unreachable] * 1000]
    reader = downgrade(process, writer)
    assert "ends with its lease" in caplog.text
    process.driver.script = []
    assert held(process) == ["a", reader.name]
    give_up(other, "read", 1.0)
    process.release(reader)
    # The slot stays closed until the write side is over, which could still commit.
    give_up(other, "read", 1.0)
    assert read(other)


def test_a_downgrade_that_finds_no_store_leaves_the_write_side_held(process):
    writer = write(process)
    process.driver.script = [unreachable] * 1000
    began = process.driver.now
    with pytest.raises(ServiceUnavailable):
        downgrade(process, writer)
    assert process.driver.now - began < DOWNGRADING + 2
    process.driver.script = []
    assert not writer.over
    guarded_write(process, writer)
    assert process.release(writer)
