"""Every refusal of the service, met by every client: one code, one error, one text, and the table.

`CALLS` is what the clients do, both halves; each is refused by each code. What is said of a table
has to name the table of the call, and of a key the key; for the rest the text is one and the same.
"""

import itertools
import re
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from interlock import errors
from interlock._drivers.clients import fault_of
from interlock._drivers.environment import Environment
from interlock._protocol.locks.client import LockOperations
from interlock._protocol.locks.settings import Settings
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.signing.kms import LocalKms

COORDINATION, ORDERS, KEY = "coordination", "orders", "alias/receipts"
SOON = timedelta(seconds=1)
ANY_KEY = {"pk": "a"}


class Refusing:
    """A service that carries calls out until it `refuses`, by the error that it is given."""

    def __init__(self, answer):
        self.answer = answer
        self.refuses = None
        self.now = 1_700_000_000.0

    def __call__(self, operation, params):
        self.now += 0.001
        if self.refuses is None:
            return self.answer(operation, params)
        raise fault_of(ClientError(self.refuses, operation))

    def sleep(self, seconds):
        self.now += seconds

    def clock(self):
        return self.now

    def client(self, half):
        """Return a client of this service, for whose pauses no test waits."""
        environment = Environment(monotonic=self.clock, wall_clock=self.clock)
        driver = half.client(self, environment, self.sleep)
        driver.pausing = lambda _sleep: driver
        return driver


class Dynamo:
    """The clients that ask DynamoDB, and what they have at hand when it begins to refuse."""

    def __init__(self, half):
        self.half = half
        self.service = Refusing(Store(Table(COORDINATION), Table(ORDERS)).perform)
        client = self.service.client(half)
        self.locks = half.wrap(half.locks.LockClient(COORDINATION, client=client))
        self.lock = self.locks.acquire("held")
        self.exported = self.locks.acquire("exported").export()
        counters = half.wrap(half.counters.CounterClient(COORDINATION, client=client))
        self.counters, self.counter = counters, counters.counter("visits", ceiling=10)
        self.counter.increment()
        self.sharded = counters.counter("hits", shards=4)
        self.transactions = half.wrap(
            half.transactions.TransactionClient(COORDINATION, client=client)
        )

    def heartbeat(self):
        """Send one, which raises nothing, and raise what it would report of the loss."""
        grant, driver = self.lock._grant, self.service.client(self.half)
        settings = Settings(COORDINATION)
        operation = LockOperations(settings, lambda: "owner").renew(grant)
        self.half.call(driver.run, operation)
        raise grant.problem

    def run_job(self, **options):
        """Run a job that does nothing."""
        job = self.locks.exclusive("a", **options)(self.half.function(lambda: None))
        return self.half.call(job)

    def run(self, *steps, **options):
        """Run a transaction of some calls on it."""

        def function(transaction):
            for step in steps:
                step(transaction)

        return self.transactions.run(self.half.function(function), **options)

    def close(self):
        self.locks.close()

    def created(self):
        client = self.service.client(self.half)
        return self.half.call(self.half.tables.create_table, COORDINATION, client=client)


def put(table):
    return lambda transaction: transaction.put(table, ANY_KEY, {"n": 1})


def get(table):
    return lambda transaction: transaction.get(table, ANY_KEY)


