"""The service as a folder: its code, the library, the pinned wheels, and the list of them.

An instance unpacks it from S3, and an image is built from it: both run the same bytes. Nothing of
AWS is imported here, so that `local` can write it without a synthesis.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from stacks.sbom import write_sbom

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "Dockerfile"
PYTHON = "3.11"
"""Of Amazon Linux 2023 (see instance.sh) and of the image's base: wheels are for one version."""

# What the service and its page are made of, and nothing that an editor leaves beside it.
_FILES = (
    *("*.py", "py.typed", "reserved_words.txt"),
    *("*.css", "*.html", "*.js", "*.svg", "*.woff2", "*.LICENSE"),
)
_SBOM = "sbom.cdx.json"


def write_archive(target: Path, platform: str | None) -> None:
    """Write the archive into the folder `target`, with wheels for `platform`.

    `platform` is as uv names it ("aarch64-manylinux_2_28"); None leaves the packages out, for
    processes of this machine, which have them.
    """
    from interlock.constructs.copying import all_but  # noqa: PLC0415 - it brings aws_cdk with it

    for package in ("server", "interlock"):
        kept = all_but(*_FILES, without=["constructs"])
        shutil.copytree(ROOT / package, target / package, ignore=kept)
    if platform is not None:
        _install_packages(target, platform)
        write_sbom(target, target / _SBOM)


def write_image_context(target: Path, platform: str) -> Path:
    """Write the archive and its Dockerfile; return the path of the list of its packages."""
    write_archive(target, platform)
    shutil.copy(DOCKERFILE, target)
    return target / _SBOM


def _install_packages(target: Path, platform: str) -> None:
    """Install the pinned dependencies of the service for a platform, as wheels only."""
    uv = Path(sys.executable).with_name("uv")
    command = [
        str(uv) if uv.exists() else "uv",
        *("pip", "install", "--quiet", "--target", str(target), "--only-binary", ":all:"),
        *("--python-version", PYTHON, "--python-platform", platform),
        *("--constraint", str(ROOT / "requirements.txt")),
        *("--group", f"{ROOT / 'pyproject.toml'}:service", "boto3"),
    ]
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 - fixed arguments
    shutil.rmtree(target / "bin", ignore_errors=True)  # scripts name this machine's interpreter
    for recorded in target.glob("*.dist-info/RECORD"):
        recorded.unlink()  # lists what was just removed
