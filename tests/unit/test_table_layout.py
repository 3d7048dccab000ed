"""Names of a table's keys and attributes: as a text, as keys, and those that none can have."""

from types import MappingProxyType

import pytest
from hypothesis import given

from interlock import TableLayout
from interlock._protocol.layout import (
    DEFAULT,
    attribute_in,
    checked_layout,
    key_in_words,
    own_name,
    unfit,
)
from interlock.errors import InvalidValue, TableUnfit
from tests.layouts import LAYOUT, layouts

TEXT = (
    "partition_key=PK,sort_key=SK,sort_value=interlock,prefix=COORD%23,ttl=ttl,listing_index=GSI1,"
    "listing_key=GSI1PK"
)

# The attributes of the library's items that no layout can rename.
OTHERS = [
    *("fence", "version", "owner", "lease_ms", "held_since", "held_until", "data", "void_before"),
    *("broken", "last_run", "door", "format", "slots", "queue", "election", "value", "up", "down"),
    *("floor", "ceiling", "shards", "span", "revision", "era", "kept", "closed", "amount", "shard"),
    *("target", "source_value", "target_value", "source_shard", "target_shard", "operation"),
    *("attempt", "fingerprint", "result", "until", "done#1", "call#1"),
]


@given(layouts())
def test_a_layout_survives_as_text(layout):
    text = str(layout)
    assert TableLayout.parse(text) == layout
    assert text.isascii()
    assert not set(text) & set("'\"\n #$`")


@pytest.mark.parametrize(
    ("text", "layout"),
    [
        (None, TableLayout()),
        ("", TableLayout()),
        (TEXT, LAYOUT),
        (TEXT.replace(",", " , "), LAYOUT),
        ("prefix=a%2Fb%2C%3D", TableLayout(prefix="a/b,=")),
        ("prefix=a=b", TableLayout(prefix="a=b")),
        ("listing_index=abc", TableLayout(listing_index="abc")),
    ],
)
def test_a_text_says_a_layout(text, layout):
    assert TableLayout.parse(text) == layout


def test_a_text_says_what_is_not_as_by_default():
    assert str(TableLayout()) == ""
    assert str(TableLayout(prefix="a/b,=")) == "prefix=a%2Fb%2C%3D"
    assert str(LAYOUT) == TEXT


@pytest.mark.parametrize(
    ("layout", "key", "words"),
    [
        (TableLayout(), {"pk": "lock#a"}, "the partition key 'pk' alone"),
        (
            TableLayout(prefix="p/", partition_key="id"),
            {"id": "p/lock#a"},
            "the partition key 'id' alone",
        ),
        (
            LAYOUT,
            {"PK": "COORD#lock#a", "SK": "interlock"},
            "the partition key 'PK' and the sort key 'SK'",
        ),
    ],
)
def test_an_item_has_its_key_and_its_name_in_any_layout(layout, key, words):
    assert layout.key("lock#a") == key
    assert layout.key_names == tuple(key)
    assert own_name({name: {"S": text} for name, text in key.items()}, "lock#") == "a"
    assert own_name({name: {"S": text} for name, text in key.items()}, "once#") is None
    assert key_in_words(layout) == words


@pytest.mark.parametrize("key", [{"pk": {"N": "1"}}, {}, {"pk": {"S": "lock#"}, "sk": {"N": "1"}}])
def test_the_key_of_another_item_has_no_name(key):
    assert not own_name(key, "lock#")


def test_an_attribute_has_a_name_in_each_layout():
    own = ("pk", "expires", "listing", "fence")
    assert tuple(attribute_in(LAYOUT, name) for name in own) == ("PK", "ttl", "GSI1PK", "fence")
    assert tuple(attribute_in(DEFAULT, name) for name in own) == own


def test_a_table_is_as_it_is_made_only_in_the_default_layout():
    assert TableLayout().is_default
    assert not LAYOUT.is_default
    assert not TableLayout(prefix="a").is_default


def test_the_sort_key_may_be_a_list():
    layout = TableLayout(sort_key=["SK", "interlock"])  # type: ignore[arg-type]
    assert layout == TableLayout(sort_key=("SK", "interlock"))
    assert hash(layout) == hash(TableLayout(sort_key=("SK", "interlock")))


def test_names_and_values_may_be_as_long_as_they_can_be():
    longest = TableLayout(
        partition_key="k" * 255,
        ttl="é" * 127,
        sort_key=("s" * 255, "v" * 1024),
        prefix="p" * 256,
        listing_index="i" * 255,
    )
    assert len(longest.key("")["k" * 255]) == 256


