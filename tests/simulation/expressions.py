"""DynamoDB's expressions: the grammar, and conditions that can be asked of an item.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html

An expression is compiled once for its text and names into closures `(item, values) -> ...`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path as File
from typing import Any, TypeAlias

from tests.simulation.attributes import Attribute, canonical, comparable, invalid, value_size
from tests.simulation.paths import Path, look_up, refuse_overlaps, show

Item: TypeAlias = Mapping[str, Attribute]
Values: TypeAlias = Mapping[str, Attribute]
Operand: TypeAlias = Callable[[Item, Values], Attribute | None]
Condition: TypeAlias = Callable[[Item, Values], bool]

_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+(?:(?<=[#:])[\w]*)?)|(<>|<=|>=|[=<>(),.\[\]+-]))")
_COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
_TYPES = frozenset({"S", "SS", "N", "NS", "B", "BS", "BOOL", "NULL", "L", "M"})


@lru_cache(maxsize=1)
def reserved_words() -> frozenset[str]:
    """Return the words that cannot be written as attribute names, in upper case.

    The list is the one in moto's sources, read as a file: importing moto takes seconds.
    """
    spec = find_spec("moto")
    assert spec is not None
    assert spec.origin is not None
    words = File(spec.origin).parent / "dynamodb" / "parsing" / "reserved_keywords.txt"
    return frozenset(word.strip().upper() for word in words.read_text().split())


class Parser:
    """The tokens of one expression, and what is common to the kinds of expressions.

    Collects which placeholders are used, and checks of value types that hold for any item.
    """

    def __init__(self, kind: str, text: str, names: Mapping[str, str]) -> None:
        self.kind = kind
        self.names = names
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.checks: list[Callable[[Values], None]] = []
        self.tokens: list[str] = []
        position, end = 0, len(text.rstrip())
        if not end:
            raise invalid(f"Invalid {kind}: The expression can not be empty;")
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                raise self.error(f'Syntax error; token: "{text[position:].strip()[:1]}"')
            self.tokens.append(match[1] or match[2])
            position = match.end()
        self.position = 0

    def error(self, message: str) -> Exception:
        """Return the refusal of this expression."""
        return invalid(f"Invalid {self.kind}: {message}")

    def peek(self, ahead: int = 0) -> str:
        """Return a token without taking it; "" at the end."""
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

    def take(self) -> str:
        """Take the next token."""
        token = self.peek()
        self.position += 1
        return token

    def accept(self, word: str) -> bool:
        """Take the next token if it is this word, in any case."""
        if self.peek().upper() != word:
            return False
        self.position += 1
        return True

    def expect(self, word: str) -> None:
        """Take this token or refuse the expression."""
        if not self.accept(word):
            raise self.error(f'Syntax error; token: "{self.peek() or "<EOF>"}"')

    def end(self) -> None:
        """Refuse what is left over."""
        if self.peek():
            raise self.error(f'Syntax error; token: "{self.peek()}"')

    def commas(self, one: Callable[[], Any]) -> list[Any]:
        """Return one or more of what `one` parses, separated by commas."""
        found = [one()]
        while self.accept(","):
            found.append(one())
        return found

    def path(self) -> Path:
        """Take a document path."""
        steps: list[str | int] = [self._name()]
        while True:
            if self.accept("."):
                steps.append(self._name())
            elif self.accept("["):
                index = self.take()
                if not index.isdecimal():
                    raise self.error(f'Syntax error; token: "{index}"')
                steps.append(int(index))
                self.expect("]")
            else:
                return tuple(steps)

    def _name(self) -> str:
        token = self.take()
        if token.startswith("#"):
            if token not in self.names:
                raise self.error(
                    "An expression attribute name used in the document path is not defined; "
                    f"attribute name: {token}"
                )
            self.used_names.add(token)
            return self.names[token]
        if not token or not (token[0].isalpha() or token[0] == "_"):
            raise self.error(f'Syntax error; token: "{token or "<EOF>"}"')
        if token.upper() in reserved_words():
            raise self.error(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return token

    def value(self) -> str:
        """Take a value's placeholder."""
        token = self.take()
        if not token.startswith(":"):
            raise self.error(f'Syntax error; token: "{token or "<EOF>"}"')
        self.used_values.add(token)
        return token

    def check_kind(self, name: str, kinds: Iterable[str], place: str) -> None:
        """Have the type of a value checked before any item is looked at."""
        allowed = frozenset(kinds)

        def check(values: Values) -> None:
            (kind,) = values[name]
            if kind not in allowed:
                raise self.error(
                    "Incorrect operand type for operator or function; "
                    f"operator or function: {place}, operand type: {kind}"
                )

        self.checks.append(check)


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that is ready to be asked: its meaning and what it refers to."""

    kind: str
    run: Any
    paths: tuple[Path, ...]
    used_names: frozenset[str]
    used_values: frozenset[str]
    checks: tuple[Callable[[Values], None], ...]


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
        if left_id == right_id:
            raise self.error(
                "The first operand must be distinct from the remaining operands for this "
                f"operator or function; operator: {name}, first operand: {left_id}"
            )
        if name == "begins_with":
            for side in (left_id, right_id):
                if isinstance(side, str):
                    self.check_kind(side, ("S", "B"), name)
            return lambda item, values: _begins_with(left(item, values), right(item, values))
        if name == "contains":
            return lambda item, values: _contains(left(item, values), right(item, values))
        if not isinstance(right_id, str):
            raise self.error(
                "Incorrect operand type for operator or function; "
                "operator or function: attribute_type, operand type: a path"
            )
        self.check_kind(right_id, ("S",), name)
        self.checks.append(lambda values: self._check_type_name(values[right_id]))
        return lambda item, values: _is_type(left(item, values), values[right_id])

    def _check_type_name(self, attribute: Attribute) -> None:
        if attribute["S"] not in _TYPES:
            raise self.error(
                f"Invalid attribute type name found; type: {attribute['S']}, "
                "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
            )

    def _own_path(self) -> Path:
        path = self.path()
        self.paths.append(path)
        return path

    def _operand(self) -> tuple[Operand, Any]:
        """Return an operand, and what tells it from others: a path or a placeholder."""
        token = self.peek()
        if token.startswith(":"):
            self.value()
            return (lambda _, values: values[token]), token
        if token == "size" and self.peek(1) == "(":
            self.position += 2
            inner, identity = self._operand()
            self.expect(")")
            if isinstance(identity, str):
                kinds = _TYPES - {"N", "BOOL", "NULL"}
                self.check_kind(identity, kinds, "size")
            return (lambda item, values: _size(inner(item, values))), ("size()", identity)
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
                _ordered("<=", low(item, values), left(item, values))
                and _ordered("<=", left(item, values), high(item, values))
            )
        if token == "IN":
            self.expect("(")
            choices = [operand for operand, _ in self.commas(self._operand)]
            self.expect(")")
            if len(choices) > 100:
                raise self.error("Invalid expression: too many operands for IN")
            return lambda item, values: any(
                _equal(left(item, values), choice(item, values)) for choice in choices
            )
        if token not in _COMPARATORS:
            raise self.error(f'Syntax error; token: "{token or "<EOF>"}"')
        right, right_id = self._operand()
        if left_id == right_id and not isinstance(left_id, str):
            raise self.error(
                "The first operand must be distinct from the remaining operands for this "
                f"operator or function; operator: {token}, first operand: {show(left_id)}"
            )
        if token == "=":
            return lambda item, values: _equal(left(item, values), right(item, values))
        if token == "<>":
            return lambda item, values: not _equal(left(item, values), right(item, values))
        for side in (left_id, right_id):
            if isinstance(side, str):
                self.check_kind(side, ("S", "N", "B"), token)
        return lambda item, values: _ordered(token, left(item, values), right(item, values))

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


def _equal(left: Attribute | None, right: Attribute | None) -> bool:
    return left is not None and left == right


def _ordered(operator: str, left: Attribute | None, right: Attribute | None) -> bool:
    pair = comparable(left, right)
    if pair is None:
        return False
    a, b = pair
    match operator:
        case "<":
            return bool(a < b)
        case "<=":
            return bool(a <= b)
        case ">":
            return bool(a > b)
    return bool(a >= b)


def _begins_with(whole: Attribute | None, start: Attribute | None) -> bool:
    if whole is None or start is None:
        return False
    ((kind, value),) = whole.items()
    return kind in ("S", "B") and kind in start and value.startswith(start[kind])


def _contains(whole: Attribute | None, part: Attribute | None) -> bool:
    if whole is None or part is None:
        return False
    ((kind, value),) = whole.items()
    ((part_kind, part_value),) = part.items()
    if kind == "L":
        return part in value
    if kind in ("SS", "NS", "BS"):
        return part_kind == kind[0] and part_value in value
    return kind in ("S", "B") and part_kind == kind and part_value in value


def _is_type(attribute: Attribute | None, name: Attribute) -> bool:
    return attribute is not None and name["S"] in attribute


def _size(attribute: Attribute | None) -> Attribute | None:
    if attribute is None:
        return None
    ((kind, value),) = attribute.items()
    if kind in ("N", "BOOL", "NULL"):
        return None
    if kind == "S":
        return {"N": str(len(value))}
    return {"N": str(len(value))} if kind != "B" else {"N": str(value_size(attribute))}


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
    return _condition(kind, text, frozenset(names.items()))


def compile_projection(text: str, names: Mapping[str, str]) -> Compiled:
    """Return a projection; `.paths` are what it keeps."""
    return _projection(text, frozenset(names.items()))


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
    if (names is not None and not names) or (values is not None and not values):
        raise invalid("ExpressionAttributeNames and ExpressionAttributeValues must not be empty")
    bound = {name: canonical(value) for name, value in (values or {}).items()}
    used_names: set[str] = set()
    used_values: set[str] = set()
    for expression in given:
        for missing in sorted(expression.used_values - bound.keys()):
            raise invalid(
                f"Invalid {expression.kind}: An expression attribute value used in expression "
                f"is not defined; attribute value: {missing}"
            )
        used_names |= expression.used_names
        used_values |= expression.used_values
        for check in expression.checks:
            check(bound)
    for kind, placeholders, used in (
        ("Names", names or {}, used_names),
        ("Values", bound, used_values),
    ):
        unused = sorted(set(placeholders) - used)
        if unused:
            raise invalid(
                f"Value provided in ExpressionAttribute{kind} unused in expressions: "
                f"keys: {{{', '.join(unused)}}}"
            )
    return bound
