import asyncio

import pytest
from botocore.exceptions import EndpointConnectionError

from server.leading import LOCK, Leading


class Table:
    """One lock record; `down` makes every call fail."""

    table = "coordination"

    def __init__(self):
        self.record = {}
        self.down = False

    def client(self):
        return self

    async def get(self, _):
        return {LOCK: self.record} if self.record else {}

    async def update_item(self, **call):
        if self.down:
            raise EndpointConnectionError(endpoint_url="http://table.test")
        if call["UpdateExpression"].startswith("REMOVE"):
            self.record = {"fence": self.record["fence"]}
        else:
            fence = self.record.get("fence", {"N": "7"})
            self.record = {"fence": fence, "version": call["ExpressionAttributeValues"][":version"]}
        return {"Attributes": self.record}


async def leading_over(table):
    granted = asyncio.Event()

    async def duty(_):
        granted.set()
        await asyncio.Event().wait()

    leading = Leading(table, "i-1", 2.0, duty)
    task = asyncio.create_task(leading.run())
    await asyncio.wait_for(granted.wait(), 5)
    return leading, task


async def test_a_leader_that_stops_gives_the_lock_back_and_keeps_the_fence():
    table = Table()
    leading, task = await leading_over(table)
    assert leading.term.fence == 7
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert table.record == {"fence": {"N": "7"}}
    assert leading.term is None


async def test_a_leader_stops_although_the_table_is_gone():
    table = Table()
    _, task = await leading_over(table)
    table.down = True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
