"""Findings: the results of the checks of `interlock doctor`."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

OK, WARNING, PROBLEM = "ok", "warning", "problem"
_DENIED = frozenset({"AccessDeniedException", "AccessDenied"})


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: its `state` in a word, and how to mend it ("" if it is well)."""

    check: str
    state: str
    finding: str
    fix: str = ""


def code_of(error: ClientError) -> str:
    """Return the code by which the service names an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_denied(error: ClientError) -> bool:
    """Return whether the caller may not do it."""
    return code_of(error) in _DENIED
