"""The service's clock as answers tell it, and the records that TTL deletes by it."""

from datetime import timedelta

import pytest

from interlock._drivers.clocks import lease_clock
from interlock._drivers.environment import Environment
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.requests import UNHEARD
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

NOW = 1_700_000_000.0
DAY = 86_400.0
COORDINATION, ORDERS = "coordination", "orders"


class Machine:
    """A machine's clocks, and what a client on it has learned of the service's."""

    def __init__(self, skew=0.0):
        self.up, self.skew, self.passed = 500.0, skew, 0.0
        self.clock = ServiceClock(self.monotonic)

    def monotonic(self):
        return self.up + self.passed

    def wall(self):
        return NOW + self.passed + self.skew

    def hear(self, off=0.0, took=0.0):
        """Let an answer come whose date is off by so many seconds, or that took so long."""
        sent = self.clock.now()
        self.passed += took
        self.clock.learn(NOW + self.passed - took + off, self.wall(), sent)

    @property
    def error(self):
        """By how many seconds the client is wrong about the service's time."""
        return self.clock.time(self.wall()).service - NOW - self.passed

    @property
    def heard(self):
        return self.clock.time(self.wall()).heard


def test_before_any_answer_the_own_clock_is_all_there_is():
    machine = Machine(skew=-8 * DAY)
    assert machine.clock.time(machine.wall()) == (machine.wall(), machine.wall(), False)


def test_a_date_near_the_own_clock_is_believed_at_once():
    machine = Machine(skew=-200.0)
    machine.hear()
    assert machine.heard
    assert machine.error == 0.0


def test_a_date_far_from_the_own_clock_is_believed_when_the_next_answer_agrees():
    machine = Machine(skew=-8 * DAY)
    machine.hear()
    assert not machine.heard
    machine.passed += 3600.0
    machine.hear(off=-1.0)
    assert machine.heard
    assert machine.error == -1.0


@pytest.mark.parametrize(("off", "heard"), [(300.0, True), (-300.0, True), (301.0, False)])
def test_a_date_is_near_if_it_is_within_five_minutes(off, heard):
    machine = Machine()
    machine.hear(off=off)
    assert machine.heard is heard
    machine = Machine(skew=-8 * DAY)
    machine.hear()
    machine.hear(off=off)
    assert machine.heard is heard


def test_two_dates_that_are_far_from_each_other_agree_on_nothing():
    machine = Machine()
    for off in (8 * DAY, -8 * DAY, 16 * DAY):
        machine.hear(off=off)
        assert not machine.heard


@pytest.mark.parametrize(
    ("date", "heard"),
    [
        (1_577_836_799.0, False),
        (1_577_836_800.0, True),
        (4_102_444_799.0, True),
        (4_102_444_800.0, False),
    ],
)
def test_dates_are_of_the_years_2020_to_2099(date, heard):
    machine = Machine()
    for _ in range(2):
        machine.clock.learn(date, machine.wall(), machine.clock.now())
    assert machine.heard is heard


@pytest.mark.parametrize(("took", "heard"), [(60.0, True), (60.5, False)])
def test_an_answer_tells_the_time_for_a_minute(took, heard):
    machine = Machine()
    machine.hear(took=took)
    assert machine.heard is heard


def test_the_time_goes_on_by_the_lease_clock():
    clock, lease = ServiceClock(), lease_clock()
    assert lease() <= clock.now() <= lease()


@pytest.mark.parametrize("off", [-8 * DAY, 8 * DAY, 500.0])
def test_one_absurd_date_changes_nothing(off):
    machine = Machine()
    machine.hear()
    machine.hear(off=off)
    machine.hear()
    machine.hear(off=off)
    assert machine.error == 0.0


@pytest.mark.parametrize("date", [None, 0.0, 32_503_680_000.0])
def test_no_date_and_one_of_another_century_tell_nothing(date):
    machine = Machine()
    for _ in range(3):
        machine.clock.learn(date, machine.wall(), machine.clock.now())
    assert not machine.heard


def test_an_answer_that_was_read_long_after_it_came_tells_nothing():
    machine = Machine(skew=-8 * DAY)
    for _ in range(3):
        machine.hear(took=8 * DAY)
    assert not machine.heard


