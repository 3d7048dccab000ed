"""Update expressions: SET, REMOVE, ADD and DELETE.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html

Every operand is read from the item as it was; nothing is written unless all of it can be.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any

from interlock.testing._store.attributes import Attribute, add_numbers, invalid
from interlock.testing._store.parsing import Compiled, Item, Operand, Parser, Values
from interlock.testing._store.paths import Path, look_up, refuse_overlaps

_SETS = ("SS", "NS", "BS")
_NO_NAMES: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Action:
    """One clause: what to do at a path, with which operand (REMOVE has none)."""

    verb: str
    path: Path
    operand: Operand | None


class UpdateParser(Parser):
    """Update expressions."""

    def actions(self) -> list[Action]:
        """Take the whole expression."""
        found: list[Action] = []
        seen: set[str] = set()
        while self.peek():
            verb = self.take().upper()
            if verb not in ("SET", "REMOVE", "ADD", "DELETE"):
                raise self.error(f'Syntax error; token: "{verb}"')
            if verb in seen:
                raise self.error(
                    f'The "{verb}" section can only be used once in an update expression;'
                )
            seen.add(verb)
            found += self.commas(partial(self._action, verb))
        refuse_overlaps(self.kind, [action.path for action in found])
        return found

    def _action(self, verb: str) -> Action:
        if verb == "SET":
            return self._set()
        return self._remove() if verb == "REMOVE" else self._member(verb)

    def _set(self) -> Action:
        path = self.path()
        self.expect("=")
        first = self.peek()
        operand = self._operand()
        if self.peek() in ("+", "-") and "list_append" in (first, self.peek(1)):
            raise self.error("The function is not allowed to be used this way in an expression")
        for sign, token in ((1, "+"), (-1, "-")):
            if self.accept(token):
                return Action("SET", path, _sum(operand, self._operand(arithmetic=True), sign))
        return Action("SET", path, operand)

    def _remove(self) -> Action:
        return Action("REMOVE", self.path(), None)

    def _member(self, verb: str) -> Action:
        path = self.path()
        name = self.value()
        self.check_kind(name, ("N", *_SETS) if verb == "ADD" else _SETS, verb)
        return Action(verb, path, lambda _, values: values[name])

    def _operand(self, *, arithmetic: bool = False) -> Operand:
        if self.accept("("):
            inner = self._operand(arithmetic=arithmetic)
            self.expect(")")
            return inner
        token = self.peek()
        if token.startswith(":"):
            self.value()
            arithmetic = arithmetic or self.peek() in ("+", "-")
            if arithmetic:
                self.check_kind(token, ("N",), "+ or -")
            return lambda _, values: values[token]
        if self.peek(1) == "(":
            return self._function()
        path = self.path()

        def read(item: Item, _: Values) -> Attribute:
            found = look_up(item, path)
            if found is None:
                raise invalid(
                    "The provided expression refers to an attribute that does not exist in the item"
                )
            return found

        return read

    def _function(self) -> Operand:
        name = self.take()
        self.expect("(")
        if name == "if_not_exists":
            path = self.path()
            self.expect(",")
            default = self._operand()
            self.expect(")")
            return lambda item, values: look_up(item, path) or default(item, values)
        if name != "list_append":
            raise self.error(f"Invalid function name; function: {name}")
        tokens = [self.peek()]
        first = self._operand()
        self.expect(",")
        tokens.append(self.peek())
        second = self._operand()
        self.expect(")")
        for token in tokens:
            if token.startswith(":"):
                self.check_kind(token, ("L",), name)
        return lambda item, values: {
            "L": [*_elements(first(item, values)), *_elements(second(item, values))]
        }


def _elements(attribute: Attribute | None) -> list[Attribute]:
    if attribute is None or "L" not in attribute:
        raise invalid("An operand in the update expression has an incorrect data type")
    elements: list[Attribute] = attribute["L"]
    return elements


def _sum(left: Operand, right: Operand, sign: int) -> Operand:
    def compute(item: Item, values: Values) -> Attribute:
        a, b = left(item, values), right(item, values)
        if a is None or b is None or "N" not in a or "N" not in b:
            raise invalid("An operand in the update expression has an incorrect data type")
        return {"N": add_numbers(a["N"], b["N"], sign)}

    return compute


@lru_cache(maxsize=4096)
def _update(text: str, names: frozenset[tuple[str, str]]) -> Compiled:
    parser = UpdateParser("UpdateExpression", text, dict(names))
    actions = parser.actions()
    return Compiled(
        parser.kind,
        tuple(actions),
        tuple(action.path for action in actions),
        frozenset(parser.used_names),
        frozenset(parser.used_values),
        tuple(parser.checks),
    )


def compile_update(text: str, names: Mapping[str, str]) -> Compiled:
    """Return an update, for `updated`; `.paths` are what it touches."""
    return _update(text, frozenset(names.items()) if names else _NO_NAMES)


def updated(item: Item, update: Compiled, values: Values) -> dict[str, Attribute]:
    """Return the item after the update; refuse one that does not fit the item."""
    after = dict(item)
    actions: tuple[Action, ...] = update.run
    computed = [
        (action, action.operand(item, values) if action.operand else None) for action in actions
    ]
    for path in update.paths:
        name = path[0]
        if len(path) > 1 and name in after:
            after[name] = deepcopy(after[name])
    removals: list[Path] = []
    # Elements set beyond a list's end are appended, in the order of their indexes.
    for action, value in sorted(computed, key=lambda pair: _indexes(pair[0].path)):
        match action.verb:
            case "SET":
                _place(after, action.path, value)
            case "ADD":
                _add(after, action.path, look_up(item, action.path), value)
            case "DELETE":
                _delete(after, action.path, look_up(item, action.path), value, removals)
            case "REMOVE":
                removals.append(action.path)
    # From the highest index down, so that each removal finds what it was meant for.
    for path in sorted(removals, key=_indexes, reverse=True):
        _remove(after, path)
    return after


def _indexes(path: Path) -> tuple[int, ...]:
    return tuple(step for step in path if isinstance(step, int))


def _parent(after: dict[str, Attribute], path: Path) -> Any:
    """Return the container (a dict or a list) that a path's last step is in."""
    if len(path) == 1:
        return after
    node = look_up(after, path[:-1])
    kind = "M" if isinstance(path[-1], str) else "L"
    if node is None or kind not in node:
        raise invalid("The document path provided in the update expression is invalid for update")
    return node[kind]


