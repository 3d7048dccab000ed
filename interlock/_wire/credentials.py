"""As who a request is signed: where credentials come from, and how they are asked for.

A source is a generator that yields what is to be fetched (`Fetch`) and is sent its `Response`; the
transports perform it. In the order of the SDKs: the environment, a web identity, the profile (left
to botocore), the container's endpoint (ECS, EKS Pod Identity), the instance's (IMDSv2).
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

import json
import re
import time
from collections.abc import Callable, Generator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

from interlock._dataclasses import dataclass
from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock._wire.endpoints import Endpoint, parse, resolve
from interlock._wire.http1 import Response
from interlock._wire.settings import Settings

# Refusals of a call that other credentials may not meet.
REJECTED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
_OK = 200
_NOT_FOUND = 404
_METADATA_TIMEOUT = 1.0  # seconds for one request, as in the SDKs
_TOKEN_LIFETIME = "21600"  # noqa: S105 - seconds; the longest that IMDSv2 grants
_PATH = "/latest/meta-data/iam/security-credentials/"
_CONTAINER = "http://169.254.170.2"
# Where credentials may be fetched without TLS: the hosts of ECS and EKS, and this very machine, of
# which the addresses that begin with 127 are as many more.
_PLAIN_HOSTS = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret, a session's token, and when they end (seconds since the epoch)."""

    access_key: str
    secret_key: str
    token: str | None = None
    expires: float = float("inf")

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r})"


