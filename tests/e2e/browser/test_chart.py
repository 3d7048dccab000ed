"""The chart of a counter's history."""

import json
import re
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect


def played(samples, every=2, kept=86400):
    body = json.dumps({"samples": samples, "every": every, "kept": kept})
    return lambda route: route.fulfill(content_type="application/json", body=body)


def chart(page, name):
    return page.get_by_role("img", name=f"History of {name}")


def test_it_ends_with_the_value_that_the_dial_shows(visit, made):
    name = made(value=41)
    window = visit()
    page = window.counter(name)
    old = [[int(time.time()) - 4, "40", 7]]
    page.route("**/service/history/**", played(old))
    window.counter(name)
    page.reload()
    expect(chart(page, name)).to_have_accessible_name(re.compile(r"\. 41 now, \+1"))
    window.press("Increment")
    expect(window.value).to_have_text("42")
    expect(chart(page, name)).to_have_accessible_name(re.compile(r"\. 42 now, \+2"))


def test_a_range_is_chosen_up_to_all_that_is_kept(visit, made):
    name = made(value=1)
    window = visit()
    page = window.counter(name)
    expect(chart(page, name)).to_be_visible()
    choices = page.get_by_role("group", name="Range").get_by_role("button")
    expect(choices).to_have_text(["10 min", "1 hr", "6 hr", "24 hr"])
    expect(choices.first).to_have_attribute("aria-pressed", "true")
    with page.expect_response(re.compile(r"history/.*minutes=1440$")) as answer:
        choices.last.click()
    assert answer.value.status == 200
    expect(choices.last).to_have_attribute("aria-pressed", "true")
    expect(choices.first).to_have_attribute("aria-pressed", "false")
    expect(chart(page, name)).to_be_visible()


def overheard(page):
    """Have the page keep what its charts write: text, left, right, and the canvas's width.

    A canvas gives nothing of it away.
    """
    page.add_init_script("""
      window.written = new Map();
      const write = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const { width } = this.measureText(text), { a, e } = this.getTransform();
        const left = { right: x - width, center: x - width / 2 }[this.textAlign] ?? x;
        window.written.set(text, [left * a + e, (left + width) * a + e, this.canvas.width]);
        return write.apply(this, arguments);
      };""")


def streamed(name, value):
    counter = f'{{"name": "{name}", "value": {value}, "floor": null, "ceiling": null, "shards": 1}}'
    state = f'{{"counters": [{counter}], "problem": null, "cluster": null, "instance": "i-1"}}'
    return lambda route: route.fulfill(
        content_type="text/event-stream", body=f"event: state\ndata: {state}\n\n"
    )


def written_whole(page):
    """The texts of the page's chart, none of which is cut off at a side."""
    page.wait_for_function("window.written.size > 2")
    written = page.evaluate("[...window.written]")
    for text, (left, right, width) in written:
        assert left >= 0, text
        assert right <= width, text
    return [text for text, _ in written]


@pytest.mark.parametrize("value", ["0", "-4", "1234567", "123456789012", "9" * 29])
def test_labels_of_one_sample_are_whole_distinct_and_not_cut(visit, made, value):
    name = made()
    window = visit((390, 844))
    page = window.page
    overheard(page)
    page.route("**/service/history/**", played([[int(time.time()) - 1, value, 7]]))
    page.route("**/events", streamed(name, value))
    window.open(f"#/c/{name}")
    expect(chart(page, name)).to_be_visible()
    heights = [text for text in written_whole(page) if ":" not in text]
    assert len(heights) in {2, 3}, heights
    assert not any("." in text for text in heights)


@pytest.mark.parametrize("locale", ["en-US", "en-AU", "es-MX"])
def test_a_time_that_stands_below_the_charts_edge_is_whole(visit, made, locale):
    name = made()
    window = visit((390, 844), locale=locale, timezone_id="UTC")
    page = window.page
    overheard(page)
    # One of the longest times; the chart shows the minute before, and labels its half minutes.
    at = datetime(2026, 11, 26, 22, 59, 30, tzinfo=UTC)
    page.clock.set_fixed_time(at)
    page.route("**/service/history/**", played([[int(at.timestamp()) - 1, "0", 7]]))
    page.route("**/events", streamed(name, "0"))
    window.open(f"#/c/{name}")
    expect(page.locator(".chart")).to_be_visible()
    assert [text for text in written_whole(page) if "58:30" in text]
