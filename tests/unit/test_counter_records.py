"""A counter's items, before anything of them is believed: each attribute within its limits."""

from typing import Any

import pytest

from interlock._protocol.counters.bounds import LARGEST, Bounds
from interlock._protocol.counters.checking import balanced, sound, whole
from interlock._protocol.counters.ledger import MOST_KEPT
from interlock.errors import CorruptRecord

NUMBERS = {
    "value": (-LARGEST, LARGEST),
    "up": (0, LARGEST + 1),
    "down": (0, LARGEST + 1),
    "kept": (0, MOST_KEPT),
    "revision": (0, LARGEST),
    "floor": (-LARGEST, LARGEST),
    "ceiling": (-LARGEST, LARGEST),
    "amount": (-LARGEST, LARGEST),
    "expires": (0, LARGEST),
    "source_value": (-LARGEST, LARGEST),
    "target_value": (-LARGEST, LARGEST),
    **dict.fromkeys(("shard", "source_shard", "target_shard"), (0, 64)),
}


def number(value):
    return {"N": str(value)}


def shard(**attributes: Any):
    """Return an item of a shard; an attribute that is None is left out."""
    item = {
        "pk": {"S": "counter#c#1"},
        **{name: number(1) for name in ("value", "up", "down")},
        **attributes,
    }
    return {name: value for name, value in item.items() if value is not None}


def header(**attributes: Any):
    counts = dict.fromkeys(("shards", "span", "revision"), number(1))
    return shard(**{"pk": {"S": "counter#c"}, **counts, **attributes})


def corrupt(item, check=sound):
    """Return the attribute for which an item is refused."""
    with pytest.raises(CorruptRecord) as refusal:
        check("t", item)
    assert (refusal.value.table, refusal.value.key) == ("t", item["pk"]["S"])
    return refusal.value.attribute


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_believed_within_its_limits(name):
    least, most = NUMBERS[name]
    for value in (least, most):
        item = shard(**{name: number(value)})
        assert sound("t", item) is item
    for value in (least - 1, most + 1):
        assert corrupt(shard(**{name: number(value)})) == name


@pytest.mark.parametrize("name", [*NUMBERS, "format", "shards", "span"])
@pytest.mark.parametrize(
    "attribute",
    [{}, {"S": "1"}, {"N": 1}, {"N": ""}, {"N": "-"}, {"N": "1.5"}, {"N": "1E3"}, {"NULL": True}],
    ids=str,
)
def test_what_is_no_integer_is_not_believed(name, attribute):
    assert corrupt(header(**{name: attribute})) == name


@pytest.mark.parametrize(("value", "newer"), [(3, True), (LARGEST, True), (LARGEST + 1, False)])
def test_a_format_that_is_not_known_is_newer(value, newer):
    with pytest.raises(CorruptRecord) as refusal:
        sound("t", header(format=number(value)))
    assert refusal.value.attribute == "format"
    assert ("newer" in str(refusal.value)) is newer


@pytest.mark.parametrize("value", [1, 2, None])
def test_every_format_that_was_ever_written_is_read(value):
    sound("t", header(format=None if value is None else number(value)))


def test_there_is_no_format_before_the_first():
    assert corrupt(header(format=number(0))) == "format"


@pytest.mark.parametrize(("shards", "span"), [(1, 1), (1, 2), (2, 2), (64, 64)])
def test_a_counter_has_up_to_64_shards_of_as_many_or_more(shards, span):
    sound("t", header(shards=number(shards), span=number(span)))


@pytest.mark.parametrize(
    ("shards", "span", "name"),
    [
        (number(2), number(1), "span"),
        (number(0), number(1), "shards"),
        (number(65), number(65), "shards"),
        (number(1), number(65), "span"),
        (number(1), number(0), "span"),
        (number(1), None, "span"),
        (None, number(1), "span"),
    ],
)
def test_a_number_of_shards_that_cannot_be_is_not_believed(shards, span, name):
    assert corrupt(header(shards=shards, span=span)) == name


@pytest.mark.parametrize(
    ("floor", "ceiling"), [(0, 9), (5, 5), (None, -5), (5, None), (None, None), (-9, -5)]
)
def test_bounds_may_be_open_or_meet(floor, ceiling):
    given = {"floor": floor, "ceiling": ceiling}
    sound("t", header(**{n: None if v is None else number(v) for n, v in given.items()}))


