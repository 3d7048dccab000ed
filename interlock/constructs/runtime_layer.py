"""The Lambda layer that carries the runtime, bundled without Docker."""

import re
import shutil
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Self, cast

import jsii
from aws_cdk import AssetHashType, BundlingOptions, DockerImage, ILocalBundling, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock._protocol.texts import texts
from interlock.constructs.copying import all_but

_PACKAGE = Path(__file__).resolve().parent.parent
# What the package is made of: what an editor or a file manager leaves beside it changes no hash.
_FILES = ("*.py", "py.typed", "reserved_words.txt")
_NO_IMAGE = "interlock-is-bundled-without-docker"


_RUNTIME = re.compile(r"PYTHON_3_(\d+)")
_LEAST_MINOR = 11  # requires-python


def runtimes() -> list[lambda_.Runtime]:
    """Return all of Lambda's Python runtimes that CDK knows and Interlock runs on."""
    found = (_RUNTIME.fullmatch(name) for name in dir(lambda_.Runtime))
    minors = sorted(int(match[1]) for match in found if match)
    return [getattr(lambda_.Runtime, f"PYTHON_3_{n}") for n in minors if n >= _LEAST_MINOR]


class RuntimeLayer(lambda_.LayerVersion):
    """The installed `interlock` package as a layer, for any Python runtime and architecture.

    boto3 is in Lambda's Python runtimes already. `distributions` are names of installed
    distributions to add, without what they depend on and without compiled parts: they must work in
    pure Python. The layer's hash depends on the files' contents only, so a checkout and a wheel of
    the same version give the same one.

    Raises `importlib.metadata.PackageNotFoundError` for a distribution that is not installed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        distributions: Sequence[str] = (),
        description: str = "interlock: locks, transactions, counters and signatures",
    ) -> None:
        bundling = _InstalledPackages(texts("distributions", distributions))
        super().__init__(
            scope,
            construct_id,
            description=description,
            code=lambda_.Code.from_asset(
                str(_PACKAGE),
                asset_hash_type=AssetHashType.OUTPUT,
                bundling=BundlingOptions(
                    image=DockerImage.from_registry(_NO_IMAGE),
                    local=cast("ILocalBundling", bundling),
                ),
            ),
            compatible_runtimes=runtimes(),
            compatible_architectures=[lambda_.Architecture.ARM_64, lambda_.Architecture.X86_64],
        )

    @classmethod
    def of(cls, scope: Construct) -> Self | lambda_.ILayerVersion:
        """Return the stack's layer, made when it is first asked for."""
        stack = Stack.of(scope)
        existing = stack.node.try_find_child("InterlockRuntime")
        return cast("Self", existing) if existing else cls(stack, "InterlockRuntime")


@jsii.implements(ILocalBundling)
class _InstalledPackages:
    """Copies packages of this Python environment; never falls back to Docker."""

    def __init__(self, distributions: Sequence[str]) -> None:
        self._distributions = distributions

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        target = Path(output_dir, "python")
        # Constructs are for the machine that deploys; the runtime never imports them.
        shutil.copytree(
            _PACKAGE, target / "interlock", ignore=all_but(*_FILES, without="constructs")
        )
        for name in self._distributions:
            _copy(metadata.distribution(name), target)
        return True


def _copy(distribution: metadata.Distribution, target: Path) -> None:
    for file in distribution.files or ():
        # Scripts are outside ("../../bin"); metadata differs with the installer.
        if ".." in file.parts or ".dist-info" in file.parts[0] or "__pycache__" in file.parts:
            continue
        # Compiled for this machine, and only to speed up what a pure distribution has in Python.
        if file.suffix in {".so", ".pyd"}:
            continue
        source, copy = Path(str(file.locate())), target / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