# The table that each names when there is none.
CALLS = {
    "locks: acquire": (lambda of: of.locks.acquire("a", timeout=SOON), COORDINATION),
    "locks: try to acquire": (lambda of: of.locks.try_acquire("a"), COORDINATION),
    "locks: acquire all": (
        lambda of: of.locks.acquire_all(["ab"], timeout=SOON),
        COORDINATION,
    ),
    "locks: acquire a permit": (
        lambda of: of.locks.semaphore("a", permits=2).acquire(timeout=SOON),
        COORDINATION,
    ),
    "locks: run a job": (lambda of: of.run_job(), COORDINATION),
    "locks: get the result of a job": (
        lambda of: of.run_job(otherwise="result", timeout=SOON),
        COORDINATION,
    ),
    "locks: read the last run of a job": (lambda of: of.locks.last_run("a"), COORDINATION),
    "locks: read": (
        lambda of: of.locks.read_write_lock("a").read(timeout=SOON),
        COORDINATION,
    ),
    "locks: write": (
        lambda of: of.locks.read_write_lock("a").write(timeout=SOON),
        COORDINATION,
    ),
    "locks: campaign": (lambda of: of.locks.election("a").campaign(SOON), COORDINATION),
    "locks: observe": (lambda of: of.locks.election("a").observe(), COORDINATION),
    "locks: break": (lambda of: of.locks.break_lock("a", because="x"), COORDINATION),
    "locks: inspect": (lambda of: of.locks.inspect("a"), COORDINATION),
    "locks: page": (lambda of: of.locks.page(), COORDINATION),
    "locks: deadlocks": (lambda of: of.locks.deadlocks(), COORDINATION),
    "locks: adopt": (lambda of: of.locks.adopt(of.exported), COORDINATION),
    "locks: heartbeat": (lambda of: of.heartbeat(), COORDINATION),
    "locks: release": (lambda of: of.lock.release(), COORDINATION),
    "counters: increment": (lambda of: of.counter.increment(), COORDINATION),
    "counters: increment by a key": (
        lambda of: of.counter.increment(idempotency_key="k"),
        COORDINATION,
    ),
    "counters: increment one of shards": (lambda of: of.sharded.increment(), COORDINATION),
    "counters: get": (lambda of: of.counter.get(), COORDINATION),
    "counters: get of shards": (lambda of: of.sharded.get(), COORDINATION),
    "counters: estimate": (lambda of: of.sharded.get(consistent=False), COORDINATION),
    "counters: inspect": (lambda of: of.counter.inspect(), COORDINATION),
    "counters: create": (lambda of: of.sharded.create(), COORDINATION),
    "counters: configure": (lambda of: of.counter.configure(shards=2), COORDINATION),
    "counters: reset": (lambda of: of.counter.reset(), COORDINATION),
    "counters: delete": (lambda of: of.counter.delete(), COORDINATION),
    "counters: page": (lambda of: of.counters.page(), COORDINATION),
    "counters: states": (lambda of: of.counters.states(), COORDINATION),
    "counters: names": (lambda of: list(of.counters.names()), COORDINATION),
    "counters: transfer": (lambda of: of.counters.transfer("visits", "hits", 1), COORDINATION),
    "transactions: read": (lambda of: of.run(get(ORDERS)), ORDERS),
    "transactions: read two": (
        lambda of: of.run(lambda t: t.get_many([(ORDERS, ANY_KEY), (ORDERS, {"pk": "b"})])),
        ORDERS,
    ),
    "transactions: write": (lambda of: of.run(put(ORDERS)), ORDERS),
    "transactions: write two": (
        lambda of: of.run(put(ORDERS), put(COORDINATION)),
        f"{COORDINATION}, {ORDERS}",
    ),
    "transactions: write by a key": (
        lambda of: of.run(put(ORDERS), idempotency_key="k"),
        COORDINATION,
    ),
    "tables: create": (lambda of: of.created(), COORDINATION),
}


class Kms:
    """The clients that ask KMS."""

    def __init__(self, half):
        self.half = half
        kms = LocalKms()
        kms.aliases[KEY], mac = kms.create(), kms.create("HMAC_256")
        self.service = Refusing(kms.answer)
        client, signing = self.service.client(half), half.signing
        self.new = half.wrap(signing.Signer(KEY, client=client))
        self.signer = half.wrap(signing.Signer(KEY, client=client))
        self.token = self.signer.sign({"n": 1})
        self.delegated = half.wrap(signing.DelegatedSigner(KEY, client=client))
        self.kms_verifier = half.wrap(signing.KmsVerifier([KEY], client=client))
        self.kms_verifier.verify(self.token)
        self.mac = half.wrap(signing.Mac(mac, client=client))
        self.tag = self.mac.sign({"n": 1})

    def close(self):
        """Nothing is held."""

    def jwks(self):
        client = self.service.client(self.half)
        return self.half.call(self.half.signing.jwks, [KEY], client=client)


KEY_CALLS = {
    "look up": lambda of: of.new.key(),
    "sign": lambda of: of.signer.sign({}),
    "sign for the first time": lambda of: of.new.sign({}),
    "sign bytes": lambda of: of.signer.sign_bytes(b"content"),
    "sign detached": lambda of: of.signer.sign_detached(b"content"),
    "delegate": lambda of: of.delegated.sign({}),
    "verify": lambda of: of.kms_verifier.verify(of.token),
    "authenticate": lambda of: of.mac.sign({}),
    "check": lambda of: of.mac.verify(of.tag),
    "publish": lambda of: of.jwks(),
}

