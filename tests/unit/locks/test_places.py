"""The lines of one client's waiters, place by place."""

import gc

import pytest

from interlock._drivers.lines import Lines, Ticket

GRANT, OTHER = object(), object()


class Waiter:
    """A place in a line, and how often it was woken."""

    def __init__(self, lines, name="l"):
        self.woken = 0
        self.ticket = Ticket(self._wake)
        self.name, self.lines = name, lines
        lines.enter(name, self.ticket)

    def _wake(self):
        self.woken += 1

    @property
    def is_first(self):
        return self.lines.is_first(self.name, self.ticket)

    @property
    def called(self):
        """Whether it was called, and woken, since the last time this was asked."""
        called, self.ticket.called, woken, self.woken = self.ticket.called, False, self.woken, 0
        assert called is bool(woken)
        return called

    def leave(self):
        self.lines.leave(self.name, self.ticket)


@pytest.fixture
def lines():
    return Lines(poll=2.0)


def test_the_first_asks_and_the_next_is_called_when_it_leaves(lines):
    waiters = [Waiter(lines) for _ in range(3)]
    elsewhere = Waiter(lines, "m")
    assert [each.is_first for each in waiters] == [True, False, False]
    assert elsewhere.is_first
    assert [each.called for each in waiters] == [False, False, False]
    waiters[0].leave()
    assert [each.is_first for each in waiters] == [False, True, False]
    assert [each.called for each in (*waiters, elsewhere)] == [False, True, False, False]
    waiters[2].leave()
    waiters[1].leave()
    waiters[1].leave()
    assert [each.is_first for each in waiters] == [False, False, False]
    assert lines._lines.keys() == {"m"}


def test_a_place_that_was_not_left_holds_up_none(lines):
    gone, second, third = (Waiter(lines) for _ in range(3))
    del gone
    gc.collect()
    assert second.is_first
    third.leave()
    assert second.called
    assert len(lines._lines["l"]) == 1


def test_all_of_a_line_ask_for_themselves_once_it_is_dispersed(lines):
    gone, *waiters = [Waiter(lines) for _ in range(3)]
    elsewhere = [Waiter(lines, "m") for _ in range(2)]
    del gone
    gc.collect()
    lines.disperse("l")
    lines.disperse("nothing")
    assert [(each.is_first, each.called) for each in waiters] == [(True, True)] * 2
    assert [(each.is_first, each.called) for each in elsewhere] == [(True, False), (False, False)]


def test_all_look_around_and_keep_their_places(lines):
    gone, *waiters = [Waiter(lines) for _ in range(3)]
    waiters.append(Waiter(lines, "m"))
    del gone
    gc.collect()
    lines.call_all()
    assert [(each.woken, each.ticket.called) for each in waiters] == [(1, False)] * 3


def test_a_client_knows_what_it_holds(lines):
    assert not lines.is_held("l")
    lines.held("l", GRANT, 0.0)
    assert lines.is_held("l")
    assert not lines.is_held("m")
    lines.freed("l", OTHER, 1.0)
    lines.freed("m", GRANT, 1.0)
    assert lines.is_held("l")
    lines.freed("l", GRANT, 1.0)
    assert not lines.is_held("l")


@pytest.mark.parametrize(("now", "called"), [(5.0, True), (24.9, True), (25.0, False)])
def test_a_lock_is_handed_on_for_ten_polls(lines, now, called):
    waiter = Waiter(lines)
    lines.held("l", GRANT, 5.0)
    lines.freed("l", GRANT, now)
    assert waiter.called is called


def test_a_release_by_another_calls_none(lines):
    waiter = Waiter(lines)
    lines.held("l", GRANT, 0.0)
    lines.freed("l", OTHER, 1.0)
    assert not waiter.called


def pass_on(lines, since, *times):
    """Hold and free the lock again and again; return at which the first in line was called."""
    waiter, called = Waiter(lines), []
    for now in times:
        lines.held("l", GRANT, since)
        lines.freed("l", GRANT, now)
        called.append(waiter.called)
        since = now
    waiter.leave()
    return called


def test_the_ten_polls_are_of_all_who_hold_it_one_after_the_other(lines):
    assert pass_on(lines, 0.0, 10.0, 19.0, 21.0, 30.0, 40.9) == [True, True, False, True, True]


def test_the_ten_polls_begin_anew_when_none_waits(lines):
    assert pass_on(lines, 0.0, 10.0) == [True]
    assert pass_on(lines, 15.0, 30.0) == [True]
    lines.held("l", GRANT, 40.0)
    lines.freed("l", GRANT, 50.0)
    assert pass_on(lines, 55.0, 70.0) == [True]


def test_the_ten_polls_go_on_while_the_last_in_line_holds_it(lines):
    waiter = Waiter(lines)
    lines.held("l", GRANT, 0.0)
    waiter.leave()
    waiter = Waiter(lines)
    lines.freed("l", GRANT, 20.0)
    assert not waiter.called
