"""Operations after a grant: heartbeats, extensions, the release, the handoff to another process.

A heartbeat is one conditional write that moves the record from our version to a fresh one. One
whose reply was lost may have been carried out, so the next accepts each version that was sent since
the last answer; a refusal that shows one of them is an answer too, and the lease then counts from
before *that* heartbeat was sent. It is never accepted by the fence alone: a copy that the network
kept could then put back an old version, and a waiter who saw that version before would believe that
nothing had happened in between.

An extension is a heartbeat that writes another `lease_ms`. Until it is answered the record may have
either lease: the holder counts the one that is over first.
"""

import json
import logging
from typing import Any

from interlock._protocol.faults import Fault, NoReply, NotSent, OutOfTime, Refused
from interlock._protocol.kinds import shown
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant, Heartbeat
from interlock._protocol.locks.item import (
    MOST_FENCE,
    MOST_TIME,
    Item,
    is_of,
    loss_of,
    parse,
    shows,
    sound_number,
    version_of,
)
from interlock._protocol.locks.reading import inspect
from interlock._protocol.locks.runs import run_fence
from interlock._protocol.locks.settings import MOST_LEASE, Settings, checked_lock_or_permit
from interlock._protocol.locks.state import LossReason
from interlock._protocol.locks.ticket import first_of
from interlock._protocol.requests import (
    Monotonic,
    NewId,
    Operation,
    Time,
    TimeOfDay,
    sleep,
)
from interlock._protocol.retry import RetryBudget, jittered, may_pass, meaning
from interlock.errors import CorruptRecord, InvalidValue, ServiceUnavailable, Throttled

_log = logging.getLogger("interlock")

EXTENDING = 5.0  # seconds that an extension is tried
RELEASING = 5.0  # seconds by default; what is not given back by then ends with its lease
_MOST_UNCONFIRMED = 90  # heartbeats without an answer; IN takes 100 operands
_FIRST_PAUSE, _LONGEST_PAUSE = 1 / 400, 1 / 30  # of the lease, so that those are never reached
_PATIENCE = 1 / 3  # of the lease: a heartbeat that hangs for longer is sent again
PERHAPS_OURS = (  # the record may still be this grant's
    None,
    LossReason.LEASE_RAN_OUT,
    LossReason.REFUSED,
    LossReason.HELD_TOO_LONG,
    LossReason.ABANDONED,
)
_FORM = 1  # of what `export` returns


def renew(settings: Settings, grant: Grant, lease: float = 0.0) -> Operation[str]:
    """Send one heartbeat; return its version. Afterwards `grant.due` says when the next is due.

    Or `grant.loss` is set: the lease has run out, or the record is not this grant's any more.
    `lease` replaces the grant's from this heartbeat on, if it is carried out. Raises nothing; what
    a failed heartbeat met is in `grant.problem`.
    """
    version, time, sent = (yield NewId()), (yield TimeOfDay()), (yield Monotonic())
    lease = lease or _own_lease(settings, grant, sent)
    if grant.over or grant.expired(sent):
        _explain(grant)
        return str(version)
    if len(grant.unconfirmed) >= _MOST_UNCONFIRMED:
        grant.due = grant.until
        return str(version)
    own, shown = grant.own(), grant.shown
    if not grant.sending(version, sent, lease):
        return str(version)
    try:
        yield from _sent(settings, grant, grant.unconfirmed[-1], own, time)
    except Fault as fault:
        if isinstance(fault, Refused) and fault.condition_failed:
            _judge(grant, fault, sent)
            if grant.adopting and version_of(fault.item) in own:
                grant.problem = _unsound(settings.table, fault.item)
            return str(version)
        if isinstance(fault, NotSent) or (isinstance(fault, Refused) and not fault.resent):
            grant.discard(version)
        yield from _again(settings, grant, fault)
    else:
        grant.renewed(version, sent, lease)
        grant.written = shown.number
    return str(version)


