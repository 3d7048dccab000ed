"""What is told after an attempt with a key was given up, of which a copy may be carried out yet."""

import pytest
from boto3.dynamodb.conditions import Attr

from interlock._drivers.environment import Environment
from interlock._protocol.faults import NoReply, Refused
from interlock.errors import IdempotencyMismatch, OutcomeUnknown
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.transactions.steps import Held

A, B = {"pk": "a"}, {"pk": "b"}
COMMIT = "TransactWriteItems"
PLAIN = {"TableName": "t", "Item": {"pk": {"S": "a"}, "n": {"N": "5"}}}


class World:
    """A client whose first commit is lost, an item without a version, and what happens to it."""

    def __init__(self, half):
        self.half, self.now, self.commits = half, 0.0, []
        self.store = Store(Table("t"), Table("coordination"))
        self.store.perform("PutItem", PLAIN)
        self.after = None  # what the calls meet once the first commit is given up
        environment = Environment(monotonic=lambda: self.now, wall_clock=lambda: self.now)
        self.client = half.wrap(
            half.transactions.TransactionClient(
                "coordination",
                client=half.client(self.answer, environment, sleep=self.pause),
                unscoped_keys=False,
            )
        )

    def pause(self, seconds):
        self.now += seconds

    def answer(self, operation, params):
        self.now += 0.01
        if operation == COMMIT:
            self.commits.append(params)
            if len(self.commits) == 1:
                raise NoReply("lost")
            if len(self.commits) == 2:
                self.meanwhile()
        elif len(self.commits) >= 2 and self.after is not None:
            raise self.after
        return self.store.perform(operation, params)

    def meanwhile(self):
        self.store.perform("DeleteItem", {"TableName": "t", "Key": {"pk": {"S": "a"}}})

    def run(self, body, **options):
        given = {"idempotency_key": "k", "operation": "o", **options}
        return self.client.run(self.half.function(body), **given)

    def lands(self):
        """Let an outsider put the item back, and then the first copy of the first commit land."""
        self.store.perform("PutItem", PLAIN)
        self.store.perform(COMMIT, self.commits[0])
        return self.store.item("t", "b") is not None


@pytest.fixture
def world(half):
    return World(half)


def demanding(t):
    t.put("t", B, {"seen": t.get("t", A)}, condition=Attr("pk").not_exists())
    t.check("t", A, Attr("n").gte(1))


def raising(t):
    t.put("t", B, {"n": t.get("t", A)["n"]})  # TypeError: there is no such item any more


def reading(t):
    t.put("t", B, {"seen": t.get("t", A)})
    t.get_many([("t", A), ("t", {"pk": "c"})])


@pytest.mark.parametrize("body", [demanding, raising])
def test_an_error_that_a_late_copy_can_make_untrue_is_told_as_an_unknown_outcome(world, body):
    with pytest.raises(OutcomeUnknown) as unknown:
        world.run(body)
    assert unknown.value.__cause__ is not None
    assert world.lands()


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException"])
def test_nothing_is_certain_of_a_store_that_answers_no_longer(world, code):
    world.after = Refused(code)
    with pytest.raises(OutcomeUnknown):
        world.run(reading)
    assert world.lands()


def test_a_later_attempt_that_commits_is_the_only_one(world):
    assert world.run(lambda t: t.put("t", B, {"seen": t.get("t", A)})) is None
    with pytest.raises(Refused):
        world.lands()


def test_a_key_that_another_payload_has_taken_is_a_mismatch_for_good(world):
    def taken():
        World.meanwhile(world)
        other = World(world.half)
        other.store, other.commits = world.store, [None, None]
        other.run(lambda t: t.put("t", {"pk": "c"}, {}), payload="another")

    world.meanwhile = taken
    with pytest.raises(IdempotencyMismatch):
        world.run(lambda t: t.put("t", B, {"seen": t.get("t", A)}))
    with pytest.raises(Refused):
        world.lands()


def test_the_copy_that_lands_is_found_by_the_key(world):
    with pytest.raises(OutcomeUnknown):
        world.run(demanding)
    assert world.lands()
    world.run(demanding)
    assert len(world.commits) == 3


@pytest.mark.parametrize("body", [demanding, raising])
def test_a_lock_that_a_late_copy_may_give_back_is_not_held_any_more(world, body):
    row = {"pk": {"S": "lock#a"}, "fence": {"N": "7"}, "version": {"S": "v"}}
    world.store.perform("PutItem", {"TableName": "coordination", "Item": row})
    lock = Held()

    def releasing(t):
        t.release(lock)
        body(t)

    with pytest.raises(OutcomeUnknown):
        world.run(releasing)
    assert lock.told[-1] == "released"
    assert world.lands()
