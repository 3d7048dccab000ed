"""The layer holds the runtime and nothing that only a deployment needs; imports stay apart."""

import shutil
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
import pytest

from interlock.constructs import RuntimeLayer
from interlock.constructs.copying import all_but


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


def test_what_an_editor_leaves_in_the_package_is_in_no_layer(tmp_path):
    left = (".DS_Store", "_client.py~", ".mypy_cache/x.json", "Thumbs.db", "__pycache__/a.pyc")
    for name in (*left, "kept.py", "sub/py.typed"):
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    patterns = all_but("*.py", "py.typed", without="constructs")
    shutil.copytree(tmp_path / "package", tmp_path / "copy", ignore=patterns)
    copied = {path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert copied == {"kept.py", "py.typed"}


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
