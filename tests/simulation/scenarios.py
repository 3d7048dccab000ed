"""The worlds that `python -m tests.simulation` searches: a seed makes one."""

from collections.abc import Callable

from tests.simulation.faults import CALM, STORM, Faults
from tests.simulation.lockmodel import contend
from tests.simulation.world import World

SCENARIOS: dict[str, Callable[[int], World]] = {
    "lock-calm": lambda seed: contend(seed, faults=CALM),
    "lock-storm": lambda seed: contend(seed, faults=STORM),
    "lock-lost-replies": lambda seed: contend(
        seed, faults=Faults(lost_reply=0.3, late=0.2, twice=0.2)
    ),
    "lock-pauses": lambda seed: contend(seed, faults=Faults(pause=0.2, kill=0.02, most_kills=2)),
    "lock-crowd": lambda seed: contend(seed, faults=STORM, clients=6, rounds=1),
}
