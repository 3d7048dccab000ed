"""Lighthouse finds nothing to mend in what does not depend on how fast this machine is.

It comes from npm when the test runs. How long a load takes is not asserted, only what makes it so.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.browser.visit import chromium

LIGHTHOUSE = "lighthouse@13.5.0"
BIN = Path(sys.executable).parent
CATEGORIES = ["accessibility", "best-practices", "seo", "performance"]
WASTE = ["unminified-javascript", "unminified-css", "unused-css-rules", "errors-in-console"]
MOST_SHIFT = 0.05
MOST_BYTES = 150_000
"""Of the view with a chart: the page, its program, the chart's library and a font."""

pytestmark = pytest.mark.slow


def report(url, cookies, options):
    """What Lighthouse says of a page that a person who has signed in sees."""
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    command = [
        *(str(BIN / "npx"), "--yes", LIGHTHOUSE, url, *options, "--quiet", "--output=json"),
        *("--chrome-flags=--headless=new --no-sandbox", f"--extra-headers={json.dumps(headers)}"),
        f"--only-categories={','.join(CATEGORIES)}",
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"CHROME_PATH": str(chromium()), "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("options", [[], ["--preset=desktop"]], ids=["mobile", "desktop"])
@pytest.mark.parametrize("view", ["list", "counter"])
def test_nothing_is_wasted_and_nothing_jumps(deployed, made, view, options):
    name = made(value=187, ceiling=200)
    url = deployed.web_address + (f"#/c/{name}" if view == "counter" else "")
    found = report(url, deployed.stranger.signed_in("alice").cookies, options)
    audits = found["audits"]
    rules = [
        rule["id"]
        for each in CATEGORIES[:3]
        for rule in found["categories"][each]["auditRefs"]
        if rule["weight"]
    ]
    # None: what does not apply, or cannot be asked behind a sign-in, as robots.txt.
    assert [each for each in rules if audits[each]["score"] not in {1, None}] == []
    assert {each: audits[each]["score"] for each in WASTE} == dict.fromkeys(WASTE, 1)
    assert audits["cumulative-layout-shift"]["numericValue"] <= MOST_SHIFT
    assert audits["total-byte-weight"]["numericValue"] <= MOST_BYTES
    fetched = [each["url"] for each in audits["network-requests"]["details"]["items"]]
    assert [each for each in fetched if "uplot" in each] == [] or view == "counter"
