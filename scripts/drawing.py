"""Draws docs/architecture.svg: what runs where, from the text below.

    python -m scripts.drawing [--check]

Boxes are as wide as their texts need, and arrows begin and end on the edges of boxes. The picture
has a light and a dark form, and shows the one that the reader's system asks for.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

PICTURE = Path(__file__).parent.parent / "docs" / "architecture.svg"
TITLE = "Architecture of the reference application"
TOLD = (
    "A browser reaches instances in private subnets through a load balancer. They sign calls to "
    "API Gateway, which invokes a Lambda function. That commits to one DynamoDB table and has KMS "
    "sign receipts. The instances elect a leader, and keep the history, in the same table; they "
    "find each other by Cloud Map, and wake each other's pages."
)
# Name, column, row, title, subtitle.
BOXES = """
browser   0 1  Browser       | web client
balancer  1 1  Load balancer | public subnets
leader    2 0  Instance      | leads, records
second    2 1  Instance      | private subnets
third     2 2  Instance      | stands by
api       3 1  API Gateway   | checks each call
function  4 1  Lambda        | counter function
kms       5 0  KMS           | signs receipts
table     5 2  DynamoDB      | coordination table
"""
# From, to, and what is said on the way.
ARROWS = """
browser  balancer  | HTTPS
balancer leader    |
balancer second    |
balancer third     |
leader   second    | hints
second   third     | hints
leader   api       |
second   api       | SigV4
third    table     | election, history
api      function  |
function kms       | sign
function table     | commit
"""
# First and last column of a frame, and its name.
FRAMES = """
1 2  VPC, two or three zones
3 5  services of the region
"""
HEIGHT, GAP, STEP, TOP, MARGIN = 60, 84, 104, 56, 14
PADDING = 14
# Pixels of an average character; a little more than any of the usual fonts takes.
WIDE, NARROW = 8.9, 7.4
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; text-anchor: middle; fill: #1f2937 }
.title { font-size: 15px; font-weight: 600 } .sub, .note { fill: #4b5563 }
.label { text-anchor: start; fill: #4b5563 } .note { font-size: 12px } .up { text-anchor: start }
.page { fill: #fff } .frame { fill: #f9fafb; stroke: #9ca3af; stroke-dasharray: 5 4 }
.box { fill: #fff; stroke: #2563eb; stroke-width: 1.5 } .store { fill: #fff; stroke: #b45309; stroke-width: 1.5 }
.arrow { fill: none; stroke: #4b5563; stroke-width: 1.5; marker-end: url(#head) } .head { fill: #4b5563 }
@media (prefers-color-scheme: dark) {
text { fill: #e5e7eb } .sub, .label, .note { fill: #b6bec9 }
.page { fill: #0d1117 } .frame { fill: #161b22; stroke: #4b5563 }
.box { fill: #0b1a33; stroke: #60a5fa } .store { fill: #241a0b; stroke: #f59e0b }
.arrow { stroke: #b6bec9 } .head { fill: #b6bec9 }
}"""  # noqa: E501 - a style sheet

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """One part of the application, and its place."""

    name: str
    column: int
    row: int
    title: str
    subtitle: str
    x: float = 0.0
    width: float = 0.0

    @property
    def needed(self) -> float:
        """The width that the texts need."""
        return max(len(self.title) * WIDE, len(self.subtitle) * NARROW) + 2 * PADDING

    @property
    def y(self) -> float:
        """The upper edge."""
        return TOP + MARGIN + self.row * STEP

    @property
    def middle(self) -> Point:
        """The point in the middle."""
        return self.x + self.width / 2, self.y + HEIGHT / 2

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width


@dataclass(frozen=True, slots=True)
class Arrow:
    """A way along straight lines from the edge of a box to that of another, and its text.

    The text is above a level line, or `below` where other arrows come from above.
    """

    points: tuple[Point, ...]
    note: str
    below: bool = False

    @property
    def place(self) -> Point:
        """The middle of its text, or its left end beside a line that stands."""
        (x, y), (until, end) = self.points[-2:]
        if x == until:
            return x + 8, (y + end) / 2 + 4
        return (x + until) / 2, y + 18 if self.below else y - 8


