"""Renew a held lock at once, for the same lease or another one.

An extension is a heartbeat that writes another `lease_ms`. Until it is answered the record may have
either lease: the holder counts the one that is over first.
"""

from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.lease import renew
from interlock._protocol.locks.settings import Settings
from interlock._protocol.requests import Monotonic, Operation, sleep
from interlock.errors import ServiceUnavailable, Throttled

EXTENDING = 5.0  # seconds that it is tried
_LEAST_PAUSE, _MOST_PAUSE = 1 / 400, 1 / 30  # of the lease


def extend(settings: Settings, grant: Grant, lease: float) -> Operation[None]:
    """Return when a heartbeat with this lease, in seconds, has been carried out.

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
        pause = min(grant.due - now, grant.lease * _MOST_PAUSE)
        yield from sleep(max(pause, grant.lease * _LEAST_PAUSE))
    if heartbeats:
        grant.heartbeat_interval = settings.heartbeat_interval(lease)
        grant.due = min(grant.due, grant.until - lease + grant.heartbeat_interval)
