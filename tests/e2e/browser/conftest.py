"""A real browser before the deployed application."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from local.application import Application
from local.requests import Answer
from tests.e2e.browser.visit import DESK, MISSING, Open, Visit, chromium, sign_in

HERE = Path(__file__).parent
PATIENCE = 15_000
"""Milliseconds for a condition to come true on a machine that is busy with other tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


# Not for the session: while it is open, no asynchronous test could run in this process.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, headless."""
    executable = chromium()
    if executable is None:
        pytest.fail(MISSING)
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        # Its sandbox needs privileges that containers, which CI runs in, do not give.
        running = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def visit(browser: Browser, deployed: Application) -> Iterator[Open]:
    """Opens windows: `visit(size=PHONE, color_scheme="dark")`. None may complain of anything.

    The visitor is alice, who may do everything, or `person`; None is a stranger.
    """
    visits: list[Visit] = []
    with ExitStack() as windows:

        def start(
            size: tuple[int, int] = DESK, *, person: str | None = "alice", **options: Any
        ) -> Visit:
            context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
            windows.callback(context.close)
            if person:
                sign_in(context, deployed, person)
            visits.append(Visit(context.new_page(), deployed.web_address))
            return visits[-1]

        yield start
    assert [complaint for each in visits for complaint in each.complaints] == []


@pytest.fixture
def made(signed: Callable[..., Answer]) -> Iterator[Callable[..., str]]:
    """Makes a counter of a fresh name: `made(value=3, ceiling=5)`; it goes with its test.

    Every page lists every counter, so that what is left behind would slow all tests that follow.
    """
    names = []

    def make(value: int = 0, stem: str = "seats", **bounds: int) -> str:
        name = f"{stem}-{uuid4().hex[:8]}"
        assert signed("PUT", f"/counters/{name}", {"floor": 0, **bounds}).status == 201
        names.append(name)
        if value:
            answer = signed("POST", f"/counters/{name}/increment", {"amount": value})
            assert answer.status == 200
        return name

    yield make
    for name in names:
        signed("DELETE", f"/counters/{name}")
