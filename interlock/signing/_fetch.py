"""Where a verifier's keys come from."""

import ipaddress
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from interlock._protocol.faults import NoReply
from interlock._protocol.requests import Call
from interlock.errors import InterlockError

_TIMEOUT = 2.0
_MAX_BYTES = 1024 * 1024


class KeySource:
    """The transport of a verifier: answers its FetchKeys with the JWKS."""

    skew = 0.0

    def __init__(
        self,
        keys: str | Mapping[str, Any] | Callable[[], Mapping[str, Any]],
        fetch: Callable[[str], bytes],
    ) -> None:
        if isinstance(keys, str):
            check_url(keys)
        self._keys = keys
        self._fetch = fetch

    def send(self, _call: Call, _timeout: float | None) -> Any:
        """Return the JWKS, parsed or not; a failure is a NoReply."""
        if isinstance(self._keys, Mapping):
            return self._keys
        try:
            return self._fetch(self._keys) if isinstance(self._keys, str) else self._keys()
        except (OSError, ValueError, InterlockError) as error:
            raise NoReply(str(error)) from error


def check_url(url: str) -> None:
    """Raise ValueError unless the URL is https, or http to this very machine.

    Whoever can alter the key set on its way can sign anything.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise ValueError(f"keys cannot be trusted from {url!r}; use an https URL")


def fetch_url(url: str) -> bytes:
    """Return the body of a URL: no redirects, 2 s, at most 1 MiB. Raises OSError."""
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - checked
    with _OPENER.open(request, timeout=_TIMEOUT) as response:
        body: bytes = response.read(_MAX_BYTES + 1)
    if len(body) > _MAX_BYTES:
        raise OSError(f"the key set at {url} exceeds {_MAX_BYTES} bytes")
    return body


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing: a redirect would leave the URL that was found trustworthy."""


_OPENER = urllib.request.build_opener(_NoRedirects)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
