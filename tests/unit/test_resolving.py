"""Names become addresses on a thread of their own; addresses need none."""

import functools
import select
import socket
import threading

import pytest

from interlock._drivers import resolving
from interlock._drivers.sockets import prepare, readable
from interlock._wire import limits


@pytest.mark.parametrize(
    ("host", "family"), [("10.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)]
)
def test_an_address_is_known(host, family):
    assert resolving.literal(host, 81) == [(family, host, 81)]


def test_a_name_is_not_an_address():
    assert resolving.literal("store.example", 81) is None


class Resolver:
    """The system's resolver: what it was asked, on which thread, and what it answers."""

    def __init__(self, monkeypatch, answer):
        self.answer, self.asked, self.told = answer, [], []
        self.done = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host, port, **options):
        self.asked.append((host, port, options))
        self.thread = threading.current_thread()
        if isinstance(self.answer, Exception):
            raise self.answer
        return [(socket.AF_INET, 1, 6, "", (self.answer, 0))]

    def look_up(self, host):
        def done(*told):
            self.told.append(told)
            self.done.set()

        resolving.look_up(host, 81, done)
        assert self.done.wait(10)
        return self.told


@pytest.mark.parametrize(("host", "asked"), [("a.example", b"a.example"), ("ä.example",) * 2])
def test_a_name_is_looked_up_on_a_thread_that_holds_up_no_end(monkeypatch, host, asked):
    resolver = Resolver(monkeypatch, "10.0.0.1")
    assert resolver.look_up(host) == [([(socket.AF_INET, "10.0.0.1", 81)], None)]
    assert resolver.asked == [(asked, 81, {"type": socket.SOCK_STREAM, "flags": 0})]
    assert (resolver.thread.name, resolver.thread.daemon) == ("interlock-resolver", True)


@pytest.mark.parametrize("error", [socket.gaierror("unknown"), UnicodeError("no label")])
def test_a_name_that_is_not_known_is_an_error_of_the_system(monkeypatch, error):
    ((addresses, told),) = Resolver(monkeypatch, error).look_up("a.example")
    assert addresses is None
    assert isinstance(told, OSError)
    assert str(told) == str(error)


def test_without_a_thread_the_caller_looks_it_up(monkeypatch):
    def start(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    resolver = Resolver(monkeypatch, "10.0.0.1")
    assert len(resolver.look_up("a.example")) == 1
    assert resolver.thread is threading.current_thread()


class Options:
    def __init__(self):
        self.set = []

    def setsockopt(self, *option):
        self.set.append(option)


def test_requests_leave_at_once_and_a_peer_that_is_gone_is_noticed(monkeypatch):
    monkeypatch.setattr(limits, "KEEP_ALIVE", (("TCP_MAXSEG", 20), ("TCP_OF_NO_SYSTEM", 5)))
    prepare(options := Options())  # type: ignore[arg-type]
    assert options.set == [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_MAXSEG, 20),
    ]


def at_once(selecting, reading, writing, failing, seconds):
    """Select, if no time is given for it."""
    assert seconds == 0
    return selecting(reading, writing, failing, seconds)


@pytest.mark.parametrize("poll", [True, False])
def test_a_socket_is_readable_once_something_has_come(monkeypatch, poll):
    if not poll:
        monkeypatch.delattr(select, "poll", raising=False)
        monkeypatch.setattr(select, "select", functools.partial(at_once, select.select))
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            assert not readable(ours)
            theirs.send(b"x")
            assert readable(ours)
            ours.recv(1)
            assert not readable(ours)
        assert readable(ours)
