"""One visitor of the page: a browser window, and whatever the browser complains about."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from local import ROOT
from local.application import Application

ARTEFACTS = ROOT / "artefacts" / "browser"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = (
    "the browser tests need Chromium or Chrome: `apt-get install chromium`, "
    "or INTERLOCK_CHROMIUM=/path/to/it, or leave them out with `pytest -m 'not browser'`"
)
DESK = (1280, 800)
PHONE = (390, 844)
SMALL = (320, 640)

# The browser's own remark on each answer of 400 and above: a page cannot prevent it.
_REMARK = "Failed to load resource: "
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
# A chart is drawn anew some frames after its window has another size.
_SETTLED = """async () => {
  const { documentElement: root } = document;
  for (let frames = 0; frames < 120 && root.scrollWidth > root.clientWidth; frames += 1)
    await new Promise(requestAnimationFrame);
}"""
# What moves without end has no text.
_AT_REST = """() => Promise.allSettled(
  document.getAnimations()
    .filter((each) => each.effect.getComputedTiming().endTime < Infinity)
    .map((each) => each.finished))"""
_FLAWS = """async () => {
  const flaws = [];
  const told = (what, node) => flaws.push(`${what}: ${node.outerHTML.slice(0, 120)}`);
  const shown = (node) => node.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const scrolls = (node) => node && (/auto|scroll/.test(getComputedStyle(node).overflowX)
    || scrolls(node.parentElement));
  const top = document.querySelector("dialog[open]") ?? document.body;
  for (const node of top.querySelectorAll("*:not(.skip, option, svg *)")) {
    const { left, right, width, height } = node.getBoundingClientRect();
    // What is for screen readers alone has a pixel.
    if (!shown(node) || width <= 1 || height <= 1 || node.closest(".skip")) continue;
    const outside = left < -1 || right > innerWidth + 1;
    if (outside && !scrolls(node.parentElement)) told("outside", node);
    const style = getComputedStyle(node);
    const text = [...node.childNodes].some((each) => each.nodeType === 3 && each.data.trim());
    const clips = /hidden|clip/.test(style.overflowX) && style.textOverflow !== "ellipsis";
    if (text && clips && node.scrollWidth > node.clientWidth + 1) told("cut", node);
  }
  const used = "a[href], button, input, select, textarea, [role=alert]";
  for (const node of top.querySelectorAll(used)) {
    if (!shown(node) || node.closest(".skip")) continue;
    node.scrollIntoView({ block: "center", behavior: "instant" });
    const { left, top: y, width, height } = node.getBoundingClientRect();
    if (width <= 1 || height <= 1) continue;
    const met = document.elementFromPoint(left + width / 2, y + height / 2);
    if (met && !node.contains(met) && !met.contains(node) && met.closest("label")?.control !== node)
      told(`below ${met.outerHTML.slice(0, 60)}`, node);
  }
  scrollTo(0, 0);
  return flaws;
}"""


def chromium() -> str | None:
    """Return the path of the browser, None if there is none."""
    found = (shutil.which(name) for name in CHROMIUMS)
    mac = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
    return (
        os.environ.get("INTERLOCK_CHROMIUM")
        or next(filter(None, found), None)
        or (str(mac) if mac.exists() else None)
    )


def sign_in(context: BrowserContext, running: Application, person: str) -> None:
    """Give a window the session of a person who has signed in."""
    cookies = running.stranger.signed_in(person).cookies
    context.add_cookies(
        [
            {"name": name, "value": value, "url": running.web_address}
            for name, value in cookies.items()
        ]
    )


class Visit:
    """A page of the web client, and what went wrong on it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self._expected: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.expose_function("violated", lambda text: self.complaints.append(f"CSP: {text}"))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', "
            "(e) => violated(e.violatedDirective + ' ' + e.blockedURI))"
        )

    def expect_refusal(self, status: str) -> None:
        """Allow the browser to remark that an answer had this status, or did not come."""
        self._expected.append(status)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        text = message.text
        if text.startswith(_REMARK) and any(status in text for status in self._expected):
            return
        self.complaints.append(f"{message.type}: {text}")

    def open(self, view: str = "", *, live: bool = True) -> Page:
        """Go to a view, "#/cluster" for example, and wait until it is fed."""
        self.page.goto(self.address + view)
        if live:
            expect(self.page.locator("#link")).to_have_text("Live")
        return self.page

    def counter(self, name: str) -> Page:
        """Go to a counter's page, and wait for its value."""
        page = self.open(f"#/c/{name}")
        expect(self.value).not_to_have_text("…")
        return page

    @property
    def value(self) -> Locator:
        """The large number on a counter's page."""
        return self.page.locator("#value")

    def assert_fits(self) -> None:
        """Fail if something is wider than the window."""
        width = self.page.evaluate("document.documentElement.scrollWidth")
        seen = self.page.evaluate("document.documentElement.clientWidth")
        assert width <= seen, f"{self.page.url} is {width} wide in a window of {seen}"

    def assert_nothing_is_cut_or_covered(self) -> None:
        """Fail with what is out of reach at a side, cut off, or below something else."""
        assert self.page.evaluate(_FLAWS) == []

    def assert_right_at_each_size_and_in_each_scheme(self) -> None:
        """Look at the page as it is on a desk, a phone and a small one, by day and by night.

        Fail with what does not fit, is cut or covered, or is found by axe-core.
        """
        for size in (DESK, PHONE, SMALL):
            self.page.set_viewport_size({"width": size[0], "height": size[1]})
            self.page.evaluate(_SETTLED)
            for scheme in ("light", "dark"):
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                self.assert_fits()
                self.assert_nothing_is_cut_or_covered()
                self.assert_accessible()

    def press(self, name: str) -> None:
        """Press the button of this name."""
        self.page.get_by_role("button", name=name, exact=True).click()

    def keep(self, name: str) -> None:
        """Keep a picture of the page as it is."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True, animations="disabled")

    def assert_accessible(self) -> None:
        """Fail with what axe-core finds once nothing moves: what fades in has no contrast yet."""
        self.page.emulate_media(reduced_motion="reduce")
        self.page.evaluate(_AT_REST)
        found = Axe().run(self.page, options=_RULES)
        assert found.violations_count == 0, found.generate_report()


Open = Callable[..., Visit]
