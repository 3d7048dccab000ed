"""The connections of the awaitable half, step by step, on a loop in virtual time."""

import asyncio
import gc
import socket
from typing import Any

import pytest

from interlock._drivers.awaitable import connections
from interlock._drivers.awaitable.connections import Pool, Stream
from interlock._protocol.faults import NoReply, NotSent, OutOfTime
from interlock._wire.endpoints import parse
from tests.wire.scripted import VirtualLoop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
REQUEST = b"0123456789"


class Line:
    """A transport: `comes` is what follows a request, and after how many seconds."""

    def __init__(self, *comes: Any):
        self.comes = list(comes or ((0.0, ANSWER),))
        self.stream = Stream()
        self.stream.connection_made(self)  # type: ignore[arg-type]
        self.written = b""
        self.aborted, self.closing = 0, False

    def is_closing(self):
        return self.closing

    def abort(self):
        self.aborted += 1
        self.closing = True

    def write(self, data):
        self.written += bytes(data)
        for after, what in self.comes:
            asyncio.get_running_loop().call_later(after, self.happen, what)

    def happen(self, what):
        if callable(what):
            what()
        elif isinstance(what, bytes) and what:
            self.stream.data_received(what)
        elif what == b"":
            self.stream.eof_received()
        else:
            self.stream.connection_lost(what)


def run(coroutine):
    """Return what a coroutine returns on a loop of its own, and the seconds that it took."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop: Any = runner.get_loop()
        return runner.run(coroutine), loop.now


def ample(_carried):
    return 9.0


def lost(line, left=ample):
    """Return why an answer was lost, and when."""

    async def main():
        with pytest.raises(NoReply) as fault:
            await line.stream.exchange(REQUEST, left)
        return fault.value

    return run(main())


def test_a_request_is_answered():
    line = Line((0.5, ANSWER[:9]), (1.0, ANSWER[9:]))
    response, took = run(line.stream.exchange(REQUEST, ample))
    assert (response.status, response.body, line.written, took) == (200, b"{}", REQUEST, 1.0)
    assert not line.aborted
    response, _ = run(line.stream.exchange(REQUEST, ample))
    assert response.status == 200


@pytest.mark.parametrize(
    ("comes", "why"),
    [
        ([(0.5, b"SSH-2.0\r\n")], "not HTTP"),
        ([(0.5, ANSWER + b"x")], "more than one"),
        ([(0.5, b"")], "closed without an answer"),
        ([(0.2, ANSWER[:9]), (0.5, b"")], "closed after 9 bytes"),
        ([(0.5, ConnectionResetError("reset"))], "lost: reset"),
        ([(0.5, None)], "lost: the connection was closed"),
        ([(0.5, b"SSH-2.0\r\n"), (0.5, b""), (0.5, None)], "not HTTP"),
    ],
)
def test_an_answer_that_is_not_whole_is_lost(caplog, comes, why):
    line = Line(*comes)
    fault, took = lost(line)
    assert why in str(fault)
    assert took <= 0.5
    assert line.aborted
    assert caplog.text == ""


def test_what_cut_a_connection_is_told_from_an_answer_that_is_not_understood():
    cut = ConnectionResetError("reset")
    assert lost(Line((0.5, cut)))[0].__cause__ is cut
    assert isinstance(lost(Line((0.5, None)))[0].__cause__, ConnectionAbortedError)
    assert lost(Line((0.5, b"SSH-2.0\r\n")))[0].__cause__ is None


def test_an_answer_has_the_time_that_is_left_of_what_was_carried():
    fault, took = lost(Line((0.5, ANSWER[:9])), lambda carried: float(carried == 0))
    assert ("in time" in str(fault), took) == (True, 1.0)
    asked = []

    def left(carried):
        asked.append(carried)
        return [1.0, 2.0, 0.001][len(asked) - 1]

    fault, took = lost(Line((0.5, ANSWER[:9])), left)
    assert ("in time" in str(fault), took, asked) == (True, 3.0, [0, 19, 19])


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_request_does_not_leave_when_its_time_is_up(seconds):
    line = Line()
    with pytest.raises(NotSent):
        run(line.stream.exchange(REQUEST, lambda _carried: seconds))
    assert line.written == b""
    assert run(line.stream.exchange(REQUEST, lambda carried: 1.0 - carried))[0].status == 200


def test_a_request_does_not_leave_over_a_connection_that_is_closed():
    line = Line()
    line.closing = True
    assert not line.stream.quiet()
    with pytest.raises(NotSent):
        run(line.stream.exchange(REQUEST, ample))
    assert line.written == b""


def test_what_no_request_asked_for_ends_the_connection():
    line = Line()
    line.happen(b"HTTP")
    assert line.aborted == 1
    for what in (b"", None):
        line = Line()
        line.happen(what)
        assert line.aborted == 1
    line = Line((0.0, ANSWER), (0.0, b"HTTP"))
    assert run(line.stream.exchange(REQUEST, ample))[0].status == 200
    assert line.aborted == 1


def test_a_timer_ends_with_its_request():
    line = Line()

    async def main():
        loop = asyncio.get_running_loop()
        await line.stream.exchange(REQUEST, lambda _carried: 5.0 - loop.time())
        await asyncio.sleep(20.0)

    run(main())
    assert not line.aborted


def test_a_connection_is_quiet_until_something_has_come():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = Stream(ours)
        stream.connection_made(Line())  # type: ignore[arg-type]
        assert stream.quiet()
        theirs.send(b"x")
        assert not stream.quiet()
        stream.disown()
        assert ours.fileno() == -1
    assert Line().stream.quiet()
    Line().stream.disown()
    Stream().close()


def test_a_fault_that_nobody_waits_for_any_more_is_not_complained_of(caplog):
    async def main():
        line = Line((0.5, b"SSH-2.0\r\n"))
        asking = asyncio.ensure_future(line.stream.exchange(REQUEST, ample))
        await asyncio.sleep(0.1)
        line.happen(b"SSH-2.0\r\n")
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        del asking
        gc.collect()

    run(main())
    assert caplog.text == ""


@pytest.mark.parametrize("before", [None, ConnectionResetError("reset")])
def test_a_transport_that_fails_as_it_is_written_to_says_so_alone(caplog, before):
    line: Any = Line()

    def write(_data):
        if before is not None:
            line.happen(before)
        raise RuntimeError("a failure of its own")

    line.write = write
    with pytest.raises(RuntimeError, match="of its own"):
        run(line.stream.exchange(REQUEST, ample))
    gc.collect()
    assert caplog.text == ""


class Pooled:
    """A pool, the lines that it is to open, and the seconds that it gave each."""

    def __init__(self, *lines: Line):
        self.lines, self.opened = list(lines), list[Line]()
        self.seconds: list[float] = []

    async def begin(self):
        loop = asyncio.get_running_loop()
        self.pool = Pool(self._connect, loop.time)
        return self

    async def _connect(self, seconds):
        self.seconds.append(seconds)
        self.opened.append(made := self.lines.pop(0) if self.lines else Line())
        return made.stream

    async def send(self, left=ample, *, once=False):
        return (await self.pool.exchange(REQUEST, left, once=once)).status


def pooled(steps, *lines):
    """Take steps with a pool on a loop; return it after the loop's end."""
    made = Pooled(*lines)

    async def main():
        await steps(await made.begin())

    run(main())
    return made


