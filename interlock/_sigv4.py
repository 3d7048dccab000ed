"""SigV4 for HTTP clients that are not boto3."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from interlock._exports import public_in
from interlock._protocol.kinds import checked_bytes, checked_object, checked_text
from interlock._protocol.sigv4 import signature_headers
from interlock.errors import InvalidValue

_MEANING = frozenset({"content-type", "host", "x-api-key"})


@public_in("interlock.signing")
class SigV4:
    """Signs requests with a session's credentials. Make one with `sigv4`."""

    def __init__(
        self,
        session: Any,
        service: str,
        region: str,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        wanted = "a session of boto3 or botocore: boto3.Session()"
        self._session = checked_object("session", session, ("get_credentials",), wanted)
        self._service = service
        self._region = region
        self._wall_clock = wall_clock

    def __call__(self, request: Any) -> Any:
        """Add the signature's headers to a request of httpx or requests, and return it.

        Signed are its host, content type, API key and each `x-amz-*` header: what decides what it
        means, and nothing that the client or a proxy adds. Raises what `sign` raises, and TypeError
        for a body that is streamed.
        """
        added = self.sign(
            request.method, str(request.url), headers=_headers(request), body=_body(request)
        )
        request.headers.pop("X-Amz-Security-Token", None)
        for name, value in added.items():
            request.headers[name] = value
        return request

    def sign(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> dict[str, str]:
        """Return the headers that sign a request, to be added to those that it has.

        `url` is signed as it is to be sent: percent-encoded. All `headers` are signed but those
        that are changed on the way (User-Agent, say); Host is the URL's if it is not among them.
        Raises InvalidValue for what the service would not find signed (other characters than ASCII,
        say), and botocore's NoCredentialsError.
        """
        checked_text("method", method)
        checked_text("url", url)
        checked_bytes("body", body)
        credentials = self._session.get_credentials()
        # Frozen: a refresh in between would mix two sets of credentials.
        frozen = credentials.get_frozen_credentials() if credentials else None
        if frozen is None or not frozen.access_key:
            from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - only if it is so

            raise NoCredentialsError
        return signature_headers(
            method,
            url,
            headers.items() if isinstance(headers, Mapping) else headers,
            body,
            credentials=frozen,
            service=self._service,
            region=self._region,
            now=self._wall_clock(),
        )


@public_in("interlock.signing")
def sigv4(
    session: Any,
    *,
    service: str = "execute-api",
    region: str | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> SigV4:
    """Return SigV4 authentication for `httpx` and `requests`: `auth=sigv4(boto3.Session())`.

    `session` is a boto3 or botocore session; its credentials are asked for at each request, so
    they may expire and be refreshed. `region` is the session's by default, else that of
    `AWS_REGION`. Raises InvalidValue if there is none.
    """
    region = region or getattr(session, "region_name", None)
    if region is None and hasattr(session, "get_config_variable"):
        region = session.get_config_variable("region")
    region = region or os.environ.get("AWS_REGION") or None  # which botocore does not look at
    if region is None:
        raise InvalidValue("region", "is missing; pass region= or set AWS_REGION")
    return SigV4(session, service, region, wall_clock=wall_clock)


def _headers(request: Any) -> Iterable[tuple[str, str]]:
    # httpx joins several lines of a header by ", " in items(), and sends them apart.
    pairs = getattr(request.headers, "multi_items", request.headers.items)()
    texts = ((_text(name), _text(value)) for name, value in pairs)
    return [
        (name, value)
        for name, value in texts
        if name.lower() in _MEANING or name.lower().startswith("x-amz-")
    ]


def _text(part: str | bytes) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else part


def _body(request: Any) -> bytes:
    # httpx has `content`, requests has `body`; both only hold what has been read into memory.
    body = request.body if hasattr(request, "body") else request.content
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if not isinstance(body, bytes):
        raise TypeError(f"a body of type {type(body).__name__} cannot be signed; send bytes")
    return body
