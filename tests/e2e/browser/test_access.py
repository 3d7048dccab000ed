"""Everybody can use the page: by keyboard, on a phone, in the dark, with a screen reader."""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.visit import DESK, PHONE, SMALL

SIZES = pytest.mark.parametrize("size", [DESK, PHONE, SMALL], ids=["desk", "phone", "small"])
SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


@SIZES
@SCHEMES
def test_every_view_has_nothing_that_axe_finds(visit, made, size, scheme):
    name = made(value=187, ceiling=200, stem="seats-sold")
    made(value=5, ceiling=5, stem="full-house")
    made(
        value=int("9" * 29), stem="one-that-goes-on-and-on-and-is-far-from-ending-whatever-is-done"
    )
    label = f"{scheme}-{size[0]}"
    # Colours on their way from one to another have a contrast of their own.
    window = visit(size, color_scheme=scheme, reduced_motion="reduce")
    page = window.counter(name)
    window.press("Increment")
    page.get_by_role("button", name="Verify the receipt of +1").click()
    expect(page.locator(".verdict")).to_contain_text("Genuine")
    expect(page.locator(".chart canvas")).to_be_visible()
    views = {"counter": None, "list": "Counters"}
    views |= {each.lower(): each for each in ("Receipts", "Cluster", "Locks")}
    for view, link in views.items():
        if link:
            page.get_by_role("navigation").get_by_role("link", name=link).click()
            expect(page.locator("#main h1")).to_be_visible()
            expect(page).to_have_title(f"{link} · Interlock")
        window.keep(f"{view}-{label}")
        window.assert_accessible()
        window.assert_fits()
    window.open("#/no/such/view")
    window.keep(f"unknown-{label}")
    window.assert_accessible()
    window.assert_fits()
    window.counter(name)
    window.press("Delete…")
    window.keep(f"dialog-{label}")
    window.assert_accessible()
    window.press("Cancel")


def test_the_keyboard_alone_is_enough(visit, made):
    name = made(value=3)
    window = visit()
    page = window.open()
    focused = page.locator(":focus")

    def tab_to(locator, most=200):
        for _ in range(most):
            page.keyboard.press("Tab")
            if locator.evaluate("(node) => node === document.activeElement"):
                return
        pytest.fail(f"Tab does not reach {locator}")

    page.keyboard.press("Tab")
    expect(focused).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    tab_to(page.get_by_role("link", name=name))
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)
    expect(page.locator("main")).to_be_focused()
    tab_to(page.get_by_label("Amount", exact=True))
    page.keyboard.type("2")  # what was there is selected
    page.keyboard.press("Enter")
    expect(window.value).to_have_text("5")
    tab_to(page.get_by_role("button", name="Increment"))
    outline = focused.evaluate("(node) => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Space")
    expect(window.value).to_have_text("7")
    tab_to(page.get_by_role("button", name="Undo"))
    page.keyboard.press("Enter")
    expect(window.value).to_have_text("3")


def test_the_focus_stays_on_a_card_while_the_service_pushes(visit, made, signed):
    name, other = made(), made()
    window = visit()
    page = window.open()
    button = page.get_by_role("button", name=f"Add 1 to {name}")
    button.focus()
    signed("POST", f"/counters/{other}/increment", {"amount": 9})
    card = page.get_by_role("article").filter(has_text=other)
    expect(card.locator(".value")).to_have_text("9")
    expect(button).to_be_focused()


def test_what_can_be_pressed_on_a_phone_is_large_enough(visit, made):
    window = visit(PHONE, has_touch=True)
    page = window.counter(made(value=1))
    for box in (each.bounding_box() for each in page.get_by_role("button").all()):
        assert box
        assert box["height"] >= 35


def test_nothing_moves_for_those_who_asked_for_rest(visit, made):
    window = visit(reduced_motion="reduce")
    page = window.counter(made())
    window.press("Increment")
    expect(window.value).to_have_text("1")
    assert page.evaluate("document.getAnimations().length") == 0
