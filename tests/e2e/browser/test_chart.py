"""The chart of a counter's history."""

import json
import re
import time

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


@pytest.mark.parametrize("value", ["0", "-4", "1234567", "123456789012", "9" * 29])
def test_labels_of_one_sample_are_whole_distinct_and_not_cut(visit, made, value):
    name = made()
    window = visit((390, 844))
    page = window.page
    # What the chart writes, where, and how wide; a canvas gives nothing of it away.
    page.add_init_script("""
      window.written = new Map();
      const write = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const { width } = this.measureText(text), { a, e } = this.getTransform();
        const left = { right: x - width, center: x - width / 2 }[this.textAlign] ?? x;
        window.written.set(text, [left * a + e, (left + width) * a + e, this.canvas.width]);
        return write.apply(this, arguments);
      };""")
    page.route("**/service/history/**", played([[int(time.time()) - 1, value, 7]]))
    page.route(
        "**/events",
        lambda route: route.fulfill(
            content_type="text/event-stream",
            body="event: state\ndata: "
            + json.dumps(
                {
                    "counters": [
                        {"name": name, "value": 0, "floor": None, "ceiling": None, "shards": 1}
                    ],
                    "problem": None,
                    "cluster": None,
                    "instance": "i-1",
                }
            ).replace('"value": 0', f'"value": {value}')
            + "\n\n",
        ),
    )
    window.open(f"#/c/{name}")
    expect(chart(page, name)).to_be_visible()
    page.wait_for_function("window.written.size > 2")
    written = page.evaluate("[...window.written]")
    for text, (left, right, width) in written:
        assert left >= 0, text
        assert right <= width, text
    heights = [text for text, _ in written if ":" not in text]
    assert len(heights) in {2, 3}, heights
    assert not any("." in text for text in heights)
