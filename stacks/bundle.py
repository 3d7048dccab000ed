"""The service as one archive: its code, the library, and wheels for the instances' processor."""

import shutil
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
import jsii
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from stacks.archive import DOCKERFILE, ROOT, write_archive, write_image_context
from stacks.config import Environment

_PLATFORMS = {  # it has glibc 2.34
    ec2.InstanceArchitecture.ARM_64: "aarch64-manylinux_2_28",
    ec2.InstanceArchitecture.X86_64: "x86_64-manylinux_2_28",
}


class ServiceBundle(assets.Asset):
    """The archive that instances unpack; its hash is that of the files in it."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        # Where instances are processes of this machine, they use its packages already.
        platform = None if environment.emulated else _PLATFORMS[environment.architecture]
        super().__init__(
            scope,
            construct_id,
            path=str(ROOT / "server"),
            asset_hash_type=cdk.AssetHashType.OUTPUT,
            bundling=cdk.BundlingOptions(
                image=cdk.DockerImage.from_registry("interlock-is-bundled-without-docker"),
                local=cast("cdk.ILocalBundling", _ServiceBundling(platform)),
            ),
        )


def image_context(scope: Construct, environment: Environment) -> Path:
    """Write what the service's image is built from, and return its folder below `cdk.out`.

    Where nothing is bundled (`cdk ls`, tests of templates) it holds the Dockerfile alone.
    """
    stage, stack = cdk.Stage.of(scope), cdk.Stack.of(scope)
    if stage is None:
        raise ValueError(f"{scope.node.path} is in no stage")
    folder = Path(stage.outdir) / "image-context"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if stack.bundling_required:
        write_image_context(folder, _PLATFORMS[environment.architecture])
    else:
        shutil.copy(DOCKERFILE, folder)
    return folder


@jsii.implements(cdk.ILocalBundling)
class _ServiceBundling:
    def __init__(self, platform: str | None) -> None:
        self._platform = platform

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        write_archive(Path(output_dir), self._platform)
        return True