def extend(settings: Settings, grant: Grant, lease: float) -> Operation[None]:
    """Return when a heartbeat with this lease, in seconds, has been carried out; 0 for its own.

    No other heartbeat may be made meanwhile. Raises `LockLost`; `Throttled` or `ServiceUnavailable`
    after 5 s and other refusals at once, with which the lock stays held by its former lease.
    """
    deadline = (yield Monotonic()) + EXTENDING
    heartbeats = grant.heartbeat_interval != float("inf")
    sent: set[str] = set()
    while grant.version not in sent:
        sent.add((yield from renew(settings, grant, lease)))
        if grant.over or grant.expired((yield Monotonic())):
            raise grant.error()
        if grant.version in sent:
            break
        now: float = yield Monotonic()
        problem = grant.problem
        may_pass = problem is None or isinstance(problem, Throttled | ServiceUnavailable)
        if problem is not None and (now >= deadline or not may_pass):
            grant.due = now if heartbeats else grant.until
            raise problem
        pause = min(grant.due - now, grant.lease * _LONGEST_PAUSE)
        yield from sleep(max(pause, grant.lease * _FIRST_PAUSE))
    if heartbeats:
        grant.heartbeat_interval = settings.heartbeat_interval(lease)
        grant.due = min(grant.due, grant.until - lease + grant.heartbeat_interval)


def release(settings: Settings, grant: Grant, seconds: float = RELEASING) -> Operation[bool]:
    """Give the lock back; return False if it is certain that it had been lost before.

    Conditional on our own versions, so that the lock of a successor is never touched, and on those
    of heartbeats that are still under way, so that none of them comes after it. Raises `Throttled`
    or `ServiceUnavailable` after `seconds`; `AccessDenied`, `RequestRefused`, `TableNotFound`, and
    `CorruptRecord` for one that takes no release, at once; then the lock ends with its lease. No
    heartbeat follows in any case.
    """
    own = grant.close()
    if grant.loss not in PERHAPS_OURS:
        return False
    deadline = (yield Monotonic()) + seconds
    budget, in_doubt, void = settings.budget(deadline), grant.perhaps_freed, grant.void_before
    heir = grant.heir
    queued = heir is not None
    while True:
        time = yield TimeOfDay()
        try:
            reply = yield record.release_call(
                settings.table,
                grant.name,
                time=time,
                own=own,
                void_before=void,
                deadline=deadline,
                run=grant.run,
                heir=heir,
            )
            if not _is_released(reply.get("Attributes"), grant, heir):
                raise NoReply("the answer does not show the release that was asked for")
        except Refused as refusal:
            in_doubt = in_doubt or refusal.resent
            if refusal.condition_failed:
                first = first_of(refusal.item)
                queued = queued or first is not None
                if version_of(refusal.item or {}) in own and (void or first != heir):
                    # By those who came and went in the queue, or by a later bound than ours, which
                    # another client has set and which voids ours too.
                    void, heir = void if first != heir else 0, first
                    continue
                if in_doubt and _is_of_before(settings.table, refusal.item, grant, queued=queued):
                    yield from budget.after(NoReply("the refusal is of before the release"))
                    continue
                return _settled(grant, refusal, in_doubt=in_doubt)
            yield from _refused(settings, grant, budget, refusal)
        except Fault as fault:
            in_doubt = in_doubt or isinstance(fault, NoReply)
            yield from budget.after(fault)
        else:
            return True


def _refused(
    settings: Settings, grant: Grant, budget: RetryBudget, refusal: Refused
) -> Operation[None]:
    """Let time pass until a refused release is sent again; raise if that is of no use."""
    if refusal.code == "ValidationException":
        yield from inspect(settings, grant.name)  # raises what is wrong with the record
    yield from budget.after(refusal)


