"""Signing in and out in a browser, and what the page withholds from each role."""

import re

from playwright.sync_api import expect

REASON = "bob is viewer: {} needs the role {}."


def test_a_stranger_is_asked_who_they_are_and_signs_in_with_one_click(visit, made):
    name = made(value=3)
    window = visit(person=None)
    page = window.page
    page.goto(window.address)
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    expect(page.get_by_role("button")).to_have_text(
        ["alice (administrator)", "bob (viewer)", "carol (operator)"]
    )
    page.get_by_role("button", name="alice").click()
    expect(page).to_have_url(window.address)
    who = page.get_by_role("group", name="Signed in")
    expect(who).to_contain_text("alice administrator")
    expect(page.locator("#link")).to_have_text("Live")
    page.get_by_role("button", name=f"Add 1 to {name}").click()
    expect(page.get_by_role("article").filter(has_text=name).locator(".value")).to_have_text("4")


def test_a_viewer_sees_everything_and_is_told_why_nothing_can_be_changed(visit, made, signed):
    name, _other = made(value=3), made()
    window = visit(person="bob")
    page = window.open()
    expect(page.get_by_role("button", name=f"Add 1 to {name}")).to_be_disabled()
    form = page.get_by_role("form", name="New counter")
    expect(form.get_by_role("button", name="Create")).to_be_disabled()
    expect(form).to_contain_text(REASON.format("making a counter", "administrator"))
    window.keep("viewer")
    window.assert_accessible()
    window.counter(name)
    for form_name, deed in (("Change", "changing a counter"), ("Transfer", "moving an amount")):
        form = page.get_by_role("form", name=form_name)
        expect(form).to_contain_text(REASON.format(deed, "operator"))
        for control in form.locator("button, input, select").all():
            expect(control).to_be_disabled()
    signed("POST", f"/counters/{name}/increment", {"amount": 4})
    expect(window.value).to_have_text("7")  # and what others change is shown
    window.assert_accessible()


def test_an_operator_counts_and_moves_and_is_told_what_is_an_administrators(visit, made, signed):
    name, other = made(value=3), made()
    window = visit(person="carol")
    page = window.open()
    form = page.get_by_role("form", name="New counter")
    expect(form).to_contain_text(
        "carol is operator: making a counter needs the role administrator."
    )
    expect(form.get_by_role("button", name="Create")).to_be_disabled()
    window.counter(name)
    window.press("Increment")
    expect(window.value).to_have_text("4")
    page.get_by_role("combobox", name="To").select_option(other)
    page.get_by_label("Amount to move").fill("1")
    window.press("Transfer")
    expect(window.value).to_have_text("3")
    part = page.get_by_role("region", name="Administration")
    expect(part).to_contain_text("administering a counter needs the role administrator")
    for control in part.locator("button, input").all():
        expect(control).to_be_disabled()
    window.assert_accessible()
    assert signed("GET", f"/counters/{other}").json()["value"] == 1


def test_what_the_page_withholds_the_service_refuses(visit, made):
    name = made(value=3)
    window = visit(person="bob")
    page = window.counter(name)
    window.expect_refusal("403")
    page.locator("form[aria-label=Change] :disabled").evaluate_all(
        "nodes => nodes.forEach((node) => { node.disabled = false; })"
    )
    window.press("Increment")
    expect(page.get_by_role("alert").filter(has_text="bob is viewer")).to_be_visible()
    expect(window.value).to_have_text("3")


def test_signing_out_ends_the_session(visit):
    window = visit()
    page = window.open()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    page.goto(window.address)
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()


def test_a_session_that_ends_meanwhile_is_said_and_can_be_begun_again(visit):
    window = visit()
    page = window.open()
    window.expect_refusal("401")
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
    page.get_by_role("button", name="bob").click()
    expect(page.get_by_role("group", name="Signed in")).to_contain_text(re.compile("bob viewer"))
    page.wait_for_load_state("load")  # the icon is still the session's
    page.context.clear_cookies()
    # The open stream goes on; the next one is refused, and the page says what to do.
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    page.get_by_role("button", name="Sign in again").click()
    expect(page.get_by_role("heading", name="Who are you?")).to_be_visible()
