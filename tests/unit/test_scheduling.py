"""Each test is given to one worker once, groups are not torn, and no worker's end loses any."""

from types import SimpleNamespace

import pytest

from tests.scheduling import Scheduling

COLLECTION = [f"test_a.py::test[{n}]" for n in range(7)] + [f"test_b.py::test_{n}@b" for n in "xyz"]


class Node:
    """A worker, which notes what it is to run."""

    shutting_down = False

    def __init__(self, name):
        self.gateway = SimpleNamespace(id=name)
        self.waiting = []
        self.ran = []

    def send_runtest_some(self, indices):
        self.waiting += indices

    def shutdown(self):
        self.shutting_down = True

    def run(self, scheduling):
        position = self.waiting.pop(0)
        self.ran.append(COLLECTION[position])
        scheduling.mark_test_complete(self, position)


@pytest.fixture
def scheduling():
    option = SimpleNamespace(loadscopereorder=True, debug=False)
    config = SimpleNamespace(
        option=option, getvalue=lambda name: ["popen"] * 2 if name == "tx" else None
    )
    return Scheduling(config, log=None)


@pytest.fixture
def nodes(scheduling):
    nodes = [Node("gw0"), Node("gw1")]
    for node in nodes:
        scheduling.add_node(node)
        scheduling.add_node_collection(node, COLLECTION)
    scheduling.schedule()
    return nodes


def run_all(scheduling, nodes):
    while any(node.waiting for node in nodes):
        for node in nodes:
            if node.waiting:
                node.run(scheduling)


def test_all_are_run_once_and_a_group_by_one_worker(scheduling, nodes):
    run_all(scheduling, nodes)
    assert sorted(nodes[0].ran + nodes[1].ran) == sorted(COLLECTION)
    assert nodes[0].ran[:3] == COLLECTION[-3:]
    assert len(nodes[1].ran) >= 3
    assert scheduling.tests_finished
    assert not scheduling.has_pending


def test_little_is_given_out_before_it_can_be_run(nodes):
    assert [len(node.waiting) for node in nodes] == [3, 2]


def test_what_was_run_is_forgotten(scheduling, nodes):
    run_all(scheduling, nodes)
    assert scheduling.assigned_work == {node: {} for node in nodes}


def test_what_a_worker_that_ended_had_left_is_run_by_another(scheduling, nodes):
    ended, other = nodes
    ended.run(scheduling)
    crashed = COLLECTION[ended.waiting[0]]
    assert scheduling.remove_node(ended) == crashed
    run_all(scheduling, [other])
    assert sorted(ended.ran + other.ran) == sorted(COLLECTION)


def test_a_worker_that_ended_with_nothing_left_crashed_in_none(scheduling, nodes):
    run_all(scheduling, nodes)
    assert scheduling.remove_node(nodes[0]) is None
