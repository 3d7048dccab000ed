"""Checks of each value of an environment in `cdk.json`, taken by itself."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any

from aws_cdk import aws_logs as logs

from stacks import regions

RETENTION = {  # days, in the steps of CloudWatch Logs
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    5: logs.RetentionDays.FIVE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    120: logs.RetentionDays.FOUR_MONTHS,
    150: logs.RetentionDays.FIVE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    400: logs.RetentionDays.THIRTEEN_MONTHS,
    545: logs.RetentionDays.EIGHTEEN_MONTHS,
    731: logs.RetentionDays.TWO_YEARS,
    1827: logs.RetentionDays.FIVE_YEARS,
    3653: logs.RetentionDays.TEN_YEARS,
}
_INSTANCE_TYPE = r"[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)"
_CERTIFICATE = (
    r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
COMPUTES = ("instances", "containers")
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
"""RFC 1918. Python calls more of them private, also those that no VPC can have."""
_LEAST_ZONES = 2  # an Application Load Balancer wants subnets in two zones


def _text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None
    )


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and value >= least  # True is an int, too


def _pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_whole(1), value))  # noqa: PLR2004 - a pair


def _zones(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(isinstance(zone, str) for zone in value)
        and len(set(value)) == len(value) >= _LEAST_ZONES
    )


def _region(value: Any) -> bool:
    return value in regions.known()


def _mail(value: Any) -> bool:
    # A name with a dot: mail to "me@localhost" stays on the machine that sends it.
    return _text(r"[!-?A-~]+@([A-Za-z0-9-]+\.)+[A-Za-z][A-Za-z0-9-]+")(
        value
    ) and not value.endswith((".localhost", ".local", ".localdomain", ".internal"))


def _network(value: Any) -> bool:
    try:
        network = IPv4Network(value)
    except ValueError:
        return False
    # A zone takes a /24 and a /22.
    return 16 <= network.prefixlen <= 20 and any(map(network.subnet_of, _PRIVATE))  # noqa: PLR2004 - as documented


def _retention(value: Any) -> bool:
    return type(value) is int and value in RETENTION  # True and 30.0 are keys of the mapping, too


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


WANTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "account": (_text(r"\d{12}"), "a string of 12 digits"),
    "region": (_region, "a region such as eu-central-1; a newer one needs a newer aws-cdk-lib"),
    "availability_zones": (_zones, "a list of two different zones or more"),
    "cidr": (_network, "a private network of /16 to /20"),
    "nat_gateways": (_whole(0), "a whole number"),
    "instance_type": (_text(_INSTANCE_TYPE), "a type such as t4g.small"),
    "image_id": (_text(r"ami-[0-9a-f]{8,17}"), "the id of an image, ami-..."),
    "compute": (COMPUTES.__contains__, " or ".join(COMPUTES)),
    "capacity": (_pair, "[least, greatest], both at least 1"),
    "requests_per_target": (_whole(1), "requests a minute, a whole number of at least 1"),
    "throttle": (_pair, "[burst, requests a second], both at least 1"),
    "log_retention_days": (_retention, f"one of {', '.join(map(str, RETENTION))}"),
    "reserved_concurrency": (_whole(1), "a whole number of at least 1"),
    "concurrency_quota": (_whole(1), "the account's quota, a whole number"),
    "certificate_arn": (_text(_CERTIFICATE), "an ACM certificate's ARN"),
    "alarm_email": (_mail, "a mail address that the internet reaches"),
    "monthly_budget": (_whole(1), "US dollars, a whole number"),
    "code_signing": (("warn", "enforce").__contains__, "warn or enforce"),
    "snap_start": (_flag, "true or false"),
    "budgets": (_flag, "true or false"),
    "api_logging_role": (_flag, "true or false"),
    "backup_lock": (("governance", "compliance").__contains__, "governance or compliance"),
    "open_to_anybody": (_flag, "true or false"),
    "stateful": (_flag, "true or false"),
    "emulated": (_flag, "true or false"),
}
