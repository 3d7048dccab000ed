"""Key conditions: the partition key equals a value, and at most one condition of the sort key."""

from collections.abc import Mapping
from dataclasses import dataclass

from interlock.testing._store.attributes import invalid
from interlock.testing._store.expressions import compile_condition
from interlock.testing._store.parsing import Compiled
from interlock.testing._store.tables import Table


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A key condition that was found to be one."""

    compiled: Compiled


def compile_key_condition(text: str, names: Mapping[str, str], table: Table) -> KeyCondition:
    """Return a key condition, or refuse what a Query cannot be asked.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html
    """
    compiled = compile_condition(text, names, "KeyConditionExpression")
    named = [path[0] for path in compiled.paths]
    for name in named:
        if name not in table.key_names:
            raise invalid(f"Query condition missed key schema element: {table.partition_key}")
    if named.count(table.partition_key) != 1:
        raise invalid(f"Query condition missed key schema element: {table.partition_key}")
    if len(set(named)) < len(named):
        raise invalid("KeyConditionExpressions must only contain one condition per key")
    for word in (" OR ", "NOT ", "<>", " IN ", "contains", "attribute_"):
        if word in text:
            raise invalid(f"Invalid operator used in KeyConditionExpression: {word.strip()}")
    return KeyCondition(compiled)
