"""The counter function's asset and its layer, as a deployment makes them."""

import compileall
import importlib.util
import sys
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from interlock.constructs import RuntimeLayer
from interlock.constructs.bytecode import bundled_code
from stacks.counters_function import POWERTOOLS, code_files

_OF_LAMBDA = ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "jmespath")


_HERE = (lambda_.Runtime(f"python3.{sys.version_info.minor}"),)


def library_layer(
    folder: Path, *, compiled: bool = False, documented: bool = False, aio: bool = True
) -> Path:
    """Write a layer of the library alone; return its folder."""
    app = cdk.App(outdir=str(folder))
    RuntimeLayer(
        cdk.Stack(app, "Layer"),
        "Layer",
        compiled_for=_HERE if compiled else (),
        documented=documented,
        aio=aio,
    )
    (runtime,) = folder.glob("asset.*/python")
    return runtime.parent


def deployed(folder: Path, *, compiled: bool) -> tuple[Path, Path]:
    """Write both into a folder, with bytecode for this Python or without; return where they are."""
    runtimes = _HERE if compiled else ()
    app = cdk.App(outdir=str(folder))
    stack = cdk.Stack(app, "Function")
    layer = RuntimeLayer(stack, "Layer", distributions=POWERTOOLS, compiled_for=runtimes, aio=False)
    lambda_.Function(
        stack,
        "Counters",
        code=bundled_code(stack, code_files(), place="/var/task", runtimes=runtimes),
        handler="handler.handler",
        runtime=lambda_.Runtime.PYTHON_3_13,
        layers=[layer],
    )
    (code,) = folder.glob("asset.*/handler.py")
    (runtime,) = folder.glob("asset.*/python")
    return code.parent, runtime


def compile_what_lambda_brings() -> None:
    """Compile boto3 and what it needs, which Lambda's runtime has with bytecode."""
    for name in _OF_LAMBDA:
        package = importlib.util.find_spec(name)
        if package is not None and package.origin is not None:
            compileall.compile_dir(Path(package.origin).parent, quiet=2)
