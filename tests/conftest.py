"""What every test finds: the Node.js of this Python environment, which CDK's library runs."""

import gc
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import snapshot_restore_py as runtime
from hypothesis import HealthCheck, settings

# Before aws_cdk is imported, which starts it; the machine's own Node may be too old, or none.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

# How long an example takes, to draw or to run, says more of a busy machine than of the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Nothing that is imported or collected becomes garbage.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let one worker synthesize: another would load the construct library and do it all again.

    Workers begin with what takes long, so that none is left alone with it in the end.
    """
    for item in items:
        if item.path.parent.name in {"constructs", "stacks"}:
            item.add_marker(pytest.mark.xdist_group("synthesis"))
    if hasattr(config, "workerinput"):
        items.sort(key=_soon)


def _soon(item: pytest.Item) -> int:
    if item.get_closest_marker("slow") is not None:
        return 0
    return 1 if item.path.parent.name in {"contract", "simulation"} else 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give tests to workers as `--dist loadgroup` does, and sooner."""
    if config.getoption("dist") != "loadgroup":
        return None
    from tests.scheduling import Scheduling  # noqa: PLC0415 - of xdist, which may not be there

    return Scheduling(config, log)


def pytest_collection_finish() -> None:
    """Keep the collector from going through everything imported, and its heirs, all the time.

    What a simulated world leaves is a circle with all that happened in it, which is looked through
    by the hundred thousand objects: with 700, as is usual, that takes a third of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000)
    gc.enable()


@pytest.fixture
def restore(monkeypatch):
    """Return a function that does what Lambda does after it has restored a snapshot."""
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")
    monkeypatch.setattr(runtime, "_after_restore_registry", [])
    monkeypatch.setattr("interlock._drivers.lifecycle._watched", [])

    def restore():
        for function, positional, named in runtime.get_after_restore():
            function(*positional, **named)

    return restore
