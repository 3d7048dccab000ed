"""A driver over the simulated store whose calls meet what a script says, in simulated time.

driver.script = [lose_reply, None, throttle]    # what the next calls meet; None: nothing
"""

import itertools
from contextlib import suppress
from typing import Any

from interlock._drivers.blocking.driver import Driver as BlockingDriver
from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Sleep,
    Time,
    TimeOfDay,
    WallClock,
)
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table

EPOCH = 1_700_000_000.0
TABLE = "coordination"
READ_TIMEOUT = 2.0
_MOST_REQUESTS = 50_000  # of one operation: what asks for more would never end
_numbers = itertools.count(1)


class Driver(BlockingDriver):
    """Runs operations as the blocking driver does. Several may share a store: each is a process."""

    def __init__(self, store=None):
        self.store = store or Store(Table(TABLE))
        self.now = 1000.0
        self.skew = 0.0
        self.draw = 0.5
        self.script = []
        self.calls = []
        self.deadlines = []  # until when each call was waited for
        self.during_sleep = []

    def monotonic(self):
        return self.now

    def run(self, operation):
        reply, fault = None, None
        for _ in range(_MOST_REQUESTS):
            try:
                request = operation.send(reply) if fault is None else operation.throw(fault)
            except StopIteration as end:
                return end.value
            reply = fault = None
            try:
                reply = self.perform(request)
            except Fault as problem:
                fault = problem
        raise AssertionError("the operation goes on without an end")

    def time_of_day(self):
        return Time(EPOCH + self.now + self.skew, EPOCH + self.now)

    def perform(self, request):
        match request:
            case Call(operation, params, deadline):
                self.calls.append((operation, params))
                self.deadlines.append(deadline)
                act = self.script.pop(0) if self.script else None
                self.now += 0.01
                return (act or carry_out)(self, operation, params)
            case Sleep(seconds):
                assert seconds >= 0
                self.now += seconds
                if self.during_sleep:
                    self.during_sleep.pop(0)()
            case Monotonic():
                return self.now
            case TimeOfDay() | WallClock():
                time = self.time_of_day()
                return time.wall if isinstance(request, WallClock) else time
            case Draw():
                return self.draw
            case NewId():
                return f"v{next(_numbers)}"
        return None

    def operations(self):
        return [operation for operation, _ in self.calls]

    def row(self, name):
        return self.store.item(TABLE, f"lock#{name}")


def carry_out(driver, operation, params):
    return driver.store.perform(operation, params)


def lose_reply(driver, operation, params):
    with suppress(Refused):  # the caller does not learn of that either
        driver.store.perform(operation, params)
    driver.now += READ_TIMEOUT
    raise NoReply("read timeout")


def lose_request(driver, _operation, _params):
    driver.now += READ_TIMEOUT
    raise NoReply("read timeout")


class Keep:
    """Lets calls meet a trouble, and keeps them: a copy of each may arrive later."""

    def __init__(self, trouble=lose_request):
        self._trouble = trouble
        self.calls: list[Any] = []

    def __call__(self, driver, operation, params):
        self.calls.append((operation, params))
        return self._trouble(driver, operation, params)


def send_twice(driver, operation, params):
    """As botocore's own retry after a lost reply: the answer is that of the second copy."""
    driver.store.perform(operation, params)
    driver.now += READ_TIMEOUT
    try:
        return driver.store.perform(operation, params)
    except Refused as refusal:
        refusal.resent = True
        raise


def refuse(code, item=None):
    def act(_driver, _operation, _params):
        raise Refused(code, "why", item=item)

    return act


def answer(reply):
    """Answer with this, and carry nothing out: the reply to another question."""
    return lambda _driver, _operation, _params: reply


def hang(driver, _operation, _params):
    """Hang until the call is not waited for any more."""
    driver.now = max(driver.now, driver.deadlines[-1])
    raise NoReply("read timeout")


def unreachable(driver, _operation, _params):
    driver.now += 0.1
    raise NotSent("no connection")


def throttle_second(driver, operation, params):
    """As botocore's own retry after a lost reply: the second copy is throttled."""
    driver.store.perform(operation, params)
    raise Refused("ThrottlingException", "why", resent=True)


throttle = refuse("ProvisionedThroughputExceededException")
conflict = refuse("TransactionConflictException")


def after(seconds, act=carry_out):
    """The call takes this long before it is carried out."""

    def late(driver, operation, params):
        driver.now += seconds
        return act(driver, operation, params)

    return late


def whenever(is_meant, trouble):
    """Return the script by which all calls of a kind meet trouble."""

    def act(driver, operation, params):
        driver.script.append(act)
        meant = is_meant(operation, params)
        return (trouble if meant else carry_out)(driver, operation, params)

    return [act]
