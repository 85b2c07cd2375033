"""In which order parts that feed each other are looked at, and which of them form circles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["components", "sources_first"]

Arc = tuple[str, str]


def components(names: Collection[str], arcs: Iterable[Arc]) -> dict[str, int]:
    """Name -> number of its strongly connected component: of those that reach each other.

    Source: Tarjan 1972, as :func:`scipy.sparse.csgraph.connected_components` has it.
    """
    if not names:
        return {}
    at = {name: k for k, name in enumerate(names)}
    pairs = np.array([(at[a], at[b]) for a, b in arcs], np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(pairs), bool), tuple(pairs.T)), (len(at), len(at)))
    _, labels = connected_components(matrix.tocsr(), directed=True, connection="strong")
    return dict(zip(names, labels.tolist(), strict=True))


def sources_first(names: Collection[str], arcs: Iterable[Arc]) -> dict[str, int]:
    """Name -> its place in an order in which everything comes after what feeds it.

    A circle is entered, once all that feeds it from outside has come, where it is nearest to
    something that nothing feeds, and then by name. So an arc leads back only within a circle.
    """
    arcs = set(arcs)
    group = components(names, arcs)
    into: dict[str, set[str]] = {name: set() for name in names}
    out: dict[str, set[str]] = {name: set() for name in names}
    for a, b in arcs:
        if a != b:
            into[b].add(a)
            out[a].add(b)
    distance: dict[str, int] = {}
    frontier, steps = {name for name in names if not into[name]}, 0
    while frontier:
        distance |= dict.fromkeys(frontier, steps)
        frontier = {b for a in frontier for b in out[a] if b not in distance}
        steps += 1

    waits = {name: len(into[name]) for name in names}  # for how many that are still to come
    outside = Counter(group[b] for b in names for a in into[b] if group[a] != group[b])
    circles: dict[int, list[tuple[int, str]]] = {}
    for name in names:
        circles.setdefault(group[name], []).append((distance.get(name, len(waits)), name))
    circles = {k: found for k, found in circles.items() if len(found) > 1}
    for found in circles.values():
        heapify(found)
    free = sorted((0, name) for name in names if not waits[name])
    entered = [(*found[0], k) for k, found in circles.items() if not outside[k]]
    heapify(entered)
    order: dict[str, int] = {}
    while len(order) < len(waits):
        if free:
            _, name = heappop(free)
        else:  # a circle of which nothing is free
            k = entered[0][-1]
            while circles[k] and circles[k][0][1] in order:
                heappop(circles[k])
            if not circles[k]:
                heappop(entered)
                continue
            _, name = heappop(circles[k])
        if name in order:
            continue
        order[name] = place = len(order)
        for b in out[name]:
            waits[b] -= 1
            if not waits[b]:
                heappush(free, (place, b))
            if group[b] != group[name]:
                outside[group[b]] -= 1
                if not outside[group[b]] and group[b] in circles:
                    heappush(entered, (*circles[group[b]][0], group[b]))
    return order
