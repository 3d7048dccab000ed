"""Endpoints of a service: by region, or as the configuration says."""

import re
from collections.abc import Mapping

from interlock._dataclasses import dataclass
from interlock._protocol.faults import Refused
from interlock._wire.settings import Settings

# How regions begin, the suffix of their endpoints, and that of the dual-stack ones. The last is the
# rule for regions to come. As in botocore's data/partitions.json, which a test compares.
_PARTITIONS = (
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
    ("", "amazonaws.com", "api.aws"),
)
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")  # a label of a host name
# Services whose ordinary endpoints in GovCloud are validated by FIPS 140, and have no others.
_VALIDATED = ("dynamodb", "sts")
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-fA-F:.]+\]|[^/:?#@\[\]\s]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#\s]*)?\Z"
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to connect to. `host` is without brackets, `path` without a trailing slash."""

    scheme: str
    host: str
    port: int
    region: str
    path: str = ""

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """The `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def resolve(service: str, settings: Settings) -> Endpoint:
    """Return the endpoint of a service ("dynamodb"), or raise `Refused`."""
    region = settings.region()
    url = settings.endpoint_url(service)
    if url is not None:
        return parse(url, region)
    if not _REGION.match(region):
        raise Refused("InvalidRegionError", f"{region!r} is not the name of a region")
    suffix, dual_stack = next(
        (plain, dual) for prefix, plain, dual in _PARTITIONS if region.startswith(prefix)
    )
    name = service
    dual = settings.flag("AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint")
    if settings.flag("AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"):
        validated = region.startswith("us-gov-") and service in _VALIDATED and not dual
        name = service if validated else f"{service}-fips"
    suffix = dual_stack if dual else suffix
    return Endpoint("https", f"{name}.{region}.{suffix}", 443, region)


def parse(url: str, region: str) -> Endpoint:
    """Return the endpoint that a URL names, or raise `Refused`."""
    parts = _URL.match(url)
    port = int(parts["port"] or _PORTS[parts["scheme"]]) if parts else 0
    if parts is None or not 0 < port < 65536:  # noqa: PLR2004 - the range of ports
        raise Refused("InvalidEndpoint", f"{url!r} is not the URL of an endpoint")
    path = (parts["path"] or "").rstrip("/")
    return Endpoint(parts["scheme"], parts["host"].strip("[]"), port, region, path)


def proxied(endpoint: Endpoint, environ: Mapping[str, str]) -> bool:
    """Return whether the environment wants this endpoint to be called through a proxy.

    As `urllib.request.getproxies` and `proxy_bypass` read it, which botocore uses.
    """

    def variable(name: str) -> str:
        return environ.get(name.lower()) or environ.get(name.upper()) or ""

    if not variable(f"{endpoint.scheme}_proxy"):
        return False
    host, with_port = endpoint.host.lower(), f"{endpoint.host}:{endpoint.port}".lower()
    exempt = [name.strip().lower().lstrip(".") for name in variable("no_proxy").split(",")]
    return "*" not in exempt and not any(
        name and (one == name or one.endswith(f".{name}"))
        for name in exempt
        for one in (host, with_port)
    )