def _place(after: dict[str, Attribute], path: Path, value: Attribute | None) -> None:
    container, last = _parent(after, path), path[-1]
    if isinstance(last, int) and last >= len(container):
        container.append(value)
    else:
        container[last] = value


def _remove(after: dict[str, Attribute], path: Path) -> None:
    container, last = _parent(after, path), path[-1]
    if isinstance(last, str):
        container.pop(last, None)
    elif last < len(container):
        del container[last]


def _add(
    after: dict[str, Attribute], path: Path, old: Attribute | None, value: Attribute | None
) -> None:
    assert value is not None
    if old is None:
        _place(after, path, value)
        return
    ((kind, amount),) = value.items()
    if kind not in old:
        raise invalid("An operand in the update expression has an incorrect data type")
    if kind == "N":
        _place(after, path, {"N": add_numbers(old["N"], amount)})
    else:
        key = Decimal if kind == "NS" else None
        _place(after, path, {kind: sorted({*old[kind], *amount}, key=key)})


def _delete(
    after: dict[str, Attribute],
    path: Path,
    old: Attribute | None,
    value: Attribute | None,
    removals: list[Path],
) -> None:
    assert value is not None
    if old is None:
        _parent(after, path)
        return
    ((kind, members),) = value.items()
    if kind not in old:
        raise invalid("An operand in the update expression has an incorrect data type")
    left = [member for member in old[kind] if member not in members]
    if left:
        _place(after, path, {kind: left})
    else:
        removals.append(path)
