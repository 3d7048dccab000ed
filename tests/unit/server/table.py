"""The coordination table as the service's client sees it, over the simulator's DynamoDB."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from interlock._protocol.faults import Refused
from interlock.aio.locks import Lock, LockClient
from interlock.testing._store.store import Store as Simulated
from server.leader import LEADER
from server.store import Store


class Table(Store):
    """Stands for `server.store.Store` and is its client at once.

    `down` makes every call fail; `before` is called with each operation's name and parameters.
    """

    def __init__(self, clock=lambda: 0.0):
        super().__init__("coordination", "eu-west-1")
        self._client = self
        self.store = Simulated(clock=clock)
        self.down = False
        self.before = lambda *_: None
        self.calls = []

    async def open(self):
        pass

    async def close(self):
        pass

    async def get_item(self, **params):
        return await self._perform("GetItem", params)

    async def batch_get_item(self, **params):
        return await self._perform("BatchGetItem", params)

    async def put_item(self, **params):
        return await self._perform("PutItem", params)

    async def update_item(self, **params):
        return await self._perform("UpdateItem", params)

    async def scan(self, **params):
        return await self._perform("Scan", params)

    async def transact_write_items(self, **params):
        return await self._perform("TransactWriteItems", params)

    async def _perform(self, operation, params):
        self.calls.append(operation)
        self.before(operation, params)
        if self.down:
            raise EndpointConnectionError(endpoint_url="http://table.test")
        try:
            return self.store.perform(operation, params)
        except Refused as refused:
            answer: Any = {
                "Error": {"Code": refused.code, "Message": refused.message},
                "CancellationReasons": [{"Code": reason.code} for reason in refused.reasons],
                "Item": refused.item or {},
            }
            raise ClientError(answer, operation) from refused

    def put(self, key, **attributes):
        self.store.perform(
            "PutItem", {"TableName": self.table, "Item": {"pk": {"S": key}, **attributes}}
        )

    def item(self, key):
        wanted = {"TableName": self.table, "Key": {"pk": {"S": key}}, "ConsistentRead": True}
        return self.store.perform("GetItem", wanted).get("Item", {})

    def free(self, name=LEADER):
        """Free a lock behind its holder's back, as the end of its lease would."""
        item = {k: v for k, v in self.item(f"lock#{name}").items() if k != "version"}
        if item:
            self.store.perform("PutItem", {"TableName": self.table, "Item": item})


class Grants:
    """Grants locks over a table, one after the other."""

    def __init__(self, table):
        self._table = table
        self._stack = AsyncExitStack()

    async def __call__(self, name=LEADER, *, owner="i-1") -> Lock:
        """Return a new grant of the lock; the one before it is lost."""
        self._table.free(name)
        client = LockClient(
            self._table.table, client=self._table, lease=timedelta(seconds=60), owner=owner
        )
        await self._stack.enter_async_context(client)
        return await client.acquire(name)

    async def close(self):
        await self._stack.aclose()
