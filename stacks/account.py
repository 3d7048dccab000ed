"""The account that a deployment goes to, as the checks before it ask it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from stacks.config import Environment


@dataclass(frozen=True)
class Finding:
    """Something that would fail the deployment, and what mends it."""

    what: str
    fix: str


class Account:
    """The account and region of an environment, asked by `clients` (a service's name each)."""

    def __init__(self, environment: Environment, clients: Callable[[str], Any]) -> None:
        self.environment = environment
        self.client = clients

    @cached_property
    def own_prefix(self) -> str:
        """The start of the names of what this environment has there already."""
        return f"interlock-{self.environment.name}-"

    def quota(self, service: str, code: str) -> float:
        """Return a quota as the account has it, or else as AWS gives it to all."""
        quotas = self.client("service-quotas")
        try:
            found = quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
        except quotas.exceptions.NoSuchResourceException:
            found = quotas.get_aws_default_service_quota(ServiceCode=service, QuotaCode=code)
        return float(found["Quota"]["Value"])
