"""What is left of a source without docstrings and comments: its code, where it was."""

import ast
import io
import tokenize
from pathlib import Path
from typing import Any

import pytest

import interlock
from interlock.constructs.prose import without_prose

PACKAGE = Path(interlock.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ('"""A module."""\n\nx = 1\n', "\n\nx = 1\n"),
        ("def f():\n    '''Two\n    lines.'''\n    return 1\n", "def f():\n\n\n    return 1\n"),
        ('class C(Exception):\n    """Alone."""\n', "class C(Exception):\n    pass\n"),
        ('def f(): "On the line."\n', "def f(): pass\n"),
        ('async def f():\n    "é" # why\n    g()\n', "async def f():\n\n    g()\n"),
        ("x = 1  # one\n# two\n", "x = 1\n\n"),
        ('x = "# no comment"  # one\n', 'x = "# no comment"\n'),
        ("x = '\"#' + r'\\'#'  # one\n", "x = '\"#' + r'\\'#'\n"),
        ("x = '''\n# kept'''  # not\n", "x = '''\n# kept'''\n"),
        ('x = f"{y!r:>{n}} # kept"\n', 'x = f"{y!r:>{n}} # kept"\n'),
        ('x = "a\\"#b"  # one\n', 'x = "a\\"#b"\n'),
        ('LIMIT = 1\n"""How many."""\nREST = 2\n', "LIMIT = 1\n\nREST = 2\n"),
        ('if x:\n    "a"\nelse:\n    "b"\n', "if x:\n    pass\nelse:\n    pass\n"),
        ("f()\n", "f()\n"),
        ("", ""),
    ],
)
def test_code_stays_where_it_was(source, left):
    assert without_prose(source) == left


def said(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str)


def code_of(source):
    """Return each statement and expression with its place and its own words."""
    tree = ast.parse(source)
    found: Any = ast.walk(tree)
    prose = {id(part) for node in found if said(node) for part in (node, node.value)}
    return [
        (type(node), node.lineno, node.col_offset, *(getattr(node, word, None) for word in WORDS))
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt | ast.expr) and id(node) not in prose
        if not isinstance(node, ast.Pass)
    ]


WORDS = ("id", "attr", "name", "kind", "arg", "module")


def test_every_module_keeps_its_code_in_its_places():
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        assert code_of(without_prose(source)) == code_of(source), path


def test_no_module_keeps_a_comment_or_a_docstring():
    for path in SOURCES:
        left = without_prose(path.read_text(encoding="utf-8"))
        tokens = tokenize.generate_tokens(io.StringIO(left).readline)
        assert not [token for token in tokens if token.type == tokenize.COMMENT], path
        assert not [node for node in ast.walk(ast.parse(left)) if said(node)], path


def test_what_is_no_python_is_refused():
    with pytest.raises(SyntaxError):
        without_prose("def f(:\n")
