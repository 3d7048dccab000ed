"""Hand a held lock over to another process, which goes on under the same fence.

What is handed over is the versions that the record may have. Whoever adopts it first moves the
record to a version of its own, by the same conditional write as a heartbeat; everybody else who has
the same text comes too late.
"""

import json

from interlock._protocol.locks.grant import Grant
from interlock._protocol.locks.renewing import renew
from interlock._protocol.locks.settings import Settings, checked_name
from interlock._protocol.requests import Monotonic, Operation, sleep
from interlock.errors import InvalidValue, ServiceUnavailable, Throttled

_FORM = 1


def export(grant: Grant) -> str:
    """End the grant here, without giving the lock back, and return what another adopts."""
    versions = grant.close()
    held = [_FORM, grant.name, grant.fence, round(grant.lease * 1000), grant.owner, versions]
    return json.dumps(held, separators=(",", ":"))


def adopt(settings: Settings, text: str) -> Operation[Grant]:
    """Return the grant that was exported, renewed.

    Raises `LockLost` if it is held by another by now, was given back, or ran out before the answer
    came; `InvalidValue` for a text that `export` did not make; `Throttled` or `ServiceUnavailable`
    after a lease without an answer.
    """
    try:
        form, name, fence, lease_ms, owner, versions = json.loads(text)
        current, *others = map(str, versions)
        lease = int(lease_ms) / 1000
        known = form == _FORM
    except (TypeError, ValueError) as error:
        raise InvalidValue("exported", "is not what Lock.export returned") from error
    if not known:
        raise InvalidValue("exported", f"has the form {form!r}, of another version of the library")
    now = yield Monotonic()
    beat = settings.beat(lease)
    # Until the first answer this is only how long it is tried.
    grant = Grant(
        checked_name(name), int(fence), current, lease, beat, now + lease, now, str(owner)
    )
    grant.sent = tuple((version, float("-inf")) for version in others)
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
