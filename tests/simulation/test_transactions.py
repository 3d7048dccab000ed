"""Whatever the network does and whatever dies: transactions are serializable and happen once."""

import pytest

from tests.simulation.contention import TABLE, Contention, Faults, Footprint
from tests.simulation.mixture import KEYS, Mixture
from tests.simulation.mutation import mutated
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.seeds import seeds
from tests.simulation.transaction_mistakes import TRANSACTION_MISTAKES


def verify(world):
    problems = world.problems()
    assert not problems, "\n".join([*problems, world.timeline()])


@pytest.mark.parametrize("seeds", seeds(150, 3200))
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
        search(mistake.scenario, mistake.seeds)


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


def balance(world):
    return sum(int(item["n"]["N"]) for item in world.store.items(TABLE))


def open_accounts(world):
    for key in KEYS:
        item = {"pk": {"S": key}, "n": {"N": "100"}}
        world.store.perform("PutItem", {"TableName": TABLE, "Item": item})
    world.versions.clear()


@pytest.mark.parametrize("seeds", seeds(120, 1600))
def test_transfers_conserve_the_sum_at_every_step(seeds):
    for seed in seeds:
        world = Contention(seed, Faults(crash=0.03))
        open_accounts(world)
        for _ in range(6):
            source, target = world.rng.sample(KEYS, 2)
            world.start(transfer(world, source, target, world.rng.randint(1, 60)))
        # While a commit is writing its items, they are not to be read together.
        world.run(lambda world: bool(world.store.contents.held) or balance(world) == 400)
        verify(world)


@pytest.mark.parametrize(
    "scenario",
    [
        "transactions-ahead",
        "transactions-ahead-storm",
        "transactions-copies",
        "transactions-lies",
        "transactions-outsiders",
        "transactions-readers",
        "transactions-releases",
        "transactions-releases-lost-replies",
        "transactions-rude-outsiders",
        "transactions-keyed",
        "transactions-keyed-ahead",
        "transactions-keyed-ahead-versions",
        "transactions-keyed-operations",
        "transactions-keyed-versions",
    ],
)
@pytest.mark.parametrize("seeds", seeds(60, 1600))
def test_nothing_goes_wrong_in(scenario, seeds):
    search(scenario, seeds)


def test_single_reads_do_not_keep_to_real_time(monkeypatch):
    """A commit shows itself item by item to them, so docs/transactions.md excepts them."""
    monkeypatch.setattr(Footprint, "early", False)
    with pytest.raises(AssertionError, match="no serial order"):
        search("transactions-readers", range(500))


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
