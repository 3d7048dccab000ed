"""Adding and moving with a key, call by call: once, and a refusal is true for late copies too."""

from typing import Any

import pytest

from interlock._protocol.counters import ledger
from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.keyed import add_once
from interlock._protocol.counters.layout import era_of, integer, number
from interlock._protocol.counters.ledger import Once
from interlock._protocol.counters.reading import CounterState
from interlock._protocol.counters.settling import sweep
from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock.errors import (
    CorruptRecord,
    CounterChanged,
    CounterLimitExceeded,
    CounterMismatch,
    IdempotencyMismatch,
    OutcomeUnknown,
    RequestRefused,
    ServiceUnavailable,
    TransactionConflict,
)
from tests.unit.test_counter_adding import (
    BORROW,
    READ_ALL,
    READ_ONE,
    WRITE,
    budget,
    handle,
)
from tests.unit.test_counter_adding import World as Given

LOST = NoReply("lost")


class World(Given):
    """A world whose answers may be lost after a call was carried out, too."""

    def __init__(self):
        super().__init__()
        self.requests: list[tuple[str, Any]] = []
        self.lost_replies: set[int] = set()

    def _perform(self, call):
        position = len(self.calls)
        self.requests.append((call.operation, call.params))
        reply = super()._perform(call)
        if position in self.lost_replies:
            raise LOST
        return reply

    def add(self, amount, used=None, key="k", expected=None, draws=()):
        operation = add_once(used or handle(), amount, once(key), budget(), expected)
        return self.run(operation, *draws)

    def late(self, position):
        """Let a copy of a request of the last operation arrive now."""
        operation, params = self.requests[len(self.requests) - len(self.calls) + position]
        with pytest.raises(Refused) as refused:
            self.store.perform(operation, params)
        return refused.value

    def record(self, key="k"):
        return self.store.item("t", handle().record_key(key)["pk"]["S"])


@pytest.fixture
def world():
    return World()


def once(key="k"):
    return Once(key, 3600.0)


def known(world, shards=1, **attributes):
    """Lay a counter out, and return a handle that knows it."""
    world.lay_out(shards, **attributes)
    used = handle(shards=shards)
    used.eras = dict.fromkeys(range(shards), f"{shards}.e")
    return used


# Once.


def test_a_key_of_a_counter_that_is_known_takes_a_look_for_its_record_and_one_write(world):
    used = known(world)
    change = world.add(3, used)
    assert (change.value, change.amount, change.shard, change.replayed) == (53, 3, None, False)
    assert world.calls == [READ_ONE, WRITE]
    assert world.add(4, used, "l").value == 57
    assert world.calls == [READ_ONE, WRITE]


def test_the_first_change_makes_the_counter_and_counts_once(world):
    assert world.add(3).value == 3
    again = world.add(3)
    assert (again.value, again.replayed) == (3, True)
    assert world.values(1) == [3]


def test_the_same_handle_replays_too(world):
    used = known(world)
    first = world.add(3, used)
    again = world.add(3, used)
    assert (again.value, again.amount, again.shard, again.replayed) == (first.value, 3, None, True)
    assert world.values(1) == [53]


@pytest.mark.parametrize("fresh", [True, False])
def test_another_amount_under_the_same_key_is_a_mismatch(world, fresh):
    used = known(world)
    world.add(3, used)
    with pytest.raises(IdempotencyMismatch):
        world.add(4, None if fresh else used)
    assert world.values(1) == [53]


def test_a_change_is_written_to_the_home_of_its_key_and_says_so(world):
    used = known(world, 4)
    home = once().home(4)
    change = world.add(3, used)
    assert change.shard == home
    assert change.value == integer(world.item(home), "value")
    again = world.add(3, handle())
    assert (again.shard, again.value, again.replayed) == (home, change.value, True)


def test_a_counter_that_is_another_than_declared_is_refused_as_it_is_read(world):
    world.lay_out()
    with pytest.raises(CounterMismatch):
        world.add(3, handle(Bounds(0, 10)))
    assert world.calls == [READ_ONE]


def test_a_record_outlives_its_counter(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT):
        world.add(1, used, f"k{number_}")
    world.delete(1)
    again = world.add(1, handle(), "k0")
    assert (again.value, again.replayed) == (51, True)
    assert world.item() is None


