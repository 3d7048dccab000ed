"""The README shows the consumer as it is, and leads to documents that are there."""

import re

import pytest

from tests.package.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSUMER = ROOT / "examples" / "orders"


def body(path, first):
    """Return a file's code from a line on, up to the lines that only start the app."""
    text = path.read_text(encoding="utf-8")
    return text[text.index(first) :].partition("\n\n\napp = ")[0].strip()


def test_the_example_of_the_readme_is_what_is_tested():
    assert body(CONSUMER / "app.py", "class Orders") in README


def test_the_function_of_the_example_is_one_step_away_and_on_the_site():
    function = "examples/orders/function/ship.py"
    assert f"]({function})" in README
    assert f'--8<-- "{function}"' in (ROOT / "docs/howto/lambda.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", README))))
def test_what_the_readme_leads_to_is_there(target):
    assert (ROOT / target).exists()
