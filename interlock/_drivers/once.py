"""Keep a client from sending a marked call again once it may have been carried out.

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
class _Attempt:
    """What is known of the marked call that is under way."""

    ambiguous: str | None = None


# botocore emits its events on the caller's thread, and aiobotocore in the caller's task.
_marked: ContextVar[_Attempt | None] = ContextVar("interlock_marked", default=None)


def watch(client: Any) -> None:
    """Let the client's events be seen here; harmless for calls that are not marked."""
    events = client.meta.events
    events.register_first("needs-retry", _note, unique_id=f"{_UNIQUE}-note")
    events.register_first("before-send", _veto, unique_id=f"{_UNIQUE}-veto")


@contextmanager
def sent_once() -> Iterator[None]:
    """Mark the calls made within: a second attempt after an ambiguous one raises `NoReply`."""
    token = _marked.set(_Attempt())
    try:
        yield
    finally:
        _marked.reset(token)


def _note(
    response: tuple[Any, Any] | None = None,
    caught_exception: Exception | None = None,
    **_: Any,
) -> None:
    attempt = _marked.get()
    if attempt is None or attempt.ambiguous:
        return
    if response is not None:
        status = response[0].status_code
        # A 200 that botocore does not trust (its checksum is wrong) has been carried out as well.
        if status < 300 or status >= SERVER_ERROR:  # noqa: PLR2004 - the classes of HTTP
            attempt.ambiguous = f"the service answered {status}"
    elif not isinstance(caught_exception, NEVER_LEFT):
        attempt.ambiguous = str(caught_exception)


def _veto(**_: Any) -> None:
    attempt = _marked.get()
    if attempt is not None and attempt.ambiguous:
        raise NoReply(attempt.ambiguous)
