"""Signed requests to the HTTP API, by the standard library: the SDK takes longer to import."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    build_opener,
)

import click

from interlock.cli._group import MISUSE, REFUSED, UNAVAILABLE, fail
from interlock.signing import sigv4

TIMEOUT = 30  # seconds; API Gateway itself gives up after 29
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ERROR = 400


class Connection:
    """The API at a URL. Nothing of it is needed, or checked, before the first call."""

    def __init__(self, url: str | None, key: str | None) -> None:
        self._url = url
        self._key = key

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send a request and return the answer's JSON; end the program on a problem."""
        url = self._base() + path
        data = b"" if body is None else json.dumps(body).encode()
        sent = {"Accept": "application/json", **(headers or {})}
        if self._key:
            sent["x-api-key"] = self._key
        if body is not None:
            sent["Content-Type"] = "application/json"
        signed = {**sent, **_signature(method, url, sent, data)}
        status, text = _send(Request(url, data or None, signed, method=method))  # noqa: S310 - `_base` has checked it
        try:
            content: dict[str, Any] = json.loads(text or b"{}")
        except ValueError:
            fail(f"{self._url} answered {status}, and not in JSON", UNAVAILABLE)
        if status >= _ERROR:
            detail = content.get("detail") or content.get("message") or "no reason given"
            fail(f"{detail} ({status})", REFUSED, content)
        return content

    def _base(self) -> str:
        if self._url is None:
            raise click.UsageError(
                "give --url or set INTERLOCK_API_URL (the stack's output ApiUrl)"
            )
        if not self._url.startswith(("https://", "http://")):
            raise click.UsageError(f"--url {self._url!r} is not an http(s) URL")
        return self._url.rstrip("/")


def path_of(name: str) -> str:
    """Return the path of a counter."""
    return f"/counters/{quote(name, safe='')}"


@dataclass(frozen=True, slots=True)
class _Environment:
    """The credentials of the environment's variables, as a session that `sigv4` takes."""

    access_key: str
    secret_key: str
    token: str | None
    region_name: str

    def get_credentials(self) -> "_Environment":
        return self

    def get_frozen_credentials(self) -> "_Environment":
        return self


def _signature(method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    try:
        return sigv4(_session()).sign(method, url, headers=headers, body=body)
    except ValueError as error:
        if "region" not in str(error):
            fail(str(error), MISUSE)
        fail("no region; set AWS_REGION to the API's", MISUSE)
    except Exception as error:  # noqa: BLE001 - botocore's, of profiles, processes and endpoints
        if type(error).__name__ == "NoCredentialsError":
            fail("no AWS credentials; run `aws configure` or set AWS_PROFILE", MISUSE)
        fail(f"no AWS credentials: {error}", MISUSE)


def _session() -> Any:
    """Return the environment's credentials, or a session that looks wherever the AWS CLI does."""
    given = os.environ
    key, secret = given.get("AWS_ACCESS_KEY_ID"), given.get("AWS_SECRET_ACCESS_KEY")
    region = given.get("AWS_REGION") or given.get("AWS_DEFAULT_REGION")
    if key and secret and region and not given.get("AWS_PROFILE"):
        return _Environment(key, secret, given.get("AWS_SESSION_TOKEN"), region)
    from botocore.session import Session  # a quarter of a second

    session = Session()
    if given.get("AWS_REGION"):  # which botocore does not read
        session.set_config_variable("region", given["AWS_REGION"])
    return session


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow nothing: a signature is of one URL."""


def _send(request: Request) -> tuple[int, bytes]:
    try:
        with _opener(request.full_url).open(request, timeout=TIMEOUT) as answer:
            return answer.status, answer.read()
    except HTTPError as answer:
        with answer:
            return answer.code, answer.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        parts = urlsplit(request.full_url)
        fail(f"cannot reach {parts.scheme}://{parts.netloc}: {reason}", UNAVAILABLE)


def _opener(url: str) -> OpenerDirector:
    handlers: list[Any] = [_NoRedirect]
    if urlsplit(url).hostname in _LOOPBACK:
        handlers.append(ProxyHandler({}))  # never through a proxy
    return build_opener(*handlers)
