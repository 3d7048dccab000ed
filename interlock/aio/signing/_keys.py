"""Sources of a verifier's keys."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from interlock._drivers.awaitable.fetching import called
from interlock._drivers.fetching import check_url
from interlock._drivers.load import AT_ONCE
from interlock._drivers.service_clock import ServiceClock
from interlock._drivers.unshared import Unshared
from interlock._protocol.faults import NoReply
from interlock._protocol.kinds import checked_function
from interlock._protocol.requests import Call

KeySet: TypeAlias = Mapping[str, Any]


class KeySource(Unshared):
    """The transport of a verifier: answers its FetchKeys with the JWKS."""

    at_once = AT_ONCE

    def __init__(
        self,
        keys: str | KeySet | Callable[[], Awaitable[KeySet]],
        fetch: Callable[[str], Awaitable[bytes]],
    ) -> None:
        if isinstance(keys, str):
            check_url(keys)
        elif not isinstance(keys, Mapping):
            checked_function("keys", keys, "the JWKS, its URL, or a function that returns it")
        checked_function("fetch", fetch, "a function that takes a URL and returns its body")
        self.clock = ServiceClock()
        self._keys = keys
        self._fetch = fetch

    async def send(self, _call: Call, _timeout: float | None) -> Any:
        """Return the JWKS, parsed or not; whatever its source raises is a NoReply."""
        if isinstance(self._keys, Mapping):
            return self._keys
        try:
            if isinstance(self._keys, str):
                return await called(self._fetch, self._keys)
            return await called(self._keys)
        except Exception as error:
            raise NoReply(str(error) or repr(error)) from error