def test_a_wall_clock_that_is_set_afterwards_changes_nothing():
    machine = Machine()
    machine.hear()
    machine.skew = -30 * DAY
    machine.passed += 60.0
    assert machine.error == 0.0


def test_a_lease_clock_that_stood_still_is_corrected_by_two_answers():
    machine = Machine()
    machine.hear()
    machine.up -= 3 * DAY
    machine.hear()
    machine.hear()
    assert machine.error == 0.0


def test_a_copy_of_the_process_begins_without_any_knowledge():
    machine = Machine()
    machine.hear()
    machine.clock.forget()
    assert not machine.heard


class Watched:
    """A store that reports what it is given to keep, and for how many seconds."""

    def __init__(self):
        self.store = Store(Table(COORDINATION), Table(ORDERS), clock=lambda: NOW)
        self.kept = {}
        self.store.on_change(self._changed)

    def _changed(self, change):
        if change.after is None:
            return
        pk = change.place.key[0]
        ends = [text["S"].split(" ")[1] for n, text in change.after.items() if n[:5] == "call#"]
        ends += [change.after["expires"]["N"]] if "expires" in change.after else []
        for end in ends:
            self.kept.setdefault(pk, []).append(int(end) - NOW)

    def client(self, half, machine):
        environment = Environment(monotonic=machine.monotonic, wall_clock=machine.wall)
        driver = half.client(self.store.perform, environment, machine.clock.forget)
        driver.transport.clock = machine.clock
        return driver


@pytest.mark.parametrize("days", [-300, -8, 0, 300])
@pytest.mark.parametrize("heard", [True, False], ids=["heard", "not heard"])
def test_every_record_is_kept_by_the_services_clock(half, days, heard):
    machine, watched = Machine(skew=days * DAY), Watched()
    if heard:
        machine.hear()
        machine.hear()
    client = watched.client(half, machine)
    locks = half.wrap(half.locks.LockClient(COORDINATION, client=client))
    transactions = half.wrap(half.transactions.TransactionClient(COORDINATION, client=client))
    lock = locks.acquire("a", data="x")
    lock.extend(timedelta(seconds=60))

    def ship(t):
        t.put(ORDERS, {"pk": "o"}, {"n": 1})
        t.release(lock)

    transactions.run(half.function(ship))
    for one in locks.acquire_all(["b", "c"]):
        one.release()
    broken = locks.acquire("broken")
    locks.break_lock("broken", because="the test wants it")
    broken.release()
    locks.semaphore("render", permits=2).acquire().release()
    shared = locks.read_write_lock("doc", readers=2)
    shared.read().release()
    shared.write().release()
    locks.close()
    held = {pk for pk in watched.kept if pk.startswith("lock#")}
    assert {"lock#a", "lock#b", "lock#broken", "lock#doc", "lock#doc#0", "lock#doc#slots"} <= held
    for pk in held:
        most = 410 * DAY + (0 if heard else UNHEARD + abs(days) * DAY)
        assert all(7 * DAY - 2 <= kept <= most for kept in watched.kept[pk]), (pk, watched.kept[pk])


@pytest.mark.parametrize("days", [-300, -8, 300])
def test_keys_are_remembered_by_the_services_clock(half, days):
    machine, watched = Machine(skew=days * DAY), Watched()
    machine.hear()
    machine.hear()
    client = watched.client(half, machine)
    transactions = half.wrap(half.transactions.TransactionClient(COORDINATION, client=client))
    ran = []

    def ship(t):
        ran.append(1)
        t.put(ORDERS, {"pk": "o"}, {"n": 1})

    for _ in range(2):
        transactions.run(half.function(ship), idempotency_key="k", operation="ship")
    counters = half.wrap(half.counters.CounterClient(COORDINATION, client=client))
    visits, hits = counters.counter("visits"), counters.counter("hits")
    for number in range(7):
        visits.increment(idempotency_key=f"k{number}")
    hits.increment()
    counters.transfer("visits", "hits", 1, idempotency_key="t")
    kinds = {pk.split("#")[0] for pk in watched.kept}
    assert kinds == {"once", "counter"}
    assert any("#new#" in pk for pk in watched.kept)
    assert len(ran) == 1
    for pk, kept in watched.kept.items():
        assert all(DAY - 2 <= one <= 31 * DAY for one in kept), (pk, kept)
