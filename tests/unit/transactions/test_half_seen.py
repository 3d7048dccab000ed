"""A key whose commit is seen item by item: what the items refuse is not the last word."""

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._drivers.environment import Environment
from interlock._protocol.faults import NoReply, Refused
from interlock.errors import ConditionFailed, IdempotencyMismatch, LockLost
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.transactions.steps import Held

A = {"pk": "a"}
COMMIT, LOOK = "TransactWriteItems", "TransactGetItems"


class World:
    """A store in which the first commit shows its record last, and a client that comes meanwhile.

    The rest is written before the second look by a transaction.
    """

    def __init__(self, half):
        self.half, self.now = half, 0.0
        self.under_way: Any = None
        self.calls: list[str] = []
        self.store = Store(Table("t"), Table("coordination"))
        row = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "version": {"S": "v"}}
        self.store.perform("PutItem", {"TableName": "coordination", "Item": row})

    def client(self, answer):
        environment = Environment(monotonic=lambda: self.now, wall_clock=lambda: self.now)
        client = self.half.client(answer, environment, sleep=self.pause)
        made = self.half.transactions.TransactionClient(
            "coordination", client=client, unscoped_keys=False
        )
        return self.half.wrap(made)

    def pause(self, seconds):
        self.now += seconds

    def begin(self, body, **options):
        """Commit a function up to its record."""

        def first(operation, params):
            if operation != COMMIT:
                return self.store.perform(operation, params)
            self.under_way = self.store.begin(params)
            while self.under_way.left > 1:
                self.under_way.write_one()
            return {"ConsumedCapacity": [{"TableName": "t"}, {"TableName": "coordination"}]}

        self.run(body, self.client(first), **options)

    def answer(self, operation, params):
        self.now += 0.01
        self.calls.append(operation)
        if self.calls.count(LOOK) == 2 and self.under_way.left:
            self.under_way.commit()
        return self.store.perform(operation, params)

    def run(self, body, client=None, **options):
        given = {"idempotency_key": "k", "operation": "o", **options}
        used = self.client(self.answer) if client is None else client
        return used.run(self.half.function(body), **given)


@pytest.fixture
def world(half):
    return World(half)


def making(t):
    t.put("t", A, {"n": 1}, condition=Attr("pk").not_exists())
    return "made"


def looking(t):
    if t.get("t", A) is not None:
        raise ValueError("it is there already")
    t.put("t", A, {"n": 1})
    return "made"


def returning(lock):
    def body(t):
        t.release(lock)
        t.put("t", A, {"n": 1})
        return "made"

    return body


@pytest.mark.parametrize("body", [making, looking])
def test_what_its_own_key_has_made_refuses_no_duplicate(world, body):
    world.begin(body)
    assert world.run(body) == "made"
    assert world.calls.count(LOOK) == 2


def test_a_lock_that_its_own_key_has_given_back_is_not_lost(world):
    world.begin(returning(Held()))
    lock = Held()
    assert world.run(returning(lock)) == "made"
    assert lock.told == ["kept"]


@pytest.mark.parametrize("body", [making, looking])
def test_another_payload_is_told_by_the_record_and_not_by_the_items(world, body):
    world.begin(body, payload=1)
    with pytest.raises(IdempotencyMismatch):
        world.run(body, payload=2)


@pytest.mark.parametrize(("body", "error"), [(making, ConditionFailed), (looking, ValueError)])
def test_what_another_has_made_refuses(world, body, error):
    world.begin(body, idempotency_key="another")
    world.under_way.commit()
    with pytest.raises(error):
        world.run(body)
    assert world.calls.count(LOOK) == 1


@pytest.mark.parametrize(("body", "error"), [(making, ConditionFailed), (looking, ValueError)])
def test_where_the_key_cannot_be_looked_for_the_first_problem_is_told(world, body, error):
    world.begin(body)

    def answer(operation, params):
        if operation == LOOK:
            raise Refused("AccessDeniedException")
        return world.answer(operation, params)

    with pytest.raises(error):
        world.run(body, world.client(answer))


def test_a_function_that_has_read_nothing_fails_without_a_look(world):
    def failing(_):
        raise ValueError("at once")

    with pytest.raises(ValueError, match="at once"):
        world.run(failing)
    assert LOOK not in world.calls


def test_a_lock_that_is_lost_is_told_so(world):
    def guarding(t):
        t.guard(Held())
        t.put("t", A, {"n": 1})

    row = {"pk": {"S": "lock#a"}, "fence": {"N": "8"}, "version": {"S": "v"}}
    world.store.perform("PutItem", {"TableName": "coordination", "Item": row})
    with pytest.raises(LockLost):
        world.run(guarding)


def test_a_lock_that_the_runs_own_first_attempt_has_given_back_is_not_held_any_more(world):
    lock, absent = Held(), {"TableName": "t", "Key": {"pk": {"S": "c"}}}
    commits: list[Any] = []

    def body(t):
        t.get("t", {"pk": "c"})
        return returning(lock)(t)

    def answer(operation, params):
        if operation == COMMIT:
            commits.append(params)
            if len(commits) == 1:
                raise NoReply("lost")
            if len(commits) == 2:  # sent again, it is stale
                world.store.perform("PutItem", {"TableName": "t", "Item": absent["Key"]})
            else:  # and now the first copy lands, of which the lock's row is seen
                world.store.perform("DeleteItem", absent)
                world.under_way = world.store.begin(commits[0])
                rows = [place.table for place, _, _ in world.under_way.results]
                world.under_way.write_one(rows.index("coordination"))
        return world.answer(operation, params)

    assert world.run(body, world.client(answer)) == "made"
    assert (len(commits), lock.told) == (3, ["kept", "released"])
