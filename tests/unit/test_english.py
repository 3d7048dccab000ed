"""The house's English: a sentence names its actor."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("interlock", "stacks", "lambda", "server", "local", "scripts", "benchmarks", "examples")
_UNNAMED = re.compile(r"\b(whoever|nobody|somebody|anybody)\b", re.IGNORECASE)


@pytest.mark.parametrize("room", ROOMS)
def test_the_code_names_its_actors(room):
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _UNNAMED.search(line)
    ]
    assert not found, "name the client, holder, waiter, caller or store"


_PAGES = [
    *(ROOT / "docs").rglob("*.md"),
    *ROOT.glob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
]
_ANYBODY = re.compile(
    r"\b(whoever|(?:no|some|any|every)body|(?:some|any|every)one)\b", re.IGNORECASE
)


@pytest.mark.parametrize("page", sorted(_PAGES), ids=lambda page: page.stem)
def test_the_pages_name_their_actors(page):
    found = [
        f"{page.relative_to(ROOT)}:{number}: {word[0]}"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        for word in _ANYBODY.finditer(line)
    ]
    assert not found, "name the reader, caller, client, person or program"


_PRONOUN = re.compile(r"(What|Who|Whose|Whom|How|Where|Which|That|Those|When|Why)\b")
_DESCRIBED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@pytest.mark.parametrize("room", ROOMS)
def test_a_docstring_opens_with_a_verb_or_a_noun(room):
    found = [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, _DESCRIBED) and _PRONOUN.match(ast.get_docstring(node) or "")
    ]
    assert not found, "say what it is or does, rather than 'What ...'"


_NOQA = re.compile(r"# noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*(?P<reason>.*)")
_ELSEWHERE = re.compile(r" - (as (above|there|the module says)|likewise|see above)$")


@pytest.mark.parametrize("room", [*ROOMS, "tests"])
def test_an_exception_to_a_rule_has_a_reason_that_stands_on_its_own(room):
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for noqa in [_NOQA.search(line)]
        if noqa and path.name != "test_english.py"
        if not noqa["reason"].startswith(" - ") or _ELSEWHERE.search(noqa["reason"])
    ]
    assert not found, "say why, or give the rule an exception a folder in pyproject.toml"