WAY_OUT = {
    errors.CredentialsRejected: "the AWS credentials were not accepted",
    errors.AccessDenied: " allows it",
    errors.Throttled: "throttled",
    errors.ServiceUnavailable: "did not get as far as to answer",
    errors.TransactionConflict: "got in the way",
    errors.RequestRefused: "was refused as",
}
CODES = {
    "AccessDeniedException": errors.AccessDenied,
    "ExpiredTokenException": errors.CredentialsRejected,
    "IncompleteSignatureException": errors.CredentialsRejected,
    "InvalidClientTokenId": errors.CredentialsRejected,
    "InvalidSignatureException": errors.CredentialsRejected,
    "MissingAuthenticationTokenException": errors.CredentialsRejected,
    "RequestExpired": errors.CredentialsRejected,
    "UnrecognizedClientException": errors.CredentialsRejected,
    "PriorRequestNotComplete": errors.ServiceUnavailable,
    "RequestTimeout": errors.ServiceUnavailable,
    "LimitExceededException": errors.Throttled,
    "ProvisionedThroughputExceededException": errors.Throttled,
    "RequestThrottledException": errors.Throttled,
    "ThrottlingException": errors.Throttled,
    "SerializationException": errors.RequestRefused,
    "ValidationException": errors.RequestRefused,
    "AnythingElse": errors.RequestRefused,
}
CONFLICTS = ["TransactionConflictException", "ReplicatedWriteConflictException"]


def refusal(code, message="why", status=400):
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }


def met(make, half, call, refused):
    """Return what a call raises."""
    of = make(half)
    of.service.refuses = refused
    with pytest.raises(errors.InterlockError) as raised:
        call(of)
    of.service.refuses = None
    of.close()
    return raised.value


def alike(error):
    """Return what two errors of one code have in common: not the grant, the counts, the service."""
    text = re.sub(r"\w+\.grant_\w+\(...\)|the IAM action \S+", "GRANT", str(error))
    return re.sub(r"DynamoDB|KMS", "SERVICE", re.sub(r"\d+", "N", text))


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_one_error_with_one_text_whichever_client_meets_it(half, code):
    calls: list[Any] = [(Dynamo, call) for call, _ in CALLS.values()]
    calls += [(Kms, call) for call in KEY_CALLS.values()]
    found = {
        name: met(make, half, call, refusal(code))
        for name, (make, call) in zip(itertools.chain(CALLS, KEY_CALLS), calls, strict=True)
    }
    assert {type(error) for error in found.values()} == {CODES[code]}, found
    assert len({alike(error) for error in found.values()}) == 1, found
    for error in found.values():
        assert WAY_OUT[CODES[code]] in str(error)
        assert code in str(error) or CODES[code] is errors.TransactionConflict


@pytest.mark.parametrize("name", CALLS)
def test_the_table_that_is_missing_is_named(half, name):
    call, table = CALLS[name]
    error = met(Dynamo, half, call, refusal("ResourceNotFoundException"))
    assert type(error) is errors.TableNotFound
    assert error.table == table
    assert repr(table) in str(error)


@pytest.mark.parametrize(
    "code", ["DisabledException", "KMSInvalidStateException", "NotFoundException"]
)
@pytest.mark.parametrize("name", KEY_CALLS)
def test_a_key_that_cannot_be_used_is_named(half, name, code):
    error = met(Kms, half, KEY_CALLS[name], refusal(code))
    assert type(error) is errors.KeyUnusable
    assert re.search(r"does not use (alias/receipts|arn:aws:kms\S+): ", str(error))


@pytest.mark.parametrize("code", CONFLICTS)
def test_a_conflict_is_one_error_for_every_write(half, code):
    reads = re.compile("get|inspect|observe|page|deadlock|states|names|read|estimate|create")
    for name, (call, _) in CALLS.items():
        if not reads.search(name):
            error = met(Dynamo, half, call, refusal(code))
            assert type(error) is errors.TransactionConflict, name
