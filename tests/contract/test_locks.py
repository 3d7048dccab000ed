"""Locks between real processes, on real engines: crowds, kills, stops and lost replies."""

import os
import signal
import time
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from interlock import LockClient, TransactionClient
from interlock._drivers.clients import CLIENT_CONFIG
from interlock.errors import GuardFailed, LockLost, LockTimeout, LossReason
from tests.contract.conftest import PATIENT, connected
from tests.contract.processes import APART

PROCESSES, ROUNDS = 8, 6
LEASE = timedelta(seconds=3.5)  # longer than one call that hangs
LONG = timedelta(seconds=30)  # for who must not lose a lock because the machine is busy
SOON = timedelta(milliseconds=50)
PATIENCE = 60.0  # seconds, for whatever is waited for
SECTION = {"pk": {"S": "section"}}


def connect(endpoint, config=CLIENT_CONFIG):
    """Return a boto3 client for the library; by `PATIENT`, for what a test does by hand."""
    return connected(endpoint, config)


def lock_client(endpoint, table, *, lease=LEASE, client=None):
    return LockClient(table, client=client or connect(endpoint), lease=lease, poll=SOON)


@pytest.fixture
def locks(endpoint, table):
    with lock_client(endpoint, table) as client:
        yield client


@contextmanager
def process(work, *args):
    """Start a process that runs `work(pipe, *args)`; give the other end of the pipe."""
    here, there = APART.Pipe()
    worker = APART.Process(target=work, args=(there, *args), daemon=True)
    worker.start()
    there.close()
    try:
        yield worker, here
    finally:
        worker.kill()
        worker.join()
        here.close()


def told(pipe):
    assert pipe.poll(PATIENCE), "the process has not answered"
    return pipe.recv()


def told_by_each(*works):
    """Run processes side by side, each of `(work, *args)`; return what they tell, in this order."""
    with ExitStack() as stack:
        pipes = [stack.enter_context(process(*work))[1] for work in works]
        return [told(pipe) for pipe in pipes]


# What the processes do.


def enter_and_leave(pipe, endpoint, table):
    """Enter a critical section that notices if another process is in it, and note the fence."""
    dynamodb = connect(endpoint, PATIENT)
    with lock_client(endpoint, table, lease=LONG) as locks:
        for _ in range(ROUNDS):
            with locks.acquire("section", timeout=LONG * 4) as lock:
                dynamodb.update_item(
                    TableName=table,
                    Key=SECTION,
                    UpdateExpression="SET inside = :me, "
                    "fences = list_append(if_not_exists(fences, :none), :fence)",
                    ConditionExpression="attribute_not_exists(inside)",
                    ExpressionAttributeValues={
                        ":me": {"N": str(os.getpid())},
                        ":none": {"L": []},
                        ":fence": {"L": [{"N": str(lock.fencing_token)}]},
                    },
                )
                dynamodb.update_item(
                    TableName=table,
                    Key=SECTION,
                    UpdateExpression="REMOVE inside",
                    ConditionExpression="inside = :me",
                    ExpressionAttributeValues={":me": {"N": str(os.getpid())}},
                )
                lock.ensure()
    pipe.send("done")


def hold(pipe, endpoint, table):
    """Take a lock and keep it; then do as told, and say what came of it."""
    dynamodb = connect(endpoint, PATIENT)
    locks, tx = lock_client(endpoint, table), TransactionClient(table, client=connect(endpoint))
    lock = locks.acquire("held", data={"by": "child"})
    pipe.send(lock.fencing_token)
    while (order := pipe.recv()) != "end":
        if order == "write":
            pipe.send(written(lambda: write(dynamodb, table, lock, "child")))
        elif order == "transact":
            pipe.send(written(lambda: transact(tx, table, lock, "child")))
        elif order == "ensure":
            pipe.send(written(lock.ensure))
        elif order == "lost":
            lock.lost.wait(timedelta(seconds=PATIENCE))
            pipe.send((lock.lost.is_set(), lock.remaining))
        elif order == "release":
            pipe.send(lock.release())


def written(action):
    try:
        action()
    except ClientError as refused:
        return [reason["Code"] for reason in refused.response["CancellationReasons"]]
    except (GuardFailed, LockLost) as error:
        return type(error).__name__, getattr(error, "reason", None)
    return "written"


def write(dynamodb, table, lock, by):
    """Write by hand what only the holder may write."""
    put = {"Put": {"TableName": table, "Item": {"pk": {"S": "data"}, "by": {"S": by}}}}
    dynamodb.transact_write_items(TransactItems=[lock.guard(), put])


