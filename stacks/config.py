"""What differs between environments: read from `cdk.json`, checked before a stack is made."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from ipaddress import IPv4Network
from typing import Any

import aws_cdk as cdk
from constructs import Node

_REQUIRED_WHERE_REAL = ("alarm_email", "monthly_budget", "reserved_concurrency")
_CODE_SIGNING = ("warn", "enforce")
_LEAST_ZONES = 2  # an Application Load Balancer wants subnets in two zones


class UnknownEnvironment(Exception):
    """`-c env=` names an environment that `cdk.json` does not have, or none."""


class IncompleteEnvironment(Exception):
    """The environment in `cdk.json` lacks values or has ones that cannot be deployed."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One environment of the application.

    `capacity` is the group's least and greatest size, `throttle` the API's burst and its requests
    a second, `monthly_budget` in US dollars. `stateful` environments keep their data: it is
    retained, and protected against deletion. `emulated` ones run on one machine. `code_signing`
    has Lambda "warn" of code that the environment's profile did not sign, or "enforce" that it did
    (docs/signing.md says how a pipeline signs); None is off.
    """

    name: str
    account: str
    region: str
    availability_zones: tuple[str, ...]
    cidr: str
    nat_gateways: int
    instance_type: str
    image_id: str | None = None
    capacity: tuple[int, int]
    throttle: tuple[int, int]
    log_retention_days: int
    reserved_concurrency: int | None = None
    certificate_arn: str | None = None
    alarm_email: str | None = None
    monthly_budget: int | None = None
    code_signing: str | None = None
    stateful: bool
    emulated: bool

    @property
    def aws(self) -> cdk.Environment:
        """Account and region, as stacks take them."""
        return cdk.Environment(account=self.account, region=self.region)

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
        said = "no environment is chosen" if name is None else f"no environment {name!r}"
        raise UnknownEnvironment(f"{said}; use -c env={'|'.join(known)} (cdk.json, environments)")
    return parse(str(name), known[name])


def parse(name: str, values: Mapping[str, Any]) -> Environment:
    """Return the environment that a mapping describes, or raise `IncompleteEnvironment`."""
    known = {field.name for field in fields(Environment)} - {"name"}
    optional = {field.name for field in fields(Environment) if field.default is not MISSING}
    problems = [f"{key} is missing" for key in sorted(known - optional - values.keys())]
    problems += [f"{key} is not known" for key in sorted(values.keys() - known)]
    if not problems:
        problems = list(_wrong(values))
    if problems:
        raise IncompleteEnvironment(f"environment {name!r} in cdk.json: {'; '.join(problems)}")
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return Environment(name=name, **frozen)


def _wrong(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if not (isinstance(values["account"], str) and values["account"].isdigit()):
        problems.append("account is not a string of 12 digits")
    if len(values["availability_zones"]) < _LEAST_ZONES:
        problems.append("availability_zones names fewer than two")
    if not all(zone.startswith(values["region"]) for zone in values["availability_zones"]):
        problems.append(f"availability_zones has one outside {values['region']}")
    try:
        IPv4Network(values["cidr"])
    except ValueError as error:
        problems.append(f"cidr: {error}")
    least, most = values["capacity"]
    if not 0 < least <= most:
        problems.append("capacity is not [least, greatest]")
    if values.get("code_signing") not in (None, *_CODE_SIGNING):
        problems.append(f"code_signing is none of {', '.join(_CODE_SIGNING)}")
    if values["emulated"]:
        return problems
    if values["nat_gateways"] < 1:
        # With an interface endpoint for execute-api, its private DNS hides every regional API.
        problems.append("nat_gateways is 0, but instances reach the API through one")
    problems += [f"{key} is not set" for key in _REQUIRED_WHERE_REAL if values.get(key) is None]
    if values["stateful"] and values.get("certificate_arn") is None:
        problems.append("certificate_arn is not set, so the load balancer would speak plain HTTP")
    return problems
