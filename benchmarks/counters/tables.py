"""The tables that counters are measured on."""

from typing import Any

import boto3

from interlock import client_config

TABLE, PEERS = "bench-counters", "bench-counter-peers"


def dynamodb(url: str) -> Any:
    """Make a client as the library makes its own."""
    return boto3.client("dynamodb", endpoint_url=url, config=client_config())


def prepare(client: Any) -> None:
    """Make the tables, new."""
    names = client.list_tables()["TableNames"]
    for table, key in ((TABLE, "pk"), (PEERS, "key")):
        if table in names:
            client.delete_table(TableName=table)
        client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
