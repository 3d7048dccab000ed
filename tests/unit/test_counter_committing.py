"""The commit of a change of a counter's layout: one at most on what was seen, and no late copy."""

import pytest

from interlock._protocol.counters.committing import change_header, commit, transact
from interlock._protocol.counters.escrow import Write, updates
from interlock._protocol.counters.layout import integer, number
from interlock._protocol.counters.reading import snapshot
from interlock._protocol.faults import NotSent, Refused
from interlock.errors import OutcomeUnknown
from tests.unit.test_counter_adding import BORROW, WRITE, budget, handle
from tests.unit.test_counter_keyed import LOST, World


@pytest.fixture
def world():
    world = World()
    world.lay_out(2)
    return world


def change(world, *, demanded=None):
    """Change both items as they are seen, or the second only where its value is another."""
    used = handle(shards=2)
    seen = world.run(snapshot(used, budget()))
    header = world.run(change_header(used, seen))
    header.sets.append("span = :span")
    header.values[":span"] = number(9)
    shard = Write("t", used.key(1), ["up = :up"], ["#value = :demanded"])
    shard.names["#value"] = "value"
    shard.values = {":up": number(9), ":demanded": number(demanded or 0)}
    world.requests.clear()
    return commit(used, updates([header, shard]), seen, budget())


def changed(world):
    spans, ups = integer(world.item(0), "span"), integer(world.item(1), "up")
    return (spans == 9, ups == 9)


def by_another(world, revision=8):
    return lambda: world.change(0, revision=number(revision))


def test_both_items_are_changed_and_the_revision_is_new(world):
    assert world.run(change(world)) is True
    assert world.calls == [BORROW]
    assert changed(world) == (True, True)
    assert integer(world.item(), "revision") != 7


def test_a_change_on_what_was_seen_is_the_only_one(world):
    first, second = change(world), change(world)
    assert world.run(first) is True
    assert world.run(second) is False


def test_a_refusal_of_which_no_copy_is_under_way_needs_no_more(world):
    operation = change(world)
    world.before = {0: by_another(world)}
    assert world.run(operation) is False
    assert world.calls == [BORROW]
    assert changed(world) == (False, False)
    assert integer(world.item(), "revision") == 8


def test_a_lost_request_is_sent_again_under_its_token_and_counts_once(world):
    world.instead = {0: LOST}
    operation = change(world)
    assert world.run(operation) is True
    tokens = [params["ClientRequestToken"] for _, params in world.requests[-2:]]
    assert world.calls == [BORROW, BORROW]
    assert tokens[0] == tokens[1]


def test_a_copy_that_demands_a_revision_that_is_gone_can_do_no_harm(world):
    operation = change(world)
    world.instead, world.before = {0: LOST}, {1: by_another(world)}
    assert world.run(operation) is False
    assert world.calls == [BORROW, BORROW]
    assert world.late(0).reasons
    assert changed(world) == (False, False)


def test_a_copy_of_a_counter_that_is_gone_can_do_no_harm(world):
    world.change(0, revision=number(0))  # as an item that is absent has none
    operation = change(world)
    world.instead, world.before = {0: LOST}, {1: lambda: world.delete(2)}
    assert world.run(operation) is False
    assert world.calls == [BORROW, BORROW]
    assert world.late(0).reasons


def test_a_copy_that_may_succeed_yet_finds_its_revision_ended(world):
    operation = change(world, demanded=5)
    world.instead = {0: LOST}
    assert world.run(operation) is False
    assert world.calls == [BORROW, BORROW, WRITE]
    assert integer(world.item(), "revision") != 7
    world.change(1, value=number(5))  # as the copy demands
    assert world.late(0).reasons
    assert changed(world) == (False, False)


def test_a_copy_that_the_header_refused_for_another_reason_finds_its_revision_ended(world):
    used = handle(shards=2)
    seen = world.run(snapshot(used, budget()))
    header = world.run(change_header(used, seen))
    header.conditions.append("attribute_not_exists(era)")
    world.requests.clear()
    world.instead = {0: LOST}
    assert world.run(commit(used, updates([header]), seen, budget())) is False
    assert world.calls == [BORROW, BORROW, WRITE]
    item = {name: value for name, value in world.item().items() if name != "era"}
    world.store.perform("PutItem", {"TableName": "t", "Item": item})
    assert world.late(0).reasons


@pytest.mark.parametrize("fault", [NotSent("no"), LOST, Refused("AccessDeniedException", "no")])
def test_a_revision_that_cannot_be_ended_leaves_the_outcome_open(world, fault):
    operation = change(world, demanded=5)
    world.instead = {0: LOST, **dict.fromkeys(range(2, 50), fault)}
    with pytest.raises(OutcomeUnknown):
        world.run(operation)


def test_a_revision_that_is_gone_when_it_is_to_be_ended_leaves_the_outcome_open(world):
    """Of the change that came first it is not known whether it was the copy."""
    operation = change(world, demanded=5)
    world.instead, world.before = {0: LOST}, {2: by_another(world)}
    with pytest.raises(OutcomeUnknown):
        world.run(operation)


def test_each_transaction_has_a_token_of_its_own(world):
    tokens = set()
    for _ in range(3):
        write = Write("t", handle().key(1), ["up = :up"], ["attribute_exists(pk)"])
        write.values = {":up": number(9)}
        assert world.run(transact(updates([write]), budget())) is None
        tokens.add(world.requests[-1][1]["ClientRequestToken"])
    assert len(tokens) == 3