def test_bounds_that_leave_nothing_between_them_are_not_believed():
    assert corrupt(header(floor=number(6), ceiling=number(5))) == "floor"


@pytest.mark.parametrize("make", [shard, header])
@pytest.mark.parametrize("name", ["value", "up", "down"])
def test_a_counters_item_has_its_value_and_its_room(make, name):
    assert corrupt(make(**{name: None}), whole) == name
    assert whole("t", make()) == make()


def test_a_shard_in_which_keys_may_be_entered_counts_them():
    assert corrupt(shard(era={"S": "1.e"}), whole) == "kept"
    whole("t", shard(era={"S": "1.e"}, kept=number(0)))


@pytest.mark.parametrize("name", ["shards", "span"])
def test_only_the_header_says_how_many_shards_there_are(name):
    whole("t", shard())
    assert corrupt(header(shards=None, span=None), whole) == "shards"
    assert corrupt(header(**{name: None}), whole) == "span"


def test_the_header_is_the_item_of_the_counters_own_name():
    named = {"pk": {"S": "counter#c"}}
    assert corrupt(shard(**named), whole) == "shards"


def test_what_is_whole_is_sound_too():
    assert corrupt(shard(up=number(-1)), whole) == "up"


def test_what_a_headers_room_is_of_is_there():
    for name in ("value", "up", "down"):
        assert corrupt(header(**{name: None})) == name
        sound("t", shard(**{name: None}))  # of which only some was asked for


@pytest.mark.parametrize("era", [{"N": "1"}, {}, {"S": 5}])
def test_an_era_is_a_text(era):
    assert corrupt(shard(era=era)) == "era"
    sound("t", shard(era={"S": "1.e"}))


def entry(call: Any = None, done: Any = None):
    return shard(**{"call#x": call, "done#x": done})


@pytest.mark.parametrize(
    "call",
    ["1 4000000000 - k", "-1 4000000000 3 k", "1 0 - a key of several words", "1 0 - ", "1 0 - -"],
)
def test_an_entry_of_a_ledger_says_amount_time_shard_and_key(call):
    sound("t", entry({"S": call}, number(-5)))


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"N": "1"},
        {"S": ""},
        {"S": "1 4000000000 -"},
        {"S": "x 4000000000 - k"},
        {"S": "1 -4 - k"},
        {"S": "1 4.5 - k"},
        {"S": "1 4000000000 x k"},
        {"S": "1 4000000000 -1 k"},
    ],
    ids=str,
)
def test_an_entry_that_says_something_else_is_not_believed(call):
    assert corrupt(entry(call, number(1))) == "call#x"


def test_an_entry_has_a_result():
    assert corrupt(entry({"S": "1 4000000000 - k"})) == "call#x"


@pytest.mark.parametrize("done", [{"S": "1"}, {}, number(LARGEST + 1), number(-LARGEST - 1)])
def test_a_result_is_a_number_that_a_counter_can_have(done):
    assert corrupt(entry({"S": "1 4000000000 - k"}, done)) == "done#x"


@pytest.mark.parametrize("done", [LARGEST, -LARGEST])
def test_a_result_is_believed_within_the_limits_of_a_value(done):
    sound("t", entry({"S": "1 4000000000 - k"}, number(done)))


def test_attributes_of_others_are_left_to_them():
    sound("t", shard(note={"S": "mine"}, done={"S": "x"}, call={"S": "x"}))


def share(number, **numbers):
    """Return a shard with these numbers, and none of the others."""
    escrow = {"value": 0, "up": 0, "down": 0} | numbers
    return {"pk": {"S": f"counter#n#{number}"}, **{k: {"N": str(v)} for k, v in escrow.items()}}


@pytest.mark.parametrize(
    "numbers", [{"value": -3}, {"value": 7}, {"up": 11}, {"down": 11}, {"up": 0, "down": 0}]
)
def test_shards_that_add_up_to_the_limits_are_those_of_a_counter(numbers):
    balanced("t", [share(0), share(1, **numbers)], Bounds(-3, 7))


@pytest.mark.parametrize("numbers", [{"value": -4}, {"value": 8}, {"up": 12}, {"down": 12}])
def test_the_shard_with_the_most_of_what_is_too_much_is_named(numbers):
    (name,) = numbers
    with pytest.raises(CorruptRecord) as corrupt:
        balanced("t", [share(0), share(1, **numbers), share(2)], Bounds(-3, 7))
    assert (corrupt.value.key, corrupt.value.attribute) == ("counter#n#1", name)
