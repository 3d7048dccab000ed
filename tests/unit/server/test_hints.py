"""Hints: a change that went through one instance makes the others look, and nothing else does."""

import asyncio
import contextlib
import socket
from typing import Any

import httpx
import pytest

from server import hints as module
from server.hint_keys import HOUR, HintKeys
from server.hints import Hint, Hints, read
from server.members import Member
from tests.unit.server.conftest import until

NOW = 1_800_000_000.0
KEY = b"k" * 32


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


class Maker:
    """Makes tokens as a `Mac` of one KMS key does; `down` fails."""

    def __init__(self, secret="secret"):
        self.secret = secret
        self.asked = []
        self.down = False

    async def sign(self, claims):
        self.asked.append(claims["hour"])
        if self.down:
            raise OSError("KMS cannot be reached")
        return f"{self.secret} {sorted(claims.items())}"


class Fixed:
    """Members that a test names."""

    def __init__(self, *others):
        self.others = others

    @contextlib.asynccontextmanager
    async def running(self):
        yield


class Instance:
    """One instance: its hints, and how often they made it look."""

    members: Any

    def __init__(self, name, *, secret="secret", clock=None):
        self.name, self.looks = name, 0
        self.clock = clock or Clock()
        self.members = Fixed()
        self.kms = Maker(secret)
        self.keys = HintKeys(self.kms, clock=self.clock)
        self.hints = Hints(name, self.members, self.keys, wall_clock=self.clock)

    @property
    def member(self):
        return Member(self.name, *self.told("sockname"))

    def told(self, what):
        """Return what its socket says of itself."""
        assert self.hints._transport is not None
        return self.hints._transport.get_extra_info(what)

    @contextlib.asynccontextmanager
    async def running(self):
        def look():
            self.looks += 1

        async with self.hints.running("127.0.0.1", 0, look):
            await until(lambda: self.keys.get(self.keys.hour) is not None)
            yield self

    def hint(self, sender="i-9", **changes):
        told = {"receiver": self.name, "hour": self.keys.hour, "sent": int(self.clock() * 1000)}
        return Hint(sender, **(told | changes))

    def take(self, datagram):
        """Hand it a datagram, as its socket does; return whether it will look."""
        self.hints.datagram_received(datagram, ("127.0.0.1", 9))
        return self.hints._heard.is_set()

    @property
    def key(self):
        return self.keys.get(self.keys.hour)


@pytest.fixture
async def start():
    async with contextlib.AsyncExitStack() as stack:

        async def start(*instances):
            for each in instances:
                await stack.enter_async_context(each.running())
            for each in instances:
                others = [other.member for other in instances if other is not each]
                each.members.others = tuple(others)

        yield start


@pytest.fixture
async def one():
    """An instance with keys, whose socket and tasks are the test's."""
    instance = Instance("i-1")
    await instance.keys.refresh()
    return instance


async def test_a_change_makes_all_others_look_and_not_the_instance_itself(start):
    one, two, three = (Instance(f"i-{number}") for number in (1, 2, 3))
    await start(one, two, three)
    one.hints.tell()
    await until(lambda: (two.looks, three.looks) == (1, 1))
    assert one.looks == 0


