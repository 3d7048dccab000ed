"""Checks of an account before a deployment: each asks, and changes nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stacks.account import Account, Finding
from stacks.account_quotas import addresses, processors
from stacks.combinations import UNRESERVED
from stacks.sign_in import Provider

BOOTSTRAP = 6
"""The version of `cdk bootstrap` that the templates ask for."""
_QUALIFIER = "hnb659fds"
_ROLES = ("cfn-exec", "deploy", "file-publishing", "image-publishing", "lookup")


def credentials(account: Account) -> Iterator[Finding]:
    """Find out whose credentials these are."""
    wanted = account.environment.account
    found = account.client("sts").get_caller_identity()
    if found["Account"] != wanted:
        yield Finding(
            f"the credentials are of {found['Arn']}, the environment is in {wanted}",
            "set AWS_PROFILE to a profile of that account, or account in cdk.json to this one",
        )


def zones(account: Account) -> Iterator[Finding]:
    """Whether the zones are there, and offer the type of instance."""
    environment, ec2 = account.environment, account.client("ec2")
    found = ec2.describe_availability_zones(AllAvailabilityZones=True)["AvailabilityZones"]
    there = {zone["ZoneName"] for zone in found if zone.get("State") == "available"}
    missing = [zone for zone in environment.availability_zones if zone not in there]
    if missing:
        yield Finding(
            f"{', '.join(missing)} is not available to this account",
            f"choose availability_zones among {', '.join(sorted(there))}",
        )
    if environment.compute != "instances":
        return
    offers = ec2.describe_instance_type_offerings(
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": [environment.instance_type]}],
    )["InstanceTypeOfferings"]
    offered = {offer["Location"] for offer in offers}
    without = [z for z in environment.availability_zones if z in there and z not in offered]
    if without:
        yield Finding(
            f"{', '.join(without)} has no {environment.instance_type}",
            f"choose another instance_type; it is in {', '.join(sorted(offered)) or 'none'}",
        )


def certificate(account: Account) -> Iterator[Finding]:
    """Whether the certificate is there, issued, and of the name at which people open the page."""
    environment = account.environment
    if environment.certificate_arn is None:
        return
    acm = account.client("acm")
    try:
        found = acm.describe_certificate(CertificateArn=environment.certificate_arn)["Certificate"]
    except acm.exceptions.ResourceNotFoundException:
        yield Finding(
            f"{environment.certificate_arn} is not there",
            "request one (aws acm request-certificate) and set certificate_arn",
        )
        return
    if found["Status"] != "ISSUED":
        yield Finding(
            f"the certificate is {found['Status']}",
            "add the record of its validation to the name's zone, and wait until it is ISSUED",
        )
    names = {found["DomainName"], *found.get("SubjectAlternativeNames", ())}
    host = environment.host
    if host is not None and not any(_covers(name, host) for name in names):
        yield Finding(
            f"the certificate is for {', '.join(sorted(names))}, and people open {host}",
            f"request a certificate for {host}",
        )


def hosted_zone(account: Account) -> Iterator[Finding]:
    """Whether the hosted zone of the domain is there, public, and of that name."""
    domain = account.environment.domain
    if domain is None:
        return
    route53 = account.client("route53")
    try:
        found = route53.get_hosted_zone(Id=domain.zone_id)["HostedZone"]
    except route53.exceptions.NoSuchHostedZone:
        yield Finding(
            f"the hosted zone {domain.zone_id} is not there",
            f"aws route53 list-hosted-zones-by-name --dns-name {domain.zone_name}",
        )
        return
    if found["Name"].rstrip(".") != domain.zone_name:
        yield Finding(
            f"the hosted zone {domain.zone_id} is of {found['Name']}",
            f"set domain.zone_name to {found['Name'].rstrip('.')}, or choose another zone_id",
        )
    if found.get("Config", {}).get("PrivateZone"):
        yield Finding(
            f"the hosted zone {domain.zone_id} is private",
            "choose a public one: people's browsers and the certificate's validation read it",
        )


def _covers(name: str, host: str) -> bool:
    return name == host or (name.startswith("*.") and name[2:] == host.partition(".")[2])


def concurrency(account: Account) -> Iterator[Finding]:
    """Whether the function's reservation leaves what Lambda wants unreserved."""
    reserved = account.environment.reserved_concurrency
    if reserved is None:
        return
    functions = account.client("lambda")
    limits = functions.get_account_settings()["AccountLimit"]
    free = limits["UnreservedConcurrentExecutions"] + _reserved_already(functions, account)
    if free - reserved < UNRESERVED:
        yield Finding(
            f"{reserved} of {limits['ConcurrentExecutions']} concurrent executions are to be "
            f"reserved, which leaves {free - reserved}, and {UNRESERVED} have to stay",
            f"lower reserved_concurrency to {max(free - UNRESERVED, 0)}, or ask for more: aws "
            "service-quotas request-service-quota-increase --service-code lambda "
            f"--quota-code L-B99A9384 --desired-value {reserved + UNRESERVED}",
        )


