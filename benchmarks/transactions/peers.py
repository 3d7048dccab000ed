"""The same work, by hand, by this library and by its peers."""

import uuid
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from interlock.transactions import Transaction, TransactionClient, TransactionReport

TABLE, RECORDS, POWERTOOLS = "bench-accounts", "bench-coordination", "bench-powertools"


class Raw:
    """The calls a careful author would make by hand, without any retry."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def _get(self, key: str) -> Any:
        reply = self.client.get_item(TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True)
        return reply["Item"]["n"]["N"]

    @staticmethod
    def _change(key: str, read: str, by: int) -> dict[str, Any]:
        return {
            "TableName": TABLE,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "SET n = :new",
            "ConditionExpression": "n = :old",
            "ExpressionAttributeValues": {":old": {"N": read}, ":new": {"N": str(int(read) + by)}},
        }

    def transfer(self, source: str, target: str) -> None:
        """Move one from source to target."""
        have, gets = self._get(source), self._get(target)
        self.client.transact_write_items(
            TransactItems=[
                {"Update": self._change(source, have, -1)},
                {"Update": self._change(target, gets, 1)},
            ],
            ClientRequestToken=str(uuid.uuid4()),
        )

    def transfer_once(self, key: str) -> None:
        """Move one between two accounts, and record the key."""
        have, gets = self._get("0"), self._get("1")
        self.client.transact_write_items(
            TransactItems=[
                {"Update": self._change("0", have, -1)},
                {"Update": self._change("1", gets, 1)},
                self._record(key),
            ],
            ClientRequestToken=str(uuid.uuid4()),
        )

    def modify(self, key: str) -> None:
        """Read one item and write it back by a conditional write."""
        self.client.update_item(**self._change(key, self._get(key), 1))

    def once(self, key: str) -> None:
        """Write an item and a record of the key, by a transaction."""
        self.client.transact_write_items(
            TransactItems=[
                {
                    "Update": {
                        "TableName": TABLE,
                        "Key": {"pk": {"S": "0"}},
                        "UpdateExpression": "ADD n :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                },
                self._record(key),
            ],
            ClientRequestToken=str(uuid.uuid4()),
        )

    @staticmethod
    def _record(key: str) -> dict[str, Any]:
        put = {
            "TableName": RECORDS,
            "Item": {"pk": {"S": f"once#{key}"}, "result": {"N": "1"}},
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        return {"Put": put}

    def replay(self, key: str) -> None:
        """Read the record of the key."""
        self.client.get_item(
            TableName=RECORDS, Key={"pk": {"S": f"once#{key}"}}, ConsistentRead=True
        )


class Interlock:
    """The same, by this library, as it comes or over a client that is passed in.

    As it comes it takes its endpoint from AWS_ENDPOINT_URL.
    """

    def __init__(self, client: Any = None) -> None:
        self.tx = TransactionClient(RECORDS, client=client)
        self._client = client

    def listen(self, on_finish: Callable[[TransactionReport], None]) -> None:
        """Have every transaction reported from now on."""
        self.tx = TransactionClient(RECORDS, client=self._client, on_finish=on_finish)

    def transfer(self, source: str, target: str) -> None:
        """Move one from source to target."""
        self.tx.run(lambda t: self._move(t, source, target))

    def transfer_once(self, key: str) -> None:
        """Move one between two accounts, once for the key."""
        self.tx.run(lambda t: self._move(t, "2", "3"), idempotency_key=key)

    def transfer_ahead(self, key: str) -> None:
        """Do the same, with both accounts read together with the key."""
        reads = [(TABLE, {"pk": "2"}), (TABLE, {"pk": "3"})]
        self.tx.run(lambda t: self._move(t, "2", "3"), idempotency_key=key, reads=reads)

    def modify(self, key: str) -> None:
        """Read one item and write it back."""
        self.tx.run(lambda t: t.update(TABLE, {"pk": key}, {"n": self._read(t, key) + 1}))

    def once(self, key: str) -> None:
        """Write an item once for the key; a second call is a replay."""

        def body(t: Transaction) -> int:
            t.update(TABLE, {"pk": "0"}, add={"n": 1})
            return 1

        self.tx.run(body, idempotency_key=key)

    replay = once

    def _move(self, t: Transaction, source: str, target: str) -> None:
        have, gets = self._read(t, source), self._read(t, target)
        t.update(TABLE, {"pk": source}, {"n": have - 1})
        t.update(TABLE, {"pk": target}, {"n": gets + 1})

    @staticmethod
    def _read(t: Transaction, key: str) -> int:
        item = t.get(TABLE, {"pk": key})
        assert item is not None
        return int(item["n"])


class Pynamo:
    """The same, by PynamoDB's models, optimistic on its version attribute."""

    def __init__(self, url: str) -> None:
        class Account(Model):
            class Meta:
                table_name = TABLE
                host = url
                region = "us-east-1"
                max_retry_attempts = 0
                max_pool_connections = 16

            pk = UnicodeAttribute(hash_key=True)
            n = NumberAttribute()
            lock_version = VersionAttribute()

        self.account = Account
        self.connection = Connection(region="us-east-1", host=url)

    def transfer(self, source: str, target: str) -> None:
        """Move one from source to target."""
        have = self.account.get(source, consistent_read=True)
        gets = self.account.get(target, consistent_read=True)
        token = str(uuid.uuid4())
        with TransactWrite(connection=self.connection, client_request_token=token) as write:
            write.update(have, actions=[self.account.n.set(have.n - 1)])
            write.update(gets, actions=[self.account.n.set(gets.n + 1)])

    def modify(self, key: str) -> None:
        """Read one item and write it back by a conditional write."""
        account = self.account.get(key, consistent_read=True)
        account.update(actions=[self.account.n.set(account.n + 1)])


class Powertools:
    """An idempotent call of Powertools for AWS Lambda around the same plain write."""

    def __init__(self, client: Any) -> None:
        def work(*, call: dict[str, str]) -> int:  # noqa: ARG001 - its key is read from here
            client.update_item(
                TableName=TABLE,
                Key={"pk": {"S": "0"}},
                UpdateExpression="ADD n :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )
            return 1

        layer = DynamoDBPersistenceLayer(table_name=POWERTOOLS, boto3_client=client)
        config = IdempotencyConfig(event_key_jmespath="key")
        self._call = idempotent_function(
            work, data_keyword_argument="call", persistence_store=layer, config=config
        )

    def once(self, key: str) -> None:
        """Write an item once for the key; a second call is a replay."""
        self._call(call={"key": key})

    replay = once
