"""Quotas of an account: addresses, networks and processors."""

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.account import Account, Finding

_TASK = 0.5  # vCPUs (stacks.containers)


def addresses(account: Account) -> Iterator[Finding]:
    """Whether there are Elastic IPs for the NAT gateways, and room for a VPC."""
    environment, ec2 = account.environment, account.client("ec2")
    taken = [each for each in ec2.describe_addresses()["Addresses"] if not _own(each, account)]
    quota = account.quota("ec2", "L-0263D0A3")
    if len(taken) + environment.nat_gateways > quota:
        yield _too_few(
            f"{environment.nat_gateways} Elastic IPs are needed, {len(taken)} of {quota:.0f} are "
            "taken",
            *("ec2", "L-0263D0A3", len(taken) + environment.nat_gateways),
        )
    networks = [each for each in ec2.describe_vpcs()["Vpcs"] if not _own(each, account)]
    quota = account.quota("vpc", "L-F678F1CE")
    if len(networks) + 1 > quota:
        yield _too_few(
            f"a VPC is needed, {len(networks)} of {quota:.0f} are there",
            *("vpc", "L-F678F1CE", len(networks) + 1),
        )


def _own(described: Mapping[str, Any], account: Account) -> bool:
    tags = {tag["Key"]: tag["Value"] for tag in described.get("Tags", ())}
    wanted = {"application": "interlock", "environment": account.environment.name}
    return wanted.items() <= tags.items()


def processors(account: Account) -> Iterator[Finding]:
    """Whether the group may grow to its greatest size."""
    environment = account.environment
    _, most = environment.capacity
    if environment.compute == "containers":
        # A deployment starts the whole set beside the old one.
        service, code, needed = "fargate", "L-3032A538", 2 * most * _TASK
    else:
        found = account.client("ec2").describe_instance_types(
            InstanceTypes=[environment.instance_type]
        )["InstanceTypes"]
        each = found[0]["VCpuInfo"]["DefaultVCpus"]
        # A deployment starts one instance more than there are.
        service, code, needed = "ec2", "L-1216C47A", (most + 1) * each
    quota = account.quota(service, code)
    if needed > quota:
        yield _too_few(
            f"{needed:.0f} vCPUs are needed at capacity {most}, the account may have {quota:.0f}",
            *(service, code, needed),
        )


def _too_few(what: str, service: str, code: str, needed: float) -> Finding:
    return Finding(
        what,
        f"aws service-quotas request-service-quota-increase --service-code {service} "
        f"--quota-code {code} --desired-value {needed:.0f}",
    )
