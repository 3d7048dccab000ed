"""A DynamoDB client that loses replies and refuses calls, and a clock that waits for nobody."""

from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

A, B = {"pk": "a"}, {"pk": "b"}


class Wire:
    """A DynamoDB client that loses replies and refuses calls as its script says."""

    def __init__(self, client):
        self.client = client
        self.meta = client.meta
        self.sent = []
        self.script = []

    def __getattr__(self, method):
        def send(**params):
            self.sent.append((method, params))
            act = self.script.pop(0) if self.script and method in WRITES else None
            return (
                act(lambda: getattr(self.client, method)(**params))
                if act
                else getattr(self.client, method)(**params)
            )

        return send

    def methods(self):
        return [method for method, _ in self.sent]


WRITES = {"transact_write_items", "put_item", "update_item", "delete_item"}


def lose_reply(call):
    call()
    raise ReadTimeoutError(endpoint_url="http://127.0.0.1")


def lose_request(_call):
    raise ReadTimeoutError(endpoint_url="http://127.0.0.1")


def refuse(code, *reasons, message="why"):
    def act(_call):
        response: Any = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": [{"Code": reason} for reason in reasons],
        }
        raise ClientError(response, "TransactWriteItems")

    return act


def then(*steps):
    def act(call):
        for step in steps[:-1]:
            step()
        return steps[-1](call)

    return act


class Time:
    now = 1_000_000.0
    slept = 0

    def read(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += 1


def put(tx, key, **attributes):
    tx.run(lambda t: t.put("t", key, attributes))


def stored(wire, key, table="t"):
    return wire.client.get_item(TableName=table, Key={"pk": {"S": key["pk"]}}).get("Item")
