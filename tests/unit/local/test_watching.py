"""The demo says which instances leave the group, and which come back."""

from types import SimpleNamespace
from typing import Any

import pytest

from local import instances
from local.demo import look
from local.instances import Fleet


@pytest.fixture
def fleet(monkeypatch, tmp_path):
    """Return a group of two instances that answer as the test has them answer."""
    monkeypatch.setattr(instances, "_healthy", lambda each: each.answers)
    balancer = SimpleNamespace(
        register_targets=lambda **_: None, deregister_targets=lambda **_: None
    )
    emulator: Any = SimpleNamespace(client=lambda _: balancer)
    deployment: Any = SimpleNamespace(
        outputs={"ServiceRoleArn": "role", "TargetGroupArn": "group"},
        api_key=lambda _: "secret",
    )
    fleet = Fleet(emulator, deployment, state=tmp_path)
    started = iter(range(1, 9))

    def start() -> Any:
        process = SimpleNamespace(returncode=None, stop=lambda: None)
        name = f"i-{next(started)}"
        fresh: Any = SimpleNamespace(name=name, answers=True, host="", port=0, process=process)
        fleet.instances.append(fresh)
        return fresh

    monkeypatch.setattr(fleet, "start", start)
    monkeypatch.setattr(fleet, "admit", lambda _: None)
    start()
    start()
    return fleet


def test_a_paused_instance_is_told_of_when_it_leaves_and_when_it_comes_back(fleet):
    said: list[str] = []
    first = fleet.instances[0]
    first.answers = False
    assert look(fleet, said.append) == [first]
    assert look(fleet, said.append) == []
    first.answers = True
    assert look(fleet, said.append) == []
    assert look(fleet, said.append) == []
    assert [line.strip() for line in said] == [
        "i-1 does not answer: it gets no more requests.",
        "i-1 answers again: it gets requests again.",
    ]


def test_an_instance_that_ends_while_it_is_paused_is_replaced(fleet):
    said: list[str] = []
    first = fleet.instances[0]
    first.answers = False
    look(fleet, said.append)
    first.process.returncode = -9
    assert look(fleet, said.append) == [first]
    assert look(fleet, said.append) == []
    assert [each.name for each in fleet.instances] == ["i-2", "i-3"]
    assert [line.strip() for line in said[1:]] == [
        "i-1 has ended: it gets no more requests.",
        "i-3 was started in its place.",
    ]