def export(grant: Grant) -> str:
    """End the grant here, without giving the lock back, and return what another client adopts.

    That is the versions that the record may have. The first to adopt it moves the record to a
    version of its own, by the same conditional write as a heartbeat; all others come too late. Its
    release voids what this client could not, if there is anything.
    """
    versions = grant.close()
    held = [_FORM, grant.name, grant.fence, round(grant.lease * 1000), grant.owner, versions]
    if grant.void_before:
        held.append(grant.void_before)
    return json.dumps(held, separators=(",", ":"))


def adopt(settings: Settings, text: str, begun: list[Grant]) -> Operation[Grant]:
    """Return the grant that was exported, renewed; it is in `begun` from before the first call on.

    Raises `LockLost` if it is held by another by now, was given back, or ran out before the answer
    came; `InvalidValue` for a text that `export` did not make; `Throttled` or `ServiceUnavailable`
    after a lease without an answer.
    """
    now = yield Monotonic()
    grant = _imported(settings, text, now)
    begun.append(grant)
    current = grant.version
    while True:
        yield from renew(settings, grant)
        if grant.version != current and not grant.expired((yield Monotonic())):
            return grant
        if grant.problem is not None and not isinstance(
            grant.problem, Throttled | ServiceUnavailable
        ):
            raise grant.problem
        if grant.loss is not None:
            raise grant.problem or grant.error()
        yield from sleep(max(0.0, grant.due - (yield Monotonic())))


def _sent(
    settings: Settings, grant: Grant, heartbeat: Heartbeat, own: tuple[str, ...], time: Time
) -> Operation[None]:
    """Send a heartbeat, and return if the reply shows that it was carried out."""
    reply = yield record.renewal_call(
        settings.table,
        grant.name,
        version=heartbeat.version,
        lease=heartbeat.lease,
        time=time,
        own=own,
        deadline=min(heartbeat.sent + grant.lease * _PATIENCE, grant.until),
        shown=grant.shown if grant.shown.number != grant.written else None,
        run=grant.run,
        fence=grant.fence if grant.adopting else None,
    )
    if not shows(reply.get("Attributes"), heartbeat.version):
        raise NoReply("the answer does not show the heartbeat that was sent")


def _own_lease(settings: Settings, grant: Grant, now: float) -> float:
    """Return the lease of a grant's next heartbeat: a job's lock stays taken for its time."""
    return grant.lease if grant.stays is None else settings.lease_until(grant.stays, now)


def _judge(grant: Grant, refusal: Refused, sent: float) -> None:
    """Interpret the refusal of a heartbeat that was sent then."""
    held = version_of(refusal.item)
    for earlier in grant.unconfirmed:
        if earlier.version == held:
            grant.renewed(*earlier)
            return
    if grant.in_commit:
        # A transaction may have given it back, whose answer decides; until then the lease does.
        grant.due = min(sent + grant.heartbeat_interval, grant.until)
    elif not grant.over:
        grant.problem = None
        grant.loss = loss_of(refusal.item, grant.fence)


def _unsound(table: str, item: Item | None) -> CorruptRecord | None:
    """Return what is wrong with a record, if anything is."""
    try:
        parse(table, item or {})
    except CorruptRecord as problem:
        return problem
    return None


def _again(settings: Settings, grant: Grant, fault: Fault) -> Operation[None]:
    """Plan the next heartbeat after one that failed: soon, and until the lease is over."""
    grant.failures += 1
    # The last heartbeat of a lease may find no time left, and would hide why those before failed.
    if grant.problem is None or not isinstance(fault, OutOfTime):
        grant.problem = meaning(fault, settings.target, attempts=grant.failures)
        grant.problem.__cause__ = fault
    _log.warning(
        "heartbeat %d of lock %r failed, which is tried again until its lease is over: %s",
        grant.failures,
        grant.name,
        fault,
    )
    lease = grant.lease
    pause = yield from jittered(grant.failures, lease * _FIRST_PAUSE, lease * _LONGEST_PAUSE)
    now: float = yield Monotonic()
    grant.due = min(now + pause, grant.until)
    if grant.expired(now):
        _explain(grant)


