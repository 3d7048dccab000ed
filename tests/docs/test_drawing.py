"""The picture of the architecture is drawn from its text, and can be read."""

import re
from itertools import pairwise

import pytest

from scripts.drawing import HEIGHT, NARROW, PICTURE, WIDE, arrows, boxes, drawn, main


@pytest.fixture
def placed():
    return boxes()


def test_the_picture_is_that_of_the_text():
    assert main(["--check"]) == 0
    assert PICTURE.read_text(encoding="utf-8") == drawn()


def test_no_text_touches_the_edge_of_its_box(placed):
    for box in placed.values():
        assert len(box.title) * WIDE < box.width - 20, box.name
        assert len(box.subtitle) * NARROW < box.width - 20, box.name


def on_edge(box, point):
    x, y = point
    inside = box.x <= x <= box.right and box.y <= y <= box.y + HEIGHT
    return inside and (x in {box.x, box.right} or y in {box.y, box.y + HEIGHT})


def test_arrows_begin_and_end_on_the_edges_of_boxes(placed):
    drawn_arrows = arrows(placed)
    assert len(drawn_arrows) == 12
    for arrow in drawn_arrows:
        for end in (arrow.points[0], arrow.points[-1]):
            assert any(on_edge(box, end) for box in placed.values()), arrow


def test_no_arrow_crosses_a_box(placed):
    for arrow in arrows(placed):
        for (x1, y1), (x2, y2) in zip(arrow.points, arrow.points[1:], strict=False):
            left, right, top, bottom = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
            crossed = [
                box.name
                for box in placed.values()
                if left < box.right and right > box.x and top < box.y + HEIGHT and bottom > box.y
            ]
            assert crossed == [], arrow


def test_no_arrow_passes_through_a_text(placed):
    drawn_arrows = arrows(placed)
    for told in drawn_arrows:
        x, y = told.place
        reach = len(told.note) * NARROW / 2
        stands = told.points[-2][0] == told.points[-1][0]
        left, right = (x, x + 2 * reach) if stands else (x - reach, x + reach)
        passing = [
            other.points
            for other in drawn_arrows
            for (x1, y1), (x2, y2) in pairwise(other.points)
            if told.note
            and min(x1, x2) < right
            and max(x1, x2) > left
            and min(y1, y2) < y + 2
            and max(y1, y2) > y - 10
        ]
        assert passing == [], told.note


def test_a_dark_form_is_asked_for_by_the_readers_system():
    picture = PICTURE.read_text(encoding="utf-8")
    light, dark = re.split(r"@media \(prefers-color-scheme: dark\)", picture)
    for kind in ("text", ".page", ".frame", ".box", ".store", ".arrow", ".head"):
        assert f"{kind} {{" in light, kind
        assert re.search(rf"{re.escape(kind)}( |,)[^}}]*{{", dark), kind


def pictures(page):
    """Return the pictures that Mermaid draws on a page."""
    text = page.read_text(encoding="utf-8")
    return re.findall(r"^```mermaid\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", sorted(PICTURE.parent.rglob("*.md")), ids=lambda page: page.stem)
def test_no_semicolon_ends_a_line_of_a_sequence_early(page):
    """Mermaid draws a bomb in the place of such a picture."""
    sequences = [each for each in pictures(page) if each.startswith("sequenceDiagram")]
    assert [line for each in sequences for line in each.splitlines() if ";" in line] == []