def test_the_first_change_beyond_a_bound_makes_no_counter(world):
    with pytest.raises(CounterLimitExceeded) as full:
        world.add(5, handle(Bounds(5, 9)))
    assert (full.value.value, full.value.floor, full.value.ceiling) == (5, 5, 9)
    assert world.item() is None
    assert world.add(4, handle(Bounds(5, 9))).value == 9


# Replies that are lost.


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
    assert world.calls == [READ_ONE, WRITE]
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
    assert world.calls[:4] == [READ_ONE, WRITE, WRITE, WRITE]


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
    assert world.calls[:7] == [READ_ONE, WRITE, WRITE, WRITE, READ_ONE, READ_ALL, WRITE]
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
    assert world.calls[:2] == [READ_ONE, WRITE]
    assert world.values(1) == [50]


def test_a_counter_that_another_makes_meanwhile_is_the_one(world):
    world.before = {3: world.lay_out}
    assert world.add(3).value == 53
    assert world.values(1) == [53]
    assert world.pauses == 1


# Eras.


def test_a_change_that_finds_the_era_ended_looks_again_and_counts_once(world):
    used = known(world)
    world.change(0, era={"S": "1.f"})
    assert world.add(3, used).value == 53
    assert used.eras == {0: "1.f"}
    assert world.values(1) == [53]


def test_a_key_that_moved_to_its_record_in_between_is_found_there(world):
    used = known(world)
    other = handle(shards=1)
    other.eras = {0: "1.e"}

    def by_another():
        keeper = World()
        keeper.store = world.store
        for name in ("k", *(f"k{i}" for i in range(ledger.SWEPT_AT))):
            keeper.add(3, other, name)

    world.before = {1: by_another}
    change = world.add(3, used)
    assert (change.value, change.replayed) == (53, True)
    assert world.values(1) == [50 + 3 * (1 + ledger.SWEPT_AT)]


def test_a_ledger_is_swept_by_the_writer_that_fills_it(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT - 1):
        world.add(1, used, f"k{number_}")
        assert world.calls == [READ_ONE, WRITE]
    assert world.record("k0") is None
    world.add(1, used, "last")
    assert world.calls == [READ_ONE, WRITE, BORROW, WRITE]
    assert ledger.entries(world.item()) == []
    assert integer(world.item(), "kept") == 0
    assert integer(world.record("k0"), "value") == 51
    assert used.eras == {0: era_of(world.item())}


def test_a_full_ledger_is_swept_before_the_next_entry(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT - 1):
        world.add(1, used, f"k{number_}")
    world.change(0, kept=number(ledger.MOST_KEPT))
    assert world.add(1, used).value == 50 + ledger.SWEPT_AT
    assert world.record("k0") is not None


def test_a_ledger_that_others_fill_each_time_is_told_when_no_attempt_is_left(world):
    used = known(world)
    world.before = dict.fromkeys(range(200), lambda: world.change(0, kept=number(ledger.MOST_KEPT)))
    with pytest.raises(TransactionConflict):
        world.add(1, used)
    assert world.values(1) == [50]


def test_a_sweep_that_fails_undoes_no_change(world):
    used = known(world)
    for number_ in range(ledger.SWEPT_AT - 1):
        world.add(1, used, f"k{number_}")
    world.instead = {2: Refused("AccessDeniedException", "no")}
    assert world.add(1, used).value == 50 + ledger.SWEPT_AT
    assert world.record("k0") is None


def test_a_home_that_is_gone_is_looked_for_and_the_counter_made_anew(world):
    used = handle(shards=2, declared_shards=2)
    used.eras = {0: "2.e", 1: "2.e"}
    assert world.add(3, used).value == 3
    assert sum(world.values(2)) == 3
    assert world.pauses == 1


def test_a_counter_of_another_layout_is_settled_first(world):
    world.lay_out(2)
    for index in range(2):
        world.change(index, era={"S": "3.old"})
    used = handle(shards=2)
    change = world.add(3, used)
    assert era_of(world.item(0)) == era_of(world.item(1)) != "3.old"
    assert change.shard == once().home(2)
    assert sum(world.values(2)) == 53


# Borrowing.


def lacking(world):
    """Lay out a counter in which the home of the key has no room, and the others have."""
    home = once().home(3)
    return known(world, 3, up=[1 if i == home else 4 for i in range(3)]), home


