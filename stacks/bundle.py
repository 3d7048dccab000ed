"""The service as one archive: its code, the library, and wheels for the instances' processor."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from stacks.config import Environment

_ROOT = Path(__file__).resolve().parent.parent
_PYTHON = "3.11"  # of Amazon Linux 2023, see instance.sh
_PLATFORMS = {  # it has glibc 2.34
    ec2.InstanceArchitecture.ARM_64: "aarch64-manylinux_2_28",
    ec2.InstanceArchitecture.X86_64: "x86_64-manylinux_2_28",
}
_NO_CACHES = shutil.ignore_patterns("__pycache__", "*.pyc", "constructs")


def service_bundle(
    scope: Construct, construct_id: str, *, environment: Environment
) -> assets.Asset:
    """Return the asset; its hash is that of the files in it."""
    # Where instances are processes of this machine, they use its packages already.
    platform = None if environment.emulated else _PLATFORMS[environment.architecture]
    bundling = _ServiceBundling(platform)
    return assets.Asset(
        scope,
        construct_id,
        path=str(_ROOT / "server"),
        asset_hash_type=cdk.AssetHashType.OUTPUT,
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("interlock-is-bundled-without-docker"),
            local=cast("cdk.ILocalBundling", bundling),
        ),
    )


@jsii.implements(cdk.ILocalBundling)
class _ServiceBundling:
    def __init__(self, platform: str | None) -> None:
        self._platform = platform

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        target = Path(output_dir)
        for package in ("server", "interlock"):
            shutil.copytree(_ROOT / package, target / package, ignore=_NO_CACHES)
        if self._platform is not None:
            _install_packages(target, self._platform)
        return True


def _install_packages(target: Path, platform: str) -> None:
    """Install the pinned dependencies of the service for a platform, as wheels only."""
    uv = Path(sys.executable).with_name("uv")
    command = [
        str(uv) if uv.exists() else "uv",
        *("pip", "install", "--quiet", "--target", str(target), "--only-binary", ":all:"),
        *("--python-version", _PYTHON, "--python-platform", platform),
        *("--constraint", str(_ROOT / "requirements.txt")),
        *("--group", f"{_ROOT / 'pyproject.toml'}:service", "boto3"),
    ]
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 - fixed arguments
    shutil.rmtree(target / "bin", ignore_errors=True)  # scripts name this machine's interpreter
    for recorded in target.glob("*.dist-info/RECORD"):
        recorded.unlink()  # lists what was just removed
