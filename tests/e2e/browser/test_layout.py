"""Each view, and each state of one, at three widths, by day and by night.

Nothing is cut, nothing lies on another, and axe finds nothing. One window looks in all six ways.
"""

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.test_states import STATES, played

LONG = "one-that-goes-on-and-on-and-is-far-from-ending-whatever-is-done"
VIEWS = ["#/", "#/receipts", "#/cluster", "#/locks", "#/no/such/view", "#/c/never-made"]
VIEWS += ["#/locks/service%2Fleader"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view(visit, made, view):
    made(value=187, ceiling=200)
    made(value=int("9" * 29), stem=LONG, ceiling=10**30)
    window = visit()
    page = window.open(view)
    expect(page.locator("#main").locator("h1, h2, h3").first).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


@pytest.mark.parametrize("value", [187, int("9" * 29)], ids=["short", "long"])
def test_a_counter_with_its_receipts_verified(visit, made, value):
    window = visit()
    page = window.counter(made(value=value, stem=LONG, ceiling=10**30))
    window.press("Increment")
    page.get_by_role("button", name="Verify the receipt of +1").click()
    expect(page.locator(".verdict")).to_contain_text("Genuine")
    expect(page.locator(".chart canvas")).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


def test_a_counter_whose_settings_and_amount_are_refused(visit, made):
    window = visit()
    window.expect_refusal("409")
    window.expect_refusal("400")
    page = window.counter(made(value=5, ceiling=9))
    form = page.get_by_role("form", name="Settings")
    form.get_by_label("Ceiling").fill("2")
    form.get_by_role("button", name="Save").click()
    expect(form.get_by_role("alert")).to_be_visible()
    page.get_by_label("Amount", exact=True).fill("100")
    window.press("Increment")
    expect(page.get_by_role("alert")).to_have_count(2)
    window.assert_right_at_each_size_and_in_each_scheme()


def test_a_question_before_what_cannot_be_undone(visit, made):
    window = visit()
    window.counter(made(value=5, stem=LONG))
    window.press("Delete\N{HORIZONTAL ELLIPSIS}")
    window.assert_right_at_each_size_and_in_each_scheme()
    window.press("Cancel")


def test_a_new_counter_that_is_refused(visit, made):
    name = made(value=5, stem=LONG)
    window = visit()
    window.expect_refusal("412")
    page = window.open()
    form = page.get_by_role("form", name="New counter")
    form.get_by_label("Name").fill(name)
    form.get_by_role("button", name="Create").click()
    expect(form.get_by_role("alert")).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


def test_receipts_genuine_and_forged(visit, made):
    window = visit()
    page = window.counter(made(value=5, stem=LONG))
    for earned in (1, 2):
        window.press("Increment")
        expect(page.get_by_role("button", name="Verify the receipt of +1")).to_have_count(earned)
    page.get_by_role("navigation").get_by_role("link", name="Receipts").click()
    page.get_by_role("button", name="Change one byte").first.click()
    expect(page.locator(".verdict.bad")).to_be_visible()
    page.get_by_role("button", name="Verify in your browser").last.click()
    expect(page.locator(".verdict.good")).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


@pytest.mark.parametrize("view", ["#/", "#/cluster"])
@pytest.mark.parametrize("kind", STATES)
def test_what_there_is_when_there_is_nothing_to_show(visit, kind, view):
    state, words = STATES[kind]
    window = visit()
    window.page.route("**/events", played(state))
    page = window.open(view, live=kind == "empty")
    alone = page.get_by_role("heading", name="This instance is alone")
    expect(page.get_by_text(words) if view == "#/" else alone).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


def test_loading(visit):
    window = visit()
    window.page.route("**/events", lambda _: None)
    page = window.open(live=False)
    expect(page.get_by_text("Loading the counters\N{HORIZONTAL ELLIPSIS}")).to_be_visible()
    window.assert_right_at_each_size_and_in_each_scheme()


def test_offline(visit, made):
    window = visit()
    window.expect_refusal("ERR_INTERNET_DISCONNECTED")
    page = window.counter(made(value=3))
    page.context.set_offline(True)
    expect(page.locator("#link")).to_have_text("Offline")
    window.assert_right_at_each_size_and_in_each_scheme()
