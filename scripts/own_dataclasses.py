"""Extension of Griffe, by which the reference sees the library's dataclasses as dataclasses."""

from typing import Any

from griffe import Alias, Extension


class OwnDataclasses(Extension):
    """Takes the decorator that this library has for the one that it is to type checkers."""

    def on_alias_instance(self, *, alias: Alias, **_: Any) -> None:
        """Say where an imported name is from."""
        if alias.target_path == "interlock._dataclasses.dataclass":
            alias.target_path = "dataclasses.dataclass"
