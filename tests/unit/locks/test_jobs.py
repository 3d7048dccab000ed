"""Jobs: one caller at a time runs a function, and one in a period; the others get its result."""

import inspect
import threading
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus

import pytest

from interlock.errors import (
    AccessDenied,
    InvalidLockName,
    InvalidValue,
    JobFailed,
    LockLost,
    LockTimeout,
    LossReason,
    ResultNotKept,
)
from tests.unit.locks.conftest import LEASE
from tests.unit.locks.realtime import SOON, denied, wait_until

BRIEFLY = timedelta(seconds=0.3)
SECOND = timedelta(seconds=1)
LONG = timedelta(seconds=60)


@pytest.fixture
def as_job(half):
    """Return a function that makes a job of a function of the test."""

    def as_job(locks, function, name="nightly", **options):
        called = locks.exclusive(name, **options)(half.function(function))
        return lambda *args, **kwargs: half.wrap(half.call(called, *args, **kwargs))

    return as_job


class Gate:
    """A run that begins, and goes on when the test says so."""

    def __init__(self):
        self.runs = 0
        self.began = threading.Event()
        self.goes_on = threading.Event()

    def __call__(self):
        self.runs += 1
        self.began.set()
        assert self.goes_on.wait(SOON)
        return {"run": self.runs}


class Calling:
    """A call on a thread of its own, with its outcome."""

    def __init__(self, function, *args):
        self.result = self.error = None
        self._call = lambda: function(*args)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        try:
            self.result = self._call()
        except Exception as error:  # noqa: BLE001 - for the test
            self.error = error

    @property
    def ended(self):
        return not self._thread.is_alive()

    def wait(self):
        self._thread.join(SOON)
        assert self.ended
        return self.error or self.result


def asked(network):
    """Return how often the lock was asked for."""
    with network.mutex:
        return sum(":asked" in str(params) for _, params in network.calls)


def test_a_call_runs_the_function_with_its_arguments_and_returns_its_result(as_job, locks, network):
    job = as_job(locks, lambda one, *, two: [one, two])
    assert job(1, two="2") == [1, "2"]
    assert not network.held("nightly")
    assert network.operations() == ["UpdateItem", "UpdateItem"]


def test_a_job_looks_like_its_function(half, locks):
    def nightly(day: str, *, rows: int = 3) -> None:
        """Write the report of a day."""

    function = half.function(nightly)
    job = locks.exclusive("nightly")(function)
    assert (job.__name__, job.__doc__) == ("nightly", "Write the report of a day.")
    assert inspect.signature(job) == inspect.signature(nightly)
    assert inspect.iscoroutinefunction(job) is half.awaitable


def test_a_caller_beside_a_run_skips_it(as_job, locks, make):
    gate = Gate()
    running = Calling(as_job(locks, gate))
    assert gate.began.wait(SOON)
    assert as_job(make(), gate)() is None
    gate.goes_on.set()
    assert running.wait() == {"run": 1}


def test_a_job_runs_once_in_its_time(as_job, locks, make, network):
    runs = []
    job = as_job(locks, lambda: runs.append(1), at_least=LONG)
    job()
    assert network.held("nightly")
    as_job(make(), lambda: runs.append(2))()
    job()
    assert runs == [1]


def test_a_job_runs_again_when_its_time_is_over(as_job, locks, make, network, losses):
    runs = []
    as_job(locks, lambda: runs.append(1), at_least=BRIEFLY)()
    wait_until(lambda: not network.held("nightly"))
    as_job(make(), lambda: runs.append(2))()
    assert runs == [1, 2]
    assert losses == []


def test_the_time_goes_on_when_the_client_is_closed(as_job, make, network):
    runs = []
    first, second = make(lease=LEASE), make(lease=LEASE, poll=timedelta(seconds=0.02))
    as_job(first, lambda: runs.append(1), at_least=SECOND)()
    first.close()
    assert network.held("nightly")
    as_job(second, lambda: runs.append(2))()
    assert runs == [1]
    as_job(second, lambda: runs.append(2), otherwise="wait")()
    assert runs == [1, 2]


