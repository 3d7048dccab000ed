"""Document paths: where in an item a value is. A path is a tuple of names and list indexes."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from interlock.testing._store.attributes import Attribute, invalid

Path: TypeAlias = tuple[str | int, ...]


def look_up(item: Mapping[str, Attribute], path: Path) -> Attribute | None:
    """Return the value at a path, or None where there is none."""
    node = item.get(path[0])  # type: ignore[arg-type]
    for step in path[1:]:
        if node is None:
            return None
        node = _child(node, step)
    return node


def _child(node: Attribute, step: str | int) -> Attribute | None:
    if isinstance(step, str):
        members: Mapping[str, Attribute] = node.get("M", {})
        return members.get(step)
    elements: list[Attribute] = node.get("L", [])
    return elements[step] if step < len(elements) else None


def refuse_overlaps(expression: str, paths: Iterable[Path]) -> None:
    """Refuse two paths of which one contains the other, or that need two types of one node."""
    known = list(paths)
    for position, one in enumerate(known):
        for other in known[:position]:
            shared = min(len(one), len(other))
            if one[:shared] == other[:shared]:
                raise invalid(
                    f"Invalid {expression}: Two document paths overlap with each other; "
                    f"must remove or rewrite one of these paths; path one: {show(other)}, "
                    f"path two: {show(one)}"
                )
            step = next(i for i in range(shared) if one[i] != other[i])
            if type(one[step]) is not type(other[step]):
                raise invalid(
                    f"Invalid {expression}: Two document paths conflict with each other; "
                    f"must remove or rewrite one of these paths; path one: {show(other)}, "
                    f"path two: {show(one)}"
                )


def show(path: Path) -> str:
    """Return the path as the store's messages print it."""
    return "[" + ", ".join(f"[{step}]" if isinstance(step, int) else step for step in path) + "]"


def project(item: Mapping[str, Attribute], paths: Iterable[Path]) -> dict[str, Attribute]:
    """Return those parts of an item that the paths lead to, in their places."""
    tree: dict[Any, Any] = {}
    for path in paths:
        if look_up(item, path) is None:
            continue
        branch = tree
        for step in path[:-1]:
            branch = branch.setdefault(step, {})
        branch[path[-1]] = None
    return {name: _prune(item[name], below) for name, below in tree.items()}


def _prune(node: Attribute, tree: dict[Any, Any] | None) -> Attribute:
    if tree is None:
        return node
    if "M" in node:
        return {"M": {name: _prune(node["M"][name], below) for name, below in tree.items()}}
    return {"L": [_prune(node["L"][index], tree[index]) for index in sorted(tree)]}
