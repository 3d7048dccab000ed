"""Bytecode in the assets of functions, made while they are bundled.

Lambda's folders cannot be written to, so that Python compiles what it imports in each new
environment. Bytecode that comes with the sources, and is not compared with them
(https://peps.python.org/pep-0552/), spares it that. It is for one minor version of Python, which
has to make it: where none is found the assets hold the sources alone, and the synthesis says so.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsii
from aws_cdk import Annotations, BundlingOptions, DockerImage, ILocalBundling, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock.constructs.prose import without_prose

_NO_IMAGE = "interlock-is-bundled-without-docker"
_RUNTIME = re.compile(r"python3\.(\d+)")
_TAG = "import sys; print(sys.implementation.cache_tag)"
_PATIENCE = 20.0  # seconds that an interpreter has to say which it is
# Without the columns of each instruction, a quarter of it: tracebacks have lines, and no carets.
_COMPILE = ("-X", "no_debug_ranges", "-s", "-m", "compileall", "-q")
_UNCHECKED = ("--invalidation-mode", "unchecked-hash")
_FORM = "2"  # of what is hashed: another one makes new assets of the same sources


def bundled_code(
    scope: Construct,
    files: Mapping[str, Path],
    *,
    place: str,
    runtimes: Sequence[lambda_.Runtime] = (),
    code_alone: str | None = None,
) -> lambda_.Code:
    """Return the code of these files, by their paths in the asset, and of bytecode for `runtimes`.

    The asset is unpacked at `place` ("/var/task", "/opt"). Of the sources in the folder
    `code_alone` it has the code, on the same lines, and no docstrings and comments. Its hash is
    that of the files, of what is taken out of them, and of the versions that there is bytecode
    for, whichever machine made it: two that differ in an interpreter's last digit make the same
    asset.
    """
    compiled: dict[str, str] = {}
    if Stack.of(scope).bundling_required:
        found = {_minor(runtime): interpreter(_minor(runtime)) for runtime in runtimes}
        compiled = {minor: path for minor, path in found.items() if path is not None}
        for minor in found.keys() - compiled.keys():
            Annotations.of(scope).add_info_v2(
                f"interlock:no-python3.{minor}",
                f"There is no Python 3.{minor} here to compile for: functions compile at each cold "
                f"start. Put python3.{minor} on the PATH, or synthesize by it",
            )
    return lambda_.Code.from_asset(
        str(next(iter(files.values())).parent),  # is not read; the files may be of many folders
        asset_hash=_hash(files, compiled, code_alone),
        bundling=BundlingOptions(
            image=DockerImage.from_registry(_NO_IMAGE),
            local=cast("ILocalBundling", _Bundling(files, place, compiled, code_alone)),
        ),
    )


@cache
def interpreter(minor: str) -> str | None:
    """Return the path of a CPython 3.`minor` on this machine, None if there is none."""
    name = f"python3.{minor}"
    for command in (sys.executable, shutil.which(name), _by_uv(name)):
        if command and _told(command, "-c", _TAG) == f"cpython-3{minor}":
            return command
    return None


def compile_for(folder: Path, command: str, place: str) -> None:
    """Compile all of a folder, which will be at `place`, by an interpreter.

    A source that is not for this Python stays as it is.
    """
    subprocess.run(  # noqa: S603 - an interpreter that was asked which it is
        [command, *_COMPILE, *_UNCHECKED, "-s", str(folder), "-p", place, str(folder)],
        check=False,
        env={"PYTHONHASHSEED": "0"},  # the order of constants that are sets
        stdout=sys.stderr,
    )


def _by_uv(name: str) -> str | None:
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is None:
        return None
    return _told(uv, "python", "find", "--managed-python", "--no-python-downloads", name)


def _told(*command: str) -> str | None:
    """Return what a command prints, None if it fails, as a shim does for a Python that is gone."""
    try:
        done = subprocess.run(  # noqa: S603 - found on the caller's own PATH
            command, check=True, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _minor(runtime: lambda_.Runtime) -> str:
    match = _RUNTIME.fullmatch(runtime.to_string())
    if match is None:
        raise ValueError(f"runtimes has {runtime.to_string()}: give Lambda's runtimes of Python 3")
    return match[1]


def _hash(files: Mapping[str, Path], compiled: Mapping[str, str], code_alone: str | None) -> str:
    told = hashlib.sha256(f"{_FORM} {sorted(compiled)} {code_alone}".encode())
    for name, source in sorted(files.items()):
        told.update(f"\n{name} {hashlib.sha256(source.read_bytes()).hexdigest()}".encode())
    return told.hexdigest()


@jsii.implements(ILocalBundling)
class _Bundling:
    """Copies the files and compiles them; never falls back to Docker."""

    def __init__(
        self,
        files: Mapping[str, Path],
        place: str,
        compiled: Mapping[str, str],
        code_alone: str | None,
    ) -> None:
        self._files = files
        self._place = place
        self._compiled = compiled
        self._code_alone = code_alone

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        for name, source in self._files.items():
            copy = Path(output_dir, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if self._has_code_alone(copy.relative_to(output_dir)):
                copy.write_text(without_prose(source.read_text("utf-8")), "utf-8", newline="\n")
            else:
                shutil.copyfile(source, copy)
        for command in self._compiled.values():
            compile_for(Path(output_dir), command, self._place)
        return True

    def _has_code_alone(self, path: Path) -> bool:
        folder = self._code_alone
        return folder is not None and path.suffix == ".py" and path.is_relative_to(folder)
