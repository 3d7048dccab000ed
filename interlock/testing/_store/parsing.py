"""The tokens of expressions, document paths and placeholders: what all kinds have in common.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as File
from typing import Any, TypeAlias

from interlock.testing._store.attributes import Attribute, invalid
from interlock.testing._store.paths import Path

Item: TypeAlias = Mapping[str, Attribute]
Values: TypeAlias = Mapping[str, Attribute]
Operand: TypeAlias = Callable[[Item, Values], Attribute | None]
Condition: TypeAlias = Callable[[Item, Values], bool]

_TOKEN = re.compile(r"\s*(?:([#:]?[A-Za-z0-9_]+(?:(?<=[#:])[\w]*)?)|(<>|<=|>=|[=<>(),.\[\]+-]))")
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
TYPES = frozenset({"S", "SS", "N", "NS", "B", "BS", "BOOL", "NULL", "L", "M"})


@lru_cache(maxsize=1)
def reserved_words() -> frozenset[str]:
    """Return the words that cannot be written as attribute names, in upper case.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html
    """
    words = File(__file__).with_name("reserved_words.txt")
    return frozenset(words.read_text().split())


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


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """An expression that is ready to be asked: its meaning and what it refers to.

    Compiled once for its text and names, so it is told apart by identity.
    """

    kind: str
    run: Any
    paths: tuple[Path, ...]
    used_names: frozenset[str]
    used_values: frozenset[str]
    checks: tuple[Callable[[Values], None], ...]
