"""The layer holds the runtime and nothing that only a deployment needs; imports stay apart."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Annotations, Match

from interlock.constructs import RuntimeLayer, bytecode
from interlock.constructs.copying import all_but

ROOT = Path(__file__).resolve().parents[2]


def bundle(outdir: Path, **props) -> Path:
    app = cdk.App(outdir=str(outdir))
    RuntimeLayer(cdk.Stack(app, "Stack"), "Layer", **props)
    (asset,) = (path for path in outdir.iterdir() if path.name.startswith("asset."))
    return asset


def test_layer_holds_the_runtime_alone(tmp_path):
    python = bundle(tmp_path) / "python"
    assert (python / "interlock" / "py.typed").exists()
    assert (python / "interlock" / "_drivers" / "blocking" / "driver.py").exists()
    for name in ("cli", "constructs", "testing"):
        assert not (python / "interlock" / name).exists()
    assert not list(python.rglob("__pycache__"))
    assert [path.name for path in python.iterdir()] == ["interlock"]


def test_what_an_editor_leaves_in_the_package_is_in_no_layer(tmp_path):
    left = (".DS_Store", "_client.py~", ".mypy_cache/x.json", "Thumbs.db", "__pycache__/a.pyc")
    for name in (*left, "kept.py", "sub/py.typed"):
        path = tmp_path / "package" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    patterns = all_but("*.py", "py.typed", without=["constructs"])
    shutil.copytree(tmp_path / "package", tmp_path / "copy", ignore=patterns)
    copied = {path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert copied == {"kept.py", "py.typed"}


def test_layer_has_the_same_hash_each_time(tmp_path):
    first = bundle(tmp_path / "a", distributions=["jmespath"])
    assert bundle(tmp_path / "b", distributions=["jmespath"]).name == first.name
    assert (first / "python" / "jmespath" / "__init__.py").exists()
    assert not list(first.rglob("*.dist-info"))


HERE = lambda_.Runtime(f"python3.{sys.version_info.minor}")
ELSEWHERE = lambda_.Runtime("python3.99")


def test_a_layer_has_bytecode_for_the_runtimes_that_are_asked_for(tmp_path):
    python = bundle(tmp_path, compiled_for=[HERE]) / "python"
    for source in python.rglob("*.py"):
        assert Path(importlib.util.cache_from_source(str(source))).exists(), source


def test_bytecode_is_used_as_it_is_where_nothing_can_be_written(tmp_path):
    """A zip has times of its own, by which other bytecode would be taken for old."""
    python = bundle(tmp_path, compiled_for=[HERE]) / "python"
    module = python / "interlock" / "_protocol" / "faults.py"
    os.utime(module, (0, 0))
    done = subprocess.run(
        [sys.executable, "-v", "-S", "-c", "import interlock._protocol.faults"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(python), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert f"matches {module}" in done.stderr


def test_the_hash_is_of_the_sources_and_of_what_is_compiled_for(tmp_path, monkeypatch):
    plain = bundle(tmp_path / "a").name
    compiled = bundle(tmp_path / "b", compiled_for=[HERE])
    assert compiled.name != plain
    # An interpreter that makes other bytecode of the same sources.
    monkeypatch.setattr(bytecode, "compile_for", lambda *_: None)
    assert bundle(tmp_path / "c", compiled_for=[HERE]).name == compiled.name


def test_without_its_interpreter_a_layer_holds_the_sources_and_says_so(tmp_path):
    app = cdk.App(outdir=str(tmp_path / "a"))
    stack = cdk.Stack(app, "Stack")
    RuntimeLayer(stack, "Layer", compiled_for=[ELSEWHERE])
    (asset,) = (tmp_path / "a").glob("asset.*")
    assert not list(asset.rglob("__pycache__"))
    Annotations.from_stack(stack).has_info("/Stack", Match.string_like_regexp(r"python3\.99"))
    assert bundle(tmp_path / "b").name == asset.name


def test_a_shim_for_a_python_that_is_not_there_is_no_interpreter(tmp_path, monkeypatch):
    for name, answer in (("python3.97", "exit 127"), ("python3.98", "echo cpython-311")):
        shim = tmp_path / name
        shim.write_text(f"#!/bin/sh\n{answer}\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert bytecode.interpreter("97") is bytecode.interpreter("98") is None
    assert bytecode.interpreter(str(sys.version_info.minor)) == sys.executable


def test_a_runtime_that_is_no_python_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nodejs"):
        bundle(tmp_path, compiled_for=[lambda_.Runtime.NODEJS_22_X])


def test_a_source_for_another_python_does_no_harm(tmp_path):
    (tmp_path / "old.py").write_text("print 'no'\n")
    (tmp_path / "new.py").write_text("yes = 1\n")
    bytecode.compile_for(tmp_path, sys.executable, "/opt")
    assert [path.name.partition(".")[0] for path in tmp_path.rglob("*.pyc")] == ["new"]


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """Return the folder of a layer, made once for each choice."""

    @cache
    def made(**props) -> Path:
        return bundle(tmp_path_factory.mktemp("layer"), **props) / "python"

    return made


def run_in(python, program):
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        cwd=python,
    )
    return done.stdout


EVERY_MODULE = """
import sys
sys.dont_write_bytecode = True
import importlib, pkgutil, interlock
for found in pkgutil.walk_packages(interlock.__path__, "interlock."):
    importlib.import_module(found.name)
