"""`python -m tests.e2e.browser.picture`: take the pictures of the page that the README shows.

Deploys the application, counts for a minute, kills the leader half-way so that the chart has a
take-over to show, and writes docs/images/counter-{light,dark}.png.
"""

import os
import signal
import sys
import time

from playwright.sync_api import Browser, expect, sync_playwright

from local import ROOT
from local.application import Application, application
from local.progress import Progress
from tests.e2e.browser.visit import MISSING, Visit, chromium, sign_in

IMAGES = ROOT / "docs" / "images"
SIZE = (1200, 1050)
NAME = "seats-sold"
SECONDS = 60
STEPS = (3, 1, 0, 2, 0, 0, 5, 1, -2, 1)


def count(running: Application) -> None:
    """Sell seats for a minute, and lose the leader in the middle of it."""
    api, alice = "/api/counters", running.administrator
    alice.request("PUT", f"{api}/waiting-list", {"floor": 0, "ceiling": 50})
    alice.request("POST", f"{api}/waiting-list/increment", {"amount": 23})
    alice.request("PUT", f"{api}/{NAME}", {"floor": 0, "ceiling": 200})
    alice.request("POST", f"{api}/{NAME}/increment", {"amount": 120})
    for second in range(SECONDS):
        step = STEPS[second % len(STEPS)]
        if step:
            verb = "increment" if step > 0 else "decrement"
            alice.request("POST", f"{api}/{NAME}/{verb}", {"amount": abs(step)})
        if second == SECONDS // 2:
            kill_leader(running)
        running.fleet.check()
        time.sleep(1)


def kill_leader(running: Application) -> None:
    """Kill the instance that leads."""
    told = running.administrator.request("GET", "/service/cluster").json()
    for instance in running.fleet.instances:
        if instance.name == told["leader"]["id"]:
            os.kill(instance.pid, signal.SIGKILL)


def take(browser: Browser, running: Application, scheme: str) -> None:
    """Take the picture of one colour scheme."""
    context = browser.new_context(
        viewport={"width": SIZE[0], "height": SIZE[1]},
        color_scheme=scheme,  # type: ignore[arg-type]
        reduced_motion="reduce",
        locale="en-GB",
    )
    sign_in(context, running, "alice")
    window = Visit(context.new_page(), running.web_address)
    page = window.counter(NAME)
    for many in (1, 2):
        window.press("Increment")
        expect(page.locator(".earned li")).to_have_count(many)
    page.get_by_role("button", name="Verify the receipt of +1").first.click()
    expect(page.locator(".verdict").first).to_contain_text("Genuine")
    expect(page.locator(".chart canvas")).to_be_visible()
    expect(page.locator(".notice")).to_have_count(0, timeout=30_000)
    page.screenshot(path=IMAGES / f"counter-{scheme}.png", animations="disabled")
    context.close()


def main() -> int:
    """Take both pictures; return the exit status."""
    executable = chromium()
    if executable is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    IMAGES.mkdir(parents=True, exist_ok=True)
    with application(instances=3, progress=Progress()) as running, sync_playwright() as playwright:
        count(running)
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            take(browser, running, scheme)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
