"""Whether a reply answers the question that was asked.

A broken proxy answers 200 with a page of its own, an empty body, `{}`, or the reply to another
request. So every call asks for something back that only its own answer has: a read for the key and
the capacity that it used, a write of one item for the version that it has written or replaced, a
transaction for the tables that it used. Such an answer adds no request unit. What is no answer is a
lost reply, with all that follows from one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock._protocol.capacity import uses
from interlock._protocol.transactions.items import Address

NO_ANSWER = "the reply is none to what was asked"


def answers_get(reply: Any, address: Address) -> bool:
    """Whether a reply says what is at an address, or that nothing is."""
    if not isinstance(reply, Mapping):
        return False
    if "Item" in reply:
        return address.is_of(reply["Item"])
    return uses(reply.get("ConsumedCapacity"), (address.table,))


def answers_get_many(reply: Any, addresses: Sequence[Address]) -> bool:
    """Whether a reply says what is at each address."""
    responses = reply.get("Responses") if isinstance(reply, Mapping) else None
    if not isinstance(responses, Sequence) or len(responses) != len(addresses):
        return False
    return all(
        isinstance(response, Mapping)
        and ("Item" not in response or address.is_of(response["Item"]))
        for address, response in zip(addresses, responses, strict=True)
    )


def answers_write(reply: Any, attribute: str, version: Any) -> bool:
    """Whether a reply to a write of one item shows a version, before or after as it was asked."""
    attributes = reply.get("Attributes") if isinstance(reply, Mapping) else None
    return isinstance(attributes, Mapping) and attributes.get(attribute) == version
