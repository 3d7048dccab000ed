"""A Lambda function on an SQS queue: each message moves money once.

SQS delivers at least once, and Lambda repeats a batch of which one message failed. The message's id
is the idempotency key: its record is committed together with the transfer, so a repeat finds it and
changes nothing. Failed messages are reported one by one (ReportBatchItemFailures).
"""

import json
import os

from interlock import TransactionClient
from interlock.errors import InterlockError

transactions = TransactionClient(os.environ.get("INTERLOCK_TABLE", "coordination"))


def transfer(tx, source, target, amount):
    """Move an amount between two accounts, or nothing."""
    have = tx.get("accounts", {"pk": source})["balance"]
    if have < amount:
        raise ValueError(f"{source} has {have}, which is less than {amount}")
    tx.update("accounts", {"pk": source}, {"balance": have - amount})
    tx.update("accounts", {"pk": target}, add={"balance": amount})


def handler(event, _context):
    """Handle a batch of messages."""
    failed = []
    for message in event["Records"]:
        order = json.loads(message["body"])
        try:
            transactions.run(
                lambda tx, order=order: transfer(tx, order["from"], order["to"], order["amount"]),
                idempotency_key=message["messageId"],
                payload=order,
            )
        except (InterlockError, ValueError) as error:
            print(json.dumps({"message": message["messageId"], "error": str(error)}))
            failed.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failed}
