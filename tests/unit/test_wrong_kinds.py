"""Values of another kind than a parameter takes: an error of the library's says so, at the door.

Every public method is called with each of its parameters wrong in turn, all others being right.
What comes is an answer or an `InterlockError`, and never an error from inside.
"""

import functools
import importlib
import inspect
import itertools
import types
from datetime import timedelta
from typing import Any

import httpx
import pytest
from boto3.dynamodb.conditions import Attr

from interlock.errors import InterlockError, InvalidValue
from interlock.testing import MemoryStore
from tests.unit.signing.kms import ML_DSA, LocalKms


class Unwritten:
    def __repr__(self):
        raise RuntimeError("not yet made")


WRONG = [5, None, "x", ["x"], {"x": 5}, b"x", 1.5, object(), 10**5000, Unwritten()]
# Clocks are for tests; a `payload` and `data` may be anything; what is only true or false is asked.
ANYTHING = {"clock", "monotonic", "wall_clock", "payload", "data", "to"}
MODULES = ("counters", "latches", "locks", "receipts", "signing", "transactions")
NOTHING_TO_GET_WRONG = {
    # Made by the library alone, or only a description.
    *("Counter", "CounterChange", "CounterState", "Guard", "Lock", "LockPage", "LockRecord"),
    *("Deadlock", "DeadlockLink", "LockWaiter"),
    "WriteLock",
    *(
        "LockSet",
        "Loss",
        "JobRun",
        "LossReason",
        "LockBreak",
        "Receipt",
        "Releasable",
        "Term",
        "Transaction",
    ),
    *("TransactionReport", "Transfer", "KEEP", "RECEIPT_TYPE", "SigV4", "SigV4.sign"),
    # Verifier's, and what would wait for ever.
    *("HybridVerifier.key_for", "Loss.wait", "Term.wait", "OnLost", "OnGain"),
}
NOW = timedelta()


class World:
    """A store, keys, and clients of one half of the library."""

    def __init__(self, half):
        self.half = half
        self.store = MemoryStore("t")
        self.client = self.store.aio_client() if half.awaitable else self.store.client()
        self.kms = LocalKms()
        self.numbers = itertools.count()
        self.held = []
        self.locks = half.locks.LockClient("t", client=self.client)
        self.transactions = half.transactions.TransactionClient("t", client=self.client)
        self.counters = half.counters.CounterClient("t", client=self.client)
        self.keys = half.client(self.kms.answer)
        self.key_id, self.mac_id = self.kms.create(), self.kms.create("HMAC")
        self.signer = half.signing.Signer(self.key_id, client=self.keys)
        self.mac = half.signing.Mac(self.mac_id, client=self.keys)
        self.item = half.signing.SignedItem("t", ["a"])
        self.jwks = half.call(half.signing.jwks, [self.key_id], client=self.keys)
        self.verifier = half.signing.Verifier(self.jwks)

    def name(self):
        return f"a{next(self.numbers)}"

    def lock(self):
        lock = self.call(self.locks.acquire, self.name())
        self.held.append(lock)  # one that is dropped would warn
        return lock

    def writing(self):
        lock = self.call(self.locks.read_write_lock(self.name(), readers=2).write)
        self.held.append(lock)
        return lock

    def call(self, called, *args, **kwargs):
        result = self.half.call(functools.partial(called, *args, **kwargs))
        several = hasattr(result, "__anext__") or inspect.isgenerator(result)
        return list(self.half.wrap(result)) if several else result

    def counter(self):
        counter = self.counters.counter(self.name())
        self.call(counter.increment)
        return counter

    def in_transaction(self, method):
        """Return a method of a transaction as a function, for `call`."""
        kind = self.half.transactions.Transaction

        def called(**kwargs):
            def function(tx):
                return getattr(tx, method)(**kwargs)

            return self.transactions.run(self.half.function(function))

        taken = inspect.signature(getattr(kind, method))
        return taking(called, taken.replace(parameters=list(taken.parameters.values())[1:]))

    def signed(self):
        request = httpx.Request("GET", "https://api.example/v1")
        self.call(self.half.signing.sign_message, request, self.signer)
        return request

    def delegated(self):
        return self.half.signing.DelegatedSigner(self.key_id, client=self.keys)

    def election(self):
        return self.locks.election(self.name())

    def leading(self):
        election = self.election()

        def run(**kwargs):
            return election.run(**kwargs)

        return taking(run, inspect.signature(election.run)), {
            "lead": self.half.function(lambda _: election.stop())
        }


