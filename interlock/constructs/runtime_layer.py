"""The Lambda layer that carries the runtime, bundled without Docker."""

import os
import re
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Self, cast

from aws_cdk import Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock._protocol.texts import texts
from interlock.constructs.bytecode import bundled_code
from interlock.constructs.copying import all_but

_PACKAGE = Path(__file__).resolve().parent.parent
# What the package is made of: what an editor or a file manager leaves beside it changes no hash.
_FILES = ("*.py", "py.typed")
# For the machine that deploys, for people at a terminal, for tests: no function runs them.
_NOT_RUN = ("cli", "constructs", "testing")
_AWAITABLE = ("aio", "awaitable")
_IN_LAYER = str(Path("python", "interlock"))
_RUNTIME = re.compile(r"PYTHON_3_(\d+)")
_LEAST_MINOR = 11  # requires-python


def runtimes() -> list[lambda_.Runtime]:
    """Return all of Lambda's Python runtimes that CDK knows and Interlock runs on."""
    found = (_RUNTIME.fullmatch(name) for name in dir(lambda_.Runtime))
    minors = sorted(int(match[1]) for match in found if match)
    return [getattr(lambda_.Runtime, f"PYTHON_3_{n}") for n in minors if n >= _LEAST_MINOR]


class RuntimeLayer(lambda_.LayerVersion):
    """The installed `interlock` package as a layer, for any Python runtime and architecture.

    The command and `interlock.testing` are not in it: no function runs them. Nor are docstrings and
    comments of the package, unless `documented`: it has the same code on the same lines, so that
    tracebacks are as ever, and `help` has nothing to say. Without `aio`, it has no `interlock.aio`
    either, for functions whose handlers are not coroutines: a fifth less to zip.

    boto3 is in Lambda's Python runtimes already. `distributions` are names of installed
    distributions to add, without what they depend on and without compiled parts: they must work in
    pure Python. `compiled_for` are the runtimes that the layer has bytecode for, which takes as
    much room as the sources for each, and spares their functions most of a cold start; others
    compile for themselves. It is made by that version of Python, which has to be on the machine
    that synthesizes: else it is left out, and the synthesis says so.

    The layer's hash depends on the files' contents, on these choices and on what it has bytecode
    for, so a checkout and a wheel of the same version give the same one.

    Raises `importlib.metadata.PackageNotFoundError` for a distribution that is not installed, and
    ValueError for a runtime that is not of Python 3.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        distributions: Sequence[str] = (),
        compiled_for: Sequence[lambda_.Runtime] = (),
        documented: bool = False,
        aio: bool = True,
        description: str = "interlock: locks, transactions, counters and signatures",
    ) -> None:
        files = dict(
            _files(texts("distributions", distributions), _NOT_RUN + _AWAITABLE * (not aio))
        )
        super().__init__(
            scope,
            construct_id,
            description=description,
            code=bundled_code(
                scope,
                files,
                place="/opt",
                runtimes=compiled_for,
                code_alone=None if documented else _IN_LAYER,
            ),
            compatible_runtimes=runtimes(),
            compatible_architectures=[lambda_.Architecture.ARM_64, lambda_.Architecture.X86_64],
        )

    @classmethod
    def of(cls, function: lambda_.Function) -> Self:
        """Return the layer of a function's stack for its runtime, made when first asked for."""
        stack, runtime = Stack.of(function), function.runtime
        known = [each for each in runtimes() if each.to_string() == runtime.to_string()]
        name = "InterlockRuntime" + "".join(each.to_string().title() for each in known)
        existing = stack.node.try_find_child(name)
        return cast("Self", existing) if existing else cls(stack, name, compiled_for=known)


def _files(distributions: Sequence[str], left_out: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """Yield the layer's files: by their paths in it, where they are installed here."""
    ignored = all_but(*_FILES, without=left_out)
    for folder, folders, names in os.walk(_PACKAGE):
        others = set(ignored(folder, [*folders, *names]))
        folders[:] = sorted(set(folders) - others)
        for name in sorted(set(names) - others):
            path = Path(folder, name)
            yield str(Path(_IN_LAYER, path.relative_to(_PACKAGE))), path
    for name in distributions:
        yield from _installed(metadata.distribution(name))


def _installed(distribution: metadata.Distribution) -> Iterator[tuple[str, Path]]:
    for file in distribution.files or ():
        # Scripts are outside ("../../bin"); metadata differs with the installer.
        if ".." in file.parts or ".dist-info" in file.parts[0] or "__pycache__" in file.parts:
            continue
        # Compiled for this machine, and only to speed up what a pure distribution has in Python.
        if file.suffix not in {".so", ".pyd"}:
            yield str(Path("python", file)), Path(str(file.locate()))
