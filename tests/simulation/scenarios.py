"""The worlds that `python -m tests.simulation` searches: a seed makes one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from tests.simulation.contention import Faults as Disturbed
from tests.simulation.faults import CALM, DELAYED, STORM, Faults
from tests.simulation.jobs import Plan as JobPlan
from tests.simulation.jobs import scheduled
from tests.simulation.keyed import Duplicates
from tests.simulation.leading import Leading
from tests.simulation.lines import AWAY, InLine
from tests.simulation.locking import SETTINGS, Plan, contend
from tests.simulation.meeting import Meeting
from tests.simulation.mixture import Mixture
from tests.simulation.poisoned import Poisoned
from tests.simulation.registers import FOLDING, LAID_OUT, NARROWED, TIGHT, Registers
from tests.simulation.released import Releasing
from tests.simulation.sharing import Plan as Shared
from tests.simulation.sharing import Sharing
from tests.simulation.tenants import HELD_LONG, Tenants

DAY = 86400.0
# Processes that stand still between what they see and what they write, and others that die there.
PAUSING = Faults(pause=0.15, longest_pause=8.0, kill=0.02, most_kills=2)
# Networks on which time is up before all is known.
CUT_OFF = Faults(lost_request=0.4, late=0.2)
PERMITS = Plan(processes=5, rounds=2, permits=2)
DISAGREEING = replace(PERMITS, believed=(1, 2, 3))
EXTENDED = Plan(extended=0.8)
HANDED = Plan(processes=2, rounds=2, handed=0.7, heirs=2)
# Clocks that run as differently as they may, on a network so fast, with polls so frequent, and for
# so long that nothing makes up for it.
DRIFTING = Faults(drift=0.0005, latency=0.001)
EAGER = Plan(
    replace(SETTINGS, poll=0.05, lease=100.0),
    processes=2,
    rounds=1,
    work=2.0,
    freezes=0.6,
    timeouts=(None,),
)
# Jobs: runners that die early in their time, and clocks that run as differently as they may, for
# so long that nothing makes up for it.
CRASHING = Faults(kill=0.08, most_kills=2, wall_skew=30.0)
SHORT = JobPlan(processes=4, work=5.0, rest=20.0, otherwise=("wait", "result"), hesitates=0.0)
EXACT = JobPlan(
    replace(SETTINGS, poll=0.03),
    processes=2,
    calls=1,
    at_least=120.0,
    at_most=120.0,
    work=2.0,
    rest=0.1,
    otherwise=("wait",),
    hesitates=0.0,
)
# In turn, all of them or beside others that are not.
FAIR = Plan(processes=5, rounds=2, fair=1.0)
# Where none fails none may miss its turn, however long others have held the lock before.
ORDERLY = Plan(
    processes=8,
    rounds=2,
    fair=1.0,
    timeouts=(None, None, 30.0, 5.0),
    work=15.0,
    brief=0.7,
    orderly=True,
)
FAIR_TOGETHER = Plan(
    processes=4, rounds=3, fair=0.7, handed=0.2, breaks=4, extended=0.2, freezes=0.1
)
BROKEN = Plan(processes=4, rounds=2, breaks=6)
# Rows that no client touches for longer than they are kept, and holders that sleep as long.
SLEEPY = replace(
    STORM, sweeps=DAY / 4, pause=0.03, longest_pause=30 * DAY, kill=0.0, until=90 * DAY
)
IDLE = Plan(processes=2, rounds=4, rest=20 * DAY, within=1000 * DAY)
# Replies that belong to other calls, as of a connection that two processes share.
SWAPPED = Faults(swapped=0.3, lost_reply=0.05, pause=0.02, drift=0.0005)
# Clocks that are set, forward and back, while locks are held and waited for.
JUMPING = replace(STORM, jump=0.2)
# Clocks that are off by weeks, by which TTL would delete what is held, and absurd dates.
WRONG = replace(STORM, wall_skew=60 * DAY, jump=0.02, misdated=0.05)
# Wall clocks that may be trusted, by just as much.
TRUSTED = replace(STORM, wall_skew=1.0)
TRUSTING = Plan(replace(SETTINGS, skew=2.0))
# Clocks that drift, as above, for readers that stop for longer than their leases.
SHARED_EAGERLY = Shared(
    replace(SETTINGS, poll=0.05, lease=100.0),
    processes=2,
    rounds=2,
    work=2.0,
    freezes=0.6,
    leases=(100.0,),
    timeouts=(None,),
)
CROWD = Shared(processes=7, rounds=2)
SWIFT = Shared(rounds=8, work=3.0, freezes=0.05)
ONE_WRITER = Shared(processes=3, writers=1, writes=0.8, within=900.0)
VANISHING = Shared(rounds=5, work=30.0, freezes=0.05, vanish=2.0)


# Everything at once, but that any dies for whom the others wait.
UNDYING = replace(STORM, kill=0.0)


class Scenario(Protocol):
    """Whatever can be run to its end, and raises `Violation` where it should not."""

    def run(self) -> None:
        """Run it."""
        ...


SCENARIOS: dict[str, Callable[[int], Scenario]] = {
    "counters": Registers,
    "counters-storm": lambda seed: Registers(seed, STORM),
    "counters-delayed": lambda seed: Registers(seed, DELAYED),
    "counters-tight": lambda seed: Registers(seed, plan=TIGHT),
    "counters-tight-delayed": lambda seed: Registers(seed, DELAYED, TIGHT),
    "counters-tight-cut-off": lambda seed: Registers(seed, CUT_OFF, TIGHT),
    "counters-laid-out": lambda seed: Registers(seed, PAUSING, LAID_OUT),
    "counters-laid-out-delayed": lambda seed: Registers(seed, DELAYED, LAID_OUT),
    "counters-folding": lambda seed: Registers(seed, PAUSING, FOLDING),
    "counters-narrowed-delayed": lambda seed: Registers(seed, DELAYED, NARROWED),
    "lock-calm": lambda seed: contend(seed, faults=CALM),
    "lock-storm": lambda seed: contend(seed, faults=STORM),
    "lock-lost-replies": lambda seed: contend(
        seed, faults=Faults(lost_reply=0.3, late=0.2, twice=0.2)
    ),
    "lock-pauses": lambda seed: contend(seed, faults=Faults(pause=0.2, kill=0.02, most_kills=2)),
    "lock-crowd": lambda seed: contend(seed, faults=STORM, plan=Plan(processes=6, rounds=1)),
    "lock-several": lambda seed: contend(seed, faults=STORM, plan=Plan(names=("l", "m", "n"))),
    "lock-together": lambda seed: contend(
        seed, faults=STORM, plan=Plan(names=("l", "m", "n"), together=0.7)
    ),
    "lock-permits": lambda seed: contend(seed, faults=STORM, plan=PERMITS),
    "lock-permits-disagreeing": lambda seed: contend(seed, faults=STORM, plan=DISAGREEING),
    "lock-extended": lambda seed: contend(seed, faults=STORM, plan=EXTENDED),
    "lock-handed-over": lambda seed: contend(seed, faults=STORM, plan=HANDED),
    "lock-broken": lambda seed: contend(seed, faults=STORM, plan=BROKEN),
    "lock-drift": lambda seed: contend(seed, faults=DRIFTING, plan=EAGER),
    "lock-idle": lambda seed: contend(seed, faults=SLEEPY, plan=IDLE),
    "lock-permits-partial": lambda seed: contend(
        seed, faults=replace(STORM, partial=0.3), plan=PERMITS
    ),
    "lock-swapped-replies": lambda seed: contend(seed, faults=SWAPPED),
    "lock-jumping-clocks": lambda seed: contend(seed, faults=JUMPING),
    "lock-several-jumping-clocks": lambda seed: contend(
        seed, faults=JUMPING, plan=Plan(names=("l", "m", "n"), together=0.7)
    ),
    "lock-wrong-clocks": lambda seed: contend(seed, faults=WRONG),
    "lock-several-wrong-clocks": lambda seed: contend(
        seed, faults=WRONG, plan=Plan(names=("l", "m", "n"), together=0.7)
    ),
    "lock-trusted-clocks": lambda seed: contend(seed, faults=TRUSTED, plan=TRUSTING),
    "fair-calm": lambda seed: contend(seed, faults=CALM, plan=ORDERLY),
    "fair-broken": lambda seed: contend(seed, faults=CALM, plan=replace(ORDERLY, breaks=6)),
    "fair-storm": lambda seed: contend(seed, faults=STORM, plan=FAIR),
    "fair-delayed": lambda seed: contend(seed, faults=DELAYED, plan=replace(FAIR, rounds=4)),
    "fair-lost-replies": lambda seed: contend(
        seed, faults=Faults(lost_reply=0.3, late=0.2, twice=0.2), plan=FAIR
    ),
    "fair-lost-replies-pauses": lambda seed: contend(
        seed,
        faults=Faults(lost_reply=0.3, twice=0.3, pause=0.05, longest_pause=20.0),
        plan=FAIR,
    ),
    "fair-pauses": lambda seed: contend(
        seed, faults=Faults(pause=0.05, longest_pause=30.0, kill=0.02, most_kills=3), plan=FAIR
    ),
    "fair-drift": lambda seed: contend(seed, faults=DRIFTING, plan=replace(EAGER, fair=1.0)),
    "fair-swapped-replies": lambda seed: contend(
        seed, faults=SWAPPED, plan=replace(FAIR, timeouts=(None,))
    ),
    "fair-jumping-clocks": lambda seed: contend(seed, faults=JUMPING, plan=FAIR),
    "fair-trusted-clocks": lambda seed: contend(
        seed, faults=TRUSTED, plan=replace(TRUSTING, fair=1.0)
    ),
    "fair-among-all": lambda seed: contend(seed, faults=STORM, plan=FAIR_TOGETHER),
    "jobs-calm": lambda seed: scheduled(seed, faults=CALM),
    "jobs-storm": lambda seed: scheduled(seed, faults=STORM),
    "jobs-lost-replies": lambda seed: scheduled(
        seed, faults=Faults(lost_reply=0.3, late=0.2, twice=0.2)
    ),
    "jobs-pauses": lambda seed: scheduled(seed, faults=Faults(pause=0.2, kill=0.02, most_kills=2)),
    "jobs-crashes": lambda seed: scheduled(seed, faults=CRASHING, plan=SHORT),
    "jobs-drift": lambda seed: scheduled(seed, faults=DRIFTING, plan=EXACT),
    "readers-calm": lambda seed: Sharing(seed, CALM),
    "readers-storm": lambda seed: Sharing(seed, STORM),
    "readers-crowd": lambda seed: Sharing(seed, replace(STORM, partial=0.3), CROWD),
    "readers-lost-replies": lambda seed: Sharing(seed, Faults(lost_reply=0.3, late=0.2, twice=0.2)),
    "readers-delayed": lambda seed: Sharing(seed, DELAYED, SWIFT),
    "readers-pauses": lambda seed: Sharing(seed, Faults(pause=0.2, kill=0.02, most_kills=2)),
    "readers-drift": lambda seed: Sharing(seed, DRIFTING, SHARED_EAGERLY),
    "readers-one-writer": lambda seed: Sharing(seed, PAUSING, ONE_WRITER),
    "readers-swapped-replies": lambda seed: Sharing(seed, SWAPPED, VANISHING),
    "readers-jumping-clocks": lambda seed: Sharing(seed, JUMPING),
    "readers-wrong-clocks": lambda seed: Sharing(seed, WRONG),
    "readers-vanishing": lambda seed: Sharing(seed, PAUSING, VANISHING),
    "leading-calm": lambda seed: Leading(seed, CALM),
    "leading": lambda seed: Leading(seed, STORM),
    "lines-calm": lambda seed: InLine(seed, CALM),
    "lines": lambda seed: InLine(seed, STORM),
    "lines-away": lambda seed: InLine(seed, AWAY),
    "meetings-calm": lambda seed: Meeting(seed, CALM),
    "meetings": lambda seed: Meeting(seed, UNDYING),
    "spoilt-calm": lambda seed: Poisoned(seed, CALM),
    "spoilt": lambda seed: Poisoned(seed, UNDYING),
    "tenants-calm": lambda seed: Tenants(seed, CALM),
    "tenants": lambda seed: Tenants(seed, STORM),
    "tenants-for-weeks": lambda seed: Tenants(seed, Faults(sweeps=DAY / 4), HELD_LONG),
    "transactions": Mixture,
    "transactions-stale-reads": lambda seed: Mixture(seed, Disturbed(stale=0.5), readers=15),
    "transactions-crashes": lambda seed: Mixture(seed, Disturbed(crash=0.1)),
    "transactions-late": lambda seed: Mixture(seed, Disturbed(crash=0.0, late=0.5, refuse=0.0)),
    "transactions-lost-replies": lambda seed: Mixture(seed, Disturbed(lose_reply=0.3)),
    "transactions-readers": lambda seed: Mixture(seed, Disturbed(linger=0.9), readers=15),
    "transactions-copies": lambda seed: Mixture(seed, Disturbed(twice=0.3, late=0.1)),
    "transactions-outsiders": lambda seed: Mixture(seed, Disturbed(outside=0.1, late=0.1)),
    "transactions-throttled-copies": lambda seed: Mixture(seed, Disturbed(twice=0.3, refuse=0.9)),
    "transactions-releases": lambda seed: Releasing(seed, STORM),
    "transactions-releases-lost-replies": lambda seed: Releasing(
        seed, Faults(lost_reply=0.3, late=0.1, twice=0.1, throttled=0.1, pause=0.05)
    ),
    "transactions-lies": lambda seed: Mixture(seed, Disturbed(lie=0.2)),
    "transactions-keyed": Duplicates,
    "transactions-keyed-wrong-clocks": lambda seed: Duplicates(seed, skew=2 * DAY),
    "transactions-keyed-versions": lambda seed: Duplicates(seed, earlier=0.5),
    "transactions-keyed-operations": lambda seed: Duplicates(seed, two=True),
    "transactions-ahead": lambda seed: Mixture(seed, readers=5, ahead=True),
    "transactions-ahead-storm": lambda seed: Mixture(
        seed, Disturbed(lose_reply=0.1, late=0.1, twice=0.1, outside=0.05), ahead=True
    ),
    "transactions-keyed-ahead": lambda seed: Duplicates(seed, two=True, ahead=True),
    "transactions-keyed-ahead-versions": lambda seed: Duplicates(seed, earlier=0.5, ahead=True),
    "transactions-rude-outsiders": lambda seed: Mixture(
        seed, Disturbed(lose_reply=0.3, late=0.1, outside=0.2, rude=True)
    ),
}
