"""Roles: each route of the API has one that is decided."""

import json
from pathlib import Path

from server.roles import Role, needed

ROOT = Path(__file__).parents[3]


DECIDED = {
    "get_counter": Role.VIEWER,
    "put_counter": Role.ADMINISTRATOR,
    "configure_counter": Role.ADMINISTRATOR,
    "delete_counter": Role.ADMINISTRATOR,
    "list_counters": Role.VIEWER,
    "increment_counter": Role.OPERATOR,
    "decrement_counter": Role.OPERATOR,
    "reset_counter": Role.ADMINISTRATOR,
    "create_transfer": Role.OPERATOR,
    "get_lock": Role.VIEWER,
    "get_openapi": Role.VIEWER,
    "get_jwks": Role.VIEWER,
    "verify_receipt": Role.VIEWER,
}


def test_the_role_of_every_route_of_the_api_is_decided():
    """A route that is added to the API fails here until a developer says who may use it."""
    document = json.loads((ROOT / "lambda" / "counters" / "openapi.json").read_text("utf-8"))
    found = {
        operation["operationId"]: needed(
            method.upper(), f"/api{path.replace('{name}', 'a').replace('{name+}', 'a/b')}".encode()
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "operationId" in operation
    }
    assert found == DECIDED
