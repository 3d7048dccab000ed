"""The record of the lock "a" in a store, and single calls that change it or are refused."""

import pytest

from interlock._protocol.faults import Refused
from tests.unit.locks.scripted import TABLE


def row(store):
    return store.item(TABLE, "lock#a")


def send(store, call):
    return store.perform(call.operation, call.params)


def refused(store, call):
    before = row(store)
    with pytest.raises(Refused) as refusal:
        send(store, call)
    assert refusal.value.condition_failed
    assert row(store) == before
    return refusal.value
