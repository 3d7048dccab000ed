"""Obtain a key set on the caller's thread."""

from collections.abc import Callable
from typing import Any

from interlock._drivers.fetching import fetch


def fetch_url(url: str) -> bytes:
    """Return the body of a URL: no redirects, 2 s in all, at most 1 MiB. Raises OSError."""
    return fetch(url)


def called(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function of the application's returns."""
    return function(*args)
