"""The coordination table as the service's client sees it, over the simulator's DynamoDB."""

from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from interlock._protocol.faults import Refused
from tests.simulation.store import Store


class Table:
    """Stands for `server.store.Store` and for its client at once.

    `down` makes every call fail; `before` is called with each operation's name and parameters.
    """

    table = "coordination"
    is_open = True

    def __init__(self, clock=lambda: 0.0):
        self.store = Store(clock=clock)
        self.down = False
        self.before = lambda *_: None
        self.calls = []

    async def open(self):
        pass

    async def close(self):
        pass

    def client(self):
        return self

    async def get(self, keys):
        keys = [{"pk": {"S": key}} for key in dict.fromkeys(keys)]
        if not keys:
            return {}
        wanted = {self.table: {"Keys": keys, "ConsistentRead": True}}
        reply = await self._perform("BatchGetItem", {"RequestItems": wanted})
        return {item["pk"]["S"]: item for item in reply["Responses"].get(self.table, [])}

    async def put_item(self, **params):
        return await self._perform("PutItem", params)

    async def update_item(self, **params):
        return await self._perform("UpdateItem", params)

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
