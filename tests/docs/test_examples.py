"""Every example of the site's guides runs, page by page, from top to bottom."""

import re
from pathlib import Path
from typing import Any

import pytest

from interlock import LockClient

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/start.md", *sorted((ROOT / "docs/howto").glob("*.md"))]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def close(names):
    """Close the clients of an example, which shows what happens to locks and not to programs."""
    for value in names.values():
        if isinstance(value, LockClient):
            value.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_one_after_the_other(page):
    names = {"__name__": page.stem}
    for number, block in enumerate(blocks(page), 1):
        exec(compile(block, f"{page.name}, example {number}", "exec"), names)  # noqa: S102 - ours
    close(names)


@pytest.mark.parametrize("page", ["README.md", "docs/zh/readme.md"])
def test_the_first_example_of_the_readme_runs_without_an_account(page):
    first, *_ = blocks(ROOT / page)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(first, page, "exec"), names)  # noqa: S102 - ours
    assert names["store"].get("orders", {"id": "42"})["state"] == "shipped"


def test_the_guides_have_examples():
    without = {"cli", "troubleshooting", "without-cdk"}
    assert all(blocks(page) for page in PAGES if page.stem not in without)
