"""Writers beside the library: a migration, an older service, a person with the console."""

from typing import TYPE_CHECKING, Any

from interlock._protocol.faults import Refused
from tests.simulation.serializability import Committed

if TYPE_CHECKING:
    from tests.simulation.contention import Contention


def interfere(world: "Contention") -> None:
    """Write one item past the library, now.

    Politely: with a version of its own, or by deleting the item. Rudely: by a PutItem that takes
    the version away, which nothing can notice on an item that had none.
    """
    world.outsiders += 1
    name = f"outsider-{world.outsiders}"
    table, keys = "accounts", [item["pk"]["S"] for item in world.store.items("accounts")]
    if not keys:
        return
    key = {"pk": {"S": world.rng.choice(keys)}}
    kind = world.rng.choice(["PutItem"] * 3 if world.faults.rude else ["UpdateItem", "DeleteItem"])
    params: dict[str, Any] = {"TableName": table}
    match kind:
        case "PutItem":
            params["Item"] = {**key, "n": {"N": "1000"}}
        case "UpdateItem":
            params |= {
                "Key": key,
                "UpdateExpression": "SET n = :n, #v = :v",
                "ExpressionAttributeNames": {"#v": "_version"},
                "ExpressionAttributeValues": {":n": {"N": "1000"}, ":v": {"S": name}},
            }
        case _:
            params["Key"] = key
    world.actor = name
    world.steps.append(f"{world.now:.3f} {name}: {kind} of {key['pk']['S']}")
    try:
        world.store.perform(kind, params)
    except Refused:
        return  # a transaction was writing it
    instant = (world.now, world.now)
    world.history.append(Committed(name, {}, frozenset({key["pk"]["S"]}), instant))
