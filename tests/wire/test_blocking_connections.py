"""The connections of the blocking half, step by step, over sockets that do as they are told."""

import gc
import os
import ssl
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from interlock._drivers.blocking import connections
from interlock._drivers.blocking.connections import Connection, Pool, connect
from interlock._protocol.faults import NoReply, NotSent, OutOfTime
from interlock._wire.endpoints import parse

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
REQUEST = b"0123456789"


class Peer:
    """A socket: `takes` of what is sent, at most, and `comes` then; what is an error is raised."""

    def __init__(self, *comes: Any, takes: tuple[Any, ...] = (), quiet: Any = BlockingIOError):
        self.comes, self.takes, self.quiet = list(comes or (ANSWER,) * 99), list(takes), quiet
        self.timeouts: list[float | None] = []
        self.sent, self.closed = b"", 0

    def settimeout(self, value):
        self.timeouts.append(value)

    def send(self, data):
        taken = self.takes.pop(0) if self.takes else len(data)
        if isinstance(taken, BaseException):
            raise taken
        self.sent += bytes(data[:taken])
        return taken

    def recv(self, _size):
        found = self.quiet if self.timeouts[-1] == 0.0 else self.comes.pop(0)
        if callable(found):
            found = found()
        if isinstance(found, BaseException):
            raise found
        return found

    def close(self):
        self.closed += 1


def ample(_carried):
    return 9.0


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Pooled:
    """A pool, the sockets that it is to open, and the seconds that it gave each."""

    def __init__(self, *peers: Peer):
        self.clock, self.peers = Clock(), list(peers)
        self.opened: list[Peer] = []
        self.seconds: list[float] = []
        self.pool: Any = Pool(self._connect, self.clock)

    def _connect(self, seconds):
        self.seconds.append(seconds)
        self.opened.append(made := self.peers.pop(0) if self.peers else Peer())
        return made

    def send(self, left=ample, *, once=False):
        return self.pool.exchange(REQUEST, left, once=once).status

    def ends(self):
        """Return how often each socket was closed, once the pool is gone as well."""
        self.pool = None
        gc.collect()
        return [each.closed for each in self.opened]


def test_each_step_has_the_time_that_is_left_of_what_was_carried():
    peer = Peer(ANSWER[:10], ANSWER[10:], takes=(3, 7))
    response = Connection(peer, 0.0).exchange(REQUEST, lambda carried: 100.0 - carried)
    assert (response.status, response.body, peer.sent) == (200, b"{}", REQUEST)
    assert peer.timeouts == [100.0, 97.0, 90.0, 80.0]


def test_a_request_of_which_nothing_left_was_not_sent():
    with pytest.raises(NotSent, match="reset"):
        Connection(Peer(takes=(ConnectionResetError("reset"),)), 0.0).exchange(REQUEST, ample)
    late = Peer()
    with pytest.raises(NotSent, match="time is up"):
        Connection(late, 0.0).exchange(REQUEST, lambda _carried: 0.0)
    assert late.sent == b""
    assert Connection(Peer(), 0.0).exchange(REQUEST, lambda _carried: 1.0).status == 200


@pytest.mark.parametrize(
    ("peer", "why"),
    [
        (Peer(takes=(1, ConnectionResetError("reset"))), "in part: reset"),
        (Peer(ANSWER[:9], TimeoutError("x")), "in time"),
        (Peer(ANSWER[:9], b"", ANSWER[9:]), "closed after 9 bytes"),
        (Peer(b"", ANSWER), "closed without an answer"),
        (Peer(ConnectionResetError("reset")), "lost: reset"),
        (Peer(b"SSH-2.0\r\n"), "not HTTP"),
    ],
)
def test_an_answer_that_is_not_whole_is_lost(peer, why):
    with pytest.raises(NoReply, match=why):
        Connection(peer, 0.0).exchange(REQUEST, ample)


def test_an_answer_has_no_more_time_than_the_call():
    peer = Peer(ANSWER[:9], ANSWER[9:])
    with pytest.raises(NoReply, match="in time"):
        Connection(peer, 0.0).exchange(REQUEST, lambda carried: float(carried < 19))


@pytest.mark.parametrize(
    ("comes", "quiet"),
    [
        (BlockingIOError(), True),
        (ssl.SSLWantReadError(), True),
        (ConnectionResetError(), False),
        (b"", False),
        (b"HTTP", False),
    ],
)
def test_a_connection_is_quiet_while_nothing_comes(comes, quiet):
    peer = Peer(quiet=comes)
    assert Connection(peer, 0.0).quiet() is quiet
    assert peer.timeouts == [0.0]


def test_a_connection_is_kept_for_the_next_call():
    pooled = Pooled()
    assert [pooled.send() for _ in range(3)] == [200] * 3
    assert (pooled.pool.opened, pooled.seconds) == (1, [1.0])
    assert pooled.ends() == [1]


