"""What a person does with counters."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import expect


def test_a_counter_is_made_and_counts(visit):
    window = visit()
    page = window.open()
    name = f"tickets-{uuid4().hex[:8]}"
    page.get_by_label("Name").fill(name)
    page.get_by_label("Ceiling").fill("10")
    window.press("Create")
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(window.value).to_have_text("0")
    page.get_by_label("Amount", exact=True).fill("4")
    window.press("Increment")
    expect(window.value).to_have_text("4")
    window.press("Decrement")
    expect(window.value).to_have_text("0")
    expect(page.get_by_text("at its floor")).to_be_visible()


def test_quick_presses_all_count(visit, made):
    name = made()
    window = visit()
    window.counter(name)
    for _ in range(7):
        window.press("Increment")
    expect(window.value).to_have_text("7")
    expect(window.page.get_by_text(f"Added 7 to {name}.")).to_be_visible()


def test_the_ceiling_holds_and_says_so_in_the_problems_own_words(visit, made):
    name = made(value=3, ceiling=5)
    window = visit()
    window.expect_refusal("409")
    page = window.counter(name)
    page.get_by_label("Amount", exact=True).fill("3")
    window.press("Increment")
    alert = page.get_by_role("alert").filter(has_text="5")
    expect(alert).to_be_visible()
    expect(window.value).to_have_text("3")
    window.keep("refused")
    page.get_by_label("Amount", exact=True).fill("2")
    window.press("Increment")
    expect(window.value).to_have_text("5")
    expect(page.get_by_text("full", exact=True)).to_be_visible()
    expect(alert).not_to_be_visible()


def test_all_that_was_just_changed_is_undone_at_once(visit, made):
    name = made(value=10)
    window = visit()
    page = window.counter(name)
    page.get_by_label("Amount", exact=True).fill("5")
    window.press("Increment")
    expect(window.value).to_have_text("15")
    page.get_by_label("Amount", exact=True).fill("1")
    window.press("Decrement")
    expect(page.get_by_text(f"Added 4 to {name}.")).to_be_visible()
    window.press("Undo")
    expect(window.value).to_have_text("10")
    expect(page.get_by_text("Undone: took 4 back.")).to_be_visible()


def test_an_amount_moves_to_another_counter_and_back(visit, made, signed):
    source, target = made(value=6), made(value=1, stem="waiting")
    window = visit()
    page = window.counter(source)
    page.get_by_role("combobox", name="To").select_option(target)
    page.get_by_label("Amount to move").fill("4")
    window.press("Transfer")
    expect(window.value).to_have_text("2")
    assert signed("GET", f"/counters/{target}").json()["value"] == 5
    window.press("Undo")
    expect(window.value).to_have_text("6")
    assert signed("GET", f"/counters/{target}").json()["value"] == 1


def test_a_transfer_that_one_side_refuses_changes_neither(visit, made, signed):
    source, target = made(value=6), made(value=1, ceiling=2)
    window = visit()
    window.expect_refusal("409")
    page = window.counter(source)
    page.get_by_role("combobox", name="To").select_option(target)
    page.get_by_label("Amount to move").fill("4")
    window.press("Transfer")
    expect(page.get_by_role("alert").filter(has_text="ceiling")).to_be_visible()
    assert signed("GET", f"/counters/{source}").json()["value"] == 6
    assert signed("GET", f"/counters/{target}").json()["value"] == 1


def test_two_windows_agree(visit, made):
    name = made()
    one, other = visit(), visit()
    one.counter(name)
    other.counter(name)
    one.press("Increment")
    expect(one.value).to_have_text("1")
    expect(other.value).to_have_text("1")
    other.press("Increment")
    other.press("Increment")
    expect(one.value).to_have_text("3")


def test_a_number_beyond_javascripts_own_is_shown_to_the_last_digit(visit, made):
    name = made(value=12345678901234567890123456789)
    window = visit()
    window.counter(name)
    window.press("Increment")
    expect(window.value).to_have_text("12,345,678,901,234,567,890,123,456,790")
    chart = window.page.get_by_role("img", name=f"History of {name}")
    expect(chart).to_have_accessible_name(re.compile("790 now"))  # drawn, without a complaint
    window.keep("counter-of-29-digits")


def test_a_name_that_the_api_would_refuse_is_not_sent(visit):
    window = visit()
    page = window.open()
    page.get_by_label("Name").fill("a b/c")
    window.press("Create")
    assert page.get_by_label("Name").evaluate("(input) => input.validity.patternMismatch")
    expect(page.get_by_role("heading", name="New counter")).to_be_visible()


@pytest.mark.parametrize("step", [("Add 1 to", "6"), ("Take 1 from", "4")])
def test_a_card_counts_without_opening_it(visit, made, step):
    name = made(value=5)
    window = visit()
    page = window.open()
    words, value = step
    page.get_by_role("button", name=f"{words} {name}").click()
    card = page.get_by_role("article").filter(has_text=name)
    expect(card.locator(".value")).to_have_text(value)
