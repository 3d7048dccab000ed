"""What users import: the same names from both halves, each at a public home."""

import importlib
import importlib.metadata
import inspect
import subprocess
import sys

import pytest

import interlock
import interlock.aio


def test_both_halves_export_the_same_clients():
    # What is made by a client, or shared by both halves, is exported once.
    once = {"EmbeddedMetrics", "Lock", "LockRecord", "Metric", "TableLayout", "client_config"}
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


WITHOUT_VERIFY = """
import sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"cryptography", "http_sf", "http_message_signatures", "jwt"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Without())
"""


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("interlock", "LockClient"),
        ("interlock.aio", "LockClient"),
        ("interlock.signing", "Signer"),
        ("interlock.aio.signing", "Signer"),
    ],
)
def test_a_star_does_without_an_extra_that_only_a_name_asks_for(package, name):
    code = f"""{WITHOUT_VERIFY}
from {package} import *
assert {name} and "Verifier" not in globals()
try:
    from {package} import Verifier
except ImportError as error:
    assert "pip install 'interlock[verify]'" in str(error), error
else:
    raise AssertionError("there is no Verifier without it")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


OF_BOTH_HALVES = ["counters", "latches", "locks", "receipts", "signing", "tables", "transactions"]
HOMES = [
    "interlock",
    "interlock.aio",
    *(f"interlock.{room}" for room in ("clients", "errors", "metrics", "testing", *OF_BOTH_HALVES)),
    *(f"interlock.aio.{room}" for room in OF_BOTH_HALVES),
]


@pytest.mark.parametrize("package", HOMES)
def test_what_is_exported_is_of_a_public_module(package):
    module = importlib.import_module(package)
    kept = {
        name: exported.__module__
        for name in module.__all__
        for exported in [getattr(module, name)]
        if inspect.isclass(exported) or inspect.isfunction(exported)
    }
    assert {name: home for name, home in kept.items() if "._" in home} == {}
    for name, home in kept.items():
        if home.startswith("interlock"):
            assert getattr(importlib.import_module(home), name) is getattr(module, name)
