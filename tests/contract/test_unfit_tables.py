"""Tables that exist and are laid out otherwise: told as such by every call, on real engines."""

import uuid

import pytest

from interlock import CounterClient, LockClient
from interlock.errors import TableUnfit

OTHERS = {
    "another name": ([("id", "HASH")], {"id": "S"}),
    "another type": ([("pk", "HASH")], {"pk": "N"}),
    "a sort key": ([("pk", "HASH"), ("sk", "RANGE")], {"pk": "S", "sk": "S"}),
}
CALLS = {
    "acquire": lambda locks, _: locks.acquire("a"),
    "inspect": lambda locks, _: locks.inspect("a"),
    "break": lambda locks, _: locks.break_lock("a", because="it hangs"),
    "count": lambda _, counters: counters.counter("a").increment(),
    "count once": lambda _, counters: counters.counter("a").increment(idempotency_key="k"),
    "read": lambda _, counters: counters.counter("a").get(),
    "list counters": lambda _, counters: counters.page(),
}


def made(client, keys, types):
    """Make a table and return its name."""
    name = f"other-{uuid.uuid4().hex[:12]}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[
            {"AttributeName": key, "AttributeType": kind} for key, kind in types.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("other", OTHERS)
def test_a_table_with_another_key_is_told_by_the_first_call(client, other, call):
    name = made(client, *OTHERS[other])
    said = f"'{name}' does not fit: DynamoDB says"
    with LockClient(name, client=client) as locks, pytest.raises(TableUnfit, match=said) as raised:
        CALLS[call](locks, CounterClient(name, client=client))
    assert raised.value.table == name


def test_a_table_without_the_index_is_told_by_the_list_that_needs_it(client):
    counters = CounterClient(made(client, [("pk", "HASH")], {"pk": "S"}), client=client)
    counters.counter("a").increment()
    with pytest.raises(TableUnfit, match="does not have the specified index"):
        counters.page()
