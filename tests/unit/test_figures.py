"""The documentation's tables of measured figures are made of recorded runs."""

import pytest

from scripts import figures

RUN = {
    "at": "2026-11-27T07:00:00Z",
    "commit": "abc1234",
    "python": "3.13.1",
    "processors": 2,
    "tables": {
        "uncontended": {
            "raw": {"seconds": 0.00213, "rate_against_first": 1.0},
            "interlock": {"seconds": 0.000000931, "rate_against_first": 0.8163, "lost": 0.0},
        }
    },
}
TABLE = """\
| | median | rate against first | lost |
|---|---|---|---|
| raw | 2.13 ms | 1.00x |  |
| interlock | 0.931 µs | 0.82x | 0 |
"""


def test_what_stands_between_the_comments_is_the_last_runs_table():
    old = "Before.\n\n<!-- figures: locks / uncontended -->\nold\n<!-- end of figures -->\nAfter.\n"
    made = figures.filled(old, {"locks": RUN})
    assert made == (
        "Before.\n\n<!-- figures: locks / uncontended -->\n\n"
        f"{TABLE}\n<!-- end of figures -->\nAfter.\n"
    )
    assert figures.filled(made, {"locks": RUN}) == made


def test_a_table_of_no_run_is_named_with_those_that_there_are():
    page = "<!-- figures: locks / contended -->\n<!-- end of figures -->\n"
    with pytest.raises(figures.NoFigures, match="locks / contended; there are: locks / uncont"):
        figures.filled(page, {"locks": RUN})


@pytest.mark.parametrize(
    ("name", "figure", "shown"),
    [
        ("seconds", 0.0, "0 µs"),
        ("seconds", 0.00095, "950 µs"),
        ("hand_over_seconds", 1.5, "1.5 s"),
        ("slowest_hand_over_seconds", 0.2424, "242 ms"),
        ("overhead", 1.149, "1.15x"),
        ("calls_a_second", 12345.6, "12,346"),
        ("calls_a_grant", 2.4, "2.4"),
        ("calls_a_grant", None, ""),
    ],
)
def test_a_figure_is_shown_with_its_unit(name, figure, shown):
    assert figures.cell(name, figure) == shown


def test_the_overview_says_when_and_where_each_run_was_made():
    made = figures.overview({"locks": RUN})
    assert (
        "`make bench ONLY=locks`: 2026-11-27, commit abc1234, Python 3.13.1, 2 processors." in made
    )
    assert TABLE in made


def test_no_page_has_other_figures_than_its_recorded_run():
    assert [path for path, text in figures.pages().items() if path.read_text() != text] == []
