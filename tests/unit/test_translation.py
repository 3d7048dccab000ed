"""What the protocols ask in the names of another layout, and what the answers mean in their own."""

from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.layout import OWN_PREFIXES, RESERVED
from interlock._protocol.requests import Call
from interlock._protocol.translation import Translation
from tests.layouts import layouts

SCAN = {
    "TableName": "t",
    "FilterExpression": "begins_with(#pk, :prefix)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ExpressionAttributeValues": {":prefix": {"S": "lock#"}},
}


@given(
    layouts(),
    st.sampled_from(OWN_PREFIXES),
    st.text(max_size=30),
    st.dictionaries(st.sampled_from(sorted(RESERVED | {"expires"})), st.integers().map(str)),
)
def test_an_item_comes_back_as_it_went_out(layout, prefix, name, attributes):
    translation = Translation(layout)
    key = {"pk": {"S": prefix + name}}
    item = key | {attribute: {"N": value} for attribute, value in attributes.items()}
    item["listing"] = {"S": "counter"}
    sent = translation.call(Call("PutItem", {"TableName": "t", "Item": item})).params["Item"]
    assert {n: sent[n]["S"] for n in layout.key_names} == layout.key(prefix + name)
    for member in ("Item", "Attributes"):
        assert translation.reply({member: sent})[member] == item
    request = {"t": {"Keys": [key], "ConsistentRead": True}}
    batch = translation.call(Call("BatchGetItem", {"RequestItems": request})).params["RequestItems"]
    assert translation.reply({"UnprocessedKeys": batch})["UnprocessedKeys"] == request
    (started,) = (
        translation.call(Call("Query", {"ExclusiveStartKey": end})).params["ExclusiveStartKey"]
        for end in [translation.reply({"LastEvaluatedKey": sent})["LastEvaluatedKey"]]
    )
    assert started == sent


@given(layouts(), st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_a_page_goes_on_after_an_item_of_another(layout, partition, sort):
    translation = Translation(layout)
    names = layout.key_names
    last = {name: {"S": text} for name, text in zip(names, (partition, sort), strict=False)}
    end = translation.reply({"LastEvaluatedKey": last})["LastEvaluatedKey"]
    again = translation.call(Call("Scan", SCAN | {"ExclusiveStartKey": end})).params
    assert again["ExclusiveStartKey"] == last
