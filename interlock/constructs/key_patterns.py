"""Patterns of partition keys, as conditions on `dynamodb:LeadingKeys` take them.

A trailing `*` is the only wildcard. All else stands for itself, so what IAM would read as a
wildcard or a variable is escaped:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars
"""

import re
from collections.abc import Callable, Iterable

from aws_cdk import Token

from interlock._protocol.counters.bounds import checked_name as checked_counter
from interlock._protocol.counters.layout import PREFIX as COUNTERS
from interlock._protocol.locks.settings import PREFIX as LOCKS
from interlock._protocol.locks.settings import checked_name as checked_lock
from interlock._protocol.texts import texts

__all__ = [
    "COUNTERS",
    "LOCKS",
    "RECORDS",
    "RESERVED_PREFIXES",
    "checked_prefix",
    "literal",
    "patterns",
    "reserved",
]

RECORDS = "once#"  # of transactions, whose own module wants boto3
RESERVED_PREFIXES = frozenset({COUNTERS, LOCKS, RECORDS, "limit#", "saga#", "tx#"})
"""Prefixes of Interlock's own items; an application's items have others."""

_MAX_BYTES = 1024
_CHECKS: dict[str, Callable[[str], str]] = {COUNTERS: checked_counter, LOCKS: checked_lock}
_TOKEN = re.compile(r"(\$\{Token\[[^\]]*\]\})")
_SPECIAL = re.compile(r"[*?$]")


def patterns(
    prefix: str,
    names: Iterable[str],
    *,
    parameter: str = "names",
    with_parts: bool = False,
    under: str = "",
) -> list[str]:
    """Return the patterns of the items whose keys are `prefix` and one of these names.

    In a table whose layout has a prefix, all of it is `under` that.

    A name may end in `*`; "*" alone is every name. `with_parts` adds what belongs to a name
    (permits, shards). What comes from a token is left as it is; a name is spelled
    as the runtime spells it. Raises `ValueError` for no names,
    and for a name that the runtime refuses.
    """
    checked = texts(parameter, names)
    if not checked or not all(checked):
        raise ValueError(
            f"{parameter} {checked!r} names nothing: give names, or '*' for every {prefix}"
        )
    found: list[str] = []
    for name in checked:
        stem = name.removesuffix("*")
        if stem and not Token.is_unresolved(stem):
            stem = _CHECKS.get(prefix, _checked_key)(stem)
        exact = literal(under) + prefix + literal(stem)
        if name.endswith("*"):
            found.append(f"{exact}*")
        else:
            found += [exact, f"{exact}#*"] if with_parts else [exact]
    return found


def reserved(under: str) -> list[str]:
    """Return the patterns of all items of Interlock's own, under a layout's prefix."""
    return [f"{literal(under)}{prefix}*" for prefix in sorted(RESERVED_PREFIXES)]


def checked_prefix(prefix: str, under: str = "") -> str:
    """Return the prefix of an application's own items, or raise `ValueError`.

    `under` is the prefix of Interlock's own items, if they have one.
    """
    if Token.is_unresolved(prefix):
        return prefix
    (stem,) = texts("prefix", [prefix])
    first = f"{stem.partition('#')[0]}#"
    if not stem.endswith("#") or first == "#" or _SPECIAL.search(stem):
        raise ValueError(f"prefix is {prefix!r}: give a word that ends in '#', such as 'history#'")
    if first in RESERVED_PREFIXES:
        own = ", ".join(sorted(RESERVED_PREFIXES))
        raise ValueError(f"prefix {prefix!r} is among Interlock's own ({own}): choose another")
    if under and (under.startswith(stem) or stem.startswith(under)):
        raise ValueError(
            f"prefix {prefix!r} meets Interlock's own, which the layout has under {under!r}: "
            "choose another"
        )
    return stem


def _checked_key(key: str) -> str:
    if not key.isprintable() or len(key.encode()) > _MAX_BYTES:
        raise ValueError(f"{key!r} is no part of a key: up to {_MAX_BYTES} printable bytes")
    return key


def literal(text: str) -> str:
    """Return text that IAM takes literally; tokens in it are left alone."""
    return "".join(
        part if _TOKEN.fullmatch(part) else _SPECIAL.sub(r"${\g<0>}", part)
        for part in _TOKEN.split(text)
    )
