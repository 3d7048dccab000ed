"""Readers and writers that are dead, or late: each is followed, and cannot commit after that."""

import pytest

from interlock._protocol.faults import Refused
from interlock.errors import LossReason
from tests.unit.locks.scripted import after, carry_out, lose_request
from tests.unit.locks.sides import (
    LEASE,
    SLOTS,
    drop,
    give_up,
    guarded_write,
    held,
    read,
    row,
    write,
)


def test_a_reader_presumed_dead_cannot_commit(process, other):
    reader = read(process)
    began = other.driver.now
    writer = write(other)
    assert LEASE <= other.driver.now - began < LEASE + 2
    with pytest.raises(Refused):
        guarded_write(process, reader)
    guarded_write(other, writer)
    process.driver.now += 1.0
    process.renew(reader)
    assert reader.loss is LossReason.TAKEN_OVER


def test_a_writer_that_waits_renews_its_own_lock(process, other):
    reader = read(process)
    for _ in range(200):
        other.driver.during_sleep.append(lambda: process.renew(reader))
    give_up(other, "write", 3 * LEASE)
    assert held(process) == [reader.name]
    renewals = [params for _, params in other.driver.calls if ":lease" in str(params)]
    assert len(renewals) >= 10


@pytest.mark.parametrize("stage", ["UpdateItem", "TransactWriteItems"])
def test_a_writer_that_dies_while_the_door_is_closed_is_ended_by_a_reader(process, other, stage):
    process.release(read(process))

    class Killed(Exception):
        pass

    def kill(driver, operation, params):
        reply = carry_out(driver, operation, params)
        if operation == stage and params.get("Key") != {"pk": {"S": "lock#a#slots"}}:
            raise Killed
        driver.script.append(kill)
        return reply

    other.driver.script = [kill]
    with pytest.raises(Killed):
        write(other)
    began = process.driver.now
    read(process)
    waited = process.driver.now - began
    assert waited < LEASE + 2
    assert (waited >= LEASE) == (stage == "TransactWriteItems")


def test_a_dead_writer_cannot_commit_when_a_reader_is_in(process, other):
    writer = write(process)
    reader = read(other)
    with pytest.raises(Refused):
        guarded_write(process, writer)
    guarded_write(other, reader)
    process.driver.now += 1.0
    process.renew(writer)
    assert writer.loss is LossReason.TAKEN_OVER


def test_a_reader_that_never_waits_comes_in_after_a_dead_writer_too(process, other):
    write(process)
    give_up(other, "read", 0.0)
    other.driver.now += LEASE
    assert read(other, 0.0)


def test_a_writer_that_never_waits_comes_in_after_a_dead_reader_too(process, other):
    read(process)
    give_up(other, "write", 0.0)
    other.driver.now += LEASE
    assert write(other, 0.0)


@pytest.mark.parametrize("step", [2, 3])
def test_a_writer_whose_lease_ran_out_on_the_way_begins_again_at_once(process, step):
    process.driver.script = [*[None] * step, after(LEASE + 1)]
    began = process.driver.now
    grant = write(process)
    assert process.driver.now < grant.until
    assert process.driver.now - began < LEASE + 3
    guarded_write(process, grant)


def test_a_writer_whose_heartbeat_is_answered_when_its_lease_is_over_begins_again(process):
    process.driver.script = [*[None] * 3, after(LEASE / 2), after(LEASE)]
    grant = write(process)
    assert process.driver.now < grant.until
    guarded_write(process, grant)


def test_a_writer_whose_renewed_lease_ran_out_begins_again_at_once(process, other):
    reader, woke, jumps = read(other), list[float](), process.driver.now + 8.0

    def pause():
        if not woke and process.driver.now >= jumps:
            other.release(reader)
            process.driver.now += LEASE + 1
            woke.append(process.driver.now)
        elif not woke:
            other.renew(reader)

    process.driver.during_sleep = [pause] * 10_000
    grant = write(process)
    assert process.driver.now - woke[0] < 1.0
    guarded_write(process, grant)


@pytest.mark.parametrize("readers", [1, SLOTS])
@pytest.mark.parametrize("trouble", [None, lose_request])
def test_a_writer_that_another_has_followed_comes_in_after_that_one(
    process, other, readers, trouble
):
    fences = []

    def followed(driver, operation, params):
        rival = write(other, readers=readers)
        fences.append(rival.fence)
        other.release(rival)
        driver.script = [None, trouble]  # a look, and the heartbeat
        return carry_out(driver, operation, params)

    process.driver.script = [None, None, followed]
    grant = write(process, readers=readers)
    assert grant.fence > fences[0]
    assert held(process) == ["a"]
    closings = [params for _, params in process.driver.calls if ":door" in str(params)]
    assert len(closings) == 2  # the late one, and its own


def test_a_slot_whose_row_is_gone_before_it_was_seen_closed_is_closed_again(process):
    def gone(driver, operation, params):
        drop(process, "a#1")
        return carry_out(driver, operation, params)

    process.driver.script = [None, None, None, gone]
    grant = write(process)
    assert row(process, "a#1")["door"] == {"N": str(grant.fence)}
