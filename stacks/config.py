"""What differs between environments: read from `cdk.json`, checked before a stack is made."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from ipaddress import IPv4Network
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Node

from stacks.sign_in import SignIn, problems_with, sign_in_of

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
_REQUIRED_WHERE_REAL = ("alarm_email", "monthly_budget", "reserved_concurrency")
COMPUTES = ("instances", "containers")
_LEAST_ZONES = 2  # an Application Load Balancer wants subnets in two zones


class EnvironmentRefused(Exception):
    """The app's context chooses no environment that can be deployed; says all that is wrong."""


class UnknownEnvironment(EnvironmentRefused):
    """`-c env=` names an environment that `cdk.json` does not have, or none."""


class IncompleteEnvironment(EnvironmentRefused):
    """The environment in `cdk.json` lacks values or has ones that cannot be deployed."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment of the application.

    `compute` is what the service runs on: "instances" of EC2, or "containers" of Fargate, for the
    processor of `instance_type` in both cases. `capacity` is the group's least and greatest size,
    `throttle` the API's burst and its requests a second, `monthly_budget` in US dollars. `stateful`
    environments keep their data: it is retained, and protected against deletion. `emulated` ones
    run on one machine. `code_signing`
    has Lambda "warn" of code that the environment's profile did not sign, or "enforce" that it did
    (docs/signing.md says how a pipeline signs); None is off. `identity` is how people sign in;
    without it all who reach the load balancer may do everything, and an environment that keeps
    data has to say that it is `open_to_anybody`.
    """

    name: str
    account: str
    region: str
    availability_zones: tuple[str, ...]
    cidr: str
    nat_gateways: int
    instance_type: str
    image_id: str | None = None
    compute: str = "instances"
    capacity: tuple[int, int]
    throttle: tuple[int, int]
    log_retention_days: int
    reserved_concurrency: int | None = None
    certificate_arn: str | None = None
    alarm_email: str | None = None
    monthly_budget: int | None = None
    code_signing: str | None = None
    identity: SignIn | None = None
    open_to_anybody: bool = False
    stateful: bool
    emulated: bool

    @property
    def aws(self) -> cdk.Environment:
        """Account and region, as stacks take them."""
        return cdk.Environment(account=self.account, region=self.region)

    @property
    def architecture(self) -> ec2.InstanceArchitecture:
        """The processor of the instance type, for which there are an image and wheels."""
        return ec2.InstanceType(self.instance_type).architecture

    @property
    def log_retention(self) -> logs.RetentionDays:
        """How long logs are kept, as log groups take it."""
        return RETENTION[self.log_retention_days]

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        """What happens to data when its stack is deleted."""
        return cdk.RemovalPolicy.RETAIN if self.stateful else cdk.RemovalPolicy.DESTROY


def environment_of(node: Node) -> Environment:
    """Return the environment that `-c env=` chose.

    Raises `UnknownEnvironment` with the known names, and `IncompleteEnvironment` with everything
    that is missing or wrong, not only the first.
    """
    known: Mapping[str, Mapping[str, Any]] = node.try_get_context("environments") or {}
    name = node.try_get_context("env")
    if name not in known:
        said = "no environment is chosen" if name is None else f"there is no environment {name!r}"
        raise UnknownEnvironment(f"{said}; use -c env={'|'.join(known)} (cdk.json, environments)")
    values = known[name]
    if (compute := node.try_get_context("compute")) is not None:
        values = {**values, "compute": compute}
    given = node.try_get_context("identity")
    if given is not None and values.get("emulated") is True:
        # On one machine the provider's address is known when it runs (local/identity.py).
        values = {**values, "identity": json.loads(given)}
    return parse(str(name), values)


def parse(name: str, values: Mapping[str, Any]) -> Environment:
    """Return the environment that a mapping describes, or raise `IncompleteEnvironment`."""
    known = {field.name for field in fields(Environment)} - {"name"}
    optional = {field.name for field in fields(Environment) if field.default is not MISSING}
    problems = [f"{key} is missing" for key in sorted(known - optional - values.keys())]
    problems += [f"{key} is not known" for key in sorted(values.keys() - known)]
    problems += [
        f"{key} is {values[key]!r}; give {wanted}"
        for key, (fits, wanted) in _WANTED.items()
        if key in values and not (values[key] is None and key in optional) and not fits(values[key])
    ]
    emulated = values.get("emulated") is True
    if values.get("identity") is not None:
        problems += problems_with(values["identity"], emulated=emulated)
    # How values go together can be said only of those that make sense by themselves.
    problems = problems or _wrong_together(values)
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise IncompleteEnvironment(f"environment {name!r} in cdk.json cannot be used:{listed}")
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    if frozen.get("identity") is not None:
        frozen["identity"] = sign_in_of(frozen["identity"])
    return Environment(name=name, **frozen)