@pytest.fixture
async def listener():
    """A member that only keeps what it is sent."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.settimeout(0)

        async def receive():
            async with asyncio.timeout(60):
                return await loop.sock_recv(taken, 1000)

        yield Member("i-2", *taken.getsockname()), receive, taken


async def test_many_changes_are_one_hint_and_nothing_more_for_a_while(start, listener, monkeypatch):
    monkeypatch.setattr(module, "TELL_EVERY", 3600)
    member, receive, taken = listener
    one = Instance("i-1")
    await start(one)
    one.members.others = (member,)
    for _ in range(1000):
        one.hints.tell()
    hint = read(await receive(), one.keys)
    assert hint is not None
    assert hint.receiver == "i-2"
    one.hints.tell()
    await asyncio.sleep(0)  # the task that sends is asleep for an hour, whatever it is told
    with pytest.raises(BlockingIOError):
        taken.recv(1000)


async def test_the_last_of_many_changes_is_told_as_well(start, listener, monkeypatch):
    monkeypatch.setattr(module, "TELL_EVERY", 0.01)
    member, receive, _ = listener
    one = Instance("i-1")
    await start(one)
    one.members.others = (member,)
    for _ in range(3):
        one.hints.tell()
        assert read(await receive(), one.keys) is not None


async def test_a_hint_that_is_repeated_makes_an_instance_look_once_in_a_while(monkeypatch, start):
    monkeypatch.setattr(module, "TELL_EVERY", 3600)
    one = Instance("i-1")
    await start(one)
    genuine = one.hint().signed(one.key)
    for _ in range(1000):
        assert one.take(genuine)
    await until(lambda: one.looks == 1)
    for _ in range(1000):
        one.take(genuine)
    await asyncio.sleep(0)
    assert one.looks == 1


async def test_a_genuine_hint_is_a_reason_to_look(one):
    assert one.take(one.hint().signed(one.key))


@pytest.mark.parametrize(
    "changes",
    [
        {"receiver": "i-2"},  # taken from the network, and sent to another
        {"sent": int((NOW - 61) * 1000)},
        {"sent": int((NOW + 61) * 1000)},
        {"sent": -(10**40)},
        {"hour": 0},  # an hour of which there is no key
    ],
)
async def test_a_hint_of_another_time_or_for_another_instance_is_none(one, changes):
    assert not one.take(one.hint(**changes).signed(one.key))


async def test_a_clock_that_is_off_by_a_minute_is_borne(one):
    for off in (-59, 59):
        assert one.take(one.hint(sent=int((NOW + off) * 1000)).signed(one.key))
        one.hints._heard.clear()


async def test_a_hint_that_is_signed_by_another_key_is_none(one):
    other = HintKeys(Maker("another"), clock=one.clock)
    await other.refresh()
    for key in (b"", KEY, other.get(one.keys.hour), one.keys.get(one.keys.hour + 1)):
        assert not one.take(one.hint().signed(key))


async def test_no_byte_of_a_hint_can_be_changed(one):
    genuine = one.hint().signed(one.key)
    for place in range(len(genuine)):
        changed = bytearray(genuine)
        changed[place] ^= 1
        assert not one.take(bytes(changed)), place
        assert not one.take(genuine[:place]), place
    assert not one.take(genuine + b" ")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b" ",
        b"interlock-hint-1",
        b"interlock-hint-1 x y z w v",
        b"\xff\xfe \x00",
        b"interlock-hint-1 500000 " + b"9" * 5000 + b" i-2 i-1 00",
        b"GET /hints HTTP/1.1\r\n\r\n",
    ],
)
async def test_noise_is_no_hint(one, datagram):
    assert not one.take(datagram)


async def test_without_keys_nothing_is_told_or_believed_and_nothing_fails(listener):
    member, _, taken = listener
    one = Instance("i-1")
    one.members.others = (member,)
    one.kms.down = True
    genuine = one.hint().signed(KEY)
    async with one.hints.running("127.0.0.1", 0, lambda: None):
        await until(lambda: one.kms.asked)
        one.hints.tell()
        await until(lambda: not one.hints._changed.is_set())
        assert not one.take(genuine)
    with pytest.raises(BlockingIOError):
        taken.recv(1000)


async def test_a_member_that_is_gone_costs_the_others_nothing(start):
    one, two = Instance("i-1"), Instance("i-2")
    await start(one, two)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ended:
        ended.bind(("127.0.0.1", 0))
        gone = Member("i-0", *ended.getsockname())
    nowhere = Member("i-9", "0.0.0.1", 9)
    one.members.others = (gone, nowhere, two.member)
    one.hints.tell()
    await until(lambda: two.looks == 1)
    one.hints.tell()  # after its system has said that the first is not there
    await until(lambda: two.looks == 2)


async def test_a_look_that_fails_is_not_the_last(monkeypatch):
    monkeypatch.setattr(module, "TELL_EVERY", 0.01)
    one, looks = Instance("i-1"), []

    def look():
        looks.append(1)
        raise RuntimeError("a look failed")

    async with one.hints.running("127.0.0.1", 0, look):
        await until(lambda: one.key is not None)
        for times in (1, 2):
            one.take(one.hint().signed(one.key))
            await until(lambda times=times: len(looks) == times)


async def test_an_instance_whose_port_is_taken_runs_without_hints(caplog):
    one = Instance("i-1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        host, port = other.getsockname()
        async with one.hints.running(host, port, lambda: None):
            one.hints.tell()
    assert "no hints are sent or taken" in caplog.text


async def test_the_socket_is_closed_when_an_instance_has_ended():
    one = Instance("i-1")
    async with one.running():
        taken = one.told("socket")
    await until(lambda: taken.fileno() == -1)


async def test_each_hour_has_a_key_that_all_members_make_for_themselves():
    clock = Clock()
    one, other = HintKeys(Maker(), clock=clock), HintKeys(Maker(), clock=clock)
    await one.refresh()
    await other.refresh()
    hours = [one.hour - 1, one.hour, one.hour + 1]
    keys = [one.get(hour) for hour in hours]
    assert keys == [other.get(hour) for hour in hours]
    assert len(set(keys)) == 3
    assert one.get(one.hour + 2) is None


async def test_kms_is_asked_once_an_hour_and_a_key_ends():
    clock = Clock()
    kms = Maker()
    keys = HintKeys(kms, clock=clock)
    await keys.refresh()
    first = keys.hour
    asked = len(kms.asked)
    await keys.refresh()
    assert len(kms.asked) == asked == 3
    clock.now += HOUR
    await keys.refresh()
    assert kms.asked[asked:] == [first + 2]
    clock.now += HOUR
    await keys.refresh()
    assert keys.get(first) is None
    assert keys.get(first + 1) is not None


async def test_nothing_that_arrives_makes_an_instance_ask_kms(one):
    asked = list(one.kms.asked)
    for hour in range(one.keys.hour - 9, one.keys.hour + 9):
        one.take(one.hint(hour=hour).signed(KEY))
    assert one.kms.asked == asked


async def test_what_is_signed_for_a_key_is_the_same_at_all_times_and_members():
    """A MAC of KMS is a function of its key and its message: nothing else may come into it."""
    seen = []

    class Recorded:
        async def sign(self, claims):
            seen.append(claims)
            return "token"

    clock = Clock()
    for off in (0.0, 1.5, 3.25):
        clock.now = NOW + off
        await HintKeys(Recorded(), clock=clock).refresh()
    assert seen[:3] == seen[3:6] == seen[6:9]


class Told:
    """Hints that only count what is told; `look` is what a hint that comes would call."""

    def __init__(self):
        self.told = 0
        self.look: Any = None

    def tell(self):
        self.told += 1

    @contextlib.asynccontextmanager
    async def running(self, *address):
        *_, self.look = address
        yield


@pytest.mark.parametrize(
    ("method", "path", "answer", "told"),
    [
        ("POST", "/api/counters/a/increment", 200, 1),
        ("PUT", "/api/counters/a", 201, 1),
        ("DELETE", "/api/counters/a", 204, 1),
        ("GET", "/api/counters/a", 200, 0),
        ("POST", "/api/counters/a/increment", 409, 0),
        ("POST", "/api/counters/a/increment", 500, 0),
    ],
)
async def test_the_others_are_told_of_each_change_that_was_made(
    service, method, path, answer, told
):
    hints = Told()
    client = await service(lambda _: httpx.Response(answer, json={}), hints=hints)
    assert (await client.request(method, path)).status_code == answer
    assert hints.told == told


async def test_a_hint_makes_an_instance_look_at_the_api_for_its_pages(wire):
    hints, asked = Told(), []

    def api(request):
        asked.append(request)
        return httpx.Response(200, json={"counters": []})

    running = await wire(api, hints=hints, look_every=3600)
    reader, writer = await running.connect()
    writer.write(b"GET /events HTTP/1.1\r\nHost: service.test\r\n\r\n")
    await until(lambda: len(asked) == 1)  # for the first state
    hints.look()
    await until(lambda: len(asked) == 2)
    writer.close()
    await reader.read()
