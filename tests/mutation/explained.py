"""Survivors that are explained: mistakes that no test can or has to find, each with its reason."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.splicing import Mutant

FILE = Path(__file__).with_name("explained.toml")
KINDS = {
    "equivalent": "no caller and no store can see the difference",
    "speed": "only how long it takes, or how many calls, differs",
    "text": "only the text of an error or of a log differs",
}


@dataclass(frozen=True)
class Explained:
    """One survivor, named as `Mutant.name` names it, and why it may survive."""

    module: str
    function: str
    was: str
    becomes: str
    kind: str
    reason: str

    def matches(self, module: str, mutant: Mutant) -> bool:
        """Whether this is the mistake."""
        return (self.module, self.function, self.was, self.becomes) == (module, *mutant.name)


def explanations(path: Path = FILE) -> list[Explained]:
    """Return what the file explains: each entry has one reason for one or several mistakes."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("explained", [])
    return [
        Explained(
            entry["module"],
            entry["function"],
            entry["was"],
            becomes,
            entry["kind"],
            entry["reason"],
        )
        for entry in entries
        for becomes in entry["becomes"]
    ]
