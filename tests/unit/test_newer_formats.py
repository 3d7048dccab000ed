"""Two releases share a table: what the newer one has written in another form is left to it.

A call of this release says that it was written by a newer version, and changes nothing; a release
that knows the form goes on with it, and with all that this one has written.
"""

import pytest

from interlock.errors import CorruptRecord
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

CALLS = {
    "lock#a": {
        "acquire": lambda of: of.locks.acquire("a"),
        "acquire all": lambda of: of.locks.acquire_all(["a", "b"]),
        "try to acquire": lambda of: of.locks.try_acquire("a"),
        "inspect": lambda of: of.locks.inspect("a"),
        "read": lambda of: of.locks.read_write_lock("a").read(),
        "write": lambda of: of.locks.read_write_lock("a").write(),
        "campaign": lambda of: of.locks.election("a").campaign(),
        "run a job": lambda of: of.run_job(),
        "get the result of a job": lambda of: of.run_job(otherwise="result"),
        "read the last run of a job": lambda of: of.locks.last_run("a"),
    },
    "counter#visits": {
        "increment": lambda of: of.counter.increment(),
        "decrement": lambda of: of.counter.decrement(),
        "increment by a key": lambda of: of.counter.increment(idempotency_key="k"),
        "get": lambda of: of.counter.get(),
        "configure": lambda of: of.counter.configure(ceiling=50),
        "reset": lambda of: of.counter.reset(),
        "delete": lambda of: of.counter.delete(),
    },
}


class Release:
    """The clients of a process."""

    def __init__(self, half, store):
        self.half, self.store = half, store
        client = half.client(store.perform)
        self.locks = half.wrap(half.locks.LockClient("t", client=client))
        counters = half.wrap(half.counters.CounterClient("t", client=client))
        self.counter = counters.counter("visits", ceiling=10)

    def run_job(self, **options):
        """Run a job that does nothing."""
        job = self.locks.exclusive("a", **options)(self.half.function(lambda: None))
        return self.half.call(job)


@pytest.fixture(params=["knows", "knows not"])
def release(request, half):
    """A release, with a store in which it has used, or has not, a lock and a counter."""
    store = Store(Table("t"))
    first = Release(half, store)
    first.locks.acquire("a").release()
    first.counter.increment()
    return first if request.param == "knows" else Release(half, store)


def rewrite(store, key, number):
    """Have a newer release write a record in its form."""
    item = dict(store.item("t", key)) | {"format": {"N": str(number)}}
    store.perform("PutItem", {"TableName": "t", "Item": item})
    return item


@pytest.mark.parametrize(
    ("key", "call"), [(key, call) for key, calls in CALLS.items() for call in calls]
)
def test_what_a_newer_release_has_written_is_left_to_it(release, key, call):
    written = rewrite(release.store, key, 9)
    with pytest.raises(CorruptRecord, match="newer version of this library: update it") as error:
        CALLS[key][call](release)
    assert (error.value.key, error.value.attribute) == (key, "format")
    assert release.store.item("t", key) == written


def test_a_lock_that_is_held_as_a_newer_release_comes_is_given_back(half):
    store = Store(Table("t"))
    release = Release(half, store)
    lock = release.locks.acquire("a")
    rewrite(store, "lock#a", 9)
    assert lock.release() is True
    row = store.item("t", "lock#a")
    assert row is not None
    assert "version" not in row


@pytest.mark.parametrize("number", [9])
def test_a_release_that_knows_the_form_goes_on(release, monkeypatch, number):
    monkeypatch.setattr("interlock._protocol.locks.item.FORMAT", number)
    monkeypatch.setattr("interlock._protocol.locks.record.FORMAT", number)
    for module in ("checking", "escrow", "layout"):
        monkeypatch.setattr(f"interlock._protocol.counters.{module}.FORMAT", number)
    for key in CALLS:
        rewrite(release.store, key, number)
    assert release.locks.acquire("a").release()
    assert release.counter.increment().value == 2
    assert release.counter.increment(idempotency_key="k").value == 3
    assert release.store.item("t", "lock#a")["format"] == {"N": str(number)}
