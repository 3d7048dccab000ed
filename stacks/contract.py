"""The OpenAPI document as API Gateway takes it: one description of the API, everywhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parent.parent / "lambda" / "counters" / "openapi.json"
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})
_REFERENCE = "#/components/schemas/"
_EXACT = 2**53  # greater limits would be rounded on their way; the function checks those


@dataclass(frozen=True, kw_only=True)
class Route:
    """A method of a path; `model` names the schema of its body, `public` needs no signature."""

    method: str
    path: str
    model: str | None
    public: bool


class Contract:
    """Routes and bodies as the document has them."""

    def __init__(self, document: Path = DOCUMENT) -> None:
        self._document = json.loads(document.read_text(encoding="utf-8"))

    def routes(self) -> Iterator[Route]:
        """Yield the routes in the document's order, and those that answer all the rest.

        HEAD goes with each GET. Any other method, and any other path, also reaches the function,
        which says what there is: API Gateway itself answers both as if they were not signed.
        """
        for path, item in self._document["paths"].items():
            operations = {key: item[key] for key in item if key in _METHODS}
            for method, operation in operations.items():
                route = Route(
                    method=method.upper(),
                    path=_greedy(path, operation),
                    model=_model_of(operation),
                    public=_is_public(operation),
                )
                yield route
                if method == "get":
                    yield replace(route, method="HEAD")
            public = all(_is_public(operation) for operation in operations.values())
            yield Route(method="ANY", path=route.path, model=None, public=public)
        for path in ("/", "/{proxy+}"):
            yield Route(method="ANY", path=path, model=None, public=False)

    def model(self, name: str) -> dict[str, Any]:
        """Return a schema as JSON Schema draft 4, which is what API Gateway validates by."""
        return {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "title": name,
            **self._draft_4(self._document["components"]["schemas"][name]),
        }

    def _draft_4(self, schema: Any) -> Any:
        if isinstance(schema, list):
            return [self._draft_4(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"].removeprefix(_REFERENCE)
            return self._draft_4(self._document["components"]["schemas"][name])
        return {key: self._draft_4(part) for key, part in schema.items() if _kept(key, part)}


def _greedy(path: str, operation: dict[str, Any]) -> str:
    """Write a parameter that may hold slashes as API Gateway does; OpenAPI has no form for it."""
    for parameter in operation.get("parameters", ()):
        if parameter.get("x-greedy"):
            path = path.replace(f"{{{parameter['name']}}}", f"{{{parameter['name']}+}}")
    return path


def _is_public(operation: dict[str, Any]) -> bool:
    return operation.get("security") == []


def _model_of(operation: dict[str, Any]) -> str | None:
    body = operation.get("requestBody")
    if body is None:
        return None
    reference: str = body["content"]["application/json"]["schema"]["$ref"]
    return reference.removeprefix(_REFERENCE)


def _kept(key: str, value: Any) -> bool:
    if key in {"minimum", "maximum"}:
        return bool(-_EXACT <= value <= _EXACT)
    return not (key == "required" and value == [])  # draft 4 wants at least one
