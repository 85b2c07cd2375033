"""Order of parts that feed each other: arcs lead back within circles and nowhere else."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from neurohw.network.order import components, sources_first

NAMES = "abcdefgh"
ARCS = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=20)


@given(ARCS)
def test_components_are_networkx_s(arcs: set[tuple[str, str]]) -> None:
    graph = networkx.DiGraph(list(arcs))
    graph.add_nodes_from(NAMES)
    found: dict[int, set[str]] = {}
    for name, number in components(NAMES, arcs).items():
        found.setdefault(number, set()).add(name)
    assert {frozenset(s) for s in found.values()} == {
        frozenset(s) for s in networkx.strongly_connected_components(graph)
    }


@given(ARCS)
def test_arcs_lead_back_only_within_circles(arcs: set[tuple[str, str]]) -> None:
    order, group = sources_first(NAMES, arcs), components(NAMES, arcs)
    assert sorted(order.values()) == list(range(len(NAMES)))
    for a, b in arcs:
        if order[a] >= order[b]:
            assert group[a] == group[b]
    # without the arcs that lead back there is no circle
    forward = networkx.DiGraph([(a, b) for a, b in arcs if order[a] < order[b]])
    assert networkx.is_directed_acyclic_graph(forward)


def test_a_circle_is_entered_where_it_is_nearest_to_an_input() -> None:
    arcs = [("in", "z"), ("z", "b"), ("b", "a"), ("a", "z")]
    assert sources_first(["a", "b", "in", "z"], arcs) == {"in": 0, "z": 1, "b": 2, "a": 3}


def test_what_a_circle_feeds_comes_after_it_however_near_it_is() -> None:
    """``out`` hears an input directly and is nearer to it than the circle a, b that feeds it."""
    arcs = [("in", "out"), ("in", "c"), ("c", "a"), ("a", "b"), ("b", "a"), ("b", "out")]
    order = sources_first(["out", "in", "c", "a", "b"], arcs)
    assert order["out"] == 4


def test_nothing() -> None:
    assert components([], []) == {} and sources_first([], []) == {}
