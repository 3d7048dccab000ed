"""Observe the attempts that a botocore client makes of one call by itself.

A client that was passed in repeats calls by its own rules, unseen: after a lost reply too, which
makes a plain ADD count twice. Its retries cannot be switched off for one call, but botocore reports
what came of each attempt (`needs-retry`) before it makes the next (`before-send`), and an exception
raised there ends the call. Attempts that were refused, or never left, are still repeated.

It also believes what a proxy in between may have made up. An answer counts only if it bears a
request id, and the checksum of its body where it bears one.
"""

import inspect
import zlib
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any

from interlock._dataclasses import dataclass
from interlock._drivers.clients import CONNECT_ERRORS, PASSING, SERVER_ERROR
from interlock._protocol.faults import NoReply

_UNIQUE = "interlock-attempts"
_REQUEST_IDS = ("x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id")


@dataclass(slots=True)
class Attempts:
    """The attempts of the call under way.

    `ambiguous` is why the last one may have been carried out, None if it was not; `in_doubt` is set
    when another attempt followed such a one; `disbelieved` is why the last answer does not count;
    `date` is when the service answered last, in seconds since the epoch, as far as it counts.
    """

    once: bool
    ambiguous: str | None = None
    in_doubt: bool = False
    disbelieved: str | None = None
    date: float | None = None


# botocore emits its events on the caller's thread, and aiobotocore in the caller's task.
_under_way: ContextVar[Attempts | None] = ContextVar("interlock_under_way", default=None)


def install(client: Any) -> None:
    """Observe a client's events; harmless for calls that are not this library's.

    A wrapper or a stub that has no events is used as it is: its attempts stay unseen.
    """
    events = getattr(getattr(client, "meta", None), "events", None)
    if events is not None:
        events.register_first("needs-retry", _ended, unique_id=f"{_UNIQUE}-ended")
        events.register_first("before-send", _before, unique_id=f"{_UNIQUE}-before")


@contextmanager
def attempts_of(*, once: bool) -> Iterator[Attempts]:
    """Observe the call made within; with `once`, no attempt follows one that may have worked."""
    attempts = Attempts(once)
    token = _under_way.set(attempts)
    try:
        yield attempts
    finally:
        _under_way.reset(token)


def date_of(attempts: Attempts, reply: Mapping[str, Any] | None) -> float | None:
    """Return when the service answered a call, None if it did not say.

    A wrapper's attempts are unseen, but its reply may tell.
    """
    if attempts.date is not None or attempts.disbelieved is not None:
        return attempts.date
    metadata = reply.get("ResponseMetadata", {}) if isinstance(reply, Mapping) else {}
    return _date_in(metadata.get("HTTPHeaders", {})) if "RequestId" in metadata else None


def disbelief(headers: Mapping[str, str], body: bytes) -> str | None:
    """Return why an answer is not the service's, None if it may be believed."""
    if not any(name in headers for name in _REQUEST_IDS):
        return "the answer has no request id, so it is not the service's"
    checksum = headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(zlib.crc32(body)):
        return "the answer's checksum does not fit its body"
    return None


def _ended(
    response: tuple[Any, Any] | None = None,
    caught_exception: Exception | None = None,
    **_: Any,
) -> Awaitable[None] | None:
    attempts = _under_way.get()
    if attempts is None:
        return None
    if response is None:
        _failed(attempts, caught_exception)
        return None
    http, body = response[0], response[0].content
    if inspect.isawaitable(body):  # aiobotocore's, which awaits what a handler returns
        return _answered_later(attempts, http, body)
    _answered(attempts, http, body)
    return None


async def _answered_later(attempts: Attempts, http: Any, body: Awaitable[bytes]) -> None:
    _answered(attempts, http, await body)


def _failed(attempts: Attempts, error: Exception | None) -> None:
    attempts.disbelieved = None
    if not isinstance(error, CONNECT_ERRORS):
        attempts.ambiguous = attempts.ambiguous or str(error)


def _answered(attempts: Attempts, http: Any, body: bytes) -> None:
    status = http.status_code
    succeeded = status < 300  # noqa: PLR2004 - HTTP's class of successes
    # What may pass need not be the service's own: it is tried again in any case.
    passing = status >= SERVER_ERROR or status in PASSING
    attempts.disbelieved = None if passing else disbelief(http.headers, body)
    if not passing and attempts.disbelieved is None:
        attempts.date = _date_in(http.headers)
    # A 200 that botocore does not trust has been carried out as well, and of what has not come
    # from the service nothing is known.
    if succeeded or status >= SERVER_ERROR or attempts.disbelieved is not None:
        attempts.ambiguous = attempts.ambiguous or f"the service answered {http.status_code}"


def _before(**_: Any) -> None:
    attempts = _under_way.get()
    if attempts is None or not attempts.ambiguous:
        return
    if attempts.once:
        raise NoReply(attempts.ambiguous)
    attempts.in_doubt = True


def _date_in(headers: Mapping[str, str]) -> float | None:
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
