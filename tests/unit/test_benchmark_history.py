"""What a benchmark notes is kept as JSON, if that is asked for."""

import json
from typing import Any

import pytest

from benchmarks import history


@pytest.fixture
def recording(monkeypatch):
    registered: list[Any] = []
    monkeypatch.setattr(history, "_noted", {})
    monkeypatch.setattr("benchmarks.history.register", registered.append)
    monkeypatch.setenv(history.RECORD, "1")
    return registered


def test_each_run_is_added_to_those_before(recording, tmp_path):
    for rate in (1.23456, 2.0):
        history.note("locks", "uncontended", "interlock", seconds=0.0021999, ratio=rate)
        history.note("locks", "contended", "interlock", rate=100)
        history.save(tmp_path)
    assert recording == [history.save, history.save]
    first, second = json.loads((tmp_path / "locks.json").read_text())
    assert first["tables"] == {
        "uncontended": {"interlock": {"seconds": 0.0022, "ratio": 1.235}},
        "contended": {"interlock": {"rate": 100.0}},
    }
    assert second["tables"]["uncontended"]["interlock"]["ratio"] == 2.0
    assert set(first) == {"at", "commit", "python", "processors", "tables"}


def test_nothing_is_kept_unless_it_is_asked_for(recording, monkeypatch, tmp_path):
    monkeypatch.delenv(history.RECORD)
    history.note("locks", "uncontended", "interlock", seconds=1.0)
    history.save(tmp_path / "history")
    assert recording == []
    assert list(tmp_path.iterdir()) == []