def transact(tx, table, lock, by):
    def body(t):
        t.guard(lock)
        t.put(table, {"pk": "data"}, {"by": by})

    tx.run(body)


def content(store, table):
    return store.get_item(TableName=table, Key={"pk": {"S": "data"}})["Item"]["by"]["S"]


# What is seen of it.


def test_eight_processes_are_never_in_the_section_together(endpoint, store, table):
    works = [(enter_and_leave, endpoint, table)] * PROCESSES
    assert told_by_each(*works) == ["done"] * PROCESSES
    item = store.get_item(TableName=table, Key=SECTION, ConsistentRead=True)["Item"]
    fences = [int(fence["N"]) for fence in item["fences"]["L"]]
    assert len(fences) == PROCESSES * ROUNDS
    assert all(earlier < later for earlier, later in pairwise(fences))
    assert "inside" not in item


def test_a_killed_holder_is_succeeded_after_its_lease_and_not_before(endpoint, table, locks):
    with process(hold, endpoint, table) as (worker, pipe):
        fence = told(pipe)
        watched = time.monotonic()  # its lease is, at the earliest, from here on
        assert locks.try_acquire("held") is None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(PATIENCE)
        with locks.acquire("held", timeout=timedelta(seconds=PATIENCE)) as lock:
            assert time.monotonic() - watched >= LEASE.total_seconds()
            assert lock.fencing_token > fence


