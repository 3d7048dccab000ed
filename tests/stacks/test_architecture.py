"""The picture in docs/architecture.md is that of the stacks."""

import json

from stacks.diagram import SHOWN, diagram
from tests.stacks.conftest import ROOT


def drawn(synthesized):
    manifest = json.loads((synthesized.assembly / "manifest.json").read_text(encoding="utf-8"))
    names = set(synthesized.templates)
    needs = {
        name: [
            other for other in manifest["artifacts"][name].get("dependencies", ()) if other in names
        ]
        for name in names
    }
    types = {
        name: [resource["Type"] for resource in template["Resources"].values()]
        for name, template in synthesized.templates.items()
    }
    return types, diagram(types, needs)


def test_the_picture_is_that_of_the_stacks(synthesized_once):
    document = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    _, picture = drawn(synthesized_once("prod"))
    assert f"```mermaid\n{picture}\n```" in document, f"replace the picture by:\n{picture}"


def test_everything_that_is_shown_is_there(synthesized_once):
    types, _ = drawn(synthesized_once("prod"))
    assert set(SHOWN) <= {kind for kinds in types.values() for kind in kinds}
