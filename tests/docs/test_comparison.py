"""The comparison says of each source when it was read."""

import re
from datetime import date
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
TEXT, _, SOURCES = (DOCS / "comparison.md").read_text(encoding="utf-8").partition("## Sources\n")
ROWS = re.findall(r"^\| \[.+\]\((https://\S+)\) \| (.*) \|$", SOURCES, re.MULTILINE)


def test_each_page_that_is_quoted_is_among_the_sources_and_no_other():
    quoted = re.findall(r"\]\((https://[^)]+)\)", TEXT)
    assert [link for link, _ in ROWS] == list(dict.fromkeys(quoted))


@pytest.mark.parametrize(("link", "read"), ROWS)
def test_each_source_has_the_day_on_which_it_was_read(link, read):
    assert date.fromisoformat(read) >= date(2026, 11, 24), link  # the page's first day


def test_the_other_clients_have_the_day_on_which_their_sources_were_read():
    (section,) = re.findall(
        r"^## Other clients, by their sources\n(.*?)^\|",
        (DOCS / "locks.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    (read,) = re.findall(r"Read on (\S+)\.", section)
    assert date.fromisoformat(read) >= date(2026, 11, 24)