def test_a_home_that_lacks_room_borrows_and_enters_the_key(world):
    used, home = lacking(world)
    change = world.add(5, used)
    assert (change.shard, change.replayed) == (home, False)
    assert change.value == integer(world.item(home), "value")
    assert world.calls == [READ_ONE, WRITE, READ_ALL, BORROW]
    assert world.add(5, handle()).replayed
    assert sum(world.values(3)) == 55


def test_a_counter_is_full_only_when_all_of_it_is(world):
    used, _ = lacking(world)
    with pytest.raises(CounterLimitExceeded) as full:
        world.add(10, used)
    assert (full.value.value, full.value.floor, full.value.ceiling) == (50, 0, 99)
    assert world.add(9, used, "k").amount == 9
    assert sum(world.values(3)) == 59


def test_a_loan_whose_reply_was_lost_counts_once(world):
    used, _ = lacking(world)
    world.lost_replies = {3}
    assert world.add(5, used).replayed
    assert sum(world.values(3)) == 55


def test_a_loan_that_is_refused_in_doubt_cannot_be_made_later(world):
    used, home = lacking(world)
    lender = (home + 1) % 3
    world.instead = {3: LOST}
    world.before = {
        4: lambda: [world.change(i, up=number(0)) for i in range(3)],
    }
    with pytest.raises(CounterLimitExceeded):
        world.add(5, used)
    for index in range(3):
        world.change(index, up=number(9))
    assert world.late(3).reasons
    assert integer(world.item(lender), "up") == 9
    assert sum(world.values(3)) == 50


def test_a_borrower_whose_key_was_entered_by_another_meanwhile_replays(world):
    used, _ = lacking(world)

    def by_another():
        twin = World()
        twin.store = world.store
        twin.add(5, handle())

    world.before = {3: by_another}
    assert world.add(5, used).replayed
    assert sum(world.values(3)) == 55


def test_a_key_that_was_entered_and_swept_before_the_counter_was_full_replays(world):
    used, home = lacking(world)

    def by_another():
        twin = World()
        twin.store, other = world.store, handle()
        twin.add(5, other)
        twin.run(sweep(other, home, world.item(home), budget()))

    world.before = {2: by_another}
    assert world.add(5, used).replayed
    assert sum(world.values(3)) == 55


# While the counter is as expected.


def expected(value=50, shards=1):
    return CounterState("c", value, 0, 99, shards)


def test_a_change_is_made_while_the_counter_is_as_expected(world):
    change = world.add(3, known(world), expected=expected())
    assert (change.value, change.replayed) == (53, False)
    assert WRITE not in world.calls


def test_what_was_done_under_the_key_counts_before_what_is_expected(world):
    used = known(world)
    world.add(3, used, expected=expected())
    assert world.add(3, used, expected=expected()).replayed
    with pytest.raises(CounterChanged):
        world.add(3, used, "l", expected=expected())
    assert world.values(1) == [53]


def swept_by_another(world):
    twin = World()
    twin.store, other = world.store, handle()
    twin.add(3, other, expected=expected())
    twin.run(sweep(other, 0, world.item(), budget()))


@pytest.mark.parametrize("deleted", [False, True])
def test_what_was_done_under_the_key_counts_though_its_entry_has_moved_meanwhile(world, deleted):
    used = known(world)

    def by_another():
        swept_by_another(world)
        if deleted:
            world.delete(1)

    world.before = {1: by_another}
    assert world.add(3, used, expected=expected()).replayed


@pytest.mark.parametrize(("shards", "index"), [(1, 0), (2, 0), (2, 1)])
def test_a_write_in_between_is_found_by_the_store(world, shards, index):
    used = known(world, shards)
    world.before = {2: lambda: world.change(index, value=number(7))}
    with pytest.raises(CounterChanged):
        world.add(3, used, expected=expected(shards=shards))
    assert world.values(shards) == [7 if i == index else 50 * (i == 0) for i in range(shards)]


def test_eras_that_others_end_each_time_are_told_when_no_attempt_is_left(world):
    used = known(world)

    def by_another():
        world.change(0, era={"S": f"1.{len(world.calls)}"})

    world.before = dict.fromkeys(range(200), by_another)
    with pytest.raises(TransactionConflict):
        world.add(3, used, expected=expected())
    assert world.values(1) == [50]


def test_a_counter_that_is_not_there_is_not_as_expected(world):
    with pytest.raises(CounterChanged):
        world.add(3, expected=expected())
    assert world.item() is None
