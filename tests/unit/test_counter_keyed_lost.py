"""Adding with a key when replies are lost: once, and a refusal is true for late copies too."""

import pytest

from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.layout import era_of, number
from interlock._protocol.faults import NotSent, Refused
from interlock.errors import (
    CorruptRecord,
    CounterLimitExceeded,
    CounterMismatch,
    IdempotencyMismatch,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
)
from tests.unit.test_counter_adding import READ_ALL, READ_ONE, WRITE, handle
from tests.unit.test_counter_keyed import LOST, World, known


@pytest.fixture
def world():
    return World()


def test_a_change_whose_reply_was_lost_counts_once(world):
    used = known(world)
    world.lost_replies = {1}
    change = world.add(3, used)
    assert (change.value, change.replayed) == (53, True)
    assert world.values(1) == [53]


def test_a_change_whose_request_was_lost_counts_once(world):
    used = known(world)
    world.instead = {1: LOST}
    change = world.add(3, used)
    assert change.value == 53
    assert world.values(1) == [53]


def test_full_is_said_only_when_no_late_copy_can_make_it_untrue(world):
    used = known(world, up=[2])
    world.instead = {1: LOST}
    with pytest.raises(CounterLimitExceeded):
        world.add(3, used)
    world.change(0, up=number(49))  # there is room again, and then the first copy comes
    assert world.late(1).condition_failed
    assert world.values(1) == [50]


def test_full_is_said_at_once_where_no_copy_is_under_way(world):
    used = known(world, up=[2])
    era = era_of(world.item())
    with pytest.raises(CounterLimitExceeded) as full:
        world.add(3, used)
    assert (full.value.value, full.value.floor, full.value.ceiling) == (50, 0, 99)
    assert world.calls == [READ_ALL, WRITE]
    assert era_of(world.item()) == era


def test_a_counter_is_called_another_only_when_no_late_copy_can_land(world):
    world.lay_out()
    used = handle(Bounds(0, 10), shards=1)
    used.eras = {0: "1.e"}
    world.change(0, up=number(0))
    world.instead = {1: LOST}
    with pytest.raises(CounterMismatch):
        world.add(3, used)
    world.change(0, up=number(49))
    assert world.late(1).condition_failed


@pytest.mark.parametrize(("fault", "error"), [(LOST, OutcomeUnknown), (NotSent("no"), None)])
def test_what_is_not_answered_is_unknown_and_what_was_not_sent_is_not(world, fault, error):
    used = known(world)
    world.instead = dict.fromkeys(range(1, 50), fault)
    with pytest.raises(error or ServiceUnavailable):
        world.add(3, used)


def test_what_is_known_of_an_earlier_copy_is_not_forgotten_by_a_later_fault(world):
    used = known(world)
    world.instead = {1: LOST, **dict.fromkeys(range(2, 50), NotSent("no"))}
    with pytest.raises(OutcomeUnknown):
        world.add(3, used)


@pytest.mark.parametrize("fault", [NotSent("no"), Refused("AccessDeniedException", "no")])
def test_a_copy_whose_era_cannot_be_ended_leaves_the_outcome_open(world, fault):
    used = known(world, up=[2])
    world.instead = {1: LOST, **dict.fromkeys(range(3, 50), fault)}
    with pytest.raises(OutcomeUnknown):
        world.add(3, used)
    assert world.calls[:4] == [READ_ALL, WRITE, WRITE, WRITE]


def test_a_mismatch_is_told_though_a_copy_is_under_way(world):
    used = known(world)

    def by_another():
        twin = World()
        twin.store = world.store
        twin.add(4, handle())

    world.instead, world.before = {1: LOST}, {2: by_another}
    with pytest.raises(IdempotencyMismatch):
        world.add(3, used)
    assert world.values(1) == [54]
    assert world.late(1).condition_failed


def test_what_fails_after_a_copy_was_ended_is_certain(world):
    used = known(world, up=[2])
    # The write, its repetition, which finds no room, the end of the era; then a look at the shard
    # and for the record, and the next write.
    world.instead = {1: LOST, **dict.fromkeys(range(6, 50), NotSent("no"))}
    with pytest.raises(ServiceUnavailable):
        world.add(3, used)
    assert world.calls[:7] == [READ_ALL, WRITE, WRITE, WRITE, READ_ONE, READ_ALL, WRITE]
    world.change(0, up=number(49))
    assert world.late(1).condition_failed


def test_an_era_that_another_call_learned_says_nothing_of_a_copy_that_is_in_doubt(world):
    used = known(world, up=[2])

    def lands_late():
        world.change(0, up=number(49))
        world.store.perform(*world.requests[1])
        twin = World()
        twin.store = world.store
        twin.add(1, used, "l")

    # The write, its repetition, which finds no room, and the end of the era; then a look.
    world.before = {3: lands_late}
    world.instead = {1: LOST, **dict.fromkeys(range(5, 50), NotSent("no"))}
    change = world.add(3, used)
    assert (change.value, change.replayed) == (53, True)


def test_what_is_refused_once_the_counter_is_deleted_is_certain(world):
    world.lay_out()
    used = handle(Bounds(0, 2), shards=1)
    used.eras = {0: "1.e"}
    world.instead, world.before = {1: LOST}, {2: lambda: world.delete(1)}
    with pytest.raises(CounterLimitExceeded):
        world.add(3, used)
    world.lay_out(up=[49])
    world.change(0, era={"S": "1.f"})
    assert world.late(1).condition_failed


def test_a_write_that_a_corrupt_item_refuses_is_told_by_that(world):
    used = known(world)
    world.change(0, up={"S": "x"})
    with pytest.raises(CorruptRecord) as corrupt:
        world.add(3, used)
    assert corrupt.value.attribute == "up"


def test_a_write_that_is_refused_for_another_reason_is_told_by_that(world):
    used = known(world)
    world.instead = {1: Refused("ValidationException", "why")}
    with pytest.raises(RequestRefused):
        world.add(3, used)
    assert world.calls[:2] == [READ_ALL, WRITE]
    assert world.values(1) == [50]


def test_a_counter_that_another_makes_meanwhile_is_the_one(world):
    world.before = {3: world.lay_out}
    assert world.add(3).value == 53
    assert world.values(1) == [53]
    assert world.pauses == 1
