"""SigV4 for HTTP clients that are not boto3."""

from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError


class SigV4:
    """Signs requests with a session's credentials. Make one with `sigv4`."""

    def __init__(self, session: Any, service: str, region: str) -> None:
        self._session = session
        self._service = service
        self._region = region

    def __call__(self, request: Any) -> Any:
        """Add the signature's headers to a request of httpx or requests, and return it.

        Raises botocore's NoCredentialsError, and TypeError for a body that is streamed.
        """
        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        # Only what proxies leave alone is signed, and what decides the meaning of the request.
        kept = {k: v for k, v in request.headers.items() if k.lower() in ("host", "content-type")}
        signed = AWSRequest(
            method=request.method,
            url=_one_spelling(str(request.url)),
            data=_body(request),
            headers=kept,
        )
        # Frozen: a refresh in between would mix two sets of credentials.
        SigV4Auth(credentials.get_frozen_credentials(), self._service, self._region).add_auth(
            signed
        )
        for name in ("Authorization", "X-Amz-Date", "X-Amz-Security-Token"):
            if name in signed.headers:
                request.headers[name] = signed.headers[name]
        return request


def sigv4(session: Any, *, service: str = "execute-api", region: str | None = None) -> SigV4:
    """Return SigV4 authentication for `httpx` and `requests`: `auth=sigv4(boto3.Session())`.

    `session` is a boto3 or botocore session; its credentials are asked for at each request, so
    they may expire and be refreshed. `region` is the session's by default. Raises ValueError if
    there is none.
    """
    region = region or getattr(session, "region_name", None)
    if region is None and hasattr(session, "get_config_variable"):
        region = session.get_config_variable("region")
    if region is None:
        raise ValueError("a SigV4 signature names a region; pass region= or set AWS_REGION")
    return SigV4(session, service, region)


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


def _one_spelling(url: str) -> str:
    # Form encoding writes a space as "+"; the signature's canonical query knows "%20" only.
    path, mark, query = url.partition("?")
    return path + mark + query.replace("+", "%20")