def closed(made):
    return [line.aborted for line in made.opened]


def test_a_connection_is_kept_for_the_next_call_and_ends_with_the_loop():
    async def steps(made):
        assert [await made.send() for _ in range(3)] == [200] * 3
        assert (made.pool.opened, made.seconds, closed(made)) == (1, [1.0], [0])

    assert closed(pooled(steps)) == [1]


@pytest.mark.parametrize(
    ("once", "idle", "opened"),
    [(False, 60.0, 1), (False, 60.5, 2), (True, 1.0, 1), (True, 1.5, 2)],
)
def test_a_connection_is_kept_for_a_minute_and_for_a_second_if_it_must_not_fail(once, idle, opened):
    async def steps(made):
        await made.send()
        await asyncio.sleep(idle)
        await made.send(once=once)
        assert made.pool.opened == opened
        await asyncio.sleep(0.5)
        await made.send(once=True)
        assert made.pool.opened == opened

    assert closed(pooled(steps)) == [1] * opened


@pytest.mark.parametrize("ends", ["closed", "heard of", "not kept"])
def test_a_connection_that_has_ended_is_closed_and_another_opened(ends):
    async def steps(made):
        await made.send()
        if ends == "closed":
            made.opened[0].closing = True
        elif ends == "heard of":
            made.opened[0].stream.quiet = lambda: False
        await made.send()
        assert closed(made) == [1, 0]
        assert made.opened[0].written == REQUEST

    version = b"1.0" if ends == "not kept" else b"1.1"
    pooled(steps, Line((0.0, ANSWER.replace(b"1.1", version))))


