"""The lock protocol holds under every fault at once, and each broken rule is found out."""

from dataclasses import replace

import pytest

from tests.simulation.faults import STORM, Faults
from tests.simulation.lockmodel import LEASE, Rules, contend
from tests.simulation.world import Violation

BLOCK = 100


def run_seeds(seeds, rules=None):
    for seed in seeds:
        contend(seed, faults=STORM, rules=rules).run()


@pytest.mark.parametrize("block", range(20))
def test_one_holder_rising_fences_no_stale_write_and_everybody_served(block):
    run_seeds(range(block * BLOCK, (block + 1) * BLOCK))


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("release_own_version", "freed under its holder|hold the lock by their clocks"),
        ("heartbeat_own_version", "wrote over the grant"),
        ("watch_on_own_clock", "hold the lock by their clocks"),
        ("keep_row_on_release", "the fence went from"),
        ("lease_from_before_sending", "hold the lock by their clocks"),
        ("guard_writes", "a stale holder wrote|committed under a free lock"),
        ("take_over", "no progress"),
    ],
)
def test_a_broken_rule_is_found_within_300_seeds(broken, says):
    rules = replace(Rules(), **{broken: False})
    with pytest.raises(Violation, match=says):
        run_seeds(range(300), rules)


@pytest.mark.parametrize(("knows", "waits"), [(True, False), (False, True)])
def test_only_who_does_not_know_its_own_version_waits_out_its_own_lease(knows, waits):
    lost_at_first = Faults(lost_reply=1.0, until=0.001)
    world = contend(1, faults=lost_at_first, rules=Rules(know_own_version=knows), clients=1)
    world.run()
    granted = next(row for row in world.timeline.rows if row.event == "-> TransactWriteItems")
    assert (granted.time > LEASE) == waits
