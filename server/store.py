"""The coordination table, through an aiobotocore client that is made when it is first needed."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any

_BATCH = 100


class Store:
    """Reads and writes of the service's own records. Call `open` before anything else."""

    def __init__(self, table: str, region: str) -> None:
        self.table = table
        self._region = region
        self._stack = AsyncExitStack()
        self._client: Any = None

    @property
    def is_open(self) -> bool:
        """Whether there is a client."""
        return self._client is not None

    async def open(self) -> None:
        """Make the client."""
        # Imported here: it costs more than all the rest of the service's start.
        from aiobotocore.config import AioConfig  # type: ignore[import-untyped]
        from aiobotocore.session import get_session  # type: ignore[import-untyped]

        from interlock import client_config

        self._client = await self._stack.enter_async_context(
            get_session().create_client(
                "dynamodb",
                region_name=self._region,
                config=AioConfig().merge(client_config()),
            )
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._stack.aclose()

    def client(self) -> Any:
        """Return the client."""
        return self._client

    async def get(self, keys: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return those of the records that exist, by key, read consistently."""
        found: dict[str, Mapping[str, Any]] = {}
        wanted = [{"pk": {"S": key}} for key in dict.fromkeys(keys)]
        while wanted:
            batch, wanted = wanted[:_BATCH], wanted[_BATCH:]
            reply = await self._client.batch_get_item(
                RequestItems={self.table: {"Keys": batch, "ConsistentRead": True}}
            )
            found |= {item["pk"]["S"]: item for item in reply["Responses"].get(self.table, [])}
            wanted += reply.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
        return found


def text_of(item: Mapping[str, Any], name: str, default: str) -> str:
    """Return a string or number attribute as its text."""
    attribute: Mapping[str, Any] = item.get(name, {})
    return str(attribute.get("N") or attribute.get("S") or default)