def test_a_client_that_is_closed_during_a_run_leaves_the_lock_taken(as_job, make, network, caplog):
    gate, locks = Gate(), make()
    running = Calling(as_job(locks, gate, at_least=LONG))
    assert gate.began.wait(SOON)
    locks.close()
    assert network.held("nightly")
    gate.goes_on.set()
    assert running.wait() == {"run": 1}
    assert "is not recorded" in caplog.text


def test_a_caller_may_wait_for_its_turn(as_job, locks, make):
    gate = Gate()
    running = Calling(as_job(locks, gate))
    assert gate.began.wait(SOON)
    waiting = Calling(as_job(make(poll=timedelta(seconds=0.02)), gate, otherwise="wait"))
    gate.goes_on.set()
    assert [running.wait(), waiting.wait()] == [{"run": 1}, {"run": 2}]


@pytest.mark.parametrize("otherwise", ["wait", "result"])
def test_a_wait_may_be_bounded(as_job, locks, make, otherwise):
    gate = Gate()
    running = Calling(as_job(locks, gate))
    assert gate.began.wait(SOON)
    with pytest.raises(LockTimeout, match="nightly"):
        as_job(make(), gate, otherwise=otherwise, timeout=timedelta(seconds=0.05))()
    gate.goes_on.set()
    running.wait()


def test_callers_beside_a_run_get_its_result(as_job, locks, make, network):
    gate = Gate()
    running = Calling(as_job(locks, gate, otherwise="result"))
    assert gate.began.wait(SOON)
    poll = timedelta(seconds=0.02)
    others = [Calling(as_job(make(poll=poll), gate, otherwise="result")) for _ in range(3)]
    wait_until(lambda: asked(network) == 4)
    gate.goes_on.set()
    assert [one.wait() for one in (running, *others)] == [{"run": 1}] * 4
    assert gate.runs == 1


def test_a_caller_within_the_time_gets_the_last_result(as_job, locks, make):
    results = iter("abc")
    for client in (locks, locks, make()):
        job = as_job(client, lambda: next(results), otherwise="result", at_least=LONG)
        assert job() == "a"


def test_a_run_that_raises_is_told_to_those_beside_it(as_job, locks, make, network):
    began, goes_on = threading.Event(), threading.Event()

    def fail():
        began.set()
        assert goes_on.wait(SOON)
        raise ZeroDivisionError("of nothing")

    running = Calling(as_job(locks, fail, otherwise="result"))
    assert began.wait(SOON)
    beside = Calling(as_job(make(poll=timedelta(seconds=0.02)), fail, otherwise="result"))
    wait_until(lambda: asked(network) == 2)
    goes_on.set()
    assert isinstance(running.wait(), ZeroDivisionError)
    error = beside.wait()
    assert isinstance(error, JobFailed)
    assert error.run.error == "ZeroDivisionError: of nothing"
    assert error.run == locks.last_run("nightly")


def test_a_run_that_dies_is_made_again_by_a_caller_that_waits_for_its_result(
    as_job, locks, make, network
):
    gate = Gate()
    running = Calling(as_job(locks, gate, otherwise="result"))
    assert gate.began.wait(SOON)
    poll = timedelta(seconds=0.02)
    beside = Calling(as_job(make(poll=poll), lambda: "mine", otherwise="result"))
    wait_until(lambda: "GetItem" in network.operations())
    locks.break_lock("nightly", because="its host is gone")
    assert beside.wait() == "mine"
    gate.goes_on.set()
    assert isinstance(running.wait(), LockLost)
    assert locks.last_run("nightly").result == "mine"


