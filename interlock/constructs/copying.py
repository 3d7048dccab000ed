"""Copy into an asset the files that are named, and no others."""

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase
from pathlib import Path


def all_but(
    *patterns: str, without: Collection[str] = ()
) -> Callable[[str, list[str]], Iterable[str]]:
    """Return what `shutil.copytree` ignores: each file whose name matches no pattern.

    Hidden folders, caches of bytecode and folders of the names `without` are ignored, too.
    """

    def ignored(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if not _wanted(Path(folder, name))]

    def _wanted(path: Path) -> bool:
        if path.is_dir():
            return not path.name.startswith(".") and path.name not in {"__pycache__", *without}
        return any(fnmatchcase(path.name, pattern) for pattern in patterns)

    return ignored
