"""Readers are in together, a writer alone: what they ask of the store, and who is kept out."""

from datetime import timedelta

import pytest

from tests.unit.locks.conftest import Process
from tests.unit.locks.sides import SLOTS, calls_of, give_up, held, read, row, side, stay, write

# What it costs.


def test_a_reader_asks_once_and_once_to_leave(process):
    process.release(read(process))
    grant, sent = calls_of(process, lambda: read(process))
    assert sent == ["UpdateItem"]
    assert calls_of(process, lambda: process.release(grant)) == (True, ["UpdateItem"])


def test_the_first_reader_of_a_client_asks_for_the_slots_and_the_writer_too(process, other):
    process.release(read(process))
    assert calls_of(other, lambda: read(other))[1] == ["UpdateItem", "GetItem", "UpdateItem"]


def test_a_slot_that_is_new_is_opened_first(process):
    sent = calls_of(process, lambda: read(process))[1]
    attempt, opening = ["UpdateItem", "GetItem"], ["TransactWriteItems", "UpdateItem"]
    assert sent == ["UpdateItem", "GetItem", *attempt, *opening]


def test_a_writer_asks_three_times_and_once_to_leave(process):
    process.release(write(process))
    grant, sent = calls_of(process, lambda: write(process))
    assert sent == ["UpdateItem", "TransactWriteItems", "BatchGetItem"]
    assert calls_of(process, lambda: process.release(grant)) == (True, ["UpdateItem"])


def test_a_reader_after_a_writer_asks_twice_more(process, other):
    process.release(read(process))
    other.release(write(other))
    assert calls_of(process, lambda: read(process))[1] == ["UpdateItem", "GetItem", "UpdateItem"]


def test_a_reader_that_waits_for_a_slot_asks_nothing_of_the_door(process, other):
    grants = [read(process) for _ in range(SLOTS)]
    other.driver.during_sleep = [lambda: process.release(grants[0])]
    assert calls_of(other, lambda: read(other))[1].count("GetItem") == 1


# Who is in with whom.


def test_as_many_readers_as_there_are_slots_and_no_writer(process, other):
    grants = [read(process) for _ in range(SLOTS)]
    assert held(process) == ["a#0", "a#1", "a#2"]
    late = give_up(other, "read", 0.0)
    assert late.holder.held
    assert late.name.startswith("a#")
    give_up(other, "write", 1.0)
    assert held(process) == ["a#0", "a#1", "a#2"]
    for grant in grants:
        assert process.release(grant)
    assert other.release(write(other, 0.0))


@pytest.mark.parametrize("which", ["read", "write"])
@pytest.mark.parametrize("timeout", [0.0, 3.0])
def test_a_writer_keeps_all_others_out(process, other, which, timeout):
    grant = write(process)
    began = other.driver.now
    late = give_up(other, which, timeout)
    assert late.name == "a"
    assert late.holder.fencing_token == grant.fence
    assert other.driver.now - began < timeout + 1.0
    assert held(process) == ["a"]


def test_a_waiting_writer_keeps_new_readers_out_and_comes_in_when_the_last_one_leaves(
    process, other
):
    reader = read(process)
    refused = []

    def reader_comes():
        refused.append(give_up(process, "read", 0.0))

    other.driver.during_sleep = [
        lambda: None,
        reader_comes,
        lambda: process.release(reader),
    ]
    writer = write(other)
    assert refused[0].name == "a"
    assert held(process) == ["a"]
    assert refused[0].holder.fencing_token == writer.fence


@pytest.mark.parametrize(("which", "rival"), [("read", write), ("write", write), ("write", read)])
def test_who_waits_for_another_was_contended_and_knows_for_how_long(process, other, which, rival):
    grant = rival(other)
    acquisition = side(process, which)
    process.driver.during_sleep = [lambda: None, lambda: other.release(grant)]
    began = process.driver.now
    assert (acquisition.contended, acquisition.waited) == (False, 0.0)
    process.driver.run(acquisition.run())
    assert acquisition.contended
    assert acquisition.waited == process.driver.now - began


@pytest.mark.parametrize("which", ["read", "write"])
def test_who_is_alone_was_not_contended(process, which):
    process.release(write(process))
    acquisition = side(process, which)
    process.driver.run(acquisition.run())
    assert not acquisition.contended


@pytest.mark.parametrize(("which", "rival"), [("read", write), ("write", write), ("write", read)])
def test_who_waited_in_vain_is_told_for_how_long(process, other, which, rival):
    grant = rival(process)
    other.driver.during_sleep = stay(process, grant)
    late = give_up(other, which, 30.0)
    assert late.waited.total_seconds() == pytest.approx(30.0, abs=0.1)


@pytest.mark.parametrize("draw", [0.0, 0.5])
def test_a_writer_looks_at_readers_about_once_in_its_poll(process, draw):
    waiter = Process(process.driver.store, poll=1.5)
    waiter.driver.draw = draw
    waiter.driver.during_sleep = stay(process, read(process))
    give_up(waiter, "write", 12.0)
    looks = waiter.driver.operations().count("BatchGetItem")
    pause = 1.5 * (0.5 + draw)
    assert abs(looks - 12.0 / pause) <= 3  # it renews its own lock meanwhile


def test_a_writer_looks_again_when_the_first_lease_of_a_reader_is_over(process):
    short, long = (
        process.driver.run(process.locks.read("a", SLOTS, lease=timedelta(seconds=lease)).run())
        for lease in (3, 20)
    )
    waiter = Process(process.driver.store, poll=60.0)
    waiter.driver.during_sleep = [lambda: process.release(long)]
    began = waiter.driver.now
    write(waiter)
    assert 3.0 <= waiter.driver.now - began < 3.3
    assert row(process, short.name)["fence"]["N"] > str(short.fence)


def test_a_writer_waits_for_each_of_several_readers(process, other):
    readers = [read(process) for _ in range(2)]
    other.driver.during_sleep = [lambda: process.release(readers.pop()) for _ in range(2)]
    write(other)
    assert readers == []
    assert held(process) == ["a"]


def test_a_writer_that_gives_up_opens_the_door_again(process, other):
    reader = read(process)
    give_up(other, "write", 2.0)
    again = read(process, 0.0)
    assert {reader.name, again.name} < {"a#0", "a#1", "a#2"}


def test_the_fences_of_both_sides_rise(process):
    for which in (read, write):
        fences = []
        for _ in range(4):
            grant = which(process, readers=1)
            fences.append(grant.fence)
            process.release(grant)
        assert fences == sorted(set(fences))
        process.driver.store.contents.items.clear()
        process.driver.now += 3600


def test_a_writer_whose_lock_was_given_back_meanwhile_begins_again(process, other):
    reader = read(process)
    acquisition = side(other, "write")
    other.driver.during_sleep = [
        lambda: other.release(acquisition.granted[-1]),
        lambda: process.release(reader),
    ]
    grant = other.driver.run(acquisition.run())
    assert not grant.over
    assert held(other) == ["a"]