def _text(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


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


def _network(value: Any) -> bool:
    try:
        network = IPv4Network(value)
    except ValueError:
        return False
    # A zone takes a /24 and a /22.
    return network.is_private and 16 <= network.prefixlen <= 20  # noqa: PLR2004 - as documented


def _retention(value: Any) -> bool:
    return type(value) is int and value in RETENTION  # True and 30.0 are keys of the mapping, too


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_WANTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "account": (_text(r"\d{12}"), "a string of 12 digits"),
    "region": (_text(r"[a-z]{2}(-[a-z]+)+-\d"), "a region such as eu-central-1"),
    "availability_zones": (_zones, "a list of two different zones or more"),
    "cidr": (_network, "a private network of /16 to /20"),
    "nat_gateways": (_whole(0), "a whole number"),
    "instance_type": (_text(r"[a-z][a-z0-9-]*\.[a-z0-9-]+"), "a type such as t4g.small"),
    "image_id": (_text(r"ami-[0-9a-f]{8,17}"), "the id of an image, ami-..."),
    "compute": (COMPUTES.__contains__, " or ".join(COMPUTES)),
    "capacity": (_pair, "[least, greatest], both at least 1"),
    "throttle": (_pair, "[burst, requests a second], both at least 1"),
    "log_retention_days": (_retention, f"one of {', '.join(map(str, RETENTION))}"),
    "reserved_concurrency": (_whole(1), "a whole number of at least 1"),
    "certificate_arn": (_text(r"arn:aws[a-z-]*:acm:.+:certificate/.+"), "an ACM certificate's ARN"),
    "alarm_email": (_text(r"[^@\s]+@[^@\s]+"), "a mail address"),
    "monthly_budget": (_whole(1), "US dollars, a whole number"),
    "code_signing": (("warn", "enforce").__contains__, "warn or enforce"),
    "open_to_anybody": (_flag, "true or false"),
    "stateful": (_flag, "true or false"),
    "emulated": (_flag, "true or false"),
}


def _wrong_together(values: Mapping[str, Any]) -> list[str]:
    problems = []
    region, zones = values["region"], values["availability_zones"]
    if not all(zone.startswith(region) for zone in zones):
        problems.append(f"availability_zones {zones} has one outside {region}")
    least, most = values["capacity"]
    if least > most:
        problems.append(f"capacity {values['capacity']} is not [least, greatest]")
    if values["emulated"]:
        return problems
    if least == most:
        problems.append(f"capacity {values['capacity']} leaves no room to replace instances")
    if values["nat_gateways"] < 1:
        # With an interface endpoint for execute-api, its private DNS hides every regional API.
        problems.append("nat_gateways is 0, but instances reach the API through one")
    if values["nat_gateways"] > len(zones):
        problems.append(f"nat_gateways is {values['nat_gateways']}, for {len(zones)} zones")
    problems += [f"{key} is not set" for key in _REQUIRED_WHERE_REAL if values.get(key) is None]
    certificate = values.get("certificate_arn")
    if values["stateful"] and certificate is None:
        problems.append("certificate_arn is not set, so the load balancer would speak plain HTTP")
    if certificate is not None and f":{region}:{values['account']}:" not in certificate:
        problems.append(f"certificate_arn is of another region or account: {certificate}")
    return problems + _wrong_identity(values)


def _wrong_identity(values: Mapping[str, Any]) -> list[str]:
    identity, open_ = values.get("identity"), values.get("open_to_anybody", False)
    if identity is not None and open_:
        return ["open_to_anybody is true, but identity says how people sign in"]
    if identity is not None and values.get("certificate_arn") is None:
        return ["identity needs certificate_arn: people sign in over HTTPS alone"]
    if identity is None and values["stateful"] and not open_:
        lack = "identity is not set, and all who reach the load balancer could change what is kept"
        return [f'{lack}; say "open_to_anybody": true where that is meant']
    return []