def _reserved_already(functions: Any, account: Account) -> int:
    pages = functions.get_paginator("list_functions").paginate()
    names = [each["FunctionName"] for page in pages for each in page["Functions"]]
    return sum(
        functions.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0)
        for name in names
        if name.startswith(account.own_prefix)
    )


def bootstrap(account: Account) -> Iterator[Finding]:
    """Whether `cdk bootstrap` ran there, lately enough."""
    place = f"aws://{account.environment.account}/{account.environment.region}"
    fix = f".venv/bin/python -m local.cdk bootstrap {place} (docs/account.md has its policy)"
    ssm = account.client("ssm")
    try:
        found = ssm.get_parameter(Name=f"/cdk-bootstrap/{_QUALIFIER}/version")
    except ssm.exceptions.ParameterNotFound:
        yield Finding(f"{place} is not bootstrapped", fix)
        return
    version = int(found["Parameter"]["Value"])
    if version < BOOTSTRAP:
        yield Finding(f"cdk bootstrap was of version {version}; {BOOTSTRAP} is needed", fix)


def roles(account: Account) -> Iterator[Finding]:
    """Whether the roles of `cdk bootstrap` are there, and the caller may take the deployer's."""
    environment, iam = account.environment, account.client("iam")
    names = {
        kind: f"cdk-{_QUALIFIER}-{kind}-role-{environment.account}-{environment.region}"
        for kind in _ROLES
    }
    arns = {}
    for kind, name in names.items():
        try:
            arns[kind] = iam.get_role(RoleName=name)["Role"]["Arn"]
        except iam.exceptions.NoSuchEntityException:
            yield Finding(f"the role {name} is not there", "run cdk bootstrap again (above)")
    if "deploy" not in arns:
        return
    sts = account.client("sts")
    try:
        sts.assume_role(RoleArn=arns["deploy"], RoleSessionName="preflight", DurationSeconds=900)
    except sts.exceptions.ClientError as refusal:
        if refusal.response["Error"]["Code"] != "AccessDenied":
            raise
        yield Finding(
            f"you may not assume {names['deploy']}",
            f"allow sts:AssumeRole on {arns['deploy']} to the principal that deploys",
        )


def secret(account: Account) -> Iterator[Finding]:
    """Whether the secret of the identity provider's client is there."""
    identity = account.environment.identity
    if not isinstance(identity, Provider):
        return
    secrets = account.client("secretsmanager")
    try:
        secrets.describe_secret(SecretId=identity.client_secret)
    except secrets.exceptions.ResourceNotFoundException:
        yield Finding(
            f"the secret {identity.client_secret} is not there",
            f"aws secretsmanager create-secret --name {identity.client_secret} --secret-string ...",
        )


def api_logging(account: Account) -> Iterator[Finding]:
    """Whether API Gateway may write logs, by a role that this deployment does not take away."""
    found = account.client("apigateway").get_account().get("cloudwatchRoleArn", "")
    role = found.rpartition("/")[2]
    if account.environment.api_logging_role and role and not role.startswith("interlock-"):
        yield Finding(
            f"API Gateway writes the logs of this account by {found}, in whose place the "
            "deployment would put its own",
            'set "api_logging_role": false in cdk.json, which leaves that role in place',
        )
    if not account.environment.api_logging_role and not found:
        yield Finding(
            "API Gateway has no role to write logs by, and api_logging_role is false",
            "remove api_logging_role from cdk.json, or aws apigateway update-account",
        )


CHECKS: Mapping[str, Callable[[Account], Iterator[Finding]]] = {
    "availability zones": zones,
    "certificate": certificate,
    "hosted zone": hosted_zone,
    "concurrency of Lambda": concurrency,
    "cdk bootstrap": bootstrap,
    "roles of cdk bootstrap": roles,
    "secret of the identity provider": secret,
    "addresses and networks": addresses,
    "processors": processors,
    "logs of API Gateway": api_logging,
}
"""What is asked once the credentials are known to be of the account."""
