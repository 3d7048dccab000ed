"""A mistake in the text of a module, and how it is written there: all else stays as it is."""

import ast
import re
from dataclasses import dataclass
from difflib import ndiff


@dataclass(frozen=True, order=True)
class Mutant:
    """One mistake: the text of the module with it, and how it is recognized after other edits.

    `was` and `becomes` are the lines that differ, without their indentation; with the function that
    they are in, they name a mistake for as long as these lines stand. `lines` are those that a
    test has to reach to notice it, `around` those of its function; none if the module itself runs
    them as it is imported.
    """

    line: int
    function: str
    was: str
    becomes: str
    text: str
    lines: frozenset[int]
    around: frozenset[int]

    @property
    def name(self) -> tuple[str, str, str]:
        """What stays of it when other lines change."""
        return self.function, self.was, self.becomes


class Splicer(ast.NodeVisitor):
    """Puts other text in the place of a node of a module, and keeps what comes of it in `found`."""

    def __init__(self, source: str) -> None:
        self.found: list[Mutant] = []
        self._source = source
        self._starts = [0]
        for line in source.encode().splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._bytes = source.encode()
        self._lines = source.splitlines()
        self._names: list[str] = []
        self._statements: list[ast.stmt] = []
        self._functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []

    def _turn_round(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
            self._replace(test, test, f"not ({self._text(test)})")

    def _holds_its_parts(self, node: ast.expr) -> bool:
        """Whether the node's place is that of its text: parts of an f-string have none in 3.11."""
        return self._text(node)[:1] in {'"', "'", "f", "r", "F", "R"}

    def _leave_out(self, node: ast.expr, first: ast.AST | int, last: ast.AST) -> None:
        start = first if isinstance(first, int) else self._start(first)
        end = self._end(last)
        comma = re.compile(rb"\s*,[ ]?").match(self._bytes, end)
        if comma is not None:
            end = comma.end()
        else:
            before = re.compile(rb",\s*$").search(self._bytes[:start])
            start = before.start() if before else start
        self._splice(node, start, end, "")

    def _replace(
        self, node: ast.AST, part: ast.AST, wrong: str, whole: ast.AST | None = None
    ) -> None:
        target = whole or part
        self._splice(node, self._start(target), self._end(target), wrong)

    def _splice(self, node: ast.AST, start: int, end: int, wrong: str) -> None:
        text = (self._bytes[:start] + wrong.encode() + self._bytes[end:]).decode()
        changed = list(
            ndiff(self._lines_around(self._source, node), self._lines_around(text, node))
        )
        was = " ".join(line[2:].strip() for line in changed if line.startswith("- "))
        becomes = " ".join(line[2:].strip() for line in changed if line.startswith("+ "))
        if was == becomes:
            return
        lines = around = frozenset[int]()
        if self._functions:
            body = self._functions[-1].body
            around = frozenset(range(body[0].lineno, (body[-1].end_lineno or 0) + 1))
            first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
            lines = frozenset(range(first, last + 1)) | {self._statements[-1].lineno}
        self.found.append(
            Mutant(
                line=self._bytes.count(b"\n", 0, start) + 1,
                function=".".join(self._names),
                was=was,
                becomes=becomes,
                text=text,
                lines=lines,
                around=around,
            )
        )

    def _lines_around(self, text: str, node: ast.AST) -> list[str]:
        """Return the lines of a text from a node's first to as many before the end as it has."""
        lines = text.splitlines()
        after = len(self._lines) - (node.end_lineno or node.lineno)  # type: ignore[attr-defined]
        return lines[node.lineno - 1 : len(lines) - after]  # type: ignore[attr-defined]

    def _start(self, node: ast.AST) -> int:
        place: int = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return place

    def _end(self, node: ast.AST) -> int:
        assert isinstance(node, ast.expr | ast.stmt | ast.keyword)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        return self._bytes[self._start(node) : self._end(node)].decode()
