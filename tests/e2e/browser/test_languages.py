"""The page in the language of its visitor, and in either direction of writing."""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.visit import DESK, PHONE, SMALL

WORDS = {
    "de-DE": ("Live", "Erhöhen", "voll", "1.234"),
    "zh-CN": ("实时", "增加", "已满", "1,234"),
}
VIEWS = ["#/", "#/receipts", "#/cluster", "#/locks", "#/no/such/view"]


@pytest.mark.parametrize("size", [DESK, PHONE, SMALL], ids=lambda size: str(size[0]))
@pytest.mark.parametrize("locale", WORDS)
def test_the_page_speaks_the_browsers_language(visit, made, size, locale):
    live, press, full, value = WORDS[locale]
    name = made(value=1233, ceiling=1234)
    window = visit(size, locale=locale, reduced_motion="reduce")
    page = window.open(f"#/c/{name}", live=False)
    expect(page.locator("#link")).to_have_text(live)
    window.press(press)
    expect(page.locator(".hero .bounds b")).to_have_text(full)
    expect(window.value).to_have_text(value)
    expect(page.locator("html")).to_have_attribute("lang", locale)
    expect(page.locator(".chart canvas")).to_be_visible()
    window.keep(f"counter-{locale}-{size[0]}")
    window.assert_fits()
    for view in VIEWS:
        window.open(view, live=False)
        expect(page.locator("#link")).to_have_text(live)
        window.keep(f"{view.strip('#/').replace('/', '-') or 'list'}-{locale}-{size[0]}")
        window.assert_fits()
        window.assert_accessible()


@pytest.mark.parametrize("size", [DESK, PHONE, SMALL], ids=lambda size: str(size[0]))
def test_from_right_to_left_nothing_is_cut_or_lies_on_another(visit, made, size):
    name = made(value=187, ceiling=200)
    window = visit(size, reduced_motion="reduce")
    page = window.page
    page.add_init_script(
        "document.addEventListener('DOMContentLoaded', () => { document.dir = 'rtl'; })"
    )
    window.counter(name)
    window.press("Increment")
    expect(window.value).to_have_text("188")
    expect(page.locator(".chart canvas")).to_be_visible()
    for view in [f"#/c/{name}", *VIEWS]:
        window.open(view)
        expect(page.locator("#main h1, #main h2").first).to_be_visible()
        window.keep(f"rtl-{view.strip('#/').split('/')[0] or 'list'}-{size[0]}")
        window.assert_fits()
        # To the left a page does not scroll in this direction: what is there is out of reach.
        outside = page.evaluate(
            """() => [...document.querySelectorAll("body *:not(.skip)")].filter((node) => {
              const { left, right, width } = node.getBoundingClientRect();
              return width && (left < -1 || right > innerWidth + 1);
            }).map((node) => node.outerHTML.slice(0, 80))"""
        )
        assert outside == []
    window.open("#/")
    card = page.get_by_role("article").filter(has_text=name)
    title, steps = card.locator("h2 a").bounding_box(), card.locator(".steps").bounding_box()
    assert steps["x"] + steps["width"] <= title["x"]
