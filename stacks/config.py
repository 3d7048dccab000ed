"""Settings of an environment: read from `cdk.json`, checked before a stack is made."""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Node

from stacks import regions
from stacks.combinations import problems_together
from stacks.domain import Domain, domain_of, problems_with_domain
from stacks.placeholders import placeholders_in
from stacks.sign_in import CognitoPool, SignIn, problems_with, sign_in_of
from stacks.values import RETENTION, WANTED

_ALLOWED = "allowed"
_NAME = re.compile(r"[A-Za-z0-9-]{1,30}")  # with a region it makes the name of a role, 64 at most
_LOOK = "to look at templates without an account: make synth ENV={name}, or -c placeholders={word}"
_NOT_GIVEN = ("name", "placeholders", "protection")  # of the fields: not values of cdk.json


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
    `requests_per_target` how many requests a minute each of them gets before the group grows,
    `throttle` the API's burst and its requests a second, `monthly_budget` in US dollars. `stateful`
    environments keep their data: it is retained, and protected against deletion. `emulated` ones
    run on one machine. `code_signing`
    has Lambda "warn" of code that the environment's profile did not sign, or "enforce" that it did
    (docs/signing.md says how a pipeline signs); None is off. `identity` is how people sign in;
    without it all who reach the load balancer may do everything, and an environment that keeps
    data has to say that it is `open_to_anybody`.

    `domain` is the name of the load balancer, for which the stack makes a record and, without a
    `certificate_arn`, a certificate. `concurrency_quota` is the account's own, where it has been
    raised. `snap_start` and `budgets` switch off what a region has, or on what is not known of it
    yet; by default they are as the region is (`stacks.regions`). `api_logging_role` is off where
    the account has another role by which API Gateway writes logs: there is one for all APIs of a
    region. `backup_lock` is "governance", which an administrator could lift, or "compliance", which
    after three days none can. `protection` is off for a first deployment, which could not be
    rolled back otherwise. `placeholders` says which values stand for the account's own: none,
    unless they were allowed for looking at the templates.
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
    requests_per_target: int = 3000
    throttle: tuple[int, int]
    log_retention_days: int
    reserved_concurrency: int | None = None
    certificate_arn: str | None = None
    domain: Domain | None = None
    alarm_email: str | None = None
    monthly_budget: int | None = None
    code_signing: str | None = None
    concurrency_quota: int | None = None
    snap_start: bool | None = None
    budgets: bool | None = None
    api_logging_role: bool = True
    backup_lock: str = "governance"
    identity: SignIn | None = None
    open_to_anybody: bool = False
    stateful: bool
    emulated: bool
    protection: bool = True
    placeholders: tuple[str, ...] = ()

    @property
    def aws(self) -> cdk.Environment:
        """Account and region, as stacks take them."""
        return cdk.Environment(account=self.account, region=self.region)

    @property
    def service_role(self) -> str:
        """The name of the service's role, which the function knows before there is the role."""
        return f"interlock-{self.name}-service-{self.region}"

    @property
    def architecture(self) -> ec2.InstanceArchitecture:
        """The processor of the instance type, for which there are an image and wheels."""
        return ec2.InstanceType(self.instance_type).architecture

    @property
    def log_retention(self) -> logs.RetentionDays:
        """The time that logs are kept, as log groups take it."""
        return RETENTION[self.log_retention_days]

    @property
    def speaks_tls(self) -> bool:
        """Whether the load balancer has a certificate, and answers over HTTPS alone."""
        return self.certificate_arn is not None or self.domain is not None

    @property
    def host(self) -> str | None:
        """The name at which people open the page, which the certificate has; None if unknown."""
        if self.domain is not None:
            return self.domain.name
        return self.identity.host if isinstance(self.identity, CognitoPool) else None

    @property
    def starts_from_snapshots(self) -> bool:
        """Whether the function starts from a snapshot (SnapStart)."""
        return regions.has_snap_start(self.region) if self.snap_start is None else self.snap_start

    @property
    def has_budget(self) -> bool:
        """Whether a budget is made, for which `monthly_budget` and `alarm_email` are set."""
        return regions.has_budgets(self.region) if self.budgets is None else self.budgets

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on what the deployment is without, and why; a line each."""
        lacks = []
        if self.stateful and not self.protection:
            lacks.append(
                "nothing is protected against deletion: deploy again without -c protection=off"
            )
        if self.snap_start is None and not self.starts_from_snapshots:
            lacks.append(
                f"{self.region} has no SnapStart of Python: the function starts anew, and slower"
            )
        if self.budgets is None and not self.has_budget:
            lacks.append(
                f"CloudFormation makes no budgets in {self.region}: no one is told of costs"
            )
        if self.speaks_tls and self.host is None:
            lacks.append(
                "ServiceUrl is left out: no name is known that the certificate has; give domain"
            )
        return tuple(lacks)

    @property
    def removal_policy(self) -> cdk.RemovalPolicy:
        """The fate of data when its stack is deleted, or replaces it.

        What a first deployment made before it failed goes with it, so that it can be repeated.
        """
        policy = cdk.RemovalPolicy
        return policy.RETAIN_ON_UPDATE_OR_DELETE if self.stateful else policy.DESTROY

    @property
    def protected(self) -> bool:
        """Whether data resists its own deletion, even that by a rollback."""
        return self.stateful and self.protection


def environment_of(node: Node) -> Environment:
    """Return the environment that `-c env=` chose.

    Raises `UnknownEnvironment` with the known names, and `IncompleteEnvironment` with everything
    that is missing or wrong, not only the first.
    """
    known: Any = node.try_get_context("environments") or {}
    if not (isinstance(known, dict) and all(isinstance(one, dict) for one in known.values())):
        raise EnvironmentRefused("environments in cdk.json is to hold an object for each name")
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
    placeholders = node.try_get_context("placeholders")
    if placeholders not in {None, _ALLOWED}:
        raise EnvironmentRefused(
            f"placeholders is {placeholders!r}; use -c placeholders={_ALLOWED}"
        )
    protection = node.try_get_context("protection")
    if protection not in {None, "on", "off"}:
        raise EnvironmentRefused(f"protection is {protection!r}; use -c protection=off, or on")
    environment = parse(str(name), values, allow_placeholders=placeholders == _ALLOWED)
    return replace(environment, protection=protection != "off")


def parse(name: str, values: Mapping[str, Any], *, allow_placeholders: bool = False) -> Environment:
    """Return the environment that a mapping describes, or raise `IncompleteEnvironment`.

    Values that stand for the account's own are refused, too, unless they are allowed: templates
    that are made with them can be looked at, and not deployed.
    """
    known = {field.name for field in fields(Environment)}.difference(_NOT_GIVEN)
    optional = {field.name for field in fields(Environment) if field.default is not MISSING}
    missing = sorted(known - optional - values.keys())
    unfit = {
        key: wanted
        for key, (fits, wanted) in WANTED.items()
        if key in values and not (values[key] is None and key in optional) and not fits(values[key])
    }
    problems = [] if _NAME.fullmatch(name) else ["its name has to be 1 to 30 letters, digits and -"]
    problems += [f"{key} is missing" for key in missing]
    problems += [f"{key} is not known" for key in sorted(values.keys() - known)]
    problems += [f"{key} is {values[key]!r}; give {wanted}" for key, wanted in unfit.items()]
    emulated = values.get("emulated") is True
    identity = []
    if values.get("identity") is not None:
        identity = problems_with(values["identity"], emulated=emulated)
    domain = problems_with_domain(values["domain"]) if values.get("domain") is not None else []
    wrong = {*missing, *unfit, *(["identity"] if identity else []), *(["domain"] if domain else [])}
    problems += identity + domain + problems_together(values, wrong)
    placeholders = [] if emulated else placeholders_in(values)
    if placeholders and not allow_placeholders:
        problems += [*placeholders, _LOOK.format(name=name, word=_ALLOWED)]
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise IncompleteEnvironment(f"environment {name!r} in cdk.json cannot be used:{listed}")
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    if frozen.get("identity") is not None:
        frozen["identity"] = sign_in_of(frozen["identity"])
    if frozen.get("domain") is not None:
        frozen["domain"] = domain_of(frozen["domain"])
    return Environment(name=name, **frozen, placeholders=tuple(placeholders))
