"""The layer holds the runtime and nothing that only a deployment needs; imports stay apart."""

import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest

from interlock.constructs import RuntimeLayer


def bundle(outdir: Path, **props) -> Path:
    app = cdk.App(outdir=str(outdir))
    RuntimeLayer(cdk.Stack(app, "Stack"), "Layer", **props)
    (asset,) = (path for path in outdir.iterdir() if path.name.startswith("asset."))
    return asset


def test_layer_holds_the_runtime_alone(tmp_path):
    python = bundle(tmp_path) / "python"
    assert (python / "interlock" / "py.typed").exists()
    assert (python / "interlock" / "_drivers" / "blocking" / "driver.py").exists()
    assert not (python / "interlock" / "constructs").exists()
    assert not list(python.rglob("__pycache__"))
    assert [path.name for path in python.iterdir()] == ["interlock"]


def test_layer_has_the_same_hash_each_time(tmp_path):
    first = bundle(tmp_path / "a", distributions=["jmespath"])
    assert bundle(tmp_path / "b", distributions=["jmespath"]).name == first.name
    assert (first / "python" / "jmespath" / "__init__.py").exists()
    assert not list(first.rglob("*.dist-info"))


def test_layer_has_nothing_compiled_for_the_machine_that_deploys(tmp_path):
    """wrapt brings a compiled part, and does the same without it."""
    python = bundle(tmp_path, distributions=["wrapt"]) / "python"
    assert not [*python.rglob("*.so"), *python.rglob("*.pyd")]
    program = "import wrapt; assert wrapt.BaseObjectProxy.__module__ == 'wrapt.wrappers', wrapt"
    subprocess.run(
        [sys.executable, "-S", "-c", program], check=True, env={"PYTHONPATH": str(python)}
    )


@pytest.mark.parametrize(
    ("module", "blocked"), [("interlock", "aws_cdk"), ("interlock.constructs", "boto3")]
)
def test_imports_stay_apart(module, blocked):
    """With the other side's package blocked, every public name still loads."""
    program = (
        f"import sys; sys.modules[{blocked!r}] = None\n"
        f"import {module} as m\n"
        "for name in m.__all__: getattr(m, name)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
