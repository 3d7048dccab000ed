"""A DynamoDB client that loses replies and refuses calls, and a clock that waits for no test."""

import functools
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError

from interlock._drivers.clients import fault_of, method_name

A, B = {"pk": "a"}, {"pk": "b"}


class Wire:
    """A DynamoDB client that loses replies and refuses calls as its script says."""

    def __init__(self, client):
        self.client = client
        self.meta = client.meta
        self.sent = []
        self.script = []
        self.reads = []

    def __getattr__(self, method):
        def send(**params):
            self.sent.append((method, params))
            script = self.script if method in WRITES else self.reads
            act = script.pop(0) if script else None
            return (
                act(lambda: getattr(self.client, method)(**params))
                if act
                else getattr(self.client, method)(**params)
            )

        return send

    def answer(self, operation, params):
        """Answer a call of either half."""
        try:
            return getattr(self, method_name(operation))(**params)
        except (ClientError, BotoCoreError) as error:
            raise fault_of(error) from error

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


class OnEither:
    """A transaction client of either half, to which functions of the test are given alike."""

    def __init__(self, half, client):
        self.half = half
        self.client = half.wrap(client)

    def run(self, function, **options):
        return self.client.run(self.half.function(function), **options)

    def transactional(self, *functions, **options):
        if not functions:
            return lambda function: self._made(self.client.transactional(**options), function)
        return self._made(self.client.transactional, *functions)

    def snapshot(self, targets):
        return self.client.snapshot(targets)

    def _made(self, decorate, function):
        made = decorate(self.half.function(function))
        if not self.half.awaitable:
            return made
        return functools.wraps(function)(lambda *args, **kw: self.half.call(made, *args, **kw))
