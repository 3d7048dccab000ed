"""One stream a browser, however many of its pages are open."""

import pytest
from playwright.sync_api import expect

WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
"""As on pages without HTTPS."""


class Pages:
    """Pages of one browser, and the streams that they ask for."""

    def __init__(self, window):
        self.window = window
        self.all = [window.page]
        self.streams = []
        window.page.context.on("request", self._note)

    def _note(self, request):
        if request.url.endswith("/events"):
            self.streams.append(request)

    def open(self, view):
        page = self.all[-1] if not self.streams else self.window.page.context.new_page()
        if page not in self.all:
            self.all.append(page)
        page.goto(self.window.address + view)
        expect(page.locator("#link")).to_have_text("Live")
        return page


@pytest.mark.parametrize("script", ["", WITHOUT_LOCKS], ids=["locks", "without locks"])
def test_eight_pages_are_alive_by_one_stream_and_survive_the_one_that_holds_it(
    visit, made, signed, script
):
    name = made(value=1)
    pages = Pages(visit())
    pages.window.page.context.add_init_script(script or "0")
    for _ in range(8):
        pages.open(f"#/c/{name}")
    for page in pages.all:
        expect(page.locator("#value")).to_have_text("1")
    assert len(pages.streams) == 1
    pages.all[-1].get_by_role("button", name="Increment", exact=True).click()
    for page in pages.all:
        expect(page.locator("#value")).to_have_text("2")

    holder = pages.streams[0].frame.page
    pages.all.remove(holder)
    holder.close()
    signed("POST", f"/counters/{name}/increment", {"amount": 5})
    for page in pages.all:
        expect(page.locator("#value")).to_have_text("7")
        expect(page.locator("#link")).to_have_text("Live")
