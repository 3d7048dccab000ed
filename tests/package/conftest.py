"""The wheel as users get it, in an environment of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")

Install = Callable[..., Path]


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution, as `make build` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--quiet", "--out-dir", folder, ROOT], check=True, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Makes an environment with the wheel and some of its extras; returns its Python."""

    def made(*extras: str) -> Path:
        folder = tmp_path_factory.mktemp("-".join(["environment", *extras])) / "venv"
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        python = folder / "bin" / "python"
        wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        subprocess.run(
            [
                *(UV, "pip", "install", "--quiet", "--python", python, wanted),
                *("--constraint", ROOT / "requirements.txt"),
            ],
            check=True,
        )
        return python

    return made