@pytest.mark.parametrize(
    ("once", "idle", "opened"),
    [(False, 60.0, 1), (False, 60.5, 2), (True, 1.0, 1), (True, 1.5, 2)],
)
def test_a_connection_is_kept_for_a_minute_and_for_a_second_if_it_must_not_fail(once, idle, opened):
    pooled = Pooled()
    pooled.send()
    pooled.clock.now += idle
    pooled.send(once=once)
    assert pooled.pool.opened == opened
    pooled.clock.now += 0.5
    pooled.send(once=True)
    assert pooled.pool.opened == opened
    assert pooled.ends() == [1] * opened


@pytest.mark.parametrize(
    "first",
    [
        Peer(quiet=b""),
        Peer(ANSWER.replace(b"1.1", b"1.0")),
    ],
)
def test_a_connection_that_has_ended_is_closed_and_another_opened(first):
    pooled = Pooled(first)
    pooled.send()
    pooled.send()
    assert pooled.pool.opened == 2
    assert first.closed == 1
    assert pooled.ends() == [1, 1]


def at_the_same_time(*firsts):
    """Return a pool whose first calls were all under way at once, each over its own socket."""
    pooled = Pooled(*firsts)

    def meanwhile():
        pooled.send()
        return ANSWER

    for peer in firsts[:-1]:
        peer.comes.insert(0, meanwhile)
    pooled.send()
    assert pooled.pool.opened == len(firsts)
    return pooled


def test_the_last_connection_that_was_used_is_taken_first():
    first, second = Peer(), Peer()
    pooled = at_the_same_time(first, second)
    pooled.send()
    assert (len(first.sent), len(second.sent)) == (20, 10)
    assert pooled.ends() == [1, 1]


def test_no_more_connections_are_kept_than_may_be(monkeypatch):
    monkeypatch.setattr("interlock._wire.limits.MOST_IDLE", 2)
    peers = [Peer() for _ in range(3)]
    pooled = at_the_same_time(*peers)
    assert [peer.closed for peer in peers] == [1, 0, 0]
    assert pooled.ends() == [1, 1, 1]


def test_a_request_that_did_not_leave_goes_over_another_connection():
    first = Peer(takes=(10, ConnectionResetError("reset")))
    pooled = Pooled(first)
    pooled.send()
    assert pooled.send(lambda carried: float(carried != 1)) == 200
    assert (pooled.pool.opened, first.closed) == (2, 1)


def test_a_request_that_did_not_leave_in_time_is_not_sent():
    first = Peer(takes=(10, TimeoutError("x")))
    pooled = Pooled(first)
    pooled.send()
    left = iter((1.0, 0.0, 9.0))
    with pytest.raises(NotSent, match="could not be sent"):
        pooled.send(lambda _carried: next(left))
    assert (pooled.pool.opened, first.closed) == (1, 1)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_connection_is_opened_when_the_time_is_up(seconds):
    pooled = Pooled()
    with pytest.raises(OutOfTime):
        pooled.send(lambda _carried: seconds)
    assert pooled.seconds == []
    assert pooled.send(lambda carried: float(carried != 1)) == 200


@pytest.mark.parametrize(("left", "seconds"), [(0.5, 0.5), (1.5, 1.0)])
def test_a_connection_has_a_second_of_the_time_that_is_left(left, seconds):
    pooled = Pooled()
    pooled.send(lambda _carried: left)
    assert pooled.seconds == [seconds]


def test_a_lost_answer_is_not_asked_for_again():
    pooled = Pooled(Peer(ANSWER, TimeoutError("x")))
    pooled.send()
    with pytest.raises(NoReply):
        pooled.send()
    assert pooled.pool.opened == 1
    assert pooled.ends() == [1]


@pytest.mark.parametrize(
    ("lost", "closed"), [(ConnectionResetError("reset"), 1), (TimeoutError("x"), 0)]
)
def test_what_has_cut_one_connection_is_likely_to_have_cut_the_others(lost, closed):
    first, second = Peer(lost), Peer()
    pooled = at_the_same_time(first, second)
    with pytest.raises(NoReply):
        pooled.send()
    assert (first.closed, second.closed) == (1, closed)


