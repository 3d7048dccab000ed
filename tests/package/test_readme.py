"""The README shows what the consumer does, and leads to documents that are there."""

import re
from textwrap import indent

import pytest

from tests.package.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSUMER = ROOT / "examples" / "orders"


def test_the_example_of_the_readme_is_what_is_tested():
    app = (CONSUMER / "app.py").read_text(encoding="utf-8")
    imports, statements = README.split("```python\n")[2].partition("```")[0].split("\n\n")
    assert imports in app
    assert indent(statements, " " * 8) in app


def test_the_function_of_the_example_is_one_step_away_and_on_the_site():
    function = "examples/orders/function/ship.py"
    assert f"]({function})" in README
    assert f'--8<-- "{function}"' in (ROOT / "docs/howto/lambda.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", README))))
def test_what_the_readme_leads_to_is_there(target):
    assert (ROOT / target).exists()
