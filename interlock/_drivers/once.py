"""See the attempts that a client makes of one call by itself, and hold back the harmful ones.

A client that was passed in repeats calls by its own rules, unseen: after a lost reply too, which
makes a plain ADD count twice. Its retries cannot be switched off for one call, but botocore says
what came of each attempt (`needs-retry`) before it makes the next (`before-send`), and an exception
raised there ends the call. Attempts that were refused, or never left, are still repeated.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from interlock._drivers.clients import NEVER_LEFT, SERVER_ERROR
from interlock._protocol.faults import NoReply

_UNIQUE = "interlock-once"


@dataclass(slots=True)
class Attempts:
    """What is known of the call under way: why an attempt may have been carried out, if one may."""

    once: bool
    ambiguous: str | None = None
    in_doubt: bool = False


# botocore emits its events on the caller's thread, and aiobotocore in the caller's task.
_under_way: ContextVar[Attempts | None] = ContextVar("interlock_under_way", default=None)


def watch(client: Any) -> None:
    """Let the client's events be seen here; harmless for calls that are not this library's."""
    events = client.meta.events
    events.register_first("needs-retry", _note, unique_id=f"{_UNIQUE}-note")
    events.register_first("before-send", _before, unique_id=f"{_UNIQUE}-veto")


@contextmanager
def watched(*, once: bool) -> Iterator[Attempts]:
    """Watch the call made within; with `once`, an attempt after an ambiguous one raises `NoReply`.

    `in_doubt` of what is yielded says whether one before the last may have been carried out.
    """
    attempts = Attempts(once)
    token = _under_way.set(attempts)
    try:
        yield attempts
    finally:
        _under_way.reset(token)


def _note(
    response: tuple[Any, Any] | None = None,
    caught_exception: Exception | None = None,
    **_: Any,
) -> None:
    attempts = _under_way.get()
    if attempts is None or attempts.ambiguous:
        return
    if response is not None:
        status = response[0].status_code
        # A 200 that botocore does not trust (its checksum is wrong) has been carried out as well.
        if status < 300 or status >= SERVER_ERROR:  # noqa: PLR2004 - the classes of HTTP
            attempts.ambiguous = f"the service answered {status}"
    elif not isinstance(caught_exception, NEVER_LEFT):
        attempts.ambiguous = str(caught_exception)


def _before(**_: Any) -> None:
    attempts = _under_way.get()
    if attempts is None or not attempts.ambiguous:
        return
    if attempts.once:
        raise NoReply(attempts.ambiguous)
    attempts.in_doubt = True