def taking(function: Any, signature: inspect.Signature) -> Any:
    """Let a function say that it takes what another does."""
    function.__signature__ = signature
    return function


KEY = {"pk": "a"}
# What is called, and right arguments; made anew for each call.
CALLS = {
    "LockClient": lambda w: (w.half.locks.LockClient, {"table": "t", "client": w.client}),
    "LockClient.acquire": lambda w: (w.locks.acquire, {"name": w.name(), "timeout": NOW}),
    "LockClient.try_acquire": lambda w: (w.locks.try_acquire, {"name": w.name()}),
    "LockClient.acquire_all": lambda w: (
        w.locks.acquire_all,
        {"names": [w.name(), w.name()], "timeout": NOW},
    ),
    "LockClient.adopt": lambda w: (w.locks.adopt, {"exported": w.lock().export()}),
    "LockClient.inspect": lambda w: (w.locks.inspect, {"name": "a"}),
    "LockClient.break_lock": lambda w: (w.locks.break_lock, {"name": "a", "because": "b"}),
    "LockClient.page": lambda w: (w.locks.page, {}),
    "LockClient.deadlocks": lambda w: (w.locks.deadlocks, {}),
    "LockClient.semaphore": lambda w: (w.locks.semaphore, {"name": "a", "permits": 2}),
    "LockClient.election": lambda w: (w.locks.election, {"name": "a"}),
    "LockClient.exclusive": lambda w: (w.locks.exclusive, {"name": "a"}),
    "LockClient.last_run": lambda w: (w.locks.last_run, {"name": "a"}),
    "LockClient.held": lambda w: (w.locks.held, {"name": "a"}),
    "Lock.extend": lambda w: (w.lock().extend, {}),
    "Semaphore": lambda w: (
        w.half.locks.Semaphore,
        {"locks": w.locks, "name": "a", "permits": 2},
    ),
    "Semaphore.acquire": lambda w: (
        w.locks.semaphore(w.name(), permits=2).acquire,
        {"timeout": NOW},
    ),
    "Semaphore.try_acquire": lambda w: (w.locks.semaphore(w.name(), permits=2).try_acquire, {}),
    "LockClient.read_write_lock": lambda w: (w.locks.read_write_lock, {"name": "a"}),
    "ReadWriteLock": lambda w: (w.half.locks.ReadWriteLock, {"locks": w.locks, "name": "a"}),
    "ReadWriteLock.read": lambda w: (
        w.locks.read_write_lock(w.name(), readers=2).read,
        {"timeout": NOW},
    ),
    "ReadWriteLock.write": lambda w: (
        w.locks.read_write_lock(w.name(), readers=2).write,
        {"timeout": NOW},
    ),
    "WriteLock.downgrade": lambda w: (w.writing().downgrade, {}),
    "WriteLock.extend": lambda w: (w.writing().extend, {}),
    "LeaderElection": lambda w: (w.half.locks.LeaderElection, {"locks": w.locks, "name": "a"}),
    "LeaderElection.campaign": lambda w: (w.election().campaign, {}),
    "LeaderElection.run": lambda w: w.leading(),
    "TransactionClient": lambda w: (
        w.half.transactions.TransactionClient,
        {"table": "t", "client": w.client},
    ),
    "TransactionClient.run": lambda w: (
        w.transactions.run,
        {"function": w.half.function(lambda _: None)},
    ),
    "TransactionClient.transactional": lambda w: (
        w.transactions.transactional,
        {"function": w.half.function(lambda _: None)},
    ),
    "TransactionClient.snapshot": lambda w: (w.transactions.snapshot, {"targets": [("t", KEY)]}),
    "Transaction.get": lambda w: (w.in_transaction("get"), {"table": "t", "key": KEY}),
    "Transaction.get_many": lambda w: (w.in_transaction("get_many"), {"targets": [("t", KEY)]}),
    "Transaction.put": lambda w: (
        w.in_transaction("put"),
        {"table": "t", "key": KEY, "attributes": {"n": 1}},
    ),
    "Transaction.update": lambda w: (w.in_transaction("update"), {"table": "t", "key": KEY}),
    "Transaction.delete": lambda w: (w.in_transaction("delete"), {"table": "t", "key": KEY}),
    "Transaction.check": lambda w: (
        w.in_transaction("check"),
        {"table": "t", "key": KEY, "condition": Attr("b").not_exists()},
    ),
    "Transaction.guard": lambda w: (w.in_transaction("guard"), {"lock": w.lock()}),
    "Transaction.release": lambda w: (w.in_transaction("release"), {"lock": w.lock()}),
    "CounterClient": lambda w: (
        w.half.counters.CounterClient,
        {"table": "t", "client": w.client},
    ),
    "CounterClient.counter": lambda w: (w.counters.counter, {"name": "a"}),
    "CounterClient.transfer": lambda w: (
        w.counters.transfer,
        {"source": w.counter().name, "target": w.counter().name, "amount": 1},
    ),
    "CounterClient.page": lambda w: (w.counters.page, {}),
    "CounterClient.states": lambda w: (w.counters.states, {}),
    "CounterClient.names": lambda w: (w.counters.names, {}),
    "Counter.increment": lambda w: (w.counter().increment, {}),
    "Counter.decrement": lambda w: (w.counter().decrement, {}),
    "Counter.configure": lambda w: (w.counter().configure, {}),
    "Counter.reset": lambda w: (w.counter().reset, {}),
    "Counter.delete": lambda w: (w.counter().delete, {}),
    "CountDownLatch": lambda w: (
        w.half.latches.CountDownLatch,
        {"counters": w.counters, "name": "a", "count": 1},
    ),
    "CountDownLatch.count_down": lambda w: (latch(w).count_down, {}),
    "CountDownLatch.wait": lambda w: (latch(w).wait, {"timeout": NOW}),
    "Barrier": lambda w: (
        w.half.latches.Barrier,
        {"counters": w.counters, "name": "a", "parties": 1},
    ),
    "Barrier.wait": lambda w: (w.half.latches.Barrier(w.counters, w.name(), parties=1).wait, {}),
    "Signer": lambda w: (w.half.signing.Signer, {"key_id": w.key_id, "client": w.keys}),
    "Signer.sign": lambda w: (w.signer.sign, {"claims": {}}),
    "Signer.sign_detached": lambda w: (w.signer.sign_detached, {"payload": b""}),
    "Signer.sign_bytes": lambda w: (w.signer.sign_bytes, {"message": b""}),
    "jwks": lambda w: (w.half.signing.jwks, {"key_ids": [w.key_id], "client": w.keys}),
    "Mac": lambda w: (w.half.signing.Mac, {"key_id": w.mac_id, "client": w.keys}),
    "Mac.sign": lambda w: (w.mac.sign, {"claims": {}}),
    "Mac.verify": lambda w: (w.mac.verify, {"token": w.call(w.mac.sign, {})}),
    "SignedItem": lambda w: (w.half.signing.SignedItem, {"table": "t", "attributes": ["a"]}),
    "SignedItem.payload": lambda w: (w.item.payload, {"item": {"a": 1}}),
    "SignedItem.sign": lambda w: (w.item.sign, {"item": {"a": 1}, "signer": w.signer}),
    "SignedItem.verify": lambda w: (
        w.item.verify,
        {"item": w.call(w.item.sign, {"a": 1}, w.signer), "verifier": w.verifier},
    ),
    "Verifier": lambda w: (w.half.signing.Verifier, {"keys": w.jwks}),
    "HybridVerifier": lambda w: (w.half.signing.HybridVerifier, {"keys": w.jwks}),
    "Verifier.verify": lambda w: (w.verifier.verify, {"token": w.call(w.signer.sign, {})}),
    "Verifier.verify_detached": lambda w: (
        w.verifier.verify_detached,
        {"token": w.call(w.signer.sign_detached, b""), "payload": b""},
    ),
    "Verifier.key_for": lambda w: (w.verifier.key_for, {"kid": w.jwks["keys"][0]["kid"]}),
    "HybridVerifier.verify": lambda w: (
        w.half.signing.HybridVerifier(w.jwks).verify,
        {"token": "x"},
    ),
    "HybridVerifier.verify_detached": lambda w: (
        w.half.signing.HybridVerifier(w.jwks).verify_detached,
        {"token": "x", "payload": b""},
    ),
    "KmsVerifier": lambda w: (
        w.half.signing.KmsVerifier,
        {"key_ids": [w.key_id], "client": w.keys},
    ),
    "KmsVerifier.verify": lambda w: (
        w.half.signing.KmsVerifier([w.key_id], client=w.keys).verify,
        {"token": w.call(w.signer.sign, {})},
    ),
    "HybridSigner": lambda w: (
        w.half.signing.HybridSigner,
        {"classical": w.signer, "post_quantum": w.signer},
    ),
    "DelegatedSigner": lambda w: (
        w.half.signing.DelegatedSigner,
        {"key_id": w.key_id, "client": w.keys},
    ),
    "DelegatedSigner.sign": lambda w: (w.delegated().sign, {"claims": {}}),
    "sign_message": lambda w: (
        w.half.signing.sign_message,
        {"message": httpx.Request("GET", "https://api.example/v1"), "signer": w.signer},
    ),
    "verify_message": lambda w: (
        w.half.signing.verify_message,
        {"message": w.signed(), "verifier": w.verifier},
    ),
    "sigv4": lambda w: (
        w.half.signing.sigv4,
        {"session": types.SimpleNamespace(get_credentials=lambda: None), "region": "eu-west-1"},
    ),
    "ReceiptIssuer": lambda w: (
        w.half.receipts.ReceiptIssuer,
        {"signer": w.signer, "issuer": "https://api.example"},
    ),
    "ReceiptIssuer.issue": lambda w: (
        w.half.receipts.ReceiptIssuer(w.signer, issuer="i").issue,
        {"counter": "a", "value": 1, "amount": 1},
    ),
    "ReceiptVerifier": lambda w: (
        w.half.receipts.ReceiptVerifier,
        {"keys": w.jwks, "issuer": "i"},
    ),
    "ReceiptVerifier.verify": lambda w: (
        w.half.receipts.ReceiptVerifier(w.jwks, issuer="i").verify,
        {"token": "x"},
    ),
    "receipt_of": lambda w: (
        w.half.receipts.receipt_of,
        {"claims": {"counter": "a", "value": 1, "iat": 1}},
    ),
}
if ML_DSA:
    CALLS["HybridSigner.sign"] = lambda w: (
        w.half.signing.HybridSigner(
            w.signer, w.half.signing.Signer(w.kms.create("ML_DSA_44"), client=w.keys)
        ).sign,
        {"claims": {}},
    )


