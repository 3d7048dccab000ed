"""What administrators do on a counter's page; how refusals, and changes under way, are shown."""

import re

import pytest
from playwright.sync_api import expect


def settings(page):
    return page.get_by_role("form", name="Settings")


def test_settings_change_what_was_changed_and_are_undone(visit, made, signed):
    name = made(value=3, ceiling=9, shards=2)
    window = visit()
    page = window.counter(name)
    form = settings(page)
    expect(form.get_by_label("Ceiling")).to_have_value("9")
    expect(form.get_by_label("Shards")).to_have_value("2")
    with page.expect_request(lambda sent: sent.method == "PATCH") as sent:
        form.get_by_label("Ceiling").fill("20")
        form.get_by_role("button", name="Save").click()
    assert sent.value.post_data == '{"ceiling":20}'
    expect(page.get_by_text("to 20", exact=True)).to_be_visible()
    expect(page.get_by_text(f"Settings of {name} saved.")).to_be_visible()
    known = signed("GET", f"/counters/{name}").json()
    assert (known["floor"], known["ceiling"], known["shards"]) == (0, 20, 2)
    window.press("Undo")
    expect(form.get_by_label("Ceiling")).to_have_value("9")
    expect(page.get_by_text("to 9", exact=True)).to_be_visible()


def test_shards_are_set_and_a_bound_is_taken_away(visit, made, signed):
    name = made(value=3, ceiling=9)
    page = visit().counter(name)
    form = settings(page)
    form.get_by_label("Ceiling").fill("")
    form.get_by_label("Shards").fill("4")
    form.get_by_role("button", name="Save").click()
    expect(page.locator(".hero").get_by_text("4 shards")).to_be_visible()
    known = signed("GET", f"/counters/{name}").json()
    assert (known["floor"], known["ceiling"], known["shards"]) == (0, None, 4)


def test_settings_that_are_refused_say_so_at_the_field(visit, made):
    name = made(value=5, ceiling=9)
    window = visit()
    window.expect_refusal("409")
    window.expect_refusal("400")
    page = window.counter(name)
    ceiling = settings(page).get_by_label("Ceiling")
    ceiling.fill("2")
    settings(page).get_by_role("button", name="Save").click()
    alert = settings(page).get_by_role("alert")
    expect(alert).to_be_visible()
    expect(ceiling).to_have_attribute("aria-invalid", "true")
    expect(ceiling).to_have_accessible_description(re.compile("."))
    window.keep("settings-refused")
    window.assert_accessible()
    ceiling.fill("20")
    expect(alert).not_to_be_visible()
    expect(ceiling).not_to_have_attribute("aria-invalid", "true")


def test_a_reset_is_asked_for_and_then_done(visit, made, signed):
    name = made(value=5)
    window = visit()
    page = window.counter(name)
    window.press("Reset…")
    dialog = page.get_by_role("dialog", name=f"Reset {name}?")
    expect(dialog).to_contain_text("Its value, 5, is lost")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert signed("GET", f"/counters/{name}").json()["value"] == 5
    window.press("Reset…")
    dialog.get_by_role("button", name="Reset").click()
    expect(window.value).to_have_text("0")


def test_deleting_is_asked_for_and_leads_back_to_the_list(visit, made, signed):
    name = made(value=5)
    window = visit()
    page = window.counter(name)
    window.press("Delete…")
    window.press("Cancel")
    expect(window.value).to_have_text("5")
    window.press("Delete…")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text(f"{name} was deleted.")).to_be_visible()
    expect(page).to_have_title("Counters · Interlock")
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    assert signed("GET", f"/counters/{name}").status == 404


def test_who_may_not_administer_sees_why(visit, made):
    name = made(value=5)
    page = visit(person="bob").counter(name)
    part = page.get_by_role("region", name="Administration")
    expect(part).to_contain_text("administering a counter needs the role administrator")
    for control in part.locator("button, input").all():
        expect(control).to_be_disabled()


def test_a_name_that_is_taken_is_refused_at_its_field_and_nothing_changes(visit, made, signed):
    name = made(value=5, ceiling=9)
    window = visit()
    window.expect_refusal("412")
    page = window.open()
    page.get_by_label("Name").fill(name)
    window.press("Create")
    form = page.get_by_role("form", name="New counter")
    expect(form.get_by_role("alert")).to_have_text("There is a counter of this name already.")
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    assert signed("GET", f"/counters/{name}").json()["ceiling"] == 9


def test_a_refusal_on_a_card_stands_on_it(visit, made):
    name = made(value=5, ceiling=5)
    window = visit()
    window.expect_refusal("409")
    page = window.open()
    page.get_by_role("button", name=f"Add 1 to {name}").click()
    card = page.get_by_role("article").filter(has_text=name)
    expect(card.get_by_role("alert")).to_contain_text("ceiling")
    expect(page.locator("#notices")).to_be_empty()


@pytest.mark.parametrize("place", ["page", "card"])
def test_a_change_that_is_under_way_is_seen_at_once(visit, made, place):
    name = made(value=5)
    window = visit()
    page = window.counter(name) if place == "page" else window.open()
    held = []

    def hold(route):  # a method of a list is no handler: Playwright marks what it is given
        held.append(route)

    page.route("**/increment", hold)
    if place == "page":
        way = page.locator(".hero .way")
        window.press("Increment")
        window.press("Increment")
        expect(way).to_have_text("+2 on its way…")
    else:
        way = page.get_by_role("article").filter(has_text=name).locator(".way")
        page.get_by_role("button", name=f"Add 1 to {name}").click()
        expect(way).to_have_text("+1")
    for route in held:
        route.continue_()
    expect(way).to_be_empty()
    expect(page.get_by_text(re.compile(f"Added . to {name}"))).to_be_visible()
