"""Transactions over the simulated store, call by call, each of which meets what a script says."""

from contextlib import suppress
from typing import Any

from interlock._protocol.locks import record
from interlock._protocol.requests import Time
from interlock._protocol.transactions.idempotency import Committed, Once
from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.run import TransactionRun
from interlock._protocol.transactions.settings import Settings
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.scripted import EPOCH, Driver

A, B, C = {"pk": "a"}, {"pk": "b"}, {"pk": "c"}
DAY = 24 * 3600.0


class Bound:
    """What a function is given: an attempt whose reads are made at once."""

    def __init__(self, driver, attempt):
        self.driver, self.attempt = driver, attempt

    def get(self, key):
        return self.driver.run(self.attempt.get("t", key))

    def get_many(self, *keys):
        return self.driver.run(self.attempt.get_many([("t", key) for key in keys]))

    def put(self, key, condition=None, **attributes):
        self.attempt.put("t", key, attributes, condition)

    def add(self, key, condition=None, **amounts):
        options: dict[str, Any] = {"values": {}, "remove": (), "condition": condition}
        self.attempt.update("t", key, add=amounts, **options)

    def update(self, key, values, add, remove):
        self.attempt.update("t", key, values=values, add=add, remove=remove, condition=None)

    def delete(self, key, condition=None):
        self.attempt.delete("t", key, condition)

    def check(self, key, condition):
        self.attempt.check("t", key, condition)

    def guard(self, lock):
        self.attempt.guard(lock)

    def release(self, lock):
        self.attempt.release(lock)


class Held:
    """A lock that is held under a fence, or was, and what a commit has told it."""

    def __init__(self, name="a", fence=7):
        self.name, self.fence, self.told = name, fence, []

    def guard(self):
        return record.guard("coordination", self.name, self.fence)

    def release_action(self):
        time = Time(EPOCH, EPOCH)
        return record.release_action("coordination", self.name, self.fence, time=time)

    def released(self):
        self.told.append("released")

    def kept(self):
        self.told.append("kept")


class World:
    """A process, and a store with the tables `t` and `coordination`."""

    def __init__(self, **settings):
        self.driver = Driver(Store(Table("t"), Table("coordination")))
        self.settings = Settings("coordination", **settings)
        self.runs = 0

    @property
    def calls(self):
        return self.driver.operations()

    def run(self, body, once=None, reads=()):
        """Run a function as a transaction, that reads items ahead; return what it comes to."""
        self.driver.calls.clear()
        self.driver.deadlines.clear()
        self.runs = 0
        run = TransactionRun(self.settings, once, [Address.of("t", key) for key in reads])
        while True:
            begun = self.driver.run(run.begin())
            if isinstance(begun, Committed):
                return begun
            self.runs += 1
            result = body(Bound(self.driver, begun))
            try:
                done = self.driver.run(run.commit(begun, result))
            finally:
                run.settle(begun)
            if done is not None:
                return done

    def write(self, key, **attributes):
        """Let another process write an item through the library."""
        other = World()
        other.driver.store = self.driver.store
        other.run(lambda t: t.put(key, **attributes))

    def outsider(self, key, **attributes):
        """Let an outsider write an item, without a version."""
        item = {"pk": {"S": key["pk"]}, **{n: {"N": str(v)} for n, v in attributes.items()}}
        self.driver.store.perform("PutItem", {"TableName": "t", "Item": item})

    def item(self, key):
        return self.driver.store.item("t", key["pk"])

    def n(self, key):
        item = self.item(key)
        return None if item is None else int(item["n"]["N"])

    def hold(self, lock):
        """Let a lock be held in the store."""
        row = {"fence": {"N": str(lock.fence)}, "version": {"S": "v"}}
        self.put_row({"pk": {"S": f"lock#{lock.name}"}, **row})
        return lock

    def rows(self):
        return self.driver.store.perform("Scan", {"TableName": "coordination"})["Items"]

    def put_row(self, item):
        self.driver.store.perform("PutItem", {"TableName": "coordination", "Item": item})

    def late(self, number):
        """Let a copy of a call arrive now, and say nothing of what comes of it."""
        with suppress(Exception):
            self.driver.store.perform(*self.driver.calls[number])


def once(key="k", payload=None, retention=DAY, operation="op", **options):
    return Once.of("coordination", key, payload, retention, operation=operation, **options)