def latch(world):
    latch = world.half.latches.CountDownLatch(world.counters, world.name(), count=1)
    world.call(latch.count_down)
    return latch


@pytest.fixture
def world(half):
    world = World(half)
    yield world
    world.call(world.locks.close)


def parameters(function):
    """Return the names of what a function takes, but for what may be anything."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    taken = inspect.signature(function).parameters.values()
    return [
        one.name
        for one in taken
        if one.kind not in kinds and one.name not in ANYTHING and "bool" not in str(one.annotation)
    ]


def settled(world, result):
    """Give back what a call has acquired, and begin what it has only promised."""
    if isinstance(result, (world.half.locks.Lock, world.half.locks.LockSet)):
        world.call(result.release)


@pytest.mark.parametrize("name", CALLS)
def test_no_parameter_ends_in_an_error_from_inside(world, name):
    bare = []
    for parameter in parameters(CALLS[name](world)[0]):
        for given in WRONG:
            call, right = CALLS[name](world)
            try:
                settled(world, world.call(call, **{**right, parameter: given}))
            except InvalidValue as error:
                if given == 5 and "5" not in str(error):
                    bare.append(f"{parameter}={given!r} is not named: {error}")
            except InterlockError:
                pass
            except Exception as error:  # noqa: BLE001 - all that came is reported together
                bare.append(f"{parameter}={type(given)}: {error!r}")
    assert bare == []


def test_right_arguments_are_taken(world):
    refused = {}
    for name, made in CALLS.items():
        call, right = made(world)
        try:
            settled(world, world.call(call, **right))
        except InterlockError as error:
            refused[name] = type(error).__name__
    assert refused == {
        "HybridVerifier.verify": "MalformedToken",
        "HybridVerifier.verify_detached": "MalformedToken",
        "ReceiptVerifier.verify": "MalformedToken",
    }


def test_every_public_method_is_tried(half):
    missing = []
    for module in MODULES:
        public = importlib.import_module(f"{half.package}.{module}")
        for name in public.__all__:
            kind = getattr(public, name)
            calls = {name: kind}
            if inspect.isclass(kind):
                found = inspect.getmembers(kind, inspect.isfunction)
                calls |= {f"{name}.{each}": call for each, call in found if each[0] != "_"}
            missing += [
                place
                for place, call in calls.items()
                if place not in CALLS
                and place not in NOTHING_TO_GET_WRONG
                and callable(call)
                and [each for each in parameters(call) if each != "self"]
            ]
    assert missing == []


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda tx: tx.put("t", "42", {}), r"""key: '42' \(str\) .*\{"pk": '42'\}"""),
        (lambda tx: tx.guard("x"), r"lock: 'x' \(str\) .*LockClient\.acquire"),
        (lambda tx: tx.check("t", KEY, Attr("a")), "condition: .*Attr.*eq"),
        (lambda tx: tx.get_many(["t"]), r"targets: 't' \(str\) .*\(table, key\)"),
    ],
)
def test_the_text_names_the_value_its_type_and_the_way_out(world, call, told):
    with pytest.raises(InvalidValue, match=told):
        world.call(world.transactions.run, world.half.function(call))


def test_what_is_no_function_or_no_list_of_names_is_told_so(world):
    with pytest.raises(
        InvalidValue, match=r"function: 3 \(int\) cannot be called; .*def ship\(tx\)"
    ):
        world.call(world.transactions.run, 3)
    with pytest.raises(InvalidValue, match=r"function: 3 \(int\) cannot be called; .*def report"):
        world.call(world.locks.exclusive("a"), 3)
    with pytest.raises(InvalidValue, match=r"names: 3 \(int\) is no list of names; .*\['a', 'b'\]"):
        world.call(world.locks.acquire_all, 3)


def test_a_key_that_is_no_string_is_told_with_the_way_out(world):
    told = r"idempotency_key: 5 \(int\) is not a string of 1-\d+ bytes; write idempotency_key='5'"
    with pytest.raises(InvalidValue, match=told):
        world.call(world.counters.counter("a").increment, idempotency_key=5)
    function = world.half.function(lambda _: None)
    with pytest.raises(InvalidValue, match=told):
        world.call(world.transactions.run, function, idempotency_key=5)
