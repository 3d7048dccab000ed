"""docs/api.md is what the OpenAPI document says, and names every problem."""

import json
import re

from scripts.apidocs import DOCUMENT, PAGE, ROOT, written


def test_the_tables_are_as_the_document_has_them():
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page, json.loads(DOCUMENT.read_text(encoding="utf-8")))


def test_every_problem_of_the_function_is_explained():
    source = "".join(path.read_text("utf-8") for path in DOCUMENT.parent.glob("*.py"))
    kinds = set(re.findall(r'Problem\(\s*(?:HTTPStatus\.\w+|status|OK),\s*"([a-z-]+)"', source))
    page = PAGE.read_text(encoding="utf-8")
    assert len(kinds) > 8
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in page] == []


def test_the_document_names_a_server_and_a_licence():
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["servers"][0]["url"].startswith("https://")
    assert (ROOT / "LICENSE").exists()
