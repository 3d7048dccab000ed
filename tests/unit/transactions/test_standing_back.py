"""A commit lets the heartbeat of a lock that guards it go first, for a while."""

import pytest

from tests.unit.transactions.steps import A, Held


class Renewed(Held):
    """A lock whose heartbeat is under way until a time."""

    def __init__(self, driver, until):
        super().__init__()
        self.driver, self.until, self.looks = driver, until, []

    @property
    def renewing(self):
        self.looks.append(self.driver.now)
        return self.driver.now < self.until


def commit_under(world, lock):
    """Commit a write under a guard; return how many seconds that took."""
    began = world.driver.now
    world.run(lambda t: (t.guard(world.hold(lock)), t.put(A, n=1)))
    assert world.n(A) == 1
    return world.driver.now - began - 0.01  # the call's own


@pytest.mark.parametrize(("lasts", "waits"), [(0.0, 0.0), (0.3, 0.3), (1000.0, 1.0)])
def test_a_commit_waits_for_a_heartbeat_for_a_second_at_most(world, lasts, waits):
    took = commit_under(world, Renewed(world.driver, world.driver.now + lasts))
    assert waits <= took + 1e-6 < waits + 0.1


def test_it_looks_often_whether_the_heartbeat_is_done(world):
    lock = Renewed(world.driver, world.driver.now + 0.3)
    commit_under(world, lock)
    between = [later - look for look, later in zip(lock.looks, lock.looks[1:], strict=False)]
    assert all(0 <= pause < 0.05 for pause in between)
    assert len(lock.looks) < 100


def test_what_guards_and_is_no_lock_is_not_waited_for(world):
    assert commit_under(world, Held()) == pytest.approx(0.0)
