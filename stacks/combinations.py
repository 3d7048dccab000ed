"""Checks that the values of an environment in `cdk.json` go together."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from stacks import regions

_Values = Mapping[str, Any]
_Rule = Callable[[_Values], Iterator[str]]

UNRESERVED = 100
"""Concurrent executions that Lambda keeps for the functions that reserve none."""
CONCURRENCY_QUOTA = 1000
"""Concurrent executions of an account that has not asked for more."""
_REQUIRED_WHERE_REAL = ("alarm_email", "monthly_budget", "reserved_concurrency")
_PUBLIC, _PRIVATE = 2**8, 2**10  # addresses of a zone's subnets, a /24 and a /22


def problems_together(values: _Values, wrong: Collection[str]) -> list[str]:
    """Return what is wrong with values that are each right by themselves.

    `wrong` are the keys of those that are not: what is said of them would say it twice.
    """
    return [
        problem
        for needed, rule in _RULES
        if not set(needed) & set(wrong)
        for problem in rule(values)
    ]


def _zones(values: _Values) -> Iterator[str]:
    region, zones = values["region"], values["availability_zones"]
    outside = [zone for zone in zones if not zone.startswith(region)]
    if outside:
        yield f"availability_zones {zones} has one outside {region}"
    # Local and Wavelength Zones have longer names, and neither NAT gateways nor our endpoints.
    unknown = [z for z in zones if z not in outside and z.removeprefix(region) not in set("abcdef")]
    if unknown:
        yield f"availability_zones has {unknown}: zones of {region} are named {region}a to f"


def _addresses(values: _Values) -> Iterator[str]:
    zones, network = len(values["availability_zones"]), IPv4Network(values["cidr"])
    private_from = -(-zones * _PUBLIC // _PRIVATE) * _PRIVATE
    if private_from + zones * _PRIVATE > network.num_addresses:
        yield f"cidr {values['cidr']} is too small for {zones} zones"


def _capacity(values: _Values) -> Iterator[str]:
    least, most = values["capacity"]
    if least > most:
        yield f"capacity {values['capacity']} is not [least, greatest]"
    elif least == most and not values["emulated"]:
        yield f"capacity {values['capacity']} leaves no room to replace instances"


def _emulated(values: _Values) -> Iterator[str]:
    if values["emulated"] and values["stateful"]:
        yield "emulated and stateful are both true, but an emulator keeps nothing"


def _ways_out(values: _Values) -> Iterator[str]:
    gateways, zones = values["nat_gateways"], values["availability_zones"]
    if values["emulated"]:
        return
    if gateways < 1:
        # With an interface endpoint for execute-api, its private DNS hides every regional API.
        yield "nat_gateways is 0, but instances reach the API through one"
    if gateways > len(zones):
        yield f"nat_gateways is {gateways}, for {len(zones)} zones"


def _required(values: _Values) -> Iterator[str]:
    if not values["emulated"]:
        yield from (f"{key} is not set" for key in _REQUIRED_WHERE_REAL if values.get(key) is None)


def _concurrency(values: _Values) -> Iterator[str]:
    reserved, quota = values.get("reserved_concurrency"), values.get("concurrency_quota")
    most = (quota or CONCURRENCY_QUOTA) - UNRESERVED
    if reserved is not None and reserved > most:
        yield (
            f"reserved_concurrency is {reserved}, but of an account's quota of "
            f"{most + UNRESERVED} at most {most} can be reserved; where the account has a greater "
            "one, give it as concurrency_quota"
        )


def _certificate(values: _Values) -> Iterator[str]:
    certificate, region = values.get("certificate_arn"), values["region"]
    if values["emulated"]:
        return
    if values["stateful"] and certificate is None and values.get("domain") is None:
        yield (
            "certificate_arn is not set, so the load balancer would speak plain HTTP; "
            "or give domain, and the certificate is made"
        )
    place = f"arn:{regions.partition(region)}:acm:{region}:{values['account']}:"
    if certificate is not None and not certificate.startswith(place):
        yield f"certificate_arn is of another region or account: {certificate}"


def _identity(values: _Values) -> Iterator[str]:
    identity, open_ = values.get("identity"), values.get("open_to_anybody", False)
    if values["emulated"]:
        return
    if identity is not None and open_:
        yield "open_to_anybody is true, but identity says how people sign in"
    elif identity is not None and not (values.get("certificate_arn") or values.get("domain")):
        yield "identity needs certificate_arn or domain: people sign in over HTTPS alone"
    elif identity is None and values["stateful"] and not open_:
        yield (
            "identity is not set, and all who reach the load balancer could change what is kept; "
            'say "open_to_anybody": true where that is meant'
        )


def _domain(values: _Values) -> Iterator[str]:
    domain, identity = values.get("domain"), values.get("identity") or {}
    if domain is None:
        return
    if values["emulated"]:
        yield "domain is given, but the names of an emulator are its own"
    host = identity.get("host", domain["name"])
    if host != domain["name"]:
        yield f"domain.name is {domain['name']}, but identity.host is {host}"


def _region(values: _Values) -> Iterator[str]:
    region = values["region"]
    if values.get("snap_start") and not regions.has_snap_start(region):
        yield f"snap_start is true, but {region} has no SnapStart of Python"
    if values.get("budgets") and not regions.has_budgets(region):
        yield f"budgets is true, but CloudFormation makes no budgets in {region}"
    if values.get("code_signing") and not regions.has_code_signing(region):
        yield f"code_signing is {values['code_signing']!r}, but {region} has no code signing"


def _user_pool(values: _Values) -> Iterator[str]:
    identity = values.get("identity") or {}
    if identity.get("kind") == "cognito" and not regions.has_user_pools(values["region"]):
        yield f"identity.kind is 'cognito', but {values['region']} has no user pools"


_RULES: Sequence[tuple[Sequence[str], _Rule]] = (
    (("region", "availability_zones"), _zones),
    (("cidr", "availability_zones"), _addresses),
    (("capacity", "emulated"), _capacity),
    (("emulated", "stateful"), _emulated),
    (("nat_gateways", "availability_zones", "emulated"), _ways_out),
    ((*_REQUIRED_WHERE_REAL, "emulated"), _required),
    (("reserved_concurrency", "concurrency_quota"), _concurrency),
    (("domain", "identity", "emulated"), _domain),
    (("certificate_arn", "domain", "region", "account", "stateful", "emulated"), _certificate),
    (
        ("identity", "open_to_anybody", "certificate_arn", "domain", "stateful", "emulated"),
        _identity,
    ),
    (("region", "snap_start", "budgets", "code_signing"), _region),
    (("region", "identity"), _user_pool),
)