def test_the_last_run_is_on_record(as_job, make, locks):
    assert locks.last_run("nightly") is None
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    as_job(make(owner="host-7"), lambda: {"rows": 1.5})()
    run = locks.last_run("nightly")
    assert (run.name, run.owner, run.outcome) == ("nightly", "host-7", "returned")
    assert (run.result, run.result_kept, run.error) == ({"rows": 1.5}, True, None)
    assert before <= run.started <= datetime.now(UTC)
    assert timedelta() <= run.duration < timedelta(seconds=SOON)
    assert locks.inspect("nightly").last_run == run
    with locks.acquire("nightly") as lock:
        assert lock.fencing_token == run.fencing_token + 1
        assert locks.inspect("nightly").last_run == run


def test_a_run_that_was_interrupted_has_raised(half, locks, network):
    class Interrupted(BaseException):
        """What no `except Exception` catches."""

    def interrupted():
        raise Interrupted

    job = locks.exclusive("nightly")(half.function(interrupted))
    with pytest.raises(Interrupted):
        half.call(job)
    assert locks.last_run("nightly").error == "Interrupted"
    assert not network.held("nightly")


def test_a_run_that_was_stopped_has_no_result_for_others(half, as_job, locks, make):
    class Stopped(BaseException):
        """What no `except Exception` catches."""

    def stopped():
        raise Stopped

    with pytest.raises(Stopped):
        half.call(locks.exclusive("nightly", at_least=BRIEFLY)(half.function(stopped)))
    poll = timedelta(seconds=0.02)
    assert as_job(make(poll=poll), lambda: "mine", otherwise="result")() == "mine"


@pytest.mark.parametrize("otherwise", ["skip", "wait"])
def test_a_result_that_no_other_caller_waits_for_may_be_anything(as_job, locks, otherwise):
    result = object()
    assert as_job(locks, lambda: result, otherwise=otherwise)() is result
    assert locks.last_run("nightly").result_kept is False


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "result",
    [Colour.RED, [Colour.RED], {Colour.RED: 1}, OrderedDict(a=1), HTTPStatus.OK, "é" * 8193],
    ids=["member", "nested", "key", "dict of a kind", "number of a kind", "bytes, not characters"],
)
def test_a_result_of_a_kind_that_json_has_not_is_not_kept(as_job, locks, result):
    with pytest.raises(ResultNotKept):
        as_job(locks, lambda: result, otherwise="result")()


def test_a_function_with_parameters_is_no_job_whose_result_others_take(half, locks):
    """Else the report of one customer would be another's."""

    def report(customer, month=1):
        return {"customer": customer, "month": month}

    with pytest.raises(InvalidValue, match=r"customer, month.*exclusive\(f'report/\{customer\}'"):
        locks.exclusive("report", otherwise="result")(half.function(report))
    locks.exclusive("report")(half.function(report))


@pytest.mark.parametrize(
    "result",
    [object(), {1, 2}, (1, 2), {1: "a"}, b"a", float("nan"), "a" * 17000, [[object()]]],
    ids=["object", "set", "tuple", "keys", "bytes", "nan", "large", "nested"],
)
def test_a_result_that_cannot_be_kept_is_told_and_the_run_counts(as_job, locks, network, result):
    with pytest.raises(ResultNotKept, match="the job has run") as raised:
        as_job(locks, lambda: result, otherwise="result")()
    assert raised.value.result is result
    run = locks.last_run("nightly")
    assert (run.outcome, run.result_kept, run.result) == ("returned", False, None)
    assert not network.held("nightly")


def test_a_result_that_was_not_kept_is_told_to_those_beside_it(as_job, locks, make):
    as_job(locks, object, at_least=LONG)()
    with pytest.raises(ResultNotKept) as raised:
        as_job(make(), object, otherwise="result")()
    assert raised.value.result is None


@pytest.mark.parametrize(
    "result", [None, True, 0, 1.1, "é\ud800", "é" * 8000, [1, [None]], {"a": {"b": 2**70}}]
)
def test_a_result_comes_back_as_it_was(as_job, locks, make, result):
    as_job(locks, lambda: result, at_least=LONG)()
    assert as_job(make(), lambda: "mine", otherwise="result")() == result


