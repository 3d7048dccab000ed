"""What users import: the same names from both halves, each at a public home."""

import importlib
import importlib.metadata
import subprocess
import sys

import pytest

import interlock
import interlock.aio


def test_both_halves_export_the_same_clients():
    # What is made by a client, or shared by both halves, is exported once.
    once = {"EmbeddedMetrics", "Lock", "LockRecord", "Metric", "client_config"}
    assert set(interlock.__all__) - set(interlock.aio.__all__) == once
    assert set(interlock.aio.__all__) <= set(interlock.__all__)


@pytest.mark.parametrize("package", ["interlock", "interlock.aio"])
def test_every_exported_name_can_be_imported(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing


def test_the_version_is_the_packages():
    assert interlock.__version__ == importlib.metadata.version("interlock")


@pytest.mark.parametrize("package", ["interlock", "interlock.aio"])
def test_a_face_alone_imports_no_client(package):
    code = (
        f"import sys, {package}; sys.exit(any(m.startswith('interlock._d') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