def test_who_never_waits_takes_over_from_a_killed_holder_too(endpoint, table, locks):
    with process(hold, endpoint, table) as (worker, pipe):
        told(pipe)
        os.kill(worker.pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while (lock := locks.try_acquire("held")) is None:
            assert time.monotonic() < deadline
            time.sleep(SOON.total_seconds())
        lock.release()


def test_a_living_holder_keeps_its_lock_for_many_leases(endpoint, table, locks):
    with process(hold, endpoint, table) as (_, pipe):
        fence = told(pipe)
        with pytest.raises(LockTimeout) as late:
            locks.acquire("held", timeout=3 * LEASE)
        assert late.value.holder.fencing_token == fence
        assert late.value.holder.data == {"by": "child"}
        pipe.send("write")
        assert told(pipe) == "written"


def test_what_a_stopped_holder_writes_after_a_take_over_is_refused(endpoint, store, table, locks):
    with process(hold, endpoint, table) as (worker, pipe):
        fence = told(pipe)
        os.kill(worker.pid, signal.SIGSTOP)
        lock = locks.acquire("held", timeout=timedelta(seconds=PATIENCE))
        assert lock.fencing_token > fence
        write(store, table, lock, "parent")
        pipe.send("write")  # lies in the pipe until the process goes on
        os.kill(worker.pid, signal.SIGCONT)
        assert told(pipe) == ["ConditionalCheckFailed", "None"]
        pipe.send("transact")
        assert told(pipe)[0] == "GuardFailed"
        assert content(store, table) == "parent"
        pipe.send("lost")
        assert told(pipe) == (True, timedelta())
        pipe.send("ensure")
        error, reason = told(pipe)
        assert error == "LockLost"
        assert reason in (LossReason.LEASE_RAN_OUT, LossReason.TAKEN_OVER)
        pipe.send("release")
        assert told(pipe) is False
        lock.ensure()
        write(store, table, lock, "still the parent")
        lock.release()


def test_a_released_lock_guards_nothing(store, table, locks):
    lock = locks.acquire("held")
    guard = lock.guard()
    lock.release()
    put = {"Put": {"TableName": table, "Item": {"pk": {"S": "data"}}}}
    with pytest.raises(ClientError) as refused:
        store.transact_write_items(TransactItems=[guard, put])
    assert refused.value.response["CancellationReasons"][0]["Code"] == "ConditionalCheckFailed"


def test_a_heartbeat_does_not_disturb_a_guard_that_was_made_before(store, table, locks):
    lock = locks.acquire("held")
    guard, version = lock.guard(), locks.inspect("held").version
    deadline = time.monotonic() + PATIENCE
    while locks.inspect("held").version == version:
        assert time.monotonic() < deadline
        time.sleep(SOON.total_seconds())
    put = {"Put": {"TableName": table, "Item": {"pk": {"S": "data"}}}}
    store.transact_write_items(TransactItems=[guard, put])
    lock.release()


def test_fences_rise_beyond_release_and_deletion(store, table, locks):
    fences = []
    for _ in range(3):
        with locks.acquire("held") as lock:
            fences.append(lock.fencing_token)
    store.delete_item(TableName=table, Key={"pk": {"S": "lock#held"}})
    with locks.acquire("held") as lock:
        fences.append(lock.fencing_token)
    assert fences == sorted(set(fences))


class LosingReplies:
    """Lets calls be carried out and loses their answers, while it is on."""

    def __init__(self, client):
        self.left = 0
        self.lost = 0
        for operation in ("BatchExecuteStatement", "UpdateItem"):
            client.meta.events.register(f"after-call.dynamodb.{operation}", self)

    def __call__(self, **_):
        if self.left:
            self.left -= 1
            self.lost += 1
            raise ReadTimeoutError(endpoint_url="injected")


def test_a_lost_reply_to_an_acquire_costs_no_lease(endpoint, table):
    dynamodb = connect(endpoint)
    losing = LosingReplies(dynamodb)
    with lock_client(endpoint, table, client=dynamodb, lease=LONG) as locks:
        losing.left = 2
        began = time.monotonic()
        with locks.acquire("held", timeout=LONG) as lock:
            assert time.monotonic() - began < LONG.total_seconds() / 2
            assert losing.lost == 2
            assert locks.inspect("held").fencing_token == lock.fencing_token


def test_lost_replies_to_heartbeats_lose_no_lock(endpoint, table):
    dynamodb = connect(endpoint)
    losing = LosingReplies(dynamodb)
    with lock_client(endpoint, table, client=dynamodb) as locks:
        with locks.acquire("held") as lock:
            losing.left = 2
            deadline = time.monotonic() + 3 * LEASE.total_seconds()
            while time.monotonic() < deadline:
                lock.ensure()
                time.sleep(SOON.total_seconds())
            assert losing.lost == 2
        assert locks.inspect("held").held is False


def test_a_lost_reply_to_a_release_frees_the_lock_all_the_same(endpoint, table):
    dynamodb = connect(endpoint)
    losing = LosingReplies(dynamodb)
    with lock_client(endpoint, table, client=dynamodb, lease=LONG) as locks:
        lock = locks.acquire("held")
        losing.left = 1
        assert lock.release() is True
        assert losing.lost == 1
        assert locks.try_acquire("held", lease=LONG) is not None


def note_calls(dynamodb):
    """Return a list to which the names of a client's calls are added."""
    sent = []
    dynamodb.meta.events.register(
        "provide-client-params.dynamodb", lambda model, **_: sent.append(model.name)
    )
    return sent


def test_locks_taken_together_are_given_back_by_one_call(endpoint, store, table):
    dynamodb, names = connect(endpoint), ["a", "b", "c"]
    sent = note_calls(dynamodb)
    with lock_client(endpoint, table, client=dynamodb, lease=LONG) as locks:
        assert locks.acquire_all(names).release() is True
        assert sent[-2:] == ["TransactGetItems", "BatchExecuteStatement"]
        locks.acquire("alone").release()
    keys = [{"pk": {"S": f"lock#{name}"}} for name in ("alone", *names)]
    rows = [store.get_item(TableName=table, Key=key)["Item"] for key in keys]
    assert [row.keys() for row in rows] == [{"pk", "fence", "expires"}] * 4


def test_of_locks_given_back_together_one_that_was_lost_is_told_apart(endpoint, table):
    dynamodb = connect(endpoint)
    with (
        lock_client(endpoint, table, client=dynamodb, lease=LONG) as locks,
        lock_client(endpoint, table, lease=LONG) as others,
    ):
        taken = locks.acquire_all(["a", "b", "c"])
        others.break_lock("b", because="a test")
        theirs = others.acquire("b")
        sent = note_calls(dynamodb)
        assert taken.release() is False
        assert sent == ["BatchExecuteStatement", "UpdateItem"]
        assert [one.lost.is_set() for one in taken] == [False, True, False]
        theirs.ensure()
        assert others.inspect("b").fencing_token == theirs.fencing_token
        assert not others.inspect("c").held


def test_a_lost_reply_to_a_release_of_several_frees_them_all_the_same(endpoint, table):
    dynamodb = connect(endpoint)
    losing = LosingReplies(dynamodb)
    with lock_client(endpoint, table, client=dynamodb, lease=LONG) as locks:
        taken = locks.acquire_all(["a", "b"])
        losing.left = 1
        assert taken.release() is True
        assert losing.lost == 1
        assert not locks.inspect("a").held
        assert not locks.inspect("b").held