def boxes() -> dict[str, Box]:
    """Return the boxes by their names, each in the middle of its column."""
    read = []
    for line in BOXES.strip().splitlines():
        head, subtitle = line.split("|")
        name, column, row, title = head.split(maxsplit=3)
        read.append(Box(name, int(column), int(row), title.strip(), subtitle.strip()))
    placed, x = {}, float(MARGIN)
    for place in range(max(box.column for box in read) + 1):
        own = [box for box in read if box.column == place]
        width = max(box.needed for box in own)
        for box in own:
            placed[box.name] = Box(
                box.name, place, box.row, box.title, box.subtitle, x=x, width=width
            )
        x += width + GAP
    return placed


def arrows(placed: dict[str, Box]) -> list[Arrow]:
    """Return the arrows: straight, or with a bend between columns or at the box that is met."""
    found = []
    for line in ARROWS.strip().splitlines():
        ends, note = line.split("|")
        start, end = (placed[name] for name in ends.split())
        (_, begin), (across, level) = start.middle, end.middle
        if start.row == end.row:
            points: tuple[Point, ...] = ((start.right, begin), (end.x, begin))
        elif start.column == end.column:
            points = ((across, start.y + HEIGHT), (across, end.y))
        elif end.name in {"kms", "table"}:
            edge = end.y + HEIGHT if end.row < start.row else end.y
            points = ((start.right, begin), (across, begin), (across, edge))
        else:
            bend = start.right + GAP / 2
            points = ((start.right, begin), (bend, begin), (bend, level), (end.x, level))
        found.append(Arrow(points, note.strip()))
    return [replace(arrow, below=_is_met_from_above(arrow, found)) for arrow in found]


def _is_met_from_above(arrow: Arrow, others: list[Arrow]) -> bool:
    (left, level), (right, _) = arrow.points[-2:]
    return any(
        left < x < right and min(y, end) < level
        for other in others
        for (x, y), (until, end) in pairwise(other.points)
        if x == until
    )


def drawn() -> str:
    """Return the picture."""
    placed = boxes()
    width = max(box.right for box in placed.values()) + 2 * MARGIN
    height = max(box.y for box in placed.values()) + HEIGHT + 2 * MARGIN
    lines = [
        (
            '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" '
            f'viewBox="0 0 {width:g} {height:g}">'
        ),
        f'<title id="t">{TITLE}</title>',
        f'<desc id="d">{TOLD}</desc>',
        f"<style>{STYLE}\n</style>",
        (
            '<defs><marker id="head" markerWidth="8" markerHeight="8" refX="7.5" refY="4" '
            'orient="auto"><path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>'
        ),
        f'<rect class="page" width="{width:g}" height="{height:g}"/>',
        *(part for line in FRAMES.strip().splitlines() for part in _frame(line, placed, height)),
        *(part for arrow in arrows(placed) for part in _arrow(arrow)),
        *(part for box in placed.values() for part in _box(box)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _frame(line: str, placed: dict[str, Box], height: float) -> Iterator[str]:
    first, last, name = line.split(maxsplit=2)
    inside = [box for box in placed.values() if int(first) <= box.column <= int(last)]
    left = min(box.x for box in inside) - MARGIN
    right = max(box.right for box in inside) + MARGIN
    top, bottom = TOP - 2 * MARGIN, height - MARGIN
    yield (
        f'<rect class="frame" x="{left:g}" y="{top:g}" width="{right - left:g}" '
        f'height="{bottom - top:g}" rx="12"/>'
    )
    yield f'<text class="label" x="{left:g}" y="{top - 8:g}">{escape(name)}</text>'


def _box(box: Box) -> Iterator[str]:
    kind = "store" if box.column == max(each.column for each in boxes().values()) else "box"
    across, _ = box.middle
    yield (
        f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
        f'height="{HEIGHT}" rx="8"/>'
    )
    yield f'<text class="title" x="{across:g}" y="{box.y + 26:g}">{escape(box.title)}</text>'
    yield f'<text class="sub" x="{across:g}" y="{box.y + 45:g}">{escape(box.subtitle)}</text>'


def _arrow(arrow: Arrow) -> Iterator[str]:
    path = " L".join(f"{x:g} {y:g}" for x, y in arrow.points)
    yield f'<path class="arrow" d="M{path}"/>'
    if not arrow.note:
        return
    kind = "note up" if arrow.points[-2][0] == arrow.points[-1][0] else "note"
    x, y = arrow.place
    yield f'<text class="{kind}" x="{x:g}" y="{y:g}">{arrow.note}</text>'


def main(arguments: list[str]) -> int:
    """Write the picture, or say whether it is as it would be written."""
    picture = drawn()
    if "--check" in arguments:
        return int(PICTURE.read_text(encoding="utf-8") != picture)
    PICTURE.write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
