"""The name at which people open the page, as an environment in `cdk.json` says it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.sign_in import NAME

_ZONE_ID = re.compile(r"Z[A-Z0-9]{1,31}")
_KEYS = ("name", "zone_id", "zone_name")


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A name, and the public hosted zone of Route 53 in which the stack makes its record.

    The stack makes the certificate, too, unless there is one already (`certificate_arn`).
    """

    name: str
    zone_id: str
    zone_name: str


def domain_of(value: Mapping[str, Any]) -> Domain:
    """Return what a value without problems describes."""
    return Domain(**value)


def problems_with_domain(value: Any) -> list[str]:
    """Return all that is wrong with the value of `domain`, each in a line of its own."""
    if not isinstance(value, dict):
        return [f"domain is {value!r}; give an object of {', '.join(_KEYS)}"]
    problems = [f"domain.{key} is missing" for key in _KEYS if key not in value]
    problems += [f"domain.{key} is not known" for key in sorted(value.keys() - set(_KEYS))]
    for key, pattern, wanted in (
        ("name", NAME, "a domain name in lower case"),
        ("zone_id", _ZONE_ID, "the id of a hosted zone, Z..."),
        ("zone_name", NAME, "the hosted zone's name in lower case, without a dot at its end"),
    ):
        each = value.get(key)
        if key in value and not (isinstance(each, str) and pattern.fullmatch(each)):
            problems.append(f"domain.{key} is {each!r}; give {wanted}")
    if not problems and not f".{value['name']}".endswith(f".{value['zone_name']}"):
        problems.append(f"domain.name {value['name']} is not in the zone {value['zone_name']}")
    return problems
