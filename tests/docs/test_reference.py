"""What users can name, the documentation has."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import interlock
from interlock import errors
from interlock.metrics import Metric

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


def test_a_page_that_says_what_comes_first_leaves_nothing_out():
    listed = r"^::: (\S+)\n    options:\n      members:\n((?:        - \w+\n)+)"
    texts = [page.read_text(encoding="utf-8") for page in (DOCS / "reference").glob("*.md")]
    found = [one for text in texts for one in re.findall(listed, text, re.MULTILINE)]
    assert found
    for module, names in found:
        everything = sorted(importlib.import_module(module).__all__)
        assert sorted(re.findall(r"- (\w+)", names)) == everything, module


def test_every_metric_has_a_line_that_says_when_it_is_reported():
    page = (DOCS / "reference/metrics.md").read_text(encoding="utf-8")
    assert [metric for metric in Metric if f"`{metric.value}`" not in page] == []


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


def test_every_reason_of_a_loss_says_what_helps():
    page = (DOCS / "howto/troubleshooting.md").read_text(encoding="utf-8")
    assert [reason for reason in errors.LossReason if f"`{reason.value}`" not in page] == []


class OfAnApplication(errors.CounterNotFound):
    """An error that an application derives from one of the library's."""


@pytest.mark.parametrize("name", ["CounterNotFound", "InvalidValue", "TableNotFound"])
def test_a_traceback_ends_with_the_address_that_explains_the_error(name):
    kind = getattr(errors, name)
    (note,) = kind(*["x"] * (len(inspect.signature(kind).parameters))).__notes__
    assert note == explained(name)


def test_an_error_of_an_application_ends_with_the_address_of_its_parent():
    assert OfAnApplication("visits").__notes__ == [explained("CounterNotFound")]
    assert errors.InterlockError().__notes__ == [explained("").removesuffix("#")]


def explained(name):
    """Return an address of the site, of a page and a heading that are there."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "use_directory_urls: false" in settings  # so a page's address is its file's
    (site,) = re.findall(r"^site_url: (\S+)", settings, re.MULTILINE)
    assert "- Find what an error means: howto/troubleshooting.md" in settings
    page = (DOCS / "howto/troubleshooting.md").read_text(encoding="utf-8")
    assert not name or f"\n### {name}\n" in page
    return f"{site}howto/troubleshooting.html#{name.lower()}"