def test_a_run_whose_lock_is_not_certain_for_its_time_does_not_begin(
    as_job, locks, network, monkeypatch
):
    monkeypatch.setattr("interlock._protocol.locks.client.begin", lambda *_: False)

    def no_more_time(operation, params):
        if params.get("UpdateExpression", "").startswith("SET version"):
            denied(operation, params)

    network.fault = no_more_time
    with pytest.raises(AccessDenied):
        as_job(locks, lambda: pytest.fail("it runs"), at_least=LONG)()
    assert not network.held("nightly")


def test_a_run_is_bounded(as_job, make, locks, network):
    gate = Gate()
    running = Calling(as_job(make(lease=LONG), gate, at_most=BRIEFLY))
    assert gate.began.wait(SOON)
    wait_until(lambda: not network.held("nightly"))
    assert as_job(locks, lambda: "next")() == "next"
    gate.goes_on.set()
    error = running.wait()
    assert isinstance(error, LockLost)
    assert error.reason is LossReason.HELD_TOO_LONG
    assert locks.last_run("nightly").result == "next"


def test_a_run_whose_lock_is_another_s_by_its_end_is_not_recorded(as_job, locks, network):
    def robbed():
        network.take_away("nightly")

    for at_least in (timedelta(), LONG):
        with pytest.raises(LockLost):
            as_job(locks, robbed, at_least=at_least)()
        assert locks.last_run("nightly") is None
        network.perform(
            "DeleteItem", {"TableName": "coordination", "Key": {"pk": {"S": "lock#nightly"}}}
        )


@pytest.mark.parametrize("at_least", [timedelta(), LONG], ids=["at its end", "before its time"])
def test_what_a_run_did_is_not_lost_when_it_cannot_be_recorded(
    as_job, locks, network, caplog, at_least
):
    def disconnected():
        network.fault = denied
        return "done"

    assert as_job(locks, disconnected, at_least=at_least)() == "done"
    assert "is not recorded" in caplog.text
    network.calm()
    assert network.held("nightly")


def test_a_run_that_could_not_be_recorded_is_when_its_time_is_over(as_job, locks, network):
    def disconnected():
        network.fault = denied
        return "done"

    as_job(locks, disconnected, at_least=SECOND)()
    network.calm()
    wait_until(lambda: not network.held("nightly"))
    assert locks.last_run("nightly").result == "done"


def test_the_lock_of_a_run_guards_what_it_writes(half, locks):
    found, bare = [], locks._value if half.awaitable else locks

    def run():
        found.append(bare.held("nightly"))

    async def run_awaited():
        run()

    job = locks.exclusive("nightly", at_least=LONG)(run_awaited if half.awaitable else run)
    half.call(job)
    assert found[0].guard()["ConditionCheck"]["Key"] == {"pk": {"S": "lock#nightly"}}
    assert found[0].fencing_token == locks.last_run("nightly").fencing_token
    assert locks.held("nightly") is None


def test_what_no_job_can_be_is_refused_when_it_is_decorated(locks, network):
    with pytest.raises(InvalidValue, match="does not wait"):
        locks.exclusive("nightly", timeout=LONG)
    with pytest.raises(InvalidLockName):
        locks.exclusive("ni#ghtly")
    with pytest.raises(InvalidLockName, match=r"a function; name the job: exclusive\('report'\)"):
        locks.exclusive(lambda: None)
    assert network.calls == []


def test_a_function_of_the_other_half_is_refused_when_it_is_decorated(half, locks):
    async def coroutine():
        """Do nothing."""

    class Object:
        async def __call__(self):
            """Do nothing."""

    def generator():
        yield

    wrong = [Object, int] if half.awaitable else [coroutine, Object(), generator]
    for one in wrong:
        with pytest.raises(TypeError, match=r"async def|interlock\.aio"):
            locks.exclusive("nightly")(one)
    if half.awaitable:
        locks.exclusive("nightly")(Object())
