"""Readers are in together, a writer alone: what they ask of the store, and who is kept out."""

from collections import Counter
from datetime import timedelta

import pytest

from interlock._protocol.faults import CancellationReason, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.door import close_call
from interlock._protocol.locks.readers import DOWNGRADING, ReadAcquisition
from interlock._protocol.locks.writers import WriteAcquisition
from interlock._protocol.requests import Time
from interlock.errors import (
    AccessDenied,
    CorruptRecord,
    LockLost,
    LockTimeout,
    LossReason,
    ReadersMismatch,
    ServiceUnavailable,
    Throttled,
)
from tests.unit.locks.conftest import Process
from tests.unit.locks.scripted import (
    TABLE,
    after,
    carry_out,
    lose_reply,
    lose_request,
    refuse,
    send_twice,
    throttle,
    unreachable,
)

LEASE = 20.0
SLOTS = 3


def side(process, which, timeout=None, readers=SLOTS):
    wait = None if timeout is None else timedelta(seconds=timeout)
    acquisition = getattr(process.locks, which)("a", readers, timeout=wait)
    assert isinstance(acquisition, ReadAcquisition if which == "read" else WriteAcquisition)
    return acquisition


def read(process, timeout=None, readers=SLOTS):
    return process.driver.run(side(process, "read", timeout, readers).run())


def write(process, timeout=None, readers=SLOTS):
    return process.driver.run(side(process, "write", timeout, readers).run())


def downgrade(process, grant):
    return process.driver.run(process.locks.downgrade(grant, SLOTS).run())


def give_up(process, which, timeout):
    """Wait for a side in vain, as a client does: what was granted or may be is given back."""
    acquisition = side(process, which, timeout)
    with pytest.raises(LockTimeout) as caught:
        process.driver.run(acquisition.run())
    for grant in acquisition.granted:
        process.release(grant)
    process.driver.run(acquisition.abandon())
    return caught.value


def row(process, name):
    return process.driver.row(name) or {}


def held(process):
    names = ["a", *(f"a#{number}" for number in range(SLOTS))]
    return [name for name in names if "version" in row(process, name)]


def calls_of(process, work):
    before = len(process.driver.calls)
    result = work()
    return result, process.driver.operations()[before:]


def guarded_write(process, grant):
    put = {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "row"}}}}
    check = record.guard(TABLE, grant.name, grant.fence)
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [check, put]})


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


def stay(process, grant):
    """Let a holder renew its lock during each of the pauses to come."""

    def renew():
        process.renew(grant)

    return [renew] * 10_000


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


# Who is dead.


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


def drop(process, name):
    """Let a record be gone, as if it had been deleted."""
    process.driver.store.perform(
        "DeleteItem", {"TableName": TABLE, "Key": {"pk": {"S": f"lock#{name}"}}}
    )


def test_a_slot_whose_row_is_gone_before_it_was_seen_closed_is_closed_again(process):
    def gone(driver, operation, params):
        drop(process, "a#1")
        return carry_out(driver, operation, params)

    process.driver.script = [None, None, None, gone]
    grant = write(process)
    assert row(process, "a#1")["door"] == {"N": str(grant.fence)}


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
    kept = []

    def keep(_driver, operation, params):
        kept.append((operation, params))
        return lose_request(process.driver, operation, params)

    process.release(read(process))
    process.driver.script = [keep, *[unreachable] * 1000]
    with pytest.raises(ServiceUnavailable):
        process.driver.run(side(process, "read", 3.0).run())
    write(other)
    with pytest.raises(Refused):
        process.driver.store.perform(*kept[0])
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


# From the write side to the read side.


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
