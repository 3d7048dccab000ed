"""Every duration that a client takes: a `timedelta`, or an `InvalidValue` with the way out."""

import inspect
from contextlib import nullcontext
from datetime import timedelta

import pytest

from interlock._protocol.durations import as_duration, patience, seconds
from interlock.errors import InvalidValue, LeaseTooShort
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

# Where a client is made: what it is made of, and the parameters that are durations.
MADE = {
    "locks.LockClient": ("t", "heartbeat lease max_clock_skew poll"),
    "transactions.TransactionClient": ("t", "timeout"),
    "counters.CounterClient": ("t", "remember_keys_for timeout"),
    "signing.Signer": ("k", "refresh timeout"),
    "signing.Mac": ("k", "leeway timeout"),
    "signing.KmsVerifier": (["k"], "leeway timeout"),
    "signing.DelegatedSigner": ("k", "lifetime timeout"),
    "signing.Verifier": ({"keys": []}, "cooldown delegation leeway lifetime"),
}
CASES = [(name, option) for name, (_, options) in MADE.items() for option in options.split()]
NO_DURATIONS = [5, 2.5, True, "5", "PT5S"]


@pytest.fixture
def client(half):
    return half.client(Store(Table("t")).perform)


def kind_of(half, name):
    module, _, kind = name.partition(".")
    return getattr(getattr(half, module), kind)


def made(half, name, client, **options):
    kind = kind_of(half, name)
    if "client" in inspect.signature(kind).parameters:
        options["client"] = client
    return kind(MADE[name][0], **options)


def test_the_table_has_every_duration(half):
    for name, (_, options) in MADE.items():
        parameters = inspect.signature(kind_of(half, name)).parameters.values()
        durations = {one.name for one in parameters if "timedelta" in str(one.annotation)}
        assert durations == set(options.split()), name


@pytest.mark.parametrize("given", NO_DURATIONS, ids=repr)
@pytest.mark.parametrize(("name", "option"), CASES)
def test_what_is_no_duration_is_refused_with_the_way_out(half, client, name, option, given):
    with pytest.raises(InvalidValue, match=f"^{option}: .* is not a timedelta") as refusal:
        made(half, name, client, **{option: given})
    way_out = f"timedelta(seconds={given!r})"
    is_number = isinstance(given, int | float) and given is not True
    assert (way_out in str(refusal.value)) is is_number


@pytest.mark.parametrize(("name", "option"), CASES)
def test_the_longest_duration_is_taken_or_refused(half, client, name, option):
    limited = {"heartbeat", "lease"} | ({"timeout"} if "Transaction" in name else set())
    limited |= {"lifetime"} if "Delegated" in name else set()
    limit = pytest.raises((InvalidValue, LeaseTooShort)) if option in limited else nullcontext()
    with limit:
        made(half, name, client, **{option: timedelta.max})


@pytest.mark.parametrize(("name", "option"), CASES)
def test_a_negative_duration_is_refused_by_name(half, client, name, option):
    with pytest.raises(ValueError, match="-1"):
        made(half, name, client, **{option: timedelta(seconds=-1)})


@pytest.mark.parametrize("given", NO_DURATIONS, ids=repr)
def test_calls_take_durations_only(half, client, given):
    locks = half.wrap(half.locks.LockClient("t", client=client))
    transactions = half.wrap(half.transactions.TransactionClient("t", client=client))
    calls = {
        "acquire": lambda: locks.acquire("a", timeout=given),
        "acquire all": lambda: locks.acquire_all(["a"], timeout=given),
        "lease": lambda: locks.acquire("a", lease=given),
        "try": lambda: locks.try_acquire("a", lease=given),
        "permit": lambda: locks.semaphore("a", permits=1).acquire(timeout=given),
        "reader": lambda: locks.read_write_lock("a").read(timeout=given),
        "writer": lambda: locks.read_write_lock("a").write(timeout=given),
        "campaign": lambda: locks.election("a").campaign(timeout=given),
        "least of a job": lambda: locks.exclusive("a", at_least=given),
        "most of a job": lambda: locks.exclusive("a", at_most=given),
        "job": lambda: locks.exclusive("a", otherwise="wait", timeout=given),
        "retention": lambda: transactions.run(
            half.function(lambda _: None), idempotency_key="k", retention=given
        ),
    }
    for name, call in calls.items():
        with pytest.raises(InvalidValue, match="is not a timedelta"):
            call()
        assert locks.inspect("a") is None, name


def test_calls_take_the_longest_duration(half, client):
    with half.wrap(half.locks.LockClient("t", client=client)) as locks:
        assert locks.acquire("a", timeout=timedelta.max).release()
        assert locks.acquire_all(["a"], timeout=timedelta.max).release()
        assert locks.semaphore("b", permits=1).acquire(timeout=timedelta.max).release()
        election = locks.election("c")
        election.campaign(timeout=timedelta.max)
        assert election.resign()


def test_a_duration_is_as_long_as_it_can_be():
    assert as_duration(1.5) == timedelta(seconds=1.5)
    assert as_duration(seconds("timeout", timedelta.max)) == timedelta(days=timedelta.max.days)
    with pytest.raises(InvalidValue, match="timeout: 0:00:00 is not positive"):
        seconds("timeout", timedelta(), positive=True)


@pytest.mark.parametrize("given", [timedelta(), timedelta(seconds=-1), timedelta(seconds=2)])
def test_a_duration_may_be_anything_unless_it_has_to_be_positive(given):
    assert seconds("p", given) == given.total_seconds()
    if given > timedelta():
        assert seconds("p", given, positive=True) == given.total_seconds()
    else:
        with pytest.raises(InvalidValue, match="is not positive"):
            seconds("p", given, positive=True)


def test_a_duration_may_have_a_least_length():
    assert seconds("p", timedelta(seconds=2), least=2.0) == 2.0
    with pytest.raises(InvalidValue, match="less than 0:00:02"):
        seconds("p", timedelta(seconds=1.999), least=2.0)


def test_a_time_that_is_over_leaves_one_look():
    assert patience(timedelta(seconds=-1)) == patience(timedelta()) == 0.0
    assert patience(timedelta(seconds=0.5)) == 0.5