def test_the_last_connection_that_was_used_is_taken_first_and_no_more_are_kept(monkeypatch):
    monkeypatch.setattr("interlock._wire.limits.MOST_IDLE", 2)

    async def steps(made):
        await asyncio.gather(*(made.send() for _ in range(3)))
        assert closed(made) == [0, 0, 1]
        await made.send()
        assert [len(line.written) for line in made.opened] == [10, 20, 10]

    lines = [Line((after, ANSWER)) for after in (0.1, 0.2, 0.3)]
    assert closed(pooled(steps, *lines)) == [1, 1, 1]


def test_a_request_that_did_not_leave_goes_over_another_connection():
    async def steps(made):
        await made.send()
        made.opened[0].stream.quiet = lambda: True
        made.opened[0].closing = True
        assert await made.send(lambda carried: 1.0 - carried) == 200
        assert made.pool.opened == 2
        made.opened[1].stream.quiet = lambda: True
        made.opened[1].closing = True
        left = iter((1.0, 0.0, 9.0, 9.0))
        with pytest.raises(NotSent, match="closed"):
            await made.send(lambda _carried: next(left))
        assert made.pool.opened == 2

    pooled(steps)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_connection_is_opened_when_the_time_is_up(seconds):
    async def steps(made):
        with pytest.raises(OutOfTime):
            await made.send(lambda _carried: seconds)
        assert made.seconds == []
        assert await made.send(lambda carried: 1.0 - carried) == 200

    pooled(steps)


@pytest.mark.parametrize(("left", "seconds"), [(0.5, 0.5), (1.5, 1.0)])
def test_a_connection_has_a_second_of_the_time_that_is_left(left, seconds):
    async def steps(made):
        await made.send(lambda _carried: left)
        assert made.seconds == [seconds]

    pooled(steps)


@pytest.mark.parametrize(
    ("what", "others"), [(ConnectionResetError("reset"), 1), (b"SSH-2.0\r\n", 0)]
)
def test_a_lost_answer_is_not_asked_for_again_and_what_cut_it_has_cut_the_others(what, others):
    async def steps(made):
        await asyncio.gather(made.send(), made.send())
        made.opened[1].comes = [(0.0, what)]
        with pytest.raises(NoReply):
            await made.send()
        assert made.pool.opened == 2
        assert (made.opened[0].aborted, made.opened[1].aborted > 0) == (others, True)

    pooled(steps, Line((0.1, ANSWER)), Line((0.2, ANSWER)))


def test_a_cancelled_call_closes_its_connection_and_leaves_its_room():
    async def steps(made):
        asking = asyncio.ensure_future(made.send())
        await asyncio.sleep(1.0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert closed(made) == [1]
        assert await made.send() == 200

    pooled(steps, Line((5.0, ANSWER)))


def test_a_call_for_which_there_is_no_room_waits_for_its_time(monkeypatch):
    monkeypatch.setattr("interlock._wire.limits.MOST_OPEN", 1)

    async def steps(made):
        loop = asyncio.get_running_loop()
        first = asyncio.ensure_future(made.send())
        await asyncio.sleep(0)
        for left, took in ((0.5, 0.5), (-1.0, 0.0)):
            began = loop.time()
            with pytest.raises(NotSent, match="in use"):
                await made.send(lambda carried, left=left: 5.0 * carried + left)
            assert loop.time() - began == pytest.approx(took)
        assert await made.send() == 200
        assert await first == 200
        assert made.pool.opened == 1

    pooled(steps, Line((1.0, ANSWER)))


def test_all_connections_are_closed_or_disowned():
    async def steps(made):
        asking = asyncio.ensure_future(made.send())
        await asyncio.sleep(0.1)
        await made.send()
        disowned = []
        for line in made.opened:
            line.stream.disown = lambda line=line: disowned.append(line)
        made.pool.disown()
        assert set(disowned) == set(made.opened)
        made.pool.drop_all()
        assert closed(made) == [1, 1]
        assert await made.send() == 200
        assert made.pool.opened == 3
        assert closed(made) == [1, 1, 0]
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    pooled(steps, Line((5.0, ANSWER)))


STORE = parse("http://store.example", "r")


def test_a_name_is_resolved_unless_it_is_an_address(monkeypatch):
    asked, found = [], [(2, "10.0.0.1", 80)]

    def look_up(host, port, done):
        asked.append((host, port))
        done(found, None)
        done(None, OSError("later"))

    monkeypatch.setattr("interlock._drivers.resolving.look_up", look_up)
    assert run(connections._resolved(STORE, 0.5))[0] is found
    assert asked == [("store.example", 80)]
    (address,), _ = run(connections._resolved(parse("http://10.0.0.2:81", "r"), 0.5))
    assert address[1:] == ("10.0.0.2", 81)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("told", "why", "took"),
    [
        (lambda done: done(None, OSError("unknown")), "is not known: unknown", 0.0),
        (lambda done: done(None, None), "is not known: no address", 0.0),
        (lambda _done: None, "was not resolved within 0.5 s", 0.5),
    ],
)
def test_a_name_that_is_not_resolved_is_no_connection(monkeypatch, told, why, took):
    monkeypatch.setattr(
        "interlock._drivers.resolving.look_up", lambda _host, _port, done: told(done)
    )

    async def main():
        with pytest.raises(NotSent, match=why):
            await connections._resolved(STORE, 0.5)

    assert run(main())[1] == took


