"""SnapStart: what is prepared before the snapshot, and made anew after it."""

import importlib
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import snapshot_restore_py as runtime

from tests.unit.signing.kms import LocalKms

FOLDER = Path(__file__).parents[3] / "lambda" / "counters"


@pytest.fixture
def hooks(monkeypatch):
    """Lambda's runtime, as far as hooks go: before and after."""
    monkeypatch.setattr(runtime, "_before_snapshot_registry", [])
    monkeypatch.setattr(runtime, "_after_restore_registry", [])
    return SimpleNamespace(before=runtime.get_before_snapshot(), after=runtime.get_after_restore())


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module
    for module in ("receipts", "snapshot"):
        sys.modules.pop(module, None)


def test_signing_is_ready_before_the_snapshot_without_a_call(load, hooks):
    kms = LocalKms()
    receipts = load("receipts").Receipts([kms.create()], "interlock-test", client=kms)
    load("snapshot").hook(SimpleNamespace(receipts=receipts))
    ((prepare, *_),) = hooks.before
    prepare()
    assert "issuer" in vars(receipts)
    assert kms.calls == []


def test_restored_environments_do_not_draw_the_same_numbers(load, hooks):
    load("snapshot").hook(SimpleNamespace(receipts=None))
    assert hooks.before == []
    state = random.getstate()
    drawn = set()
    for _ in range(3):
        random.setstate(state)  # as the snapshot has it
        for restore, *_ in hooks.after:
            restore()
        drawn.add(random.random())  # noqa: S311 - the jitter's generator is the subject
    assert len(drawn) == 3


def test_there_is_nothing_to_hook_outside_of_lambda(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    load("snapshot").hook(SimpleNamespace(receipts=None))
