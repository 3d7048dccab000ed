"""Waiting for a value, look by look, in time that passes on demand."""

import pytest

from interlock._protocol.counters.awaiting import GRACE, reached
from interlock._protocol.requests import Draw, Monotonic, Sleep


class Waiter:
    """Waits for 3 of a counter that has a value at each look, the last of them for ever."""

    def __init__(self, *values, draws=(0.5,), a_look_takes=0.0):
        self.values, self.draws = list(values), list(draws)
        self.now, self.takes = 100.0, a_look_takes
        self.looks, self.pauses = [], []

    def get(self, seconds):
        self.looks.append(seconds)
        self.now += self.takes
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]
        yield  # it is an operation

    def wait(self, seconds, poll=1.0):
        operation, reply = reached(self.get, 3, end=100.0 + seconds, poll=poll), None
        for _ in range(1000):
            try:
                request = operation.send(reply)
            except StopIteration as done:
                return done.value
            reply = None
            match request:
                case Monotonic():
                    reply = self.now
                case Draw():
                    reply = self.draws.pop(0) if len(self.draws) > 1 else self.draws[0]
                case Sleep(seconds):
                    assert seconds >= 0
                    self.pauses.append(seconds)
                    self.now += seconds
        raise AssertionError("it waits without an end")


@pytest.mark.parametrize("value", [3, 4])
def test_a_value_that_is_there_is_found_at_the_first_look(value):
    waiter = Waiter(value)
    assert waiter.wait(5.0) is True
    assert (waiter.looks, waiter.pauses) == ([5.0], [])


def test_a_value_is_found_when_it_comes():
    waiter = Waiter(0, 2, 3)
    assert waiter.wait(5.0) is True
    assert (waiter.looks, waiter.pauses) == ([5.0, 4.0, 3.0], [1.0, 1.0])


def test_pauses_are_of_half_a_poll_to_one_and_a_half():
    waiter = Waiter(0, draws=[0.0, 0.5, 0.75, 0.5])
    waiter.wait(60.0, poll=2.0)
    assert waiter.pauses[:3] == [1.0, 2.0, 2.5]


def test_it_ends_in_time_with_a_last_look_at_the_end():
    waiter = Waiter(0)
    assert waiter.wait(2.5) is False
    assert waiter.pauses == [1.0, 1.0, 0.5]
    assert waiter.now == 102.5
    assert len(waiter.looks) == 4


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_it_looks_once_where_no_time_is_left(seconds):
    waiter = Waiter(0)
    assert waiter.wait(seconds) is False
    assert (waiter.looks, waiter.pauses) == ([GRACE], [])
    assert Waiter(3).wait(seconds) is True


def test_a_look_has_time_for_its_call_where_less_is_left():
    waiter = Waiter(0, a_look_takes=0.5)
    waiter.wait(1.75)
    assert waiter.looks == [1.75, GRACE]
    assert GRACE >= 0.5


def test_a_look_that_outlasts_the_time_is_the_last():
    waiter = Waiter(0, a_look_takes=9.0)
    assert waiter.wait(5.0) is False
    assert (len(waiter.looks), waiter.pauses) == (1, [])
