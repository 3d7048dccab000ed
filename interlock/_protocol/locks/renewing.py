"""The heartbeat: one conditional write that moves the record from our version to a fresh one.

A heartbeat whose reply was lost may have been carried out, so the next one accepts each version
that we have sent since the last answer; a refusal that shows one of them is an answer too, and the
lease then counts from before *that* heartbeat was sent. It is never accepted by the fence alone: a
copy that the network kept could then put back an old version, and a waiter who saw that version
before would believe that nothing had happened in between.
"""

import logging

from interlock._protocol.faults import Fault, NotSent, Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.settings import Settings
from interlock._protocol.requests import Monotonic, NewId, Operation, WallClock
from interlock._protocol.retrying import failure, jittered, may_pass
from interlock.errors import LossReason

_log = logging.getLogger("interlock")
_MOST_SENT = 90  # heartbeats without an answer; IN takes 100 operands
_FIRST_PAUSE, _LONGEST_PAUSE = 1 / 400, 1 / 30  # of the lease, so that those are never reached


def renew(settings: Settings, grant: Grant) -> Operation[None]:
    """Send one heartbeat. Afterwards `grant.due` says when the next is due.

    Or `grant.loss` is set: the lease has run out, or the record is not this grant's any more.
    Raises nothing; what a failed heartbeat met is in `grant.problem`.
    """
    version, wall, sent = (yield NewId()), (yield WallClock()), (yield Monotonic())
    if grant.over or grant.expired(sent):
        _explain(grant)
        return
    if len(grant.sent) >= _MOST_SENT:
        grant.due = grant.until
        return
    own = grant.own()
    if not grant.note(version, sent):
        return
    try:
        yield record.renewal_call(
            settings.table, grant.name, version=version, lease=grant.lease, wall=wall, own=own
        )
    except Refused as refusal:
        if refusal.condition_failed:
            _judge(grant, refusal)
            return
        if not refusal.resent:
            grant.forget(version)
        yield from _again(settings, grant, refusal)
    except Fault as fault:
        if isinstance(fault, NotSent):
            grant.forget(version)
        yield from _again(settings, grant, fault)
    else:
        grant.renewed(version, sent)


def _judge(grant: Grant, refusal: Refused) -> None:
    """Say what it means that the record has none of the versions that it was expected to have."""
    held = record.version_of(refusal.item)
    for version, sent in grant.sent:
        if version == held:
            grant.renewed(version, sent)
            return
    if not grant.over:
        grant.problem = None
        grant.loss = record.loss_of(refusal.item, grant.fence)


def _again(settings: Settings, grant: Grant, fault: Fault) -> Operation[None]:
    """Plan the next heartbeat after one that failed: soon, and until the lease is over."""
    grant.failures += 1
    grant.problem = failure(fault, [settings.table], "grant_locks")
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
    """Tell heartbeats that were refused from those that went unanswered."""
    problem = grant.problem.__cause__ if grant.problem is not None else None
    refused = isinstance(problem, Refused) and not may_pass(problem)
    if grant.loss is LossReason.LEASE_RAN_OUT and refused:
        grant.loss = LossReason.REFUSED
