"""The unit tests under other versions than the pinned ones: python -m tests.versions [name ...].

`lowest` is the oldest of each direct dependency that pyproject.toml allows, on the oldest Python;
`3.12` to `3.14` are the pinned versions on that Python, left out where the machine has none.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")
EXTRAS = "aio,cdk,cli,verify"
# What the tests themselves need; the service and the demo are run with their pinned versions only.
TOOLS = (
    *("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis", "syrupy"),
    *("moto[dynamodb,kms]", "httpx", "aws-lambda-powertools", "aws-xray-sdk"),
)
OLDEST, NEWER = "3.11", ("3.12", "3.13", "3.14")
LEFT_OUT = (
    "tests/unit/server",
    "tests/unit/local",
    "tests/unit/test_surface.py",  # how Python writes a signature differs with its version
    # Of the checkout, and formatted by the pinned ruff.
    "tests/unit/test_halves.py::test_the_blocking_half_is_as_the_awaitable_one_was_written",
)
NOT_WITH_LOWEST = (
    # The oldest CDK itself refuses the reference from one account's stack to another's.
    "tests/constructs/test_places.py::test_across_accounts_both_sides_are_written",
    "tests/constructs/test_runtime_layer.py::test_layer_has_nothing_compiled_for_the_machine_that_deploys",
)


def found(version: str) -> Path | None:
    """Return this Python of the machine, without fetching one."""
    # pyenv keeps them apart, and what it has in PATH runs only the versions it was told to.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for python in sorted(pyenv.glob(f"{version}.*/bin/python")):
        return python
    result = subprocess.run(
        [UV, "python", "find", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(result.stdout.strip()) if result.returncode == 0 else None


def prepare(python: Path, base: Path, *installed: str | Path) -> None:
    """Make an environment."""
    subprocess.run([UV, "venv", "--quiet", "--python", base, python.parents[1]], check=True)
    subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *installed], check=True)


def tested(python: Path, *left_out: str) -> bool:
    """Run the tests; tell whether they passed."""
    ignored = [f"--deselect={each}" if "::" in each else f"--ignore={each}" for each in left_out]
    command: list[str | Path] = [
        *(python, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "-m", "not slow"),
        *("tests/unit", "tests/constructs", *ignored),
    ]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main(wanted: list[str]) -> int:
    """Run what is wanted, or all; return 1 if something failed."""
    failed = []
    for name in wanted or ["lowest", *NEWER]:
        version = OLDEST if name == "lowest" else name
        base = found(version)
        if base is None:
            print(f"\n=== {name}: this machine has no Python {version}, left out", flush=True)
            continue
        print(f"\n=== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            python = Path(folder, "venv", "bin", "python")
            if name == "lowest":
                library = f"{ROOT}[{EXTRAS}]"
                prepare(python, base, "--resolution", "lowest-direct", "--editable", library)
                subprocess.run([UV, "pip", "install", "-q", "--python", python, *TOOLS], check=True)
                passed = tested(python, *LEFT_OUT, *NOT_WITH_LOWEST)
            else:
                pinned = ROOT / "requirements-dev.txt"
                prepare(python, base, "--requirement", pinned, "--editable", ROOT)
                passed = tested(python, *LEFT_OUT)
        if not passed:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