@dataclass(frozen=True, slots=True)
class Fetch:
    """One request for credentials, which changes nothing. `timeout` is in seconds."""

    endpoint: Endpoint
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout: float = _METADATA_TIMEOUT

    def encode(self) -> bytes:
        """Return the request's bytes."""
        lines = [f"{self.method} {self.endpoint.path}{self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"host: {self.endpoint.authority}", "connection: close"]
        lines += [f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


Source: TypeAlias = Generator[Fetch, Response, Credentials]


def source_of(settings: Settings) -> Callable[[], Source] | None:
    """Return where this process gets its credentials; None: from botocore, by the profile.

    Raises `Refused` ("PartialCredentialsError") for half a pair in the environment.
    """
    environ = settings.environ
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if key and secret:
        static = Credentials(key, secret, environ.get("AWS_SESSION_TOKEN") or None)
        return lambda: _given(static)
    if key or secret:
        raise Refused(
            "PartialCredentialsError",
            "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set",
        )
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        return lambda: web_identity(settings)
    if settings.profile_has_credentials():
        return None
    if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environ.get(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI"
    ):
        return lambda: container(environ)
    return lambda: instance(environ)


def _given(credentials: Credentials) -> Source:
    return credentials
    yield  # a generator, as the others are


def container(environ: Mapping[str, str]) -> Source:
    """Ask the endpoint of the container's agent.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = _CONTAINER + relative if relative else environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
    endpoint, path = _split(url)
    if not endpoint.tls and endpoint.host not in _PLAIN_HOSTS and not _is_loopback(endpoint.host):
        raise Refused("NoCredentialsError", f"AWS_CONTAINER_CREDENTIALS_FULL_URI={url} needs https")
    token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if file := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = _read_token(file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    if "\r" in token or "\n" in token:
        raise Refused("NoCredentialsError", "the container's authorization token has a line break")
    headers = [("accept", "application/json")]
    if token:
        headers.append(("authorization", token))
    response = yield Fetch(endpoint, "GET", path, tuple(headers))
    return _document(_checked(response, url), url)


def instance(environ: Mapping[str, str]) -> Source:
    """Ask the instance's metadata service, by version 2 of its protocol.

    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html
    """
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise Refused(
            "NoCredentialsError",
            "none in the environment or a profile, and AWS_EC2_METADATA_DISABLED is true",
        )
    ipv6 = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower() == "ipv6"
    default = "http://[fd00:ec2::254]" if ipv6 else "http://169.254.169.254"
    url = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or default
    endpoint = parse(url, "")
    timeout = _seconds(environ.get("AWS_METADATA_SERVICE_TIMEOUT"))
    try:
        response = yield Fetch(
            endpoint,
            "PUT",
            "/latest/api/token",
            (("x-aws-ec2-metadata-token-ttl-seconds", _TOKEN_LIFETIME),),
            timeout=timeout,
        )
    except NotSent as fault:  # there is none: this is no instance
        raise Refused(
            "NoCredentialsError",
            f"none in the environment or a profile, and no metadata service at {url}: {fault}",
        ) from fault
    token = _checked(response, f"{url}/latest/api/token").decode("latin-1").strip()
    headers = (("x-aws-ec2-metadata-token", token),)
    response = yield Fetch(endpoint, "GET", _PATH, headers, timeout=timeout)
    if response.status == _NOT_FOUND:
        raise Refused("NoCredentialsError", "this instance has no role")
    lines = _checked(response, url + _PATH).decode("utf-8", "replace").split()
    if not lines:
        raise Refused("NoCredentialsError", "this instance has no role")
    from urllib.parse import quote  # noqa: PLC0415 - functions are given their keys

    role = _PATH + quote(lines[0])
    response = yield Fetch(endpoint, "GET", role, headers, timeout=timeout)
    return _document(_checked(response, url + role), url + role)


def web_identity(settings: Settings) -> Source:
    """Exchange the token of a web identity (EKS service account) at STS."""
    environ = settings.environ
    role = environ["AWS_ROLE_ARN"]
    token = _read_token(environ["AWS_WEB_IDENTITY_TOKEN_FILE"], "AWS_WEB_IDENTITY_TOKEN_FILE")
    session = environ.get("AWS_ROLE_SESSION_NAME") or f"interlock-{int(time.time())}"
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": session,
        "WebIdentityToken": token,
    }
    endpoint = resolve("sts", settings)
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    from urllib.parse import urlencode  # noqa: PLC0415 - functions are given their keys

    response = yield Fetch(endpoint, "POST", "/", headers, urlencode(form).encode(), timeout=2.0)
    text = response.body.decode("utf-8", "replace")
    if response.status != _OK:
        code, detail = _element(text, "Code"), _element(text, "Message")
        if 400 <= response.status < 500 and code not in (  # noqa: PLR2004 - the caller's fault
            None,
            "IDPCommunicationError",
            "Throttling",
        ):
            raise Refused(code or "", f"AssumeRoleWithWebIdentity of {role}: {detail}")
        raise NoReply(f"STS answered {response.status} ({code}) about {role}")
    found = [_element(text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]
    access, secret, session_token = found
    if not access or not secret or not session_token:
        raise NoReply(f"the answer of STS about {role} has no credentials")
    return Credentials(access, secret, session_token, _time(_element(text, "Expiration"), "STS"))


def _document(body: bytes, url: str) -> Credentials:
    """Return the credentials in the JSON that containers and instances are given."""
    try:
        found: Any = json.loads(body)
        if not isinstance(found, dict) or found.get("Code", "Success") != "Success":
            raise NoReply(f"{url} has no credentials at present: {body[:200]!r}")
        access, secret = found["AccessKeyId"], found["SecretAccessKey"]
        token = found.get("Token") or None
        if not (isinstance(access, str) and isinstance(secret, str) and access and secret):
            raise NoReply(f"{url} answered with no key")
        if not isinstance(token, str | None):
            raise NoReply(f"{url} answered with a token that is no text")
        return Credentials(access, secret, token, _time(found.get("Expiration"), url))
    except (KeyError, ValueError, RecursionError) as error:
        raise NoReply(f"{url} answered with no credentials: {error!r}") from error


def _checked(response: Response, url: str) -> bytes:
    if response.status != _OK:
        raise NoReply(f"{url} answered {response.status}: {response.body[:200]!r}")
    return response.body


def _read_token(file: str, variable: str) -> str:
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.read().strip()
    except (OSError, UnicodeDecodeError) as error:  # a projected volume may be being renewed
        raise NoReply(f"the token of {variable} cannot be read: {error}") from error


def _split(url: str) -> tuple[Endpoint, str]:
    base, question, query = url.partition("?")
    endpoint = parse(base, "")
    path = endpoint.path or "/"
    plain = Endpoint(endpoint.scheme, endpoint.host, endpoint.port, "")
    return plain, f"{path}{question}{query}"


def _is_loopback(host: str) -> bool:
    return re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _seconds(text: str | None) -> float:
    try:
        return float(text) if text else _METADATA_TIMEOUT
    except ValueError:
        return _METADATA_TIMEOUT


def _element(xml: str, name: str) -> str | None:
    """Return the text of an element of STS's answers, which have no attributes and no escapes."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", xml)
    return found[1] if found else None


def _time(text: str | None, where: str) -> float:
    if text is None:
        return float("inf")
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise NoReply(f"{where} gave credentials until {text!r}, which is no time") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
