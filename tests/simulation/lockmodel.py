"""The lock protocol in its least form, what must hold of it, and ways to get it wrong.

The model is the protocol's argument without an API around it. Each rule that can be broken is a
field of `Rules`: a simulator that does not notice the broken ones proves nothing by its silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock._protocol.requests import Operation, call, draw, monotonic, new_id, sleep, wall_clock
from tests.simulation.faults import CALM, Faults
from tests.simulation.process import Process
from tests.simulation.tables import Change, Table
from tests.simulation.world import World

LEASE = 10.0
TABLE = Table("coordination")
LOCK = {"TableName": TABLE.name, "Key": {"pk": {"S": "lock#a"}}}
DATA = "data"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a correct lock keeps to. All true: the protocol; one false: a known mistake."""

    release_own_version: bool = True
    heartbeat_own_version: bool = True
    watch_on_own_clock: bool = True
    keep_row_on_release: bool = True
    lease_from_before_sending: bool = True
    guard_writes: bool = True
    know_own_version: bool = True
    take_over: bool = True


@dataclass(slots=True)
class Grant:
    """A lock as its holder sees it: `until` is on the holder's monotonic clock."""

    fence: int
    version: str
    until: float
    sent: dict[str, float] = field(default_factory=dict)
    over: bool = False