class Connecting(VirtualLoop):
    """A loop whose sockets connect as they are told, each after so many seconds or by an error."""

    SOCK_STREAM = 1

    def __init__(self, monkeypatch, *outcomes, encrypting=0.0):
        super().__init__()
        self.outcomes, self.encrypting = list(outcomes), encrypting
        self.made: list[Any] = []
        self.asked: list[Any] = []
        addresses = [(2, f"10.0.0.{number}", 80) for number in range(len(outcomes))]

        async def resolved(_endpoint, _timeout):
            return addresses

        monkeypatch.setattr(connections, "socket", self)
        monkeypatch.setattr(connections, "_resolved", resolved)
        monkeypatch.setattr(connections, "prepare", lambda made: made.append("prepared"))

    def socket(self, _family, _kind):
        class Socket(list[Any]):
            """What was done with it."""

            def settimeout(self, value):
                self.append(value)

            def close(self):
                self.append("closed")

        self.made.append(made := Socket())
        return made

    async def sock_connect(self, sock, address):
        sock.append(address)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        await asyncio.sleep(outcome)

    async def create_connection(self, factory, **options):  # type: ignore[override]
        self.asked.append(options)
        await asyncio.sleep(self.encrypting)
        return None, factory()


def connecting(loop, timeout, tls=None):
    """Return what `connect` comes to on a loop, and the seconds that it took."""
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            found = runner.run(connections.connect(STORE, timeout, tls))
        except NotSent as fault:
            return str(fault), loop.now
        return found, loop.now


def at(number):
    return (f"10.0.0.{number}", 80)


def test_each_address_has_its_share_of_the_time(monkeypatch):
    loop = Connecting(monkeypatch, 5.0, ConnectionRefusedError("refused"), 0.25)
    stream, took = connecting(loop, 1.5)
    assert (stream._socket, took) == (loop.made[2], 0.75)
    assert loop.made == [
        [0.0, at(0), "closed"],
        [0.0, at(1), "closed"],
        [0.0, at(2), "prepared"],
    ]
    assert loop.asked == [{"sock": loop.made[2], "ssl": None, "server_hostname": None}]


def test_no_address_is_tried_when_the_time_is_up(monkeypatch):
    loop = Connecting(monkeypatch, 5.0, 5.0, 5.0)
    fault, took = connecting(loop, 1.5)
    assert ("no connection to http://store.example" in fault, took) == (True, 1.5)
    assert len(loop.made) == 3
    loop = Connecting(monkeypatch, 0.25, 0.25, encrypting=5.0)
    _, took = connecting(loop, 1.0)
    assert (took, loop.made) == (1.0, [[0.0, at(0), "prepared", "closed"]])


def test_encryption_has_the_name(monkeypatch):
    loop, tls = Connecting(monkeypatch, 0.25), object()
    connecting(loop, 1.0, tls)
    assert loop.asked == [{"sock": loop.made[0], "ssl": tls, "server_hostname": "store.example"}]


def test_a_connection_that_is_cancelled_is_closed(monkeypatch):
    loop = Connecting(monkeypatch, 5.0, 0.0)

    async def main():
        asking = asyncio.ensure_future(connections.connect(STORE, 9.0))
        await asyncio.sleep(1.0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(main())
    assert loop.made == [[0.0, at(0), "closed"]]
