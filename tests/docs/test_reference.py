"""What users can name, the documentation has."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import interlock
from interlock import errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# Faces that only export, and the command.
ELSEWHERE = {"interlock.aio", "interlock.cli"}


def documented():
    pages = (DOCS / "reference").glob("*.md")
    texts = [page.read_text() for page in pages]
    return {name for text in texts for name in re.findall(r"^::: (\S+)", text, re.MULTILINE)}


def public_modules():
    for module in pkgutil.walk_packages(interlock.__path__, "interlock."):
        if "._" not in module.name and module.name not in ELSEWHERE:
            yield module.name


def test_every_public_module_is_in_the_reference():
    missing = {
        name
        for name in public_modules()
        if not any(name == one or name.startswith(f"{one}.") for one in documented())
    }
    assert missing == set()


def test_the_reference_names_nothing_that_is_not_there():
    for name in documented():
        importlib.import_module(name)


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value)
        and issubclass(value, errors.InterlockError)
        and value is not errors.InterlockError
    ],
)
def test_every_error_has_a_section_that_says_what_to_do(name):
    sections = re.findall(
        r"^### (\w+)\n(.+)", (DOCS / "howto/troubleshooting.md").read_text(), re.MULTILINE
    )
    assert name in dict(sections)


def test_a_traceback_ends_with_the_address_that_explains_the_error():
    (note,) = errors.CounterNotFound("visits").__notes__
    page, _, anchor = note.rpartition("#")
    assert page.endswith("howto/troubleshooting.html")
    assert anchor == "counternotfound"
