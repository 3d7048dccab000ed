"""Roles of people: three, and the one that each request needs.

A viewer reads, an operator changes counters' values, an administrator does everything. A request
that is not listed here and is no read needs an administrator: a route that the API gains later is
closed until a developer opens it. To break a lock (`/service/lock-breaks`) is such a request.
"""

import re
from collections.abc import Iterable, Mapping
from enum import IntEnum


class Role(IntEnum):
    """A role; the greater one may do all that the lesser may."""

    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3

    @property
    def label(self) -> str:
        """The role's name, as people read it."""
        return self.name.lower()


LABELS = tuple(role.label for role in Role)

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# A name, percent-encoded or not, without an encoded slash: what stands on either side of one would
# be another route for a gateway that decodes before it looks.
_NAME = rb"(?:[^/%]|%(?!2[fF]|5[cC])[0-9A-Fa-f]{2})+"
_POSTS = (
    (re.compile(rb"/api/receipts/verify"), Role.VIEWER),  # nothing is changed by it
    (re.compile(rb"/api/counters/" + _NAME + rb"/(?:increment|decrement)"), Role.OPERATOR),
    (re.compile(rb"/api/transfers"), Role.OPERATOR),
)


def needed(method: str, raw_path: bytes) -> Role:
    """Return the least role for a request; `raw_path` is as the caller encoded it."""
    if method in _READS:
        return Role.VIEWER
    if method == "POST":
        for pattern, role in _POSTS:
            if pattern.fullmatch(raw_path):
                return role
    return Role.ADMINISTRATOR


def role_of(groups: Iterable[str], names: Mapping[str, Role]) -> Role | None:
    """Return the greatest role that these groups give; None if all of them are unknown."""
    return max((names[group] for group in groups if group in names), default=None)
