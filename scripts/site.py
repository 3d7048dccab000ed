"""Hooks for MkDocs: two scripts that the site needs beside its pages, without a network.

Material for MkDocs loads Mermaid, which draws ```` ```mermaid ```` blocks, and a shim for searching
pages that are read from a folder, from a public address whenever a page is read. The site works
offline, so both are part of it: from their npm packages, by the npm that the development
environment has.
"""

import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".local" / "site"
SHIM = "https://unpkg.com/iframe-worker/shim"
# By the name that a script has in the site: its npm package, and its place there. Mermaid's later
# versions give each arrowhead an id of its own, by which the theme does not find it to colour it.
SCRIPTS = {
    "assets/mermaid.min.js": ("mermaid@11.12.2", "package/dist/mermaid.min.js"),
    "assets/iframe-worker.js": ("iframe-worker@1.0.4", "package/shim/index.js"),
}


def on_config(config: Any) -> Any:
    """Let each page load Mermaid from the site."""
    config.extra_javascript = ["assets/mermaid.min.js", *config.extra_javascript]
    return config


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Let a page load the shim from the site."""
    folders = page.url.count("/")
    return output.replace(SHIM, f"{'../' * folders}assets/iframe-worker.js")


def on_post_template(output: str, **_: Any) -> str:
    """Let the page for an unknown address load the shim from the site."""
    return output.replace(SHIM, "assets/iframe-worker.js")


def on_post_build(config: Any) -> None:
    """Put the scripts into the site."""
    for name, (package, place) in SCRIPTS.items():
        target = Path(config.site_dir) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_script(package, place))


def _script(package: str, place: str) -> bytes:
    archive = CACHE / f"{package.replace('@', '-')}.tgz"
    if not archive.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        npm = Path(sys.executable).with_name("npm")
        command = [str(npm), "pack", "--silent", package]
        subprocess.run(command, cwd=CACHE, check=True, capture_output=True)  # noqa: S603 - ours
    with tarfile.open(archive) as packed:
        script = packed.extractfile(place)
        if script is None:
            raise FileNotFoundError(f"{place} in the npm package {package}")
        return script.read()