print(interlock.__path__[0], interlock.LockClient.acquire.__doc__)
"""


@pytest.mark.parametrize(
    "props",
    [{}, {"aio": False}, {"compiled_for": (HERE,)}],
    ids=["sources", "blocking", "bytecode"],
)
def test_every_module_of_a_layer_is_imported_from_it_and_has_no_docstring(layers, props):
    python = layers(**props)
    assert run_in(python, EVERY_MODULE) == f"{python / 'interlock'} None\n"


TRACEBACK = """
import sys, traceback
sys.dont_write_bytecode = True
import interlock
places = []
for call in (
    lambda: interlock.LockClient(""),
    lambda: interlock.LockClient("t", lease=0),
    lambda: interlock.TableLayout.parse("a"),
    lambda: interlock.CounterClient("t").counter("a" * 5000),
    lambda: interlock.TransactionClient("t").run(None),
):
    try:
        call()
    except Exception:
        for frame in traceback.extract_tb(sys.exc_info()[2])[1:]:
            code = frame.line.partition("  #")[0]
            places.append((frame.filename.rpartition("interlock/")[2], frame.lineno, code))
assert len(places) > 5
print(*places, sep="\\n")
"""


@pytest.mark.parametrize("props", [{}, {"compiled_for": (HERE,)}], ids=["sources", "bytecode"])
def test_a_traceback_in_a_layer_has_the_lines_of_the_package(layers, props):
    assert run_in(layers(**props), TRACEBACK) == run_in(ROOT, TRACEBACK)


def test_a_layer_that_is_documented_has_the_sources_as_they_are(tmp_path):
    python = bundle(tmp_path, documented=True) / "python"
    for copy in python.rglob("*.py"):
        assert copy.read_bytes() == (ROOT / copy.relative_to(python)).read_bytes(), copy


def test_a_layer_without_aio_has_the_blocking_half_alone(layers):
    assert not [path for path in layers(aio=False).rglob("*") if path.name in {"aio", "awaitable"}]


def test_sources_of_others_are_as_they_are_installed(tmp_path):
    """With the notices of their licences."""
    copy = bundle(tmp_path, distributions=["jmespath"]) / "python" / "jmespath" / "__init__.py"
    installed = importlib.import_module("jmespath").__file__ or ""
    assert copy.read_bytes() == Path(installed).read_bytes()


def test_each_choice_makes_another_layer(tmp_path):
    choices = [{}, {"documented": True}, {"aio": False}, {"documented": True, "aio": False}]
    names = {bundle(tmp_path / str(number), **props).name for number, props in enumerate(choices)}
    assert len(names) == len(choices)


def test_a_layer_is_small_to_fetch(layers, tmp_path):
    """As Lambda fetches it into each new environment: a zip."""
    archive = shutil.make_archive(str(tmp_path / "layer"), "zip", layers(aio=False).parent)
    assert Path(archive).stat().st_size < 250_000


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
