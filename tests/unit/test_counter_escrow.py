"""The writes of a counter's items: each is safe on its own, whatever was written before it."""

from itertools import product

import pytest

from interlock._protocol.counters.bounds import Bounds
from interlock._protocol.counters.escrow import addition, borrowing, covered, keyed, updates
from interlock._protocol.counters.layout import (
    FORMAT,
    LISTING,
    Handle,
    Snapshot,
    integer,
    new_items,
    number,
    total,
)
from interlock._protocol.counters.ledger import MOST_KEPT, Once
from interlock._protocol.faults import Refused
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

NAME = "counter#c"


@pytest.fixture
def store():
    return Store(Table("t"))


def handle(bounds=None, **known):
    return Handle("t", "c", bounds or Bounds(), **known)


def put(store, *items):
    for item in items:
        store.perform("PutItem", {"TableName": "t", "Item": dict(item)})


def change(store, index, **attributes):
    key = NAME if index == 0 else f"{NAME}#{index}"
    put(store, {**store.item("t", key), **attributes})


def items(store, shards):
    return [store.item("t", NAME if i == 0 else f"{NAME}#{i}") for i in range(shards)]


def numbers(store, shards=1):
    return [
        tuple(integer(item, side) for side in ("value", "up", "down"))
        for item in items(store, shards)
    ]


def made(store, rooms, edge="up"):
    """Make a counter whose shards have so much room on one side, and 5 each on the other."""
    shards = len(rooms)
    laid_out = new_items(handle(), Bounds(0, 99), shards, 50, revision=7, era=f"{shards}.e")
    other = "down" if edge == "up" else "up"
    for item, room in zip(laid_out, rooms, strict=True):
        item |= {edge: number(room), other: number(5)}
    put(store, *laid_out)
    return Snapshot(items(store, shards))


def update(store, write):
    store.perform("UpdateItem", write.params())


def refused(store, write):
    before = store.item("t", NAME)
    with pytest.raises(Refused) as refusal:
        update(store, write)
    assert refusal.value.condition_failed
    assert store.item("t", NAME) == before
    return refusal.value.item


# Adding what a shard's own escrow covers.