def test_an_interrupt_closes_its_connection():
    pooled = Pooled(Peer(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        pooled.send()
    assert pooled.opened[0].closed == 1
    assert pooled.ends() == [1]


def test_a_copy_of_the_process_closes_what_it_inherits_once(monkeypatch):
    pooled, own = Pooled(), os.getpid()
    pooled.send()
    monkeypatch.setattr("os.getpid", lambda: own + 1)
    pooled.send()
    assert pooled.opened[0].closed == 1
    pooled.send()
    assert pooled.pool.opened == 2
    pooled.pool.forget()
    pooled.pool.forget()
    assert pooled.ends() == [1, 1]


def test_the_end_of_the_process_leaves_connections_to_those_who_give_locks_back():
    pool = Pool(lambda _seconds: Peer())
    registered = weakref.finalize._registry.items()  # type: ignore[attr-defined]
    assert [info.atexit for _, info in registered if info.weakref() is pool] == [False]


class Sockets:
    """What makes sockets that connect as they are told, on a clock that they let pass."""

    SOCK_STREAM = 1

    def __init__(self, monkeypatch, *outcomes):
        self.outcomes, self.made, self.clock = list(outcomes), [], Clock()
        addresses = [(2, f"10.0.0.{number}", 80) for number in range(len(outcomes))]
        monkeypatch.setattr(connections, "socket", self)
        monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=self.clock))
        monkeypatch.setattr(connections, "_resolved", lambda _endpoint, _timeout: addresses)
        monkeypatch.setattr(connections, "prepare", lambda connected: connected.prepare())

    def socket(self, _family, _kind):
        sockets, outcome = self, self.outcomes.pop(0)

        class Connecting(Peer):
            prepared = False

            def connect(self, address):
                self.address = address
                if isinstance(outcome, BaseException):
                    sockets.clock.now += 0.25 if isinstance(outcome, TimeoutError) else 0.0
                    raise outcome
                sockets.clock.now += outcome

            def prepare(self):
                self.prepared = True

        self.made.append(made := Connecting())
        return made


STORE = parse("http://store.example", "r")
LATE = TimeoutError("timed out")


def test_each_address_has_its_share_of_the_time(monkeypatch):
    sockets = Sockets(monkeypatch, LATE, ConnectionRefusedError("refused"), 0.25)
    found = connect(STORE, 1.5)
    assert found is sockets.made[2]
    assert [each.timeouts for each in sockets.made] == [[0.5], [0.625], [1.25]]
    assert [each.closed for each in sockets.made] == [1, 1, 0]
    assert [each.address for each in sockets.made] == [(f"10.0.0.{n}", 80) for n in range(3)]
    assert [each.prepared for each in sockets.made] == [False, False, True]


def test_no_address_is_tried_when_the_time_is_up(monkeypatch):
    sockets = Sockets(monkeypatch, LATE, 0.0)
    with pytest.raises(NotSent, match=r"store\.example: timed out"):
        connect(STORE, 0.25)
    assert [each.closed for each in sockets.made] == [1]
    with pytest.raises(NotSent, match="refused"):
        Sockets(monkeypatch, LATE, ConnectionRefusedError("refused")) and connect(STORE, 1.0)


def test_a_connection_is_closed_by_an_interrupt(monkeypatch):
    sockets = Sockets(monkeypatch, KeyboardInterrupt(), 0.0)
    with pytest.raises(KeyboardInterrupt):
        connect(STORE, 1.0)
    assert [each.closed for each in sockets.made] == [1]


class Encryption:
    def __init__(self, outcome=None):
        self.outcome, self.asked = outcome, []

    def wrap_socket(self, connected, server_hostname=None):
        self.asked.append((connected, server_hostname))
        if self.outcome is not None:
            raise self.outcome
        return "encrypted"


def test_encryption_has_the_rest_of_the_time_and_the_name(monkeypatch):
    sockets, tls = Sockets(monkeypatch, 0.25), Encryption()
    encrypted: Any = connect(STORE, 1.0, tls)
    assert encrypted == "encrypted"
    (made,) = sockets.made
    assert tls.asked == [(made, "store.example")]
    assert (made.timeouts, made.closed) == ([1.0, 0.75], 0)


@pytest.mark.parametrize("outcome", [1.0, 0.0])
def test_encryption_that_fails_or_comes_too_late_is_no_connection(monkeypatch, outcome):
    sockets, tls = Sockets(monkeypatch, outcome), Encryption(ssl.SSLError("no trust"))
    with pytest.raises(NotSent, match="time is up" if outcome else "no trust"):
        connect(STORE, 1.0, tls)
    assert [each.closed for each in sockets.made] == [1]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (lambda done: done(None, OSError("unknown")), "is not known: unknown"),
        (lambda _done: None, "was not resolved within 0.1 s"),
    ],
)
def test_a_name_that_is_not_resolved_is_no_connection(monkeypatch, told, why):
    monkeypatch.setattr(
        "interlock._drivers.resolving.look_up", lambda _host, _port, done: told(done)
    )
    with pytest.raises(NotSent, match=why):
        connections._resolved(STORE, 0.05)


def test_a_name_is_resolved_unless_it_is_an_address(monkeypatch):
    asked, found = [], [(2, "10.0.0.1", 80)]

    def look_up(host, port, done):
        asked.append((host, port))
        done(found, None)

    monkeypatch.setattr("interlock._drivers.resolving.look_up", look_up)
    assert connections._resolved(STORE, 0.05) is found
    assert asked == [("store.example", 80)]
    (address,) = connections._resolved(parse("http://10.0.0.2:81", "r"), 0.05)
    assert address[1:] == ("10.0.0.2", 81)
    assert len(asked) == 1
