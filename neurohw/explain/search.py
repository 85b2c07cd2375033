"""Which switches make two runs agree, and how much of their difference each explains."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from itertools import chain, combinations

import numpy as np

from neurohw.compare import Entry
from neurohw.errors import NeurohwError

from .switches import Switch
from .variants import Apart, Variants, apart

__all__ = ["Distance", "distance_to", "needed", "path_to", "shapley"]

EXACT = 6
"""Up to so many switches every subset is run; beyond, so many random orders are averaged."""
ORDERS = 24

Distance = Callable[[Collection[Switch]], Apart | None]
"""From the goal, with some switches thrown; None where no such program exists."""


def distance_to(goal: Entry, variants: Variants, names: Sequence[str]) -> Distance:
    """How far variants are from a run."""

    def found(thrown: Collection[Switch]) -> Apart | None:
        try:
            return apart(variants.entry(thrown), goal, names)
        except NeurohwError:
            return None

    return found


def path_to(
    distance: Distance, switches: Sequence[Switch], most: int = 100
) -> list[tuple[Switch, Apart]]:
    """Switches to throw, one after the other, and how far apart the runs are after each.

    Each is the one after which the first unequal spike comes latest; of equals, the one that
    leaves the least difference, a rule before a number. Two at once, where no single one helps.
    At most ``most`` are thrown.
    """
    now, path = distance(()), []
    left = list(switches)
    while now is not None and not now.equal and left and len(path) < most:
        for width in range(1, min(2, most - len(path)) + 1):
            tried = [
                (found, sum(s.numbers for s in more), more)
                for more in combinations(left, width)
                if (found := distance([*(s for s, _ in path), *more])) is not None
            ]
            best = min(tried, key=lambda x: x[:2], default=None)
            if best is not None and best[0] < now:
                break
        else:
            break
        now = best[0]
        for s in best[2]:
            path.append((s, now))
            left.remove(s)
    return path


def needed(distance: Distance, path: list[tuple[Switch, Apart]]) -> list[tuple[Switch, Apart]]:
    """The path without switches whose absence at its end makes nothing worse."""
    if not path:
        return path
    kept, end = [s for s, _ in path], path[-1][1]
    for s in reversed(kept[:-1]):
        rest = [x for x in kept if x is not s]
        found = distance(rest)
        if found is not None and found <= end:
            kept = rest
    if len(kept) == len(path):
        return path
    steps = [distance(kept[: i + 1]) or end for i in range(len(kept))]
    return list(zip(kept, steps, strict=True))


def shapley(distance: Distance, switches: Sequence[Switch], seed: int = 0) -> dict[str, float]:
    """Share of the distance that each switch takes away: its Shapley value (Shapley 1953).

    The mean, over all orders in which the switches may be thrown, of what a switch takes away when
    its turn comes. The values add up to what all take away together. A set that no program exists
    for counts as the set before it.
    """
    seen: dict[frozenset[str], float] = {}
    start = distance(())
    first = start.distance if start is not None else 0.0

    def taken(thrown: Collection[Switch]) -> float | None:
        key = frozenset(s.path for s in thrown)
        if key not in seen:
            found = distance(sorted(thrown, key=lambda s: s.path)) if key else start
            if found is None:
                return None
            seen[key] = first - found.distance
        return seen[key]

    n, out = len(switches), dict.fromkeys((s.path for s in switches), 0.0)
    if n <= EXACT:
        for s in switches:
            others = [x for x in switches if x is not s]
            for subset in chain.from_iterable(combinations(others, k) for k in range(n)):
                weight = math.factorial(len(subset)) * math.factorial(n - 1 - len(subset))
                a, b = taken(subset), taken((*subset, s))
                if a is not None and b is not None:
                    out[s.path] += weight / math.factorial(n) * (b - a)
        return out
    rng = np.random.default_rng(seed)
    for _ in range(ORDERS):
        thrown: list[Switch] = []
        last = 0.0
        for i in rng.permutation(n):
            thrown.append(switches[i])
            found = taken(thrown)
            if found is not None:
                out[switches[i].path] += (found - last) / ORDERS
                last = found
    return out
