"""Receipts, verified in the browser."""

import re

from playwright.sync_api import expect

from local.requests import request


def test_a_receipt_is_verified_and_a_forged_one_refused(visit, made):
    name = made(value=41)
    window = visit()
    page = window.counter(name)
    window.press("Increment")
    page.get_by_role("button", name="Verify the receipt of +1").click()
    expect(page.locator(".verdict")).to_contain_text("✓ Genuine")
    page.get_by_role("link", name="Receipts").click()
    ticket = page.get_by_role("article").filter(has_text=name)
    expect(ticket.locator("pre")).to_contain_text('"value": 42')
    expect(ticket.locator("pre")).to_contain_text('"sub": "local|alice"')
    window.press("Verify in your browser")
    expect(ticket.locator(".verdict")).to_contain_text("✓ Genuine")
    window.press("Change one byte")
    expect(ticket.locator("mark")).to_have_text("3")
    expect(ticket.locator("pre")).to_contain_text('"value": 43')
    expect(ticket.locator(".verdict")).to_contain_text("✗ Refused")
    window.keep("receipts-forged")
    window.press("Put it back")
    expect(ticket.locator(".verdict")).to_contain_text("✓ Genuine")


def test_the_browser_asks_for_the_keys_and_never_for_the_verdict(visit, made):
    window = visit()
    page = window.counter(made())
    window.press("Increment")
    asked: list[str] = []
    page.on("request", lambda sent: asked.append(f"{sent.method} {sent.url}"))
    page.get_by_role("button", name="Verify the receipt of +1").click()
    expect(page.locator(".verdict")).to_contain_text("✓ Genuine")
    keys = [line for line in asked if "/.well-known/jwks.json" in line]
    assert len(keys) == 1
    assert not [line for line in asked if "verify" in line]


def test_the_api_agrees_with_the_browser(visit, made, signed):
    """What the browser took for genuine, and for forged, KMS does too."""
    window = visit()
    page = window.counter(made())
    window.press("Increment")
    page.get_by_role("link", name="Receipts").click()
    page.get_by_text("As it was sent").click()
    token = page.locator("details code").inner_text()
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token)
    assert signed("POST", "/receipts/verify", {"receipt": token}).status == 200
    window.press("Change one byte")
    forged = page.locator("details code").inner_text()
    assert forged != token
    assert signed("POST", "/receipts/verify", {"receipt": forged}).status == 422


def test_receipts_outlive_a_reload(visit, made):
    window = visit()
    page = window.counter(made())
    window.press("Increment")
    expect(page.locator("#receipt-count")).to_have_text("1")
    page.reload()
    expect(page.locator("#receipt-count")).to_have_text("1")
    expect(page.locator(".earned li")).to_have_count(1)


def test_a_transfer_earns_a_receipt_on_each_side(visit, made, deployed):
    source, target = made(value=6), made()
    window = visit()
    page = window.counter(source)
    page.get_by_role("combobox", name="To").select_option(target)
    window.press("Transfer")
    expect(page.locator("#receipt-count")).to_have_text("2")
    page.get_by_role("link", name="Receipts").click()
    for name, amount in ((source, "-1"), (target, "+1")):
        expect(page.get_by_role("article").filter(has_text=name)).to_contain_text(amount)
    keys = request("GET", f"{deployed.balancer_url}/api/.well-known/jwks.json").json()["keys"]
    assert keys
    assert not [key for key in keys if "d" in key]
