"""The record of a job's last run: made when it has ended, and read without trust."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from interlock._protocol.locks.state import JobRun

MOST_RESULT = 16 * 1024  # bytes; heartbeats of later runs write them again, and pay for each KB
_MOST_ERROR = 1000  # characters, for the same reason
_MOST_TIME = 253_402_300_799_999  # epoch milliseconds: the end of the year 9999
_MOST_DIGITS = 19
_SURROGATE = re.compile("[\ud800-\udfff]")


class Kept(NamedTuple):
    """A result as the record keeps it; if it cannot, `text` is None, and `why` says the reason."""

    text: str | None
    why: str = ""


def kept(result: Any) -> Kept:
    """Return a result as JSON from which just this result comes back, or why there is none."""
    try:
        text = json.dumps(result, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        if _SURROGATE.search(text):  # it has no UTF-8, but a form of ASCII
            text = json.dumps(result, separators=(",", ":"))
        size = len(text.encode())
        same = _is_same(json.loads(text), result)
    except (TypeError, ValueError, RecursionError) as error:
        return Kept(None, str(error))
    if not same:
        return Kept(None, "it would come back from JSON as something else")
    if size > MOST_RESULT:
        return Kept(None, f"it is {size} bytes of JSON, more than {MOST_RESULT}")
    return Kept(text)


def entry(
    fence: int,
    owner: str,
    *,
    began: float,
    took: float,
    error: BaseException | None = None,
    result: str | None = None,
) -> dict[str, Any]:
    """Return the record of a run as a typed value. Times in seconds, `began` since the epoch."""
    told: dict[str, Any] = {
        "grant": {"N": str(fence)},
        "owner": {"S": owner},
        "at": {"N": str(int(began * 1000))},
        "took": {"N": str(max(0, round(took * 1000)))},
    }
    if error is not None:
        told["error"] = {"S": _in_words(error)}
        if not isinstance(error, Exception):
            told["stopped"] = {"BOOL": True}
    if result is not None:
        told["result"] = {"S": result}
    return {"M": told}


def run_fence(item: Mapping[str, Any] | None) -> int:
    """Return the fence of the run that an item records, 0 if it records none."""
    return max(0, _number(_told(item), "grant"))


def was_stopped(item: Mapping[str, Any] | None) -> bool:
    """Return whether the run that an item records was cancelled or interrupted."""
    return _told(item).get("stopped") == {"BOOL": True}


def run_of(name: str, item: Mapping[str, Any]) -> JobRun | None:
    """Return the last run that a lock's item records; None if it does not, or not clearly."""
    told = _told(item)
    grant, at, took = (_number(told, attribute) for attribute in ("grant", "at", "took"))
    owner, error = (told.get(attribute, {}).get("S") for attribute in ("owner", "error"))
    if min(grant, at, took) < 0 or max(at, took) > _MOST_TIME or not isinstance(owner, str):
        return None
    text = told.get("result", {}).get("S")
    try:
        result = None if text is None else json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return JobRun(
        name,
        grant,
        owner,
        datetime.fromtimestamp(at / 1000, UTC),
        timedelta(milliseconds=took),
        "returned" if error is None else "raised",
        error,
        result,
        text is not None,
    )


def _is_same(returned: Any, result: Any) -> bool:
    """Return whether two values are equal, and of the same types all through.

    An enumeration's member, for example, comes back from JSON as the plain value that it equals.
    """
    if type(returned) is not type(result):
        return False
    if isinstance(returned, dict):
        return returned.keys() == result.keys() and all(
            type(key) is str and _is_same(returned[key], value) for key, value in result.items()
        )
    if isinstance(returned, list):
        return all(map(_is_same, returned, result))
    return bool(returned == result)


def _told(item: Mapping[str, Any] | None) -> Mapping[str, Any]:
    told = (item or {}).get("last_run", {}).get("M")
    return told if isinstance(told, Mapping) else {}


def _number(told: Mapping[str, Any], attribute: str) -> int:
    """Return a whole number, -1 if there is none."""
    text = told.get(attribute, {}).get("N", "")
    whole = isinstance(text, str) and text.isascii() and text.isdecimal()
    return int(text) if whole and len(text) <= _MOST_DIGITS else -1


def _in_words(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the application's own, and it may raise anything
        text = ""
    kind = type(error).__name__
    words = f"{kind}: {text}" if text else kind
    return words[:_MOST_ERROR].encode("utf-8", "replace").decode()
