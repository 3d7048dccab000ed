"""An item's signature covers what it is said to cover, in one form only."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.signing.items import ItemLayout
from interlock.errors import BadSignature, InvalidValue
from tests.unit.signing.kms import LocalKms

LAYOUT = ItemLayout("orders", ["pk", "amount", "tags", "note"], "signature")
ITEM = {"pk": "order#1", "amount": Decimal("10.50"), "tags": {"a", "b"}, "state": "new"}


@pytest.fixture
def kms():
    kms = LocalKms()
    kms.aliases["alias/items"] = kms.create()
    return kms


@pytest.fixture
def orders(lib):
    return lib.SignedItem("orders", ["pk", "amount", "tags", "note"])


@pytest.fixture
def signer(lib, kms):
    return lib.Signer("alias/items", client=kms)


@pytest.fixture
def verifier(lib, kms):
    return lib.Verifier(lib.jwks(["alias/items"], client=kms))


def test_a_signed_item_verifies_whatever_else_it_holds(orders, signer, verifier):
    item = orders.sign(ITEM, signer)
    orders.verify(item, verifier)
    orders.verify(item | {"state": "paid"}, verifier)


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Decimal("10.51")},
        {"amount": "10.5"},
        {"tags": {"a"}},
        {"tags": ["a", "b"]},
        {"note": "added"},
        {"note": None},
        {"pk": "order#2"},
        {"signature": None},
        {"signature": 3},
    ],
)
def test_any_change_of_what_is_signed_is_refused(orders, signer, verifier, change):
    with pytest.raises(BadSignature):
        orders.verify(orders.sign(ITEM, signer) | change, verifier)


def test_a_removed_attribute_is_noticed(orders, signer, verifier):
    item = orders.sign(ITEM, signer)
    del item["tags"]
    with pytest.raises(BadSignature):
        orders.verify(item, verifier)


def test_a_signature_is_no_good_in_another_table_or_for_other_attributes(
    lib, orders, signer, verifier
):
    item = orders.sign(ITEM, signer)
    for other in (
        lib.SignedItem("invoices", ["pk", "amount", "tags", "note"]),
        lib.SignedItem("orders", ["pk"]),
    ):
        with pytest.raises(BadSignature):
            other.verify(item, verifier)


def test_what_dynamodb_gives_back_is_the_same_item():
    """It returns numbers in its own form and sets in any order."""
    written = {"pk": "a", "amount": Decimal("1.0"), "tags": {3, 1, 2}}
    read = {"tags": {Decimal(2), Decimal(3), Decimal(1)}, "amount": Decimal(1), "pk": "a"}
    assert LAYOUT.payload(written) == LAYOUT.payload(read)


def test_the_bytes_stay_as_items_are_signed_that_are_out():
    item = {"pk": "ü", "tags": {b"b", b"a"}, "note": [{"b": None, "a": True}], "amount": 1}
    assert LAYOUT.payload(item).decode() == (
        "interlock signed item v1\n"
        '{"table":"orders","signed":["amount","note","pk","tags"],"item":{"amount":{"N":"1"},'
        '"note":{"L":[{"M":{"a":{"BOOL":true},"b":{"NULL":true}}}]},"pk":{"S":"ü"},'
        '"tags":{"BS":["YQ==","Yg=="]}}}'
    )


def test_a_float_is_refused():
    with pytest.raises(InvalidValue, match="amount"):
        LAYOUT.payload({"amount": 1.5})


def test_that_an_attribute_is_absent_is_signed_too():
    """Or an item that never had it would pass for one from which it was taken away."""
    narrow, wide = (ItemLayout("orders", names, "signature") for names in (["pk"], ["pk", "note"]))
    assert narrow.payload({"pk": "a"}) != wide.payload({"pk": "a"})


@pytest.mark.parametrize(
    ("one", "other"), [(b"a", b"b"), ({b"a"}, {b"b"}), ({b"a", b"b"}, {b"a"}), ({b"a"}, [b"a"])]
)
def test_binary_values_are_signed(one, other):
    assert LAYOUT.payload({"note": one}) != LAYOUT.payload({"note": other})


@pytest.mark.parametrize(
    ("attributes", "signature", "name"),
    [([], "signature", "attributes"), ("pk", "signature", "attributes"), (["pk"], 7, "signature")],
)
def test_a_layout_names_what_it_signs_and_where(attributes, signature, name):
    with pytest.raises(InvalidValue, match=name):
        ItemLayout("orders", attributes, signature)


@pytest.mark.parametrize("item", ["pk", ["pk"], None])
def test_what_is_no_item_is_not_signed(item):
    with pytest.raises(InvalidValue, match="item"):
        LAYOUT.payload(item)


def test_the_signature_cannot_sign_itself(lib):
    with pytest.raises(ValueError, match="signature"):
        lib.SignedItem("orders", ["pk", "signature"])


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def kinds(value):
    """Spell a value out with its type, as DynamoDB tells them apart (1 is not True there)."""
    if isinstance(value, dict):
        return {name: kinds(member) for name, member in value.items()}
    if isinstance(value, list):
        return [kinds(member) for member in value]
    return type(value).__name__, value


@given(VALUES, VALUES)
def test_equal_values_and_only_those_give_equal_bytes(one, other):
    same = LAYOUT.payload({"note": one}) == LAYOUT.payload({"note": other})
    assert same == (kinds(one) == kinds(other))


@given(st.dictionaries(st.text(min_size=1, max_size=3), VALUES, max_size=4), st.randoms())
def test_the_order_of_a_map_does_not_matter(mapping, random):
    names = list(mapping)
    random.shuffle(names)
    shuffled = {name: mapping[name] for name in names}
    assert LAYOUT.payload({"note": mapping}) == LAYOUT.payload({"note": shuffled})
