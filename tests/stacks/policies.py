"""The statements of every policy in a template, whatever resource carries it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ACCOUNT = re.compile(r"(?<=[:/])\d{12}(?=[:/])")
_HASH = re.compile(r"[0-9A-F]{8}$")


@dataclass(frozen=True)
class Statement:
    """One statement that allows, and where it is: "Stack/LogicalIdWithoutHash"."""

    place: str
    kind: str  # type of the resource that carries it
    body: Any

    @property
    def actions(self) -> list[str]:
        return _listed(self.body.get("Action", "NotAction:*"))

    @property
    def resources(self) -> list[str]:
        """The resources with what CloudFormation fills in as `<...>`.

        A policy that names none is about what carries it: a role's trust, say.
        """
        if "NotResource" in self.body:
            return ["NotResource:*"]
        return [
            _ACCOUNT.sub("<account>", rendered(each))
            for each in _listed(self.body.get("Resource", []))
        ]

    @property
    def open_to_all(self) -> bool:
        """Whether a resource's policy lets in everybody, without a condition on who it is."""
        principal = self.body.get("Principal")
        everyone = principal == "*" or (isinstance(principal, dict) and principal.get("AWS") == "*")
        return everyone and not self.body.get("Condition")


def statements(templates: dict[str, Any]) -> Iterator[Statement]:
    for stack, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            for body in _bodies(resource.get("Properties", {})):
                if body["Effect"] == "Allow":
                    yield Statement(f"{stack}/{_HASH.sub('', logical_id)}", resource["Type"], body)


def _bodies(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        if isinstance(node.get("Statement"), list):
            yield from node["Statement"]
            return
        if "Fn::Join" in node and '"Statement"' in (text := rendered(node)):
            yield from _bodies(json.loads(text))  # a policy that is given as a string
            return
        for part in node.values():
            yield from _bodies(part)
    elif isinstance(node, list):
        for part in node:
            yield from _bodies(part)


def rendered(value: Any) -> str:
    """Return a string, with each intrinsic function as `<its argument>`."""
    if isinstance(value, str):
        return value
    ((function, argument),) = value.items()
    if function == "Fn::Join":
        separator, parts = argument
        return str(separator).join(rendered(part) for part in parts)
    if function == "Fn::Sub":
        return str(argument)
    if function == "Fn::GetStackOutput":
        return f"<{argument['OutputName']}>"
    names = [_HASH.sub("", part) if isinstance(part, str) else "..." for part in _listed(argument)]
    return f"<{'.'.join(names)}>"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
