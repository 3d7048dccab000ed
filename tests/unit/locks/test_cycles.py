"""The cycles of a graph: all of them, each once, and no more work than its bound says."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.locks.cycles import cycles

NODES = "abcdef"
GRAPHS = st.fixed_dictionaries({node: st.sets(st.sampled_from(NODES)) for node in NODES})
EVERY = 10_000


def by_trying(graph):
    """Return the cycles of a graph by trying every sequence of its nodes."""
    return {
        nodes
        for length in range(2, len(graph) + 1)
        for nodes in itertools.permutations(sorted(graph), length)
        if nodes[0] == min(nodes)
        and all(b in graph[a] for a, b in zip(nodes, (*nodes[1:], nodes[0]), strict=True))
    }


@given(GRAPHS)
def test_each_cycle_is_found_once(graph):
    found = cycles(graph, EVERY)
    assert len(found) == len(set(found))
    assert set(found) == by_trying(graph)


@given(GRAPHS, st.permutations(NODES), st.integers(0, 9))
def test_the_order_is_that_of_the_nodes_names_and_so_are_the_first_ones(graph, order, most):
    same = {node: sorted(graph[node], key=order.index) for node in order}
    assert cycles(same, EVERY) == cycles(graph, EVERY)
    assert cycles(same, most) == cycles(graph, EVERY)[:most]


def test_a_graph_with_more_cycles_than_atoms_is_searched_no_further_than_asked():
    everything = {str(node): {str(other) for other in range(90)} for node in range(90)}
    assert len(cycles(everything, 100)) == 100


def test_a_cycle_may_be_longer_than_the_stack():
    ring = {f"{node:05}": [f"{(node + 1) % 20_000:05}"] for node in range(20_000)}
    ((*nodes,),) = cycles(ring, 2)
    assert nodes == sorted(ring)


def test_chains_to_and_from_a_cycle_are_no_part_of_it():
    chain = {f"n{node:03}": [f"n{node + 1:03}"] for node in range(60)}
    chain |= {"n060": ["x"], "x": ["y"], "y": ["x", "z"], "z": []}
    assert cycles(chain, EVERY) == [("x", "y")]


def test_components_come_by_their_least_node_and_their_cycles_by_all_nodes():
    graph = {"a": ["x", "end"], "x": ["z", "y"], "y": ["z", "x"], "z": ["x"], "b": ["c"], "c": "b"}
    assert cycles(graph, EVERY) == [("b", "c"), ("x", "y"), ("x", "y", "z"), ("x", "z")]


def test_a_node_that_was_in_the_way_of_one_cycle_is_in_others():
    graph = {"a": "cd", "c": "ad", "d": "c"}
    assert cycles(graph, EVERY) == [("a", "c"), ("a", "d", "c"), ("c", "d")]
