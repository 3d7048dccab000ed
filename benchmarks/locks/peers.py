"""The same lock by this library, by its peers, and by two raw calls: one shape, calls counted."""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import boto3
from dynalock import DynaLock, LockAlreadyAcquiredError
from dynamo_dlm import DynamoDbLock, LockNotAcquiredError
from python_dynamodb_lock.python_dynamodb_lock import DynamoDBLockClient

from benchmarks.floor import Floor, Named, noted
from interlock import LockClient, client_config
from interlock._drivers.blocking.opening import open_driver
from interlock._protocol.requests import Call

TABLE, PYTHON_DYNAMODB_LOCK, DLM, DYNALOCK = (
    "bench-locks",
    "bench-python-dynamodb-lock",
    "bench-dynamo-dlm",
    "bench-dynalock",
)
LEASE, BEAT = timedelta(seconds=20), timedelta(seconds=5)


class Peer:
    """Takes and gives back one lock at a time. `calls` counts what it sent, also by its units."""

    def __init__(self, client: Any) -> None:
        self.calls, self.read_units, self.write_units = 0, 0.0, 0.0
        events = client.meta.events
        events.register("before-send.dynamodb", self._count)
        events.register("provide-client-params.dynamodb", self._weigh)

    def _count(self, **_: Any) -> None:
        self.calls += 1

    def _weigh(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        self._spend(model.name, params)

    def _spend(self, operation: str, params: Mapping[str, Any]) -> None:
        """Add the units of a call on an item of up to 1 KB, which a refused write costs as well."""
        if operation == "GetItem":
            self.read_units += 1.0 if params.get("ConsistentRead") else 0.5
        else:
            self.write_units += 1.0

    def acquire(self, name: str) -> None:
        """Take a lock, waiting for it."""
        raise NotImplementedError

    def release(self) -> None:
        """Give it back."""
        raise NotImplementedError

    def close(self) -> None:
        """End what runs in the background."""


class Raw(Peer):
    """Two plain UpdateItem calls: what a lock costs at least. It waits for no holder."""

    def __init__(self, url: str, _poll: timedelta) -> None:
        self.client = dynamodb(url)
        super().__init__(self.client)
        self.key: dict[str, Any] = {}

    def acquire(self, name: str) -> None:
        """Set one attribute."""
        self.key = {"pk": {"S": f"raw#{name}"}}
        self.client.update_item(
            TableName=TABLE,
            Key=self.key,
            UpdateExpression="SET version = :v",
            ExpressionAttributeValues={":v": {"S": "v"}},
        )

    def release(self) -> None:
        """Remove it."""
        self.client.update_item(TableName=TABLE, Key=self.key, UpdateExpression="REMOVE version")


class ByHand(Raw):
    """The least that is a lock with a fence, by hand: no lease, no owner, nothing to collect."""

    def acquire(self, name: str) -> None:
        """Take a lock, if it is free."""
        self.key = {"pk": {"S": f"by-hand#{name}"}}
        self.version = str(uuid.uuid4())
        self.client.update_item(
            TableName=TABLE,
            Key=self.key,
            UpdateExpression="SET version = :v, fence = if_not_exists(fence, :zero) + :one",
            ConditionExpression="attribute_not_exists(version)",
            ExpressionAttributeValues={
                ":v": {"S": self.version},
                ":zero": {"N": "0"},
                ":one": {"N": "1"},
            },
            ReturnValues="UPDATED_NEW",
        )

    def release(self) -> None:
        """Give it back."""
        self.client.update_item(
            TableName=TABLE,
            Key=self.key,
            UpdateExpression="REMOVE version",
            ConditionExpression="version = :v",
            ExpressionAttributeValues={":v": {"S": self.version}},
        )


class SameCalls(Raw):
    """The two calls that this library makes, sent without it: what is left is its own time."""

    def __init__(self, url: str, poll: timedelta) -> None:
        super().__init__(url, poll)
        self.seen: list[dict[str, Any]] = []
        with LockClient(TABLE, client=SimpleNamespace(update_item=self._note)) as locks:
            locks.acquire("same").release()
        self.grant, self.give_back = self.seen

    def _note(self, **params: Any) -> Any:
        self.seen.append(params)
        return self.client.update_item(**params)

    def acquire(self, name: str) -> None:
        """Take a lock."""
        self.key = {"pk": {"S": f"lock#same/{name}"}}
        self.version = {"S": str(uuid.uuid4())}
        self._send(self.grant, ":version")

    def release(self) -> None:
        """Give it back."""
        self._send(self.give_back, ":v0")

    def _send(self, call: dict[str, Any], place: str) -> None:
        values = {**call["ExpressionAttributeValues"], place: self.version}
        self.client.update_item(**{**call, "Key": self.key, "ExpressionAttributeValues": values})


class Bytes(Peer):
    """The bytes of an acquire and of a release, sent as they are: what no client can go below."""

    def __init__(self, url: str, calls: Iterable[Named]) -> None:
        self.calls, self.read_units, self.write_units = 0, 0.0, 0.0
        self._floor = Floor(url, calls)

    def acquire(self, _name: str) -> None:
        """Send what takes a lock."""
        self._floor.send()

    def release(self) -> None:
        """Send what gives it back."""
        self._floor.send()

    def close(self) -> None:
        """Close the connection."""
        self._floor.close()


def raw_bytes(url: str, _poll: timedelta) -> Bytes:
    """Return the bytes of two plain UpdateItem calls."""
    params = {"TableName": TABLE, "Key": {"pk": {"S": "raw#bytes"}}}
    values = {":v": {"S": "v"}}
    change = {"UpdateExpression": "SET version = :v", "ExpressionAttributeValues": values}
    remove = {"UpdateExpression": "REMOVE version"}
    return Bytes(url, [("UpdateItem", params | one) for one in (change, remove)])


def same_bytes(url: str, _poll: timedelta) -> Bytes:
    """Return the bytes of the two calls that this library makes."""
    with noted() as (driver, calls), LockClient(TABLE, client=driver) as locks:
        locks.acquire("bytes").release()
    return Bytes(url, calls)


class Interlock(Peer):
    """This library, as it comes. Takes its endpoint from AWS_ENDPOINT_URL."""

    def __init__(self, _url: str, poll: timedelta) -> None:
        self.calls, self.read_units, self.write_units = 0, 0.0, 0.0
        driver = open_driver(None)  # what the client would open itself
        self._send = driver.transport.send
        driver.transport.send = self._counted  # type: ignore[method-assign]
        self.locks = LockClient(TABLE, client=driver, lease=LEASE, heartbeat=BEAT, poll=poll)

    def _counted(self, call: Call, timeout: float | None) -> Any:
        self.calls += 1
        self._spend(call.operation, call.params)
        return self._send(call, timeout)

    def acquire(self, name: str) -> None:
        """Take a lock."""
        self.lock = self.locks.acquire(name)

    def release(self) -> None:
        """Give it back."""
        self.lock.release()

    def close(self) -> None:
        """End the heartbeat."""
        self.locks.close()


class OnBoto3(Interlock):
    """This library, over a client of boto3 that is passed in."""

    def __init__(self, url: str, poll: timedelta) -> None:
        self.client = dynamodb(url)
        Peer.__init__(self, self.client)
        self.locks = LockClient(TABLE, client=self.client, lease=LEASE, heartbeat=BEAT, poll=poll)


class PythonDynamodbLock(Peer):
    """python-dynamodb-lock: looks before it puts, and deletes the item in the end."""

    def __init__(self, url: str, poll: timedelta) -> None:
        resource = boto3.resource("dynamodb", endpoint_url=url, config=client_config())
        super().__init__(resource.meta.client)
        self.poll = poll
        self.locks = DynamoDBLockClient(
            resource,
            table_name=PYTHON_DYNAMODB_LOCK,
            lease_duration=LEASE,
            heartbeat_period=BEAT,
        )

    def acquire(self, name: str) -> None:
        """Take a lock."""
        self.lock = self.locks.acquire_lock(
            name, retry_period=self.poll, retry_timeout=timedelta(minutes=5)
        )

    def release(self) -> None:
        """Give it back."""
        self.lock.release(best_effort=False)


class Dlm(Peer):
    """dynamo-dlm, asked again at the poll period. Takes its endpoint from AWS_ENDPOINT_URL."""

    def __init__(self, _url: str, poll: timedelta) -> None:
        self.poll = poll.total_seconds()
        self.lock = DynamoDbLock("", table_name=DLM, duration=60, wait_forever=False)
        super().__init__(self.lock._dynamo_db.meta.client)  # noqa: SLF001 - it gives it to no one

    def acquire(self, name: str) -> None:
        """Take a lock."""
        self.lock._resource_id = name  # noqa: SLF001 - a new object is a new client: 10 ms
        while True:
            try:
                self.lock.acquire()
            except LockNotAcquiredError:
                self.lock._release_code = None  # noqa: SLF001 - it refuses a second try otherwise
                time.sleep(self.poll)
            else:
                return

    def release(self) -> None:
        """Give it back."""
        self.lock.release()


class DlmSpinning(Dlm):
    """dynamo-dlm as it comes: it waits without a pause."""

    def __init__(self, url: str, poll: timedelta) -> None:
        super().__init__(url, poll)
        self.lock._wait_forever = True  # noqa: SLF001 - as its constructor does by default


class Dynalock(Peer):
    """dynalock, which never waits, asked again at the poll period."""

    def __init__(self, url: str, poll: timedelta) -> None:
        self.poll = poll.total_seconds()
        self.lock = DynaLock("-", region_name="us-east-1", table_name=DYNALOCK)
        super().__init__(self.lock.dynamodb.meta.client)
        self.url = url

    def acquire(self, name: str) -> None:
        """Take a lock."""
        self.lock.lock_id = name
        while True:
            self.held = self.lock.lock()
            try:
                self.held.__enter__()
            except LockAlreadyAcquiredError:
                time.sleep(self.poll)
            else:
                return

    def release(self) -> None:
        """Give it back."""
        self.held.__exit__(None, None, None)


ALONE = (
    "two raw UpdateItem",
    "the least lock by hand",
    "interlock's two calls by boto3",
    "the raw calls as bytes",
    "interlock's two calls as bytes",
)
"""The peers that wait for no holder."""
ON_BOTO3 = "interlock, a boto3 client passed"
SPINNING = "dynamo-dlm, as it comes"
PEERS: dict[str, Callable[[str, timedelta], Peer]] = {
    "two raw UpdateItem": Raw,
    "the least lock by hand": ByHand,
    "interlock's two calls by boto3": SameCalls,
    "the raw calls as bytes": raw_bytes,
    "interlock's two calls as bytes": same_bytes,
    "interlock": Interlock,
    ON_BOTO3: OnBoto3,
    "python-dynamodb-lock": PythonDynamodbLock,
    "dynamo-dlm": Dlm,
    SPINNING: DlmSpinning,
    "dynalock": Dynalock,
}


def dynamodb(url: str) -> Any:
    """Make a client as the library makes its own."""
    return boto3.client("dynamodb", endpoint_url=url, config=client_config())


def prepare(client: Any) -> None:
    """Make the tables, new."""
    names = client.list_tables()["TableNames"]
    for table, keys in (
        (TABLE, {"pk": "S"}),
        (PYTHON_DYNAMODB_LOCK, {"lock_key": "S", "sort_key": "S"}),
        (DLM, {"resource_id": "S", "concurrency_id": "N"}),
        (DYNALOCK, {"LockId": "S"}),
    ):
        if table in names:
            client.delete_table(TableName=table)
        client.create_table(
            TableName=table,
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()
            ],
            BillingMode="PAY_PER_REQUEST",
        )
