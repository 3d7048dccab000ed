"""docs/service.md has every setting that the service reads."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_variable_of_the_service_is_in_its_table():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "server").glob("*.py"))
    read = set(re.findall(r"\bINTERLOCK_[A-Z_]*[A-Z]\b", sources))
    page = (ROOT / "docs/service.md").read_text(encoding="utf-8")
    assert len(read) > 25
    assert sorted(name for name in read if f"`{name}`" not in page) == []
