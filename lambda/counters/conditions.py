"""Conditional requests: ETags, If-Match and If-None-Match (RFC 9110, 13)."""

import hashlib
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from problems import Problem, Reply, invalid

if TYPE_CHECKING:
    from request import Request

    from interlock import CounterState

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_ELEMENT = rf"[ \t]*(?:{_TAG}[ \t]*)?"
_LIST = re.compile(rf"{_ELEMENT}(?:,{_ELEMENT})*")  # each step takes a comma: no way back is long
_TAGS = re.compile(_TAG)
ANY = "*"


def etag_of(body: str) -> str:
    """Return the strong ETag of a representation."""
    return f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"'


def not_modified(request: "Request", etag: str) -> bool:
    """Whether the client has this representation already: weak comparison, lists and all lines.

    What is no list of ETags is no condition, as for a cache that sends something older.
    """
    text = request.header("If-None-Match")
    return text is not None and _lists(_tags(text) or [], etag)


def expected(
    request: "Request",
    read: Callable[[], "CounterState | None"],
    represent: Callable[["CounterState"], Reply],
) -> "CounterState | None":
    """Return the state on which the write must be conditional; None if it is unconditional.

    Raises the problem of a precondition that fails. The caller passes the state to the store, which
    compares it once more as part of the write.
    """
    match, none_match = request.header("If-Match"), request.header("If-None-Match")
    if match is None and none_match is None:
        return None
    state = read()
    etag = None if state is None else etag_of(represent(state).payload())
    if match is not None:
        tags = _checked("If-Match", match)
        if etag is None or not (tags == [ANY] or etag in tags):
            raise failed("If-Match", "the counter is another, or gone")
    if none_match is not None:
        tags = _checked("If-None-Match", none_match)
        if etag is not None and _lists(tags, etag):
            raise failed("If-None-Match", "there is such a counter")
    return state


def wants_new(request: "Request") -> bool:
    """Whether the request is only for a counter that does not exist (`If-None-Match: *`)."""
    return (request.header("If-None-Match") or "").strip() == ANY


def failed(field: str, detail: str) -> Problem:
    """Return the problem of a precondition that does not hold."""
    return Problem(HTTPStatus.PRECONDITION_FAILED, "precondition-failed", detail, field=field)


def _lists(tags: list[str], etag: str) -> bool:
    return tags == [ANY] or etag in (tag.removeprefix("W/") for tag in tags)


def _checked(field: str, text: str) -> list[str]:
    tags = _tags(text)
    if tags is None:
        raise invalid(field, f'{field} is no list of ETags; one looks like "abc"')
    return tags


def _tags(text: str) -> list[str] | None:
    """Return the ETags of a list, `["*"]` for any, None if it is neither."""
    if text.strip() == ANY:
        return [ANY]
    if not text or not _LIST.fullmatch(text):
        return None
    return _TAGS.findall(text)