def _explain(grant: Grant) -> None:
    """Set heartbeats that were refused apart from those that went unanswered."""
    problem = grant.problem.__cause__ if grant.problem is not None else None
    refused = isinstance(problem, Refused) and not may_pass(problem)
    if grant.loss is LossReason.LEASE_RAN_OUT and refused:
        grant.loss = LossReason.REFUSED


def _is_released(item: Item | None, grant: Grant, heir: str | None) -> bool:
    """Return whether a reply shows this lock free under the fence of this grant, or its heir's."""
    fence = grant.fence if heir is None else grant.fence + 1
    return (
        item is not None
        and is_of(item, grant.name)
        and item.get("fence") == {"N": str(fence)}
        and version_of(item) == heir
    )


def _is_of_before(table: str, item: Item | None, grant: Grant, *, queued: bool) -> bool:
    """Return whether an item that has none of our versions is as it cannot be after a release.

    From before the grant, that is; in a queue, where the fence goes on to the heir, also of our
    fence and held. Such an answer says nothing of the copy that is in doubt: asked again, the store
    tells, and if it does not in time, it is not known.
    """
    fence = sound_number(table, item, "fence") if item else None
    if fence is None or fence > grant.fence:
        return False
    return fence < grant.fence or (queued and version_of(item) is not None)


def _settled(grant: Grant, refusal: Refused, *, in_doubt: bool) -> bool:
    """Interpret a refused release; `in_doubt`: an earlier copy of it may be the cause.

    Then the lock counts as given back, as long as its record is there: if it has another fence by
    now, it cannot be known whether the successor came after the release or instead of it. Unless it
    says that this grant was broken, which is done to held ones alone.
    """
    loss = loss_of(refusal.item, grant.fence)
    if in_doubt and refusal.item and loss is not LossReason.BROKEN:
        # A release with the record of a run has left it there, whatever came after.
        return grant.run is None or run_fence(refusal.item) >= grant.fence
    grant.loss = loss
    return False


def _imported(settings: Settings, text: str, now: float) -> Grant:
    """Return the grant that a text describes; until the first answer, `until` only bounds it."""
    try:
        form, name, fence, lease_ms, owner, versions, *void = json.loads(text)
        known = form == _FORM
        if known:
            _check_exported(fence, lease_ms, owner, versions, void)
    except (TypeError, ValueError, RecursionError) as error:
        # What is almost right may still be a way to the lock: it is not repeated in an error.
        what = "the text" if isinstance(text, str) else shown(text)
        raise InvalidValue("exported", f"{what} is not what Lock.export returned") from error
    if not known:
        why = f"has the form {shown(form)}, of another version of the library"
        raise InvalidValue("exported", why)
    lease, (current, *others) = lease_ms / 1000, versions
    interval = settings.heartbeat_interval(lease)
    unconfirmed = tuple(Heartbeat(version, float("-inf"), lease) for version in others)
    return Grant(
        checked_lock_or_permit(name),
        fence,
        current,
        lease,
        interval,
        now + lease,
        now,
        owner,
        unconfirmed=unconfirmed,
        void_before=sum(void),
        adopting=True,
    )


def _check_exported(fence: Any, lease_ms: Any, owner: Any, versions: Any, void: list[Any]) -> None:
    """Raise `ValueError` for what no grant has: a heartbeat would write it into the record."""
    bounds = [(fence, MOST_FENCE), (lease_ms, round(MOST_LEASE * 1000))]
    bounds += [(one, MOST_TIME) for one in void]
    texts = [owner, *versions]
    if (
        not all(type(number) is int and 0 < number <= most for number, most in bounds)
        or not all(isinstance(text, str) and text for text in texts)
        or not 0 < len(versions) <= _MOST_UNCONFIRMED + 1
        or len(void) > 1
    ):
        raise ValueError
    "".join(texts).encode()  # a lone surrogate is a ValueError, too