@dataclass(slots=True)
class Client:
    """One process that wants the lock."""

    process: Process
    rules: Rules
    grant: Grant | None = None
    rounds: int = 0

    @property
    def believes(self) -> bool:
        """Whether this client, if it looked at its clock now, would act as the holder."""
        grant = self.grant
        return (
            self.process.alive
            and grant is not None
            and not grant.over
            and self.process.monotonic() < grant.until
        )

    def acquire(self) -> Operation[Grant]:
        """Wait for the lock, for ever."""
        sent: dict[str, float] = {}
        seen, since, until = "", 0.0, 0.0
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(version)"}
        values: dict[str, Any] = {}
        while True:
            version, started = (yield from new_id()), (yield from monotonic())
            wall = yield from wall_clock()
            sent[version] = started
            item = yield from self._grant_call(version, wall, condition, values)
            after = yield from monotonic()
            if item is not None:
                held = text(item, "version")
                if held == version or (self.rules.know_own_version and held in sent):
                    counted = sent[held] if self.rules.lease_from_before_sending else after
                    return Grant(int(item["fence"]["N"]), held, counted + LEASE)
            condition, values = {"ConditionExpression": "attribute_not_exists(version)"}, {}
            if item is None or not text(item, "version"):
                yield from sleep(0.2 + 0.2 * (yield from draw()))
                continue
            held = text(item, "version")
            if held != seen:
                seen, since = held, after
            until = float(item["until"]["N"])
            over = after - since >= LEASE if self.rules.watch_on_own_clock else wall > until
            if over and self.rules.take_over:
                condition = {"ConditionExpression": "version = :seen"}
                values = {":seen": {"S": seen}}
                continue
            yield from sleep(0.5 + 0.5 * (yield from draw()))

    def _grant_call(
        self, version: str, wall: float, condition: dict[str, Any], values: dict[str, Any]
    ) -> Operation[Mapping[str, Any] | None]:
        """Return the record after a grant, the record that refused, or None for neither."""
        seed = int(wall * 1000) if self.rules.keep_row_on_release else 0
        try:
            reply = yield from call(
                "UpdateItem",
                **LOCK,
                **condition,
                UpdateExpression="SET fence = if_not_exists(fence, :seed) + :one, version = :v, "
                "#until = :until",
                ExpressionAttributeNames={"#until": "until"},
                ExpressionAttributeValues={
                    ":seed": {"N": str(seed)},
                    ":one": {"N": "1"},
                    ":v": {"S": version},
                    ":until": {"N": str(wall + LEASE)},
                    **values,
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refusal:
            return refusal.item
        except (NoReply, NotSent):
            return None
        record: Mapping[str, Any] = reply["Attributes"]
        return record

    def heartbeat(self, grant: Grant) -> Operation[None]:
        """Renew the lease once; find out if the lock is lost."""
        version, started = (yield from new_id()), (yield from monotonic())
        grant.sent[version] = started
        known = [grant.version, *grant.sent]
        changes: dict[str, Any] = {":v": {"S": version}}
        own: dict[str, Any] = {}
        if self.rules.heartbeat_own_version:
            own = own_version(known)
            changes |= {f":k{i}": {"S": name} for i, name in enumerate(known)}
        try:
            yield from call(
                "UpdateItem",
                **LOCK,
                **own,
                UpdateExpression="SET version = :v",
                ExpressionAttributeValues=changes,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except Refused as refusal:
            grant.over = grant.over or refusal.condition_failed
        except (NoReply, NotSent):
            return
        else:
            grant.until = started + LEASE

    def write(self, grant: Grant) -> Operation[None]:
        """Write something that only the holder may write, as often as it takes."""
        item = {"pk": {"S": DATA}, "fence": {"N": str(grant.fence)}}
        put = {"Put": {"TableName": TABLE.name, "Item": item}}
        check = {
            "ConditionCheck": {
                **LOCK,
                "ConditionExpression": "fence = :f AND attribute_exists(version)",
                "ExpressionAttributeValues": {":f": {"N": str(grant.fence)}},
            }
        }
        for _ in range(5):
            try:
                yield from call(
                    "TransactWriteItems",
                    TransactItems=[check, put] if self.rules.guard_writes else [put],
                )
            except Refused as refusal:
                if not (refusal.throttled or refusal.conflicted):
                    return
            except (NoReply, NotSent):
                pass
            else:
                return
            yield from sleep(0.1 * (yield from draw()))

    def release(self, grant: Grant) -> Operation[None]:
        """Give the lock back, if it is still this grant's."""
        grant.over = True
        known = [grant.version, *grant.sent]
        own: dict[str, Any] = {}
        if self.rules.release_own_version:
            values = {f":k{i}": {"S": name} for i, name in enumerate(known)}
            own = own_version(known) | {"ExpressionAttributeValues": values}
        for _ in range(5):
            try:
                if self.rules.keep_row_on_release:
                    yield from call("UpdateItem", **LOCK, **own, UpdateExpression="REMOVE version")
                else:
                    yield from call("DeleteItem", **LOCK, **own)
            except Refused as refusal:
                if refusal.condition_failed:
                    return
            except (NoReply, NotSent):
                pass
            else:
                return
            yield from sleep(0.2)

    def work(self, rounds: int) -> Operation[None]:
        """Take the lock, work under it, give it back; `rounds` times."""
        for _ in range(rounds):
            self.grant = grant = yield from self.acquire()
            yield from self.write(grant)
            yield from sleep(3.0 * (yield from draw()))
            if not grant.over:
                yield from self.heartbeat(grant)
            if not grant.over:
                yield from self.write(grant)
            yield from self.release(grant)
            self.rounds += 1


def own_version(known: list[str]) -> dict[str, str]:
    """Return the condition that the record carries one of our versions."""
    names = ", ".join(f":k{i}" for i in range(len(known)))
    return {"ConditionExpression": f"version IN ({names})"}


def text(item: Mapping[str, Any] | None, name: str) -> str:
    """Return a string attribute, "" if there is none."""
    return "" if item is None else str(item.get(name, {}).get("S", ""))


class Referee:
    """What must hold at every step, by the store's record and by what clients believe."""

    def __init__(self, world: World, clients: list[Client]) -> None:
        self.world = world
        self.clients = clients
        self.fence = 0
        self.written = 0
        world.store.on_change(self.changed)
        world.invariant(self.one_believer)

    def changed(self, change: Change) -> None:
        """Judge a write as it happens."""
        after = change.after
        if change.place.key == (DATA,):
            assert after is not None
            fence = int(after["fence"]["N"])
            assert fence >= self.fence, f"a stale holder wrote: fence {fence} after {self.fence}"
            lock = self.world.store.item(*LOCK_PLACE)
            assert lock is not None
            assert "version" in lock, "a write was committed under a free lock"
            return
        before, version = change.before, text(after, "version")
        if not version or after is None:
            holders = [client.process.name for client in self.clients if client.believes]
            assert not holders, f"the lock was freed under its holder {holders}"
            return
        fence = int(after["fence"]["N"])
        holder = version.split("-", 1)[0]
        if before is None or fence != int(before["fence"]["N"]):
            assert fence > self.fence, f"the fence went from {self.fence} to {fence}"
            self.fence = fence
        else:
            previous = text(before, "version").split("-", 1)[0]
            assert previous == holder, f"{holder} wrote over the grant of {previous or 'nobody'}"

    def one_believer(self) -> None:
        """Nobody acts as the holder while another does."""
        believers = [client.process.name for client in self.clients if client.believes]
        assert len(believers) <= 1, f"all of these hold the lock by their clocks: {believers}"


LOCK_PLACE = (TABLE.name, "lock#a")


def contend(
    seed: int,
    *,
    faults: Faults = CALM,
    rules: Rules | None = None,
    clients: int = 3,
    rounds: int = 2,
) -> World:
    """Return a world in which clients contend for one lock, with everything watched."""
    world = World(seed, faults=faults, tables=[TABLE])
    enter(world, rules or Rules(), clients, rounds)
    return world


def enter(world: World, rules: Rules, clients: int, rounds: int) -> list[Client]:
    """Put contending clients into a world."""
    contenders = [Client(world.process(name), rules) for name in "abcdefgh"[:clients]]
    for client in contenders:
        client.process.start(client.work(rounds), name="work")
    Referee(world, contenders)
    return contenders
