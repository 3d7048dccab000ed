"""Fetch a key set: from where it can be trusted, and within a time in all."""

import http.client
import ipaddress
import socket
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from interlock.errors import InvalidValue

TIMEOUT = 2.0  # seconds, from the look-up of the host's name to the last byte
_MAX_BYTES = 1024 * 1024


def check_url(url: str) -> None:
    """Raise `InvalidValue` unless the URL is https, or http to this very machine.

    A party that can alter the key set on its way can sign anything.
    """
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise InvalidValue("keys", f"cannot be trusted from {url!r}; use an https URL")


def fetch(url: str) -> bytes:
    """Return the body of a URL: no redirects, 2 s in all, at most 1 MiB. Raises OSError."""
    fetching = _Fetch(url)
    fetching.start()
    fetching.join(TIMEOUT)
    if fetching.is_alive():
        fetching.give_up()
        raise TimeoutError(f"the key set at {url} did not come within {TIMEOUT:g} s")
    if fetching.error is not None:
        raise fetching.error
    return fetching.body


class _Fetch(threading.Thread):
    """One fetch, on a thread of its own: neither a name's look-up nor a drip has a total limit."""

    def __init__(self, url: str) -> None:
        super().__init__(name="interlock-fetch", daemon=True)
        self._url = url
        self._sockets: list[socket.socket] = []
        self.body = b""
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.body = self._read()
        except urllib.error.HTTPError as error:
            error.close()  # it has the connection
            self.error = OSError(f"{self._url} answered {error.code}")
        except OSError as error:
            self.error = error
        except (ValueError, http.client.HTTPException) as error:
            self.error = OSError(f"the key set at {self._url} is not sent as HTTP: {error!r}")

    def give_up(self) -> None:
        """Break the connection off, which ends the thread."""
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _read(self) -> bytes:
        request = urllib.request.Request(self._url, headers={"Accept": "application/json"})  # noqa: S310 - checked
        with self._opener().open(request, timeout=TIMEOUT) as response:
            body: bytes = response.read(_MAX_BYTES + 1)
        if len(body) > _MAX_BYTES:
            raise OSError(f"the key set at {self._url} exceeds {_MAX_BYTES} bytes")
        return body

    def _opener(self) -> urllib.request.OpenerDirector:
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects(), _Connecting(self._sockets)]
        if _is_loopback(urlsplit(self._url).hostname or ""):
            # A proxy's loopback is another machine's, and http is not protected from the proxy.
            handlers.append(urllib.request.ProxyHandler({}))
        return urllib.request.build_opener(*handlers)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing: a redirect would leave the URL that was found trustworthy."""


class _Connecting(urllib.request.HTTPSHandler, urllib.request.HTTPHandler):
    """Keeps the sockets that are opened, so that they can be broken off."""

    def __init__(self, opened: list[socket.socket]) -> None:
        super().__init__()
        self._opened = opened

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kept(http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._kept(http.client.HTTPSConnection), req)

    def _kept(self, kind: type[http.client.HTTPConnection]) -> Any:
        opened = self._opened

        class Kept(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                opened.append(self.sock)

        return Kept


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