@pytest.mark.parametrize("amount", [3, -3])
def test_a_shard_adds_up_to_all_of_its_escrow(store, amount):
    edge = "up" if amount > 0 else "down"
    made(store, [3], edge)
    update(store, covered(handle(), 0, amount))
    assert numbers(store) == [(53, 0, 8) if amount > 0 else (47, 8, 0)]
    assert refused(store, covered(handle(), 0, amount // 3)) == store.item("t", NAME)


@pytest.mark.parametrize(("form", "known"), [(None, True), (FORMAT, True), (FORMAT + 1, False)])
def test_what_a_newer_version_has_written_is_added_to_by_that_alone(store, form, known):
    (item,) = new_items(handle(), Bounds(0, 99), 1, 50, revision=7, era="1.e")
    item.pop("format")
    put(store, item | ({} if form is None else {"format": number(form)}))
    write = covered(handle(), 0, 1)
    if known:
        update(store, write)
    else:
        refused(store, write)


def test_a_write_may_take_attributes_out_beside_others(store):
    made(store, [9])
    change(store, 0, **{"done#k": number(1), "call#k": {"S": "text"}})
    write = covered(handle(), 0, 2)
    write.removed = ["done#k", "call#k"]
    update(store, write)
    assert numbers(store) == [(52, 7, 7)]
    assert not {"done#k", "call#k"} & store.item("t", NAME).keys()


def test_a_shard_that_is_being_folded_away_takes_nothing(store):
    made(store, [3, 3])
    change(store, 1, closed={"BOOL": True})
    refused(store, addition(handle(shards=2), 1, 1, 0))
    update(store, addition(handle(shards=2), 0, 1, 0))
    assert numbers(store, 2) == [(51, 2, 6), (0, 3, 5)]


def test_a_shard_that_is_not_there_is_not_made(store):
    for index in (0, 1):
        assert refused(store, addition(handle(shards=2), index, 1, 0)) is None


def test_a_shard_is_added_to_as_one_though_another_thread_has_forgotten_how_many_there_are(store):
    assert refused(store, addition(handle(shards=None), 1, 1, 0)) is None
    made(store, [3, 3])
    update(store, addition(handle(shards=None), 1, 1, 0))
    assert numbers(store, 2) == [(50, 3, 5), (1, 2, 6)]


# Adding to a counter of which nothing is known.


@pytest.mark.parametrize(
    ("bounds", "amount"),
    [
        *((Bounds(), amount) for amount in (2, -2)),
        *((Bounds(-5, 5), amount) for amount in (2, -2)),
        *((Bounds(-2, 2), amount) for amount in (2, -2)),
        (Bounds(-2, None), -2),
        (Bounds(None, 2), 2),
        (Bounds(3, 9), 6),
        (Bounds(-9, -3), -6),
    ],
)
def test_the_first_addition_makes_the_counter(store, bounds, amount):
    update(store, addition(handle(bounds), 0, amount, 7))
    (whole,) = new_items(handle(), bounds, 1, bounds.start + amount, revision=7, era="")
    expected = {name: whole[name] for name in whole.keys() - {"era", "kept", "format"}}
    assert store.item("t", NAME) == expected
    assert expected["listing"] == {"S": LISTING}
    update(store, addition(handle(bounds), 0, -amount, 8))
    assert integer(store.item("t", NAME), "revision") == 7
    assert integer(store.item("t", NAME), "value") == bounds.start


@pytest.mark.parametrize(
    ("bounds", "amount"), [(Bounds(0, 5), -1), (Bounds(0, 5), 6), (Bounds(3, 5), 3)]
)
def test_the_first_addition_is_within_the_bounds_or_makes_nothing(store, bounds, amount):
    assert refused(store, addition(handle(bounds), 0, amount, 7)) is None
    assert store.item("t", NAME) is None


def test_a_counter_of_several_shards_is_not_made_by_an_addition(store):
    refused(store, addition(handle(declared_shards=2), 0, 1, 7))
    update(store, addition(handle(declared_shards=1), 0, 1, 7))
    assert integer(store.item("t", NAME), "shards") == 1


@pytest.mark.parametrize(
    ("declared", "fits"),
    [
        ({}, True),
        ({"bounds": Bounds(0, 99)}, True),
        ({"bounds": Bounds(1, None)}, False),
        ({"bounds": Bounds(None, 98)}, False),
        ({"bounds": Bounds(0, 98)}, False),
        ({"declared_shards": 3}, True),
        ({"declared_shards": 2}, False),
        ({"declared_shards": 1}, False),
    ],
)
@pytest.mark.parametrize("amount", [1, -1, 1000])
def test_the_first_addition_compares_what_is_there_with_what_was_declared(
    store, declared, fits, amount
):
    made(store, [3, 3, 3])
    write = addition(handle(**declared), 0, amount, 8)
    if fits and amount != 1000:
        update(store, write)
        assert integer(store.item("t", NAME), "value") == 50 + amount
    else:
        refused(store, write)


@pytest.mark.parametrize("missing", ["value", "up", "down", "shards", "span"])
@pytest.mark.parametrize("amount", [1, -1])
def test_what_another_program_has_put_there_is_not_made_a_counter(store, missing, amount):
    (item,) = new_items(handle(), Bounds(), 1, 50, revision=7, era="1.e")
    put(store, {name: value for name, value in item.items() if name != missing})
    refused(store, addition(handle(), 0, amount, 8))


# Borrowing.


CASES = [
    (rooms, index, amount)
    for rooms in product(range(4), repeat=3)
    for index in range(3)
    for amount in (1, 2, 4, 7, -2, -5)
]


def test_all_escrow_together_covers_an_amount_or_the_counter_is_full():
    for rooms, index, amount in CASES:
        store = Store(Table("t"))
        edge, other = ("up", "down") if amount > 0 else ("down", "up")
        seen = made(store, rooms, edge)
        writes = borrowing(handle(), seen, index, amount)
        assert (writes is None) is (sum(rooms) < abs(amount))
        if writes is None:
            continue
        store.perform("TransactWriteItems", {"TransactItems": updates(writes)})
        after = items(store, 3)
        assert [integer(item, "value") for item in after] == [
            integer(item, "value") + (amount if i == index else 0)
            for i, item in enumerate(seen.items)
        ]
        assert total(after, edge) == sum(rooms) - abs(amount)
        assert total(after, other) == 15 + abs(amount)
        assert min(integer(item, edge) for item in after) >= 0


def loans(rooms, index, amount):
    """Return the lenders of a borrowing with what each lends, in their order."""
    store = Store(Table("t"))
    writes = borrowing(handle(), made(store, rooms), index, amount)
    assert writes is not None
    borrower, *lenders = writes
    assert borrower.key == handle().key(index)
    return [(write.key["pk"]["S"], int(write.values[":loan"]["N"])) for write in lenders]


@pytest.mark.parametrize(
    ("rooms", "index", "amount", "expected"),
    [
        ([5, 9, 9], 0, 5, []),  # its own is enough
        ([0, 0, 9], 0, 2, [(f"{NAME}#2", 4)]),  # half, so as not to come back soon
        ([0, 0, 9], 0, 7, [(f"{NAME}#2", 7)]),  # more than half, as it is lacking
        ([1, 3, 9], 0, 8, [(f"{NAME}#2", 7)]),  # the richest first, and no more lenders than needed
        ([1, 3, 9], 0, 11, [(f"{NAME}#2", 9), (f"{NAME}#1", 1)]),
        ([9, 0, 1], 1, 10, [(NAME, 9), (f"{NAME}#2", 1)]),
        ([0, 1, 0], 0, 1, [(f"{NAME}#1", 1)]),
    ],
)
def test_the_richest_lend_up_to_half_or_what_is_lacking(rooms, index, amount, expected):
    assert loans(rooms, index, amount) == expected


@pytest.mark.parametrize(
    ("index", "attributes"),
    [
        (0, {"value": number(51)}),  # another writer was faster
        (0, {"up": number(1)}),  # and has used what the borrower brings
        (0, {"closed": {"BOOL": True}}),
        (1, {"up": number(3)}),  # a lender has less by now
    ],
)
def test_nothing_is_borrowed_once_a_shard_is_another(store, index, attributes):
    writes = borrowing(handle(), made(store, [2, 4]), 0, 6)
    assert writes is not None
    change(store, index, **attributes)
    before = items(store, 2)
    with pytest.raises(Refused):
        store.perform("TransactWriteItems", {"TransactItems": updates(writes)})
    assert items(store, 2) == before


def test_a_lender_may_give_all_that_it_has(store):
    writes = borrowing(handle(), made(store, [2, 4]), 0, 6)
    store.perform("TransactWriteItems", {"TransactItems": updates(writes or [])})
    assert numbers(store, 2) == [(56, 0, 11), (0, 0, 5)]


def test_a_borrower_that_brings_nothing_may_have_less_than_nothing_to_bring(store):
    """Half of a rich lender's is more than is lacking: the borrower's own is not needed at all."""
    writes = borrowing(handle(), made(store, [1, 20]), 0, 2)
    assert writes is not None
    change(store, 0, up=number(0))
    store.perform("TransactWriteItems", {"TransactItems": updates(writes)})
    assert numbers(store, 2) == [(52, 8, 7), (0, 10, 5)]


# Keys.


ONCE = Once("k", 3600.0)


def entered(index=0):
    return keyed(covered(handle(), index, 2), ONCE, "1.e", ONCE.call(2, None, 1000.0))


def test_a_key_is_entered_with_the_value_that_it_made(store):
    made(store, [5])
    update(store, entered())
    item = store.item("t", NAME)
    assert integer(item, f"done#{ONCE.digest}") == integer(item, "value") == 52
    assert item[f"call#{ONCE.digest}"] == {"S": "2 4600 - k"}
    assert integer(item, "kept") == 1
    assert refused(store, entered()) == item


@pytest.mark.parametrize(
    ("attributes", "taken"),
    [
        ({"era": {"S": "1.f"}}, False),
        ({"kept": number(MOST_KEPT)}, False),
        ({"kept": number(MOST_KEPT - 1)}, True),
    ],
)
def test_a_key_is_entered_in_its_era_while_the_ledger_has_room(store, attributes, taken):
    made(store, [5])
    change(store, 0, **attributes)
    if taken:
        update(store, entered())
    else:
        refused(store, entered())


def test_a_key_keeps_its_home_and_its_entry_over_releases():
    """Two releases share a counter during a deployment: another home would count a key twice."""
    once = Once("order-42", 3600.0)
    assert once.digest == "PyTgAEqjUOlAjympKs-idw"
    assert [once.home(shards) for shards in (1, 2, 7, 64)] == [0, 1, 4, 55]
    assert once.call(-3, 5, 1000.9) == "-3 4600 5 order-42"
    assert once.call(3, None, 0.0) == "3 3600 - order-42"
