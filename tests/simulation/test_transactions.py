"""Whatever the network does and whoever dies: transactions are serializable and happen once."""

import pytest

from interlock._protocol.transactions.idempotency import PREFIX, Once
from tests.simulation.contention import RECORDS, TABLE, Contention, Faults
from tests.simulation.mixture import KEYS, Mixture
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.transaction_mistakes import TRANSACTION_MISTAKES


def verify(world):
    problems = world.problems()
    assert not problems, "\n".join([*problems, world.timeline()])


@pytest.mark.parametrize("seeds", seeds(400, 3200))
def test_any_mix_of_transactions_is_serializable(seeds):
    """Real time counts too: what began after an end is ordered after it."""
    for seed in seeds:
        Mixture(seed).run()


def search(scenario, seeds):
    for seed in seeds:
        SCENARIOS[scenario](seed).run()


@pytest.mark.parametrize("mistake", TRANSACTION_MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_found_within_500_seeds(mistake):
    with mutated(*mistake.edit), pytest.raises(AssertionError, match=mistake.says):
        search(mistake.scenario, range(500))


def transfer(world, source, target, amount):
    def body(attempt):
        have = yield from world.read(attempt, source)
        if have < amount:
            return False
        gets = yield from world.read(attempt, target)
        for key, n in ((source, have - amount), (target, gets + amount)):
            world.wrote(attempt, key)
            attempt.put(TABLE, {"pk": key}, {"n": n}, None)
        return True

    return body


def deposit(world, amount):
    def body(attempt):
        world.wrote(attempt, "w")
        changes = {"values": {}, "add": {"n": amount}, "remove": ()}
        attempt.update(TABLE, {"pk": "w"}, **changes, condition=None)
        return attempt.id
        yield  # a generator, as every body is, though it asks for nothing

    return body


def balance(world):
    return sum(int(item["n"]["N"]) for item in world.store.items(TABLE))


def open_accounts(world):
    for key in KEYS:
        item = {"pk": {"S": key}, "n": {"N": "100"}}
        world.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    world.versions.clear()


@pytest.mark.parametrize("seeds", seeds(300, 1600))
def test_transfers_conserve_the_sum_at_every_step(seeds):
    for seed in seeds:
        world = Contention(seed, Faults(crash=0.03))
        open_accounts(world)
        for _ in range(6):
            source, target = world.rng.sample(KEYS, 2)
            world.start(transfer(world, source, target, world.rng.randint(1, 60)))
        world.run(lambda world: balance(world) == 400)
        verify(world)


@pytest.mark.parametrize("seeds", seeds(300, 1600))
def test_duplicates_of_a_keyed_transaction_happen_once_and_agree(seeds):
    for seed in seeds:
        world = Contention(seed, Faults(crash=0.03))
        open_accounts(world)
        once = Once.of(RECORDS, "order-42", {"amount": 7}, 3600.0)

        tasks = [world.start(deposit(world, 7), once=once) for _ in range(5)]
        world.run()
        verify(world)
        done = {task.result for task in tasks if task.result is not None}
        record = world.store.item(RECORDS, PREFIX + "order-42")
        assert balance(world) == (400 if record is None else 407), world.timeline()
        recorded = set() if record is None else {record["attempt"]["S"]}
        assert done <= recorded, world.timeline()


def test_sixteen_workers_on_four_accounts_all_complete_without_faults():
    for seed in range(20):
        none = Faults(lose_request=0, lose_reply=0, late=0, refuse=0, crash=0)
        world = Contention(seed, none)
        open_accounts(world)
        tasks = []
        for _ in range(16):
            source, target = world.rng.sample(KEYS, 2)
            tasks.append(world.start(transfer(world, source, target, 1)))
        world.run()
        verify(world)
        assert [task.error for task in tasks] == [None] * 16
