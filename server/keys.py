"""Public keys that others publish, fetched when they are first needed and kept.

A key that is published under its id never changes, so it is kept for good; a set of keys is read
again for an id that is not in it, but not more often than once in `AGAIN` seconds.
"""

import asyncio
import json
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from server.connections import Connections
from server.sender import Answer, Broken, Sender, TooLong, Unreachable

AGAIN = 30.0
"""Seconds between two questions for what was not found: an attacker must not make us ask."""

_MOST = 32
_LARGEST = 64 * 1024
_LEAST_BITS = 2048
_PATIENCE = 3.0
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class KeysUnavailable(Exception):
    """The publisher of the keys cannot be reached, or gives something else than keys."""


class KeyUnknown(Exception):
    """There is no published key of this id."""


class PublishedKeys:
    """The keys at `<url>/<id>`, as PEM, of AWS's load balancers; or those of a set at `url`.

    A URL that ends with ".json" is that of a set (RFC 7517).
    """

    def __init__(
        self,
        url: str,
        *,
        connections: Sender | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url.rstrip("/")
        self._clock = clock
        self._connections = connections or Connections()
        self._lock = asyncio.Lock()
        self._keys: OrderedDict[str, Any] = OrderedDict()
        self._missed: OrderedDict[str, float] = OrderedDict()

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def get(self, key_id: object) -> Any:
        """Return the key of this id. Raises `KeyUnknown` and `KeysUnavailable`."""
        if not isinstance(key_id, str) or not _KEY_ID.fullmatch(key_id):
            raise KeyUnknown("the id of its key is malformed")  # and never part of a URL
        if key_id in self._keys:
            return self._keys[key_id]
        async with self._lock:
            # All that wait for the same key share the answer.
            if key_id not in self._keys:
                await self._look(key_id)
            return self._keys[key_id]

    async def _look(self, key_id: str) -> None:
        is_set = self._url.endswith(".json")
        question = self._url if is_set else f"{self._url}/{key_id}"
        if self._clock() < self._missed.get(question, float("-inf")):
            raise KeyUnknown("its key is not among those that are published")
        found = await (self._read_set() if is_set else self._read_one(question, key_id))
        for name, key in found.items():
            _remember(self._keys, name, key)
        if key_id not in found:
            _remember(self._missed, question, self._clock() + AGAIN)
            raise KeyUnknown("its key is not among those that are published")

    async def _read_one(self, url: str, key_id: str) -> dict[str, Any]:
        from cryptography.hazmat.primitives.serialization import (
            load_pem_public_key,
        )

        answer = await self._ask(url)
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
            return {}  # S3, which is behind AWS's address, hides what is not there
        try:
            return {key_id: load_pem_public_key(_content(url, answer))}
        except ValueError as error:
            raise KeysUnavailable(str(error)) from error

    async def _read_set(self) -> dict[str, Any]:
        from jwt import PyJWKSet
        from jwt.exceptions import PyJWTError

        answer = await self._ask(self._url)
        try:
            keys = PyJWKSet.from_dict(json.loads(_content(self._url, answer))).keys
        except (PyJWTError, ValueError, AttributeError, RecursionError) as error:
            raise KeysUnavailable(str(error)) from error
        # Tokens of a set's keys are RS256 (RFC 7518, 3.3). One that is odd takes no other along.
        return {
            key.key_id: key.key
            for key in keys
            if key.key_type == "RSA"
            and isinstance(key.key_id, str)
            and key.key.key_size >= _LEAST_BITS
        }

    async def _ask(self, url: str) -> Answer:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._connections.send("GET", url, headers={}, body=b"", most=_LARGEST)
        except TooLong as error:
            raise KeysUnavailable(f"{url} gives over {_LARGEST} bytes") from error
        except (Unreachable, Broken, TimeoutError) as error:
            raise KeysUnavailable(f"{type(error).__name__} at {url}") from error


def _content(url: str, answer: Answer) -> bytes:
    if answer.status != HTTPStatus.OK:
        raise KeysUnavailable(f"{url} answers {answer.status}")
    return answer.body


def _remember(kept: OrderedDict[str, Any], name: str, value: Any) -> None:
    kept[name] = value
    kept.move_to_end(name)
    while len(kept) > _MOST:
        kept.popitem(last=False)
