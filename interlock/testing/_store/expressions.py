"""Condition and projection expressions, compiled once for their text and names.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html

What is compiled is a closure `(item, values) -> ...`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from interlock.testing._store.attributes import Attribute, canonical, comparable, invalid
from interlock.testing._store.comparing import begins_with, contains, equal, is_type, ordered, size
from interlock.testing._store.parsing import (
    COMPARATORS,
    TYPES,
    Compiled,
    Condition,
    Operand,
    Parser,
    Values,
)
from interlock.testing._store.paths import Path, look_up, refuse_overlaps, show

_NO_NAMES: frozenset[tuple[str, str]] = frozenset()

_MOST_CHOICES = 100  # operands of IN


class ConditionParser(Parser):
    """Condition, filter and key condition expressions."""

    def __init__(self, kind: str, text: str, names: Mapping[str, str]) -> None:
        super().__init__(kind, text, names)
        self.paths: list[Path] = []

    def condition(self) -> Condition:
        """OR binds weakest, then AND, then NOT."""
        terms = [self._conjunction()]
        while self.accept("OR"):
            terms.append(self._conjunction())
        if len(terms) == 1:
            return terms[0]
        return lambda item, values: any(term(item, values) for term in terms)

    def _conjunction(self) -> Condition:
        terms = [self._negation()]
        while self.accept("AND"):
            terms.append(self._negation())
        if len(terms) == 1:
            return terms[0]
        return lambda item, values: all(term(item, values) for term in terms)

    def _negation(self) -> Condition:
        if self.accept("NOT"):
            inner = self._negation()
            return lambda item, values: not inner(item, values)
        if self.accept("("):
            inside = self.condition()
            self.expect(")")
            return inside
        if self.peek(1) == "(" and self.peek() != "size":
            return self._function()
        return self._comparison()

    def _function(self) -> Condition:
        name = self.take()
        self.expect("(")
        if name in ("attribute_exists", "attribute_not_exists"):
            path = self._own_path()
            self.expect(")")
            if name == "attribute_exists":
                return lambda item, _: look_up(item, path) is not None
            return lambda item, _: look_up(item, path) is None
        if name not in ("attribute_type", "begins_with", "contains"):
            raise self.error(f"Invalid function name; function: {name}")
        left, left_id = self._operand()
        self.expect(",")
        right, right_id = self._operand()
        self.expect(")")
        if left_id == right_id is not None:
            raise self.error(
                "The first operand must be distinct from the remaining operands for this "
                f"operator or function; operator: {name}, first operand: {left_id}"
            )
        if name == "begins_with":
            for side in (left_id, right_id):
                if isinstance(side, str):
                    self.check_kind(side, ("S", "B"), name)
            return lambda item, values: begins_with(left(item, values), right(item, values))
        if name == "contains":
            return lambda item, values: contains(left(item, values), right(item, values))
        if not isinstance(right_id, str):
            raise self.error(
                "Incorrect operand type for operator or function; "
                "operator or function: attribute_type, operand type: a path"
            )
        self.check_kind(right_id, ("S",), name)
        self.checks.append(lambda values: self._check_type_name(values[right_id]))
        return lambda item, values: is_type(left(item, values), values[right_id])

    def _check_type_name(self, attribute: Attribute) -> None:
        if attribute["S"] not in TYPES:
            raise self.error(
                f"Invalid attribute type name found; type: {attribute['S']}, "
                "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
            )

    def _own_path(self) -> Path:
        path = self.path()
        self.paths.append(path)
        return path

    def _operand(self) -> tuple[Operand, Any]:
        """Return an operand, and what tells it from others: a path, a placeholder, or None."""
        token = self.peek()
        if token.startswith(":"):
            self.value()
            return (lambda _, values: values[token]), token
        if token == "size" and self.peek(1) == "(":
            self.position += 2
            inner, identity = self._operand()
            self.expect(")")
            if isinstance(identity, str):
                kinds = TYPES - {"N", "BOOL", "NULL"}
                self.check_kind(identity, kinds, "size")
            return (lambda item, values: size(inner(item, values))), None
        path = self._own_path()
        return (lambda item, _: look_up(item, path)), path

    def _comparison(self) -> Condition:
        left, left_id = self._operand()
        token = self.take().upper()
        if token == "BETWEEN":
            low, low_id = self._operand()
            self.expect("AND")
            high, high_id = self._operand()
            self._check_bounds(low_id, high_id)
            return lambda item, values: (
                ordered("<=", low(item, values), left(item, values))
                and ordered("<=", left(item, values), high(item, values))
            )
        if token == "IN":
            self.expect("(")
            found = self.commas(self._operand)
            choices = [operand for operand, _ in found]
            for _, choice_id in found:
                self._check_distinct("IN", left_id, choice_id)
            self.expect(")")
            if len(choices) > _MOST_CHOICES:
                raise self.error("Invalid expression: too many operands for IN")
            return lambda item, values: any(
                equal(left(item, values), choice(item, values)) for choice in choices
            )
        if token not in COMPARATORS:
            raise self.error(f'Syntax error; token: "{token or "<EOF>"}"')
        right, right_id = self._operand()
        self._check_distinct(token, left_id, right_id)
        if token == "=":
            return lambda item, values: equal(left(item, values), right(item, values))
        if token == "<>":
            return lambda item, values: not equal(left(item, values), right(item, values))
        for side in (left_id, right_id):
            if isinstance(side, str):
                self.check_kind(side, ("S", "N", "B"), token)
        return lambda item, values: ordered(token, left(item, values), right(item, values))

    def _check_distinct(self, operator: str, first: Any, other: Any) -> None:
        if first == other and isinstance(first, tuple):
            raise self.error(
                "The first operand must be distinct from the remaining operands for this "
                f"operator or function; operator: {operator}, first operand: {show(first)}"
            )

    def _check_bounds(self, low: Any, high: Any) -> None:
        for side in (low, high):
            if isinstance(side, str):
                self.check_kind(side, ("S", "N", "B"), "BETWEEN")
        if not (isinstance(low, str) and isinstance(high, str)):
            return

        def check(values: Values) -> None:
            pair = comparable(values[low], values[high])
            if pair is None:
                raise self.error(
                    "The BETWEEN operator requires same data type for lower and upper bounds"
                )
            if pair[0] > pair[1]:
                raise self.error(
                    "The BETWEEN operator requires upper bound to be greater than or equal to "
                    "lower bound"
                )

        self.checks.append(check)


@lru_cache(maxsize=4096)
def _condition(kind: str, text: str, names: frozenset[tuple[str, str]]) -> Compiled:
    parser = ConditionParser(kind, text, dict(names))
    run = parser.condition()
    parser.end()
    return Compiled(
        kind,
        run,
        tuple(parser.paths),
        frozenset(parser.used_names),
        frozenset(parser.used_values),
        tuple(parser.checks),
    )


@lru_cache(maxsize=1024)
def _projection(text: str, names: frozenset[tuple[str, str]]) -> Compiled:
    parser = Parser("ProjectionExpression", text, dict(names))
    paths = tuple(parser.commas(parser.path))
    parser.end()
    refuse_overlaps("ProjectionExpression", paths)
    return Compiled(parser.kind, None, paths, frozenset(parser.used_names), frozenset(), ())


def compile_condition(
    text: str, names: Mapping[str, str], kind: str = "ConditionExpression"
) -> Compiled:
    """Return a condition; `.run(item, values)` says whether it holds."""
    return _condition(kind, text, frozenset(names.items()) if names else _NO_NAMES)


def compile_projection(text: str, names: Mapping[str, str]) -> Compiled:
    """Return a projection; `.paths` are what it keeps."""
    return _projection(text, frozenset(names.items()) if names else _NO_NAMES)


def bind(
    names: Mapping[str, str] | None, values: Values | None, *expressions: Compiled | None
) -> Values:
    """Return the placeholders' values as the store compares them.

    Refuses a value that is not defined, one of the wrong type, and a placeholder never used.
    """
    given = [expression for expression in expressions if expression is not None]
    if not given:
        for kind, placeholders in (("Names", names), ("Values", values)):
            if placeholders is not None:
                raise invalid(
                    f"ExpressionAttribute{kind} can only be specified when using expressions"
                )
        return {}
    checks = _agreed(
        None if names is None else tuple(names),
        None if values is None else tuple(values),
        tuple(given),
    )
    bound = {name: canonical(value) for name, value in values.items()} if values else {}
    for check in checks:
        check(bound)
    return bound


@lru_cache(maxsize=4096)
def _agreed(
    names: tuple[str, ...] | None,
    values: tuple[str, ...] | None,
    expressions: tuple[Compiled, ...],
) -> tuple[Callable[[Values], None], ...]:
    """Refuse placeholders that are missing or left over; return what is to check of the values."""
    if names == () or values == ():
        raise invalid("ExpressionAttributeNames and ExpressionAttributeValues must not be empty")
    used_names: set[str] = set()
    used_values: set[str] = set()
    for expression in expressions:
        for missing in sorted(expression.used_values.difference(values or ())):
            raise invalid(
                f"Invalid {expression.kind}: An expression attribute value used in expression "
                f"is not defined; attribute value: {missing}"
            )
        used_names |= expression.used_names
        used_values |= expression.used_values
    for kind, placeholders, used in (
        ("Names", names or (), used_names),
        ("Values", values or (), used_values),
    ):
        unused = sorted(set(placeholders) - used)
        if unused:
            raise invalid(
                f"Value provided in ExpressionAttribute{kind} unused in expressions: "
                f"keys: {{{', '.join(unused)}}}"
            )
    return tuple(check for expression in expressions for check in expression.checks)
