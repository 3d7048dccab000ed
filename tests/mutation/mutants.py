"""The small mistakes that are made in a module, one at a time.

What is changed is behaviour: comparisons, conditions, numbers, the conditions and updates that
DynamoDB is sent, statements, arguments and entries that are left out. What is left alone: the texts
of errors and their arguments (other tests hold those), names of attributes and of operations (any
test that reaches one fails), annotations, decorators and docstrings, what is for the type checker
alone, and what is logged for debugging.
"""

import ast
import re
from collections import Counter
from dataclasses import replace

from tests.mutation.splicing import Mutant, Splicer

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "//",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
_SAID = {"strict", "wanted"}  # arguments: that two lists are as long, and an error's text
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}
# Of DynamoDB's expressions: what a condition or an update says, and what it might say by mistake.
_EXPRESSIONS = [
    (r" AND ", " OR "),
    (r" OR ", " AND "),
    (r" = ", " <> "),
    (r" <> ", " = "),
    (r" < ", " <= "),
    (r" <= ", " < "),
    (r" > ", " >= "),
    (r" >= ", " > "),
    (r" \+ (?=:)", " - "),
    (r" - (?=:)", " + "),
    (r"attribute_exists\(", "attribute_not_exists("),
    (r"attribute_not_exists\(", "attribute_exists("),
]
_SPEAKS_TO_THE_STORE = re.compile(r":\w|\{|attribute_|#\w")


def mutants(source: str) -> list[Mutant]:
    """Return every mistake that is made in a module, in the order of its lines.

    Where a function has the same line several times, the later ones are numbered: `pass  # 2`.
    """
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    made = {each.text: each for each in sorted(finder.found) if _compiles(each.text)}
    times: Counter[tuple[str, str, str]] = Counter()
    found = []
    for each in made.values():
        times[each.name] += 1
        number = f"  # {times[each.name]}" if times[each.name] > 1 else ""
        found.append(replace(each, becomes=each.becomes + number))
    return found


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except SyntaxError:
        return False
    return True


class _Finder(Splicer):
    """Makes every mistake that it knows."""

    # What is passed through, and what is left alone.

    def visit(self, node: ast.AST) -> None:
        """Visit a node, and remember the statement that it is part of."""
        if isinstance(node, ast.stmt):
            self._statements.append(node)
            super().visit(node)
            self._statements.pop()
        else:
            super().visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Go through the defaults and the body."""
        self._names.append(node.name)
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self._functions.append(node)
        self._body(node.body)
        self._functions.pop()
        self._names.pop()

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - named by ast

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Go through the body."""
        self._names.append(node.name)
        self._body(node.body)
        self._names.pop()

    def visit_Module(self, node: ast.Module) -> None:
        """Go through the body."""
        self._body(node.body)

    def _body(self, body: list[ast.stmt]) -> None:
        for statement in body:
            described = isinstance(statement, ast.Expr) and isinstance(
                statement.value, ast.Constant
            )
            if not described:
                self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Leave the annotation alone, and the name of a type."""
        if node.value is not None and self._text(node.annotation) != "TypeAlias":
            self.visit(node.value)

    def visit_Import(self, node: ast.Import) -> None:
        """Leave imports alone."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Leave imports alone."""

    def visit_Assert(self, node: ast.Assert) -> None:
        """Leave alone what can only be true."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave the error's text alone, and raise nothing."""
        self._replace(node, node, "pass")

    # Mistakes.

    def visit_Compare(self, node: ast.Compare) -> None:
        """Turn an operator round, or move its edge."""
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            start, end = self._end(left), self._start(right)
            between = self._bytes[start:end].decode()
            wrong = re.sub(
                r"[<>=!]+|\b(is not|not in|is|in)\b", _COMPARISONS[type(operator)], between, count=1
            )
            self._splice(node, start, end, wrong)
            left = right
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Leave each of the operands out."""
        for index, value in enumerate(node.values):
            rest = [each for each in node.values if each is not value]
            joined = (" and " if isinstance(node.op, ast.And) else " or ").join(
                self._text(each) for each in rest
            )
            self._replace(node, value if index else node.values[0], joined, whole=node)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Leave out what is not, or the sign."""
        self._replace(node, node, f"({self._text(node.operand)})")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Compute something else."""
        texts = (node.left, node.right)
        if type(node.op) in _ARITHMETIC and not any(
            isinstance(each, ast.JoinedStr | ast.Constant) and not _is_number(each)
            for each in texts
        ):
            start, end = self._end(node.left), self._start(node.right)
            between = self._bytes[start:end].decode()
            wrong = re.sub(r"\*\*|//|[-+*/%|&]", _ARITHMETIC[type(node.op)], between, count=1)
            self._splice(node, start, end, wrong)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Change a number or a truth, or what the store is told."""
        if isinstance(node.value, bool):
            self._replace(node, node, str(not node.value))
        elif isinstance(node.value, int):
            self._replace(node, node, str(node.value + 1))
        elif isinstance(node.value, float):
            self._replace(node, node, repr(node.value * 2 or 1.0))
        elif isinstance(node.value, str):
            self._expression(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Change what the store is told."""
        self._expression(node)
        if self._holds_its_parts(node):
            self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        """Do it when it should not be done."""
        if self._text(node.test) == "TYPE_CHECKING":
            return
        self._turn_round(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        """Go on when it should end."""
        self._turn_round(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """Take the other one."""
        self._turn_round(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        """Take what should be left out."""
        for test in node.ifs:
            self._turn_round(test)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Forget to do it."""
        if self._text(node.value).startswith("_log.debug("):
            return
        self._replace(node, node, "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Forget to keep it, where it outlives the function."""
        if any(isinstance(each, ast.Attribute | ast.Subscript) for each in node.targets):
            self._replace(node, node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Forget to count it."""
        self._replace(node, node, "pass")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        """Go on with what should be passed over."""
        self._replace(node, node, "pass")

    def visit_Break(self, node: ast.Break) -> None:
        """Go on with what should end."""
        self._replace(node, node, "pass")

    def visit_Call(self, node: ast.Call) -> None:
        """Leave an argument out that has a name, or take the other end."""
        if isinstance(node.func, ast.Name) and node.func.id == "field":
            return  # of a dataclass: how it is declared, not what it does
        if isinstance(node.func, ast.Name) and node.func.id in _TWINS:
            self._replace(node, node.func, _TWINS[node.func.id])
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in _SAID:
                self._leave_out(node, keyword, keyword)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        """Change what an argument says, unless it changes nothing."""
        if node.arg not in _SAID:
            self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        """Leave an entry out."""
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self._leave_out(node, key, value)
            else:
                start = self._bytes.rindex(b"**", 0, self._start(value))
                self._leave_out(node, start, value)
        self.generic_visit(node)

    def visit_Set(self, node: ast.Set) -> None:
        """Leave an element out."""
        for each in node.elts:
            if len(node.elts) > 1:
                self._leave_out(node, each, each)
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """Let one of several errors pass."""
        if isinstance(node.type, ast.Tuple):
            for each in node.type.elts:
                self._leave_out(node.type, each, each)
        self._body(node.body)

    def _expression(self, node: ast.expr) -> None:
        if not self._holds_its_parts(node):
            return
        start, text = self._start(node), self._text(node)
        if not _SPEAKS_TO_THE_STORE.search(text):
            return
        for right, wrong in _EXPRESSIONS:
            for found in re.finditer(right, text):
                before = len(text[: found.start()].encode())
                after = len(text[: found.end()].encode())
                self._splice(node, start + before, start + after, wrong)


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)
