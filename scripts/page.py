"""Write what browsers load of the web client: `python -m scripts.page`.

One program and one style sheet, minified by esbuild, which npm brings: as over twenty files, one
after the other over six connections, they take a phone a second longer. Both are checked in, so
that a deployment needs no npm. Each begins with the digest of what it was made from; `--check`
writes nothing, and exits with 1 if that has changed.
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
WEB = ROOT / "server" / "web"
ESBUILD = "esbuild@0.28.2"
PARTS = ["app.css", "parts.css"]
# Fetched by those who need them: a language's words, the chart's library, fonts.
_APART = ["./words.*.js", "./vendor/*", "vendor/*"]
_DIGEST = re.compile(r"^/\* Made by scripts/page\.py of ([0-9a-f]{64})\. \*/$", re.MULTILINE)


def sources() -> dict[str, list[Path]]:
    """Return of which files each of the two is made."""
    apart = ("words.de.js", "words.zh.js", "page.min.js")
    modules = sorted(path for path in WEB.glob("*.js") if path.name not in apart)
    return {"page.min.js": modules, "page.min.css": [WEB / name for name in PARTS]}


def digest(paths: list[Path]) -> str:
    """Return the digest of the files' names and contents, and of what makes one of them."""
    whole = hashlib.sha256(ESBUILD.encode())
    for path in paths:
        whole.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def stale() -> list[str]:
    """Return the names of what is not made of the sources as they are."""
    names = []
    for name, paths in sources().items():
        made = WEB / name
        found = _DIGEST.search(made.read_text(encoding="utf-8")) if made.exists() else None
        if found is None or found[1] != digest(paths):
            names.append(name)
    return names


def build(folder: Path) -> None:
    """Write both into `folder`. Raises `CalledProcessError` if esbuild cannot."""
    entries = {
        "page.min.js": 'import "./app.js";\n',
        "page.min.css": "".join(f'@import "./{name}";\n' for name in PARTS),
    }
    for name, paths in sources().items():
        kind = Path(name).suffix[1:]
        banner = f"/* Made by scripts/page.py of {digest(paths)}. */"
        command = [
            *("npx", "--yes", ESBUILD, "--bundle", "--minify", "--format=esm", "--target=es2022"),
            *(f"--external:{each}" for each in _APART),
            *(f"--banner:{kind}={banner}", f"--loader={kind}", "--legal-comments=none"),
            f"--outfile={folder / name}",
        ]
        variables = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        subprocess.run(  # noqa: S603 - what is run is above
            command,
            input=entries[name].encode(),
            cwd=WEB,
            check=True,
            env=os.environ | variables,
        )


def main() -> int:
    """Write, or check; return the exit status."""
    if "--check" not in sys.argv:
        build(WEB)
    elif names := stale():
        sys.stderr.write(f"{' and '.join(names)} out of date: python -m scripts.page\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
