"""What must hold of locks, by the store's records and by what their holders believe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import PREFIX
from interlock._protocol.locks.state import LockRecord
from interlock._protocol.requests import UNHEARD
from interlock.testing._store.tables import Change, Place
from tests.simulation.process import Process
from tests.simulation.world import ABSURD, EPOCH, World

DATA = "data#"
PARTS = "#slots"  # ends the key of the record of how many permits there are
_MOST_KEPT = 40 * 86400.0 + UNHEARD + ABSURD
"""What is written under a lock has this and the lock's name for a key."""


@dataclass(slots=True)
class Ledger:
    """What is known of one lock: the highest fence ever, whose it is, and what became of it.

    `broken` are the fences of grants that an operator ended, with the time; `committed` those under
    which a write was decided at that time, whose item had yet to show it. `left` are ids by
    which it may neither be taken nor waited for any more.
    """

    fence: int = 0
    owner: str = ""
    released: int = 0
    exported: set[int] = field(default_factory=set)
    void: dict[str, int] = field(default_factory=dict)
    broken: dict[int, float] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)
    left: set[str] = field(default_factory=set)


class Referee:
    """Watches every write as it happens, and what the processes believe after every step."""

    def __init__(self, world: World, table: str) -> None:
        self.world = world
        self.table = table
        self.processes: dict[str, Process] = {}
        self.held: dict[str, tuple[str, Grant]] = {}
        self.grants = 0
        self.refused_writes = 0
        self.exports: list[str] = []
        self.adoptions = 0
        self.breaks = 0
        self.mismatches = 0
        self.orderly = False
        self.queued = 0
        self.inherited = 0  # grants to heirs
        self._ledgers: dict[str, Ledger] = {}
        world.store.on_change(self.changed)
        world.invariant(self.believers_hold)

    def enter(self, process: Process) -> None:
        """Watch a process too."""
        self.processes[process.name] = process

    def granted(self, process: str, grant: Grant) -> None:
        """Note that a process was told that it holds a lock."""
        self.grants += 1
        ledger = self._ledger(grant.name)
        assert grant.fence <= ledger.fence, f"{process} has a fence that the store never gave"
        if grant.fence in ledger.broken:
            return  # it was told late, and another may hold the lock since
        self.held = {
            name: (holder, held)
            for name, (holder, held) in self.held.items()
            if name != grant.name
            or (self._believes(holder, held) and held.fence not in ledger.broken)
        }
        other = self.held.get(grant.name)
        assert other is None, f"{process} and {other and other[0]} hold {grant.name!r}"
        self.held[grant.name] = (process, grant)

    def granted_together(self, process: str, grants: list[Grant]) -> None:
        """Note that a process was told that it holds several locks, all given by one write."""
        for grant in grants:
            self.granted(process, grant)
        # By version and not by time: a transaction's items become visible one by one.
        versions = {grant.version for grant in grants}
        assert len(versions) == 1, f"{process} got one lock after the other: {versions}"

    def done(self, process: str, since: int = 0) -> None:
        """Note that a process was told that nothing of its acquisition so far is left anywhere.

        `since` is how many ids it had made before.
        """
        made = self.processes[process].ids
        for ledger in self._ledgers.values():
            ledger.left |= {f"{process}-{number}" for number in range(since + 1, made + 1)}

    def released(self, process: str, grant: Grant) -> None:
        """Note that a process was told that it has given a lock back."""
        ledger = self._ledger(grant.name)
        ledger.void[process] = self.processes[process].ids
        ledger.released = max(ledger.released, grant.fence)
        item = self._item(grant.name)
        if item is not None and fence(item) == grant.fence:
            assert "version" not in item, "a lock that was given back is held"

    def broken(self, record: LockRecord) -> None:
        """Note that an operator was told that it has ended a grant."""
        self.breaks += 1
        told = record.broken
        assert told is not None, f"the break of {record.name!r} is not told"
        broken = self._ledger(record.name).broken
        assert told.fencing_token in broken, f"the break of {record.name!r} was not carried out"

    def exported(self, grant: Grant, text: str) -> None:
        """Note that a process let go of a lock for the client that adopts it first."""
        self._ledger(grant.name).exported.add(grant.fence)
        self.exports.append(text)

    def believers_hold(self) -> None:
        """Demand that a process which acts as a holder, by its own clock, is the store's."""
        for name, (process, grant) in self.held.items():
            if not self._believes(process, grant):
                continue
            if grant.fence in (broken := self._ledger(name).broken):
                # It cannot know before its next heartbeat, and must by the end of its lease.
                late = self.world.now - broken[grant.fence] - grant.lease / 0.999
                assert late <= 0, f"{process} believes that it holds {name!r}, which was broken"
                continue
            item = self._item(name)
            assert item is not None, f"{process} holds {name!r}, which the store does not know"
            assert fence(item) == grant.fence, (
                f"{process} holds {name!r} by its clock with fence {grant.fence}, "
                f"the store has {fence(item)}"
            )
            assert "version" in item, (
                f"{process} holds {name!r} by its clock, the store has it free"
            )

    def changed(self, change: Change) -> None:
        """Judge a write as it happens."""
        pk = change.place.key[0]
        if pk.startswith(DATA):
            self._judge_write(pk.removeprefix(DATA), change.after)
        elif pk.startswith(PREFIX) and not pk.endswith(PARTS):
            self._judge_lock(pk.removeprefix(PREFIX), change)

    def _judge_write(self, name: str, after: Mapping[str, Any] | None) -> None:
        assert after is not None
        item, ledger = self._item(name), self._ledger(name)
        if fence(after) in ledger.committed:
            ledger.committed.remove(fence(after))
            return
        assert item is not None, "a write was committed under a lock that does not exist"
        assert "version" in item, "a write was committed under a free lock"
        assert fence(after) == ledger.fence, (
            f"a stale holder wrote: fence {fence(after)} under {ledger.fence}"
        )

    def _judge_lock(self, name: str, change: Change) -> None:
        ledger, before, after = self._ledger(name), change.before, change.after
        if after is None:  # by TTL: no client deletes
            return
        kept = int(after["expires"]["N"]) - EPOCH - self.world.now
        least = int(after["lease_ms"]["N"]) / 1000 if "version" in after else 0.0
        assert least < kept < _MOST_KEPT, f"TTL may delete {name!r} in {kept} seconds"
        if after.get("broken") != (before or {}).get("broken"):
            self._judge_break(name, before or {}, after)
            return
        self._judge_queue(name, before or {}, after)
        version, apart, _ = after.get("version", {}).get("S", "").partition("~")
        actor = version.rpartition("-")[0]
        if fence(after) != (0 if before is None else fence(before)):
            assert fence(after) > ledger.fence, (
                f"the fence of {name!r} went from {ledger.fence} to {fence(after)}"
            )
            assert version, f"a grant of {name!r} has no version"
            assert apart or not self._is_void(ledger, version), (
                f"{actor} was done with {name!r} when a late copy of its request took it"
            )
            # A write that was decided just before may be shown after it.
            if Place(self.table, (DATA + name,)) in self.world.store.contents.held:
                ledger.committed.add(ledger.fence)
            ledger.fence, ledger.owner = fence(after), actor
            self._judge_permit(actor, name)
            if not apart and before is not None:
                self._judge_turn(actor, before)
            return
        if not version:
            return
        assert "version" in (before or {}), f"{actor} took {name!r} without a new fence"
        if actor != ledger.owner and fence(after) in ledger.exported:
            ledger.owner = actor
            ledger.exported.remove(fence(after))
            self.adoptions += 1
        assert actor == ledger.owner, f"{actor} renewed the grant of {ledger.owner}"
        assert fence(after) > ledger.released, f"{actor} renewed {name!r}, which was given back"

    def _judge_queue(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Judge what comes into a queue, and who is named heir."""
        ledger, line, new = self._ledger(name), tickets(before), tickets(after)
        self.queued += len(new) > len(line)
        ghosts = ledger.left & {ticket.partition("~")[0] for ticket in new}
        assert not ghosts, f"{ghosts} wait for {name!r}, whose processes were done with it"
        assert len(set(new)) == len(new), f"the queue of {name!r} has a ticket twice"
        version = after.get("version", {}).get("S", "")
        if "~" in version and version != before.get("version", {}).get("S"):
            assert fence(after) == fence(before) + 1, f"{version} is heir without a new fence"
            assert line[:1] == [version], f"{version} is heir, and {line[:1]} was first"
            assert version not in new, f"{version} is heir, and still in the queue"

    def _judge_permit(self, actor: str, name: str) -> None:
        """Judge a grant by how many permits there are for all."""
        semaphore, apart, number = name.partition("#")
        if not apart:
            return
        agreed = self._item(semaphore + PARTS)
        assert agreed is not None, f"{actor} took {name!r}, and nothing says how many there are"
        most = int(agreed["permits"]["N"])
        assert int(number) < most, f"{actor} took {name!r}, and there are {most} permits"

    def _judge_turn(self, actor: str, before: Mapping[str, Any]) -> None:
        """Judge a grant by the queue that was there."""
        version = before.get("version", {}).get("S", "")
        heir, first = (one.rpartition("-")[0] for one in (version, (tickets(before) or [""])[0]))
        self.inherited += "~" in version and heir == actor
        if not self.orderly:
            return
        assert "~" not in version or heir == actor, f"{actor} did not wait for the heir {heir}"
        assert heir == actor or first in {"", actor}, f"{actor} came before {first}"

    def _judge_break(self, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        ledger, ended = self._ledger(name), int(after["broken"]["M"]["grant"]["N"])
        assert ended == fence(before), (
            f"the break of the grant {ended} of {name!r} ended {fence(before)}"
        )
        assert fence(after) > ledger.fence, f"a break left the fence of {name!r}"
        assert "version" not in after, f"a break left {name!r} to its holder"
        ledger.fence, ledger.owner = fence(after), ""
        ledger.broken[ended] = self.world.now
        if Place(self.table, (DATA + name,)) in self.world.store.contents.held:
            ledger.committed.add(ended)

    def _is_void(self, ledger: Ledger, version: str) -> bool:
        actor, _, number = version.rpartition("-")
        return version in ledger.left or int(number) <= ledger.void.get(actor, 0)

    def _believes(self, process: str, grant: Grant) -> bool:
        clock = self.processes[process]
        return clock.alive and not grant.over and clock.monotonic() < grant.until

    def _item(self, name: str) -> Mapping[str, Any] | None:
        return self.world.store.item(self.table, PREFIX + name)

    def _ledger(self, name: str) -> Ledger:
        ledger = self._ledgers.get(name)
        if ledger is None:
            ledger = self._ledgers[name] = Ledger()
        return ledger


def tickets(item: Mapping[str, Any]) -> list[str]:
    """Return the tickets in a lock's queue."""
    return [entry["S"] for entry in item.get("queue", {"L": []})["L"]]


def fence(item: Mapping[str, Any]) -> int:
    """Return the fencing token of an item, 0 if it was never granted."""
    return int(item.get("fence", {"N": "0"})["N"])
