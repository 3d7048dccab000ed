"""Statements of PartiQL: an UPDATE of one item, which is read as the UpdateItem that it stands for.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.update.html
"""

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

from interlock.testing._store.attributes import invalid
from interlock.testing._store.tables import Contents

_UPDATE = re.compile(r'UPDATE "([^"]+)" ((?:SET|REMOVE) .+) WHERE (.+)\Z')
_CLAUSE = re.compile(r"(SET|REMOVE) (.+?)(?= SET | REMOVE |\Z)")
_NAME = re.compile(r'"([^"]+)"')
_MISSING = re.compile(r"(\S+) IS MISSING")
_EQUAL = re.compile(r"(#\w+) = (:\w+)\Z")


def update_of(contents: Contents, statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of the UpdateItem that a statement stands for."""
    found = _UPDATE.match(statement["Statement"])
    if found is None:
        raise invalid("Statement wasn't well formed, can't be processed")
    table, names, number = found[1], dict[str, str](), count()
    values = {f":p{place}": value for place, value in enumerate(statement["Parameters"])}

    def placeholder(name: re.Match[str]) -> str:
        names[f"#n{len(names)}"] = name[1]
        return f"#n{len(names) - 1}"

    update, where = (
        re.sub(r"\?", lambda _: f":p{next(number)}", _NAME.sub(placeholder, part))
        for part in found.groups()[1:]
    )
    key, conditions = dict[str, Any](), []
    for term in where.split(" AND "):
        equal = _EQUAL.match(term)
        if equal is not None and names[equal[1]] in contents.table(table).key_names:
            key[names.pop(equal[1])] = values.pop(equal[2])
        else:
            conditions.append(_MISSING.sub(r"attribute_not_exists(\1)", term))
    clauses: dict[str, list[str]] = {}
    for verb, action in _CLAUSE.findall(update):
        clauses.setdefault(verb, []).append(action)
    return {
        "TableName": table,
        "Key": key,
        "UpdateExpression": " ".join(f"{verb} {', '.join(them)}" for verb, them in clauses.items()),
        "ConditionExpression": " AND ".join(["attribute_exists(#key)", *conditions]),
        "ExpressionAttributeNames": {**names, "#key": contents.table(table).key_names[0]},
        "ExpressionAttributeValues": values,
    }