@pytest.mark.parametrize("name", OTHERS)
def test_no_key_has_the_name_of_another_attribute(name):
    with pytest.raises(InvalidValue, match=f"partition_key: '{name}' is another attribute"):
        TableLayout(partition_key=name)


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        ("partition_key=PK", "; write TableLayout.parse"),
        ({"partition_key": "PK"}, "; write TableLayout.parse"),
        (MappingProxyType({}), "; write TableLayout.parse"),
        (7, r"7 \(int\) is no TableLayout$"),
    ],
    ids=str,
)
def test_what_is_no_layout_is_refused_with_the_way_out(given, way_out):
    with pytest.raises(InvalidValue, match="(?m)" + way_out):
        checked_layout(given)


def test_without_a_layout_a_table_has_the_default_one():
    assert checked_layout(None) == TableLayout()
    assert checked_layout(LAYOUT) is LAYOUT


def test_a_table_that_does_not_fit_is_told_with_what_the_layout_looks_for():
    by_default = "this client looks for the partition key 'pk' alone"
    error = unfit(LAYOUT, TableUnfit("t", ["it has no index", by_default]))
    assert error.table == "t"
    assert error.problems == [
        "it has no index",
        "this client looks for the partition key 'PK' and the sort key 'SK'",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"partition_key": ""}, "partition_key: is empty"),
        ({"partition_key": 3}, "partition_key: 3 .int. is not an attribute's name"),
        ({"partition_key": "expires"}, "another attribute"),
        ({"ttl": "pk"}, "another attribute"),
        ({"listing_key": "pk"}, "another attribute"),
        ({"sort_key": ("pk", "b")}, "another attribute"),
        ({"sort_key": ("fence", "b")}, "another attribute"),
        ({"ttl": "data"}, "another attribute"),
        ({"ttl": "x" * 256}, "longer than 255 bytes"),
        ({"partition_key": "é" * 128}, "longer than 255 bytes"),
        ({"partition_key": "a", "ttl": "a"}, "names 'a' twice"),
        ({"partition_key": "a", "sort_key": ("a", "b")}, "names 'a' twice"),
        ({"listing_key": "a", "ttl": "a"}, "names 'a' twice"),
        ({"sort_key": ("SK", 7)}, "sort_key: 7 .int. is not a string"),
        ({"sort_key": ("SK",)}, 'write ."SK", "interlock".'),
        ({"sort_key": 7}, 'write ."SK", "interlock".'),
        ({"sort_key": "SK"}, 'write ."SK", "interlock".'),
        ({"sort_key": ("SK", "")}, "is empty"),
        ({"sort_key": ("SK", "lock#")}, "'lock#' in it"),
        ({"sort_key": ("SK", "x" * 1025)}, "longer than 1024 bytes"),
        ({"prefix": "once#"}, "'once#' in it"),
        ({"prefix": "x" * 257}, "longer than 256 bytes, which leave names"),
        ({"prefix": None}, "prefix"),
        ({"prefix": "\ud800"}, "lone surrogate"),
        ({"prefix": "é" * 129}, "longer than 256 bytes"),
        ({"prefix": 7}, "prefix: 7 .int. is not a string"),
        ({"listing_index": "a b"}, "is no index's name"),
        ({"listing_index": "ab"}, "is no index's name"),
        ({"listing_index": "i" * 256}, "is no index's name"),
        ({"listing_index": 7}, "7 .int. is no index's name"),
    ],
)
def test_what_no_table_can_have_is_refused(given, said):
    with pytest.raises(InvalidValue, match=said):
        TableLayout(**given)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partition_key", "'partition_key' .str. is none of listing_index, listing_key, "),
        ("pk=PK", "'pk=PK' .str. is none of"),
        ("=PK", "'=PK' .str. is none of"),
        ("ttl=a,ttl=b", "'ttl=b' .str. is none of"),
        ("ttl=a,", "'' .str. is none of"),
        ("sort_key=SK", "one of sort_key and sort_value; give both"),
        ("sort_value=x", "one of sort_key and sort_value; give both"),
        ("ttl=", "ttl: is empty"),
        ("prefix=lock#", "'lock#' in it"),
        (7, "7 .int. is neither a string nor None"),
        (b"", "neither a string nor None"),
    ],
)
def test_a_text_that_says_no_layout_is_refused(text, said):
    with pytest.raises(InvalidValue, match=said):
        TableLayout.parse(text)
