"""Signature Version 4, in which AWS wants requests signed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

Path and query are signed as they are sent. What would be sent in another spelling than the one
signed, or could be read in two ways, is refused here: the service would only answer with 403.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Protocol

from interlock.errors import InvalidValue

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_PAYLOAD_HASH = "x-amz-content-sha256"
# Set here, so that what a request carries from an earlier signature is not signed again.
_OURS = frozenset({"authorization", "x-amz-date", "x-amz-security-token"})
# What is changed on the way, by the connection or by a load balancer.
_CHANGING = frozenset(
    {"connection", "content-length", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"}
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Compiled when they are used: the library's own calls are signed without.
_SENDABLE_URL = r"[!-~]*"
_BROKEN_ESCAPE = r"%(?![0-9A-Fa-f]{2})"
_SENDABLE_HEADER = r"[\t -~]*"


class Credentials(Protocol):
    """An access key, as botocore's frozen credentials have it."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


def signature_headers(
    method: str,
    url: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    credentials: Credentials,
    service: str,
    region: str,
    now: float,
) -> dict[str, str]:
    """Return the headers that sign a request, to be sent beside (and instead of) its own.

    All `headers` are signed but those that are changed on the way; the host is the URL's if none
    is among them. `now` is in seconds since the epoch. Raises InvalidValue for what the service
    would not find signed.
    """
    host, path, query = _parts(url)
    timestamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    added = {"X-Amz-Date": timestamp}
    if credentials.token:
        added["X-Amz-Security-Token"] = credentials.token
    own = [pair for pair in headers if pair[0].lower() not in _OURS | _CHANGING]
    signed = canonical_headers([*own, *added.items()])
    signed.setdefault("host", host)
    canonical = canonical_request(method, path, query, signed, _payload_hash(signed, body))
    added["Authorization"] = authorization(
        canonical,
        signed,
        credentials=credentials,
        service=service,
        region=region,
        timestamp=timestamp,
    )
    return added


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], payload_hash: str
) -> str:
    """Return the text that is hashed: path and query as they are sent, headers canonical."""
    lines = [method, canonical_path(path), canonical_query(query)]
    lines += [f"{name}:{headers[name]}" for name in sorted(headers)]
    return "\n".join([*lines, "", ";".join(sorted(headers)), payload_hash])


def authorization(
    canonical: str,
    headers: Mapping[str, str],
    *,
    credentials: Credentials,
    service: str,
    region: str,
    timestamp: str,
) -> str:
    """Return the Authorization header of a canonical request; `timestamp` is YYYYMMDDTHHMMSSZ."""
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = signing_key(credentials.secret_key, timestamp[:8], region, service)
    text = f"{ALGORITHM}\n{timestamp}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(sorted(headers))}, Signature={signature}"
    )


@lru_cache(maxsize=16)  # one a day, region and service
def signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """Return the key of a day (YYYYMMDD), which is no use in another region or service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_path(path: str) -> str:
    """Return a path, as it is sent, without dot segments and encoded once more (as not for S3)."""
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part not in {"", "."}:
            kept.append(part)
    if not kept:
        return "/"
    from urllib.parse import quote  # noqa: PLC0415 - most calls have no path

    end = "/" if parts[-1] in {"", ".", ".."} else ""
    return quote("/" + "/".join(kept) + end)


def canonical_query(query: str) -> str:
    """Return a query, as it is sent, with each name and value in its one spelling, in order.

    A `+` is a space there, as forms write it.
    """
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((_one_spelling(name), _one_spelling(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def canonical_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by lower-case name: trimmed, inner spaces single, several lines as one."""
    lines: dict[str, list[str]] = {}
    for name, value in headers:
        if not re.fullmatch(_SENDABLE_HEADER, value):
            raise InvalidValue(f"headers[{name!r}]", "is not printable ASCII, as SigV4 needs it")
        lines.setdefault(name.lower(), []).append(" ".join(value.split()))
    return {name: ",".join(values) for name, values in lines.items()}


def _parts(url: str) -> tuple[str, str, str]:
    """Return host (as the Host header has it), path and query of a URL."""
    if not re.fullmatch(_SENDABLE_URL, url):
        raise InvalidValue("url", "holds what is not printable ASCII; percent-encode it")
    if re.search(_BROKEN_ESCAPE, url):
        raise InvalidValue("url", "holds a % that begins no escape; write it as %25")
    from urllib.parse import urlsplit  # noqa: PLC0415 - the library's own calls need none

    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise InvalidValue("url", str(error)) from error
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise InvalidValue("url", "is not an http(s) URL with a host")
    host = f"[{host}]" if ":" in host else host
    if port not in {None, _DEFAULT_PORTS[parts.scheme]}:
        host = f"{host}:{port}"
    return host, parts.path, parts.query


def _payload_hash(headers: Mapping[str, str], body: bytes) -> str:
    digest = hashlib.sha256(body).hexdigest()
    given = headers.get(_PAYLOAD_HASH, digest)
    if given not in {digest, UNSIGNED_PAYLOAD}:
        raise InvalidValue(f"headers[{_PAYLOAD_HASH!r}]", "is not the SHA-256 of the body")
    return given


def _one_spelling(text: str) -> str:
    from urllib.parse import quote, unquote_to_bytes  # noqa: PLC0415 - most calls have no query

    return quote(unquote_to_bytes(text.replace("+", " ")), safe="")
