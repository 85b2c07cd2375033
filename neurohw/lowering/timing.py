"""Delays in steps, and retiming for targets whose synapses take at least one step.

A network may hold edges without delay, as long as they form no cycle. A chip that adds a step to
every synapse can still compute the same thing, later: give every population a latency so that all
paths stay aligned (Leiserson and Saxe, "Retiming synchronous circuitry", Algorithmica 1991). The
smallest such latencies are the longest paths of a difference-constraint graph.
"""

from __future__ import annotations

from collections.abc import Sequence

from neurohw.errors import LoweringError

__all__ = ["retime", "to_steps"]

Arc = tuple[str, str, int]


def to_steps(seconds: float, dt: float) -> int:
    """Nearest whole number of steps (halves to even)."""
    return round(seconds / dt)


def retime(names: Sequence[str], arcs: Sequence[Arc], extra: int, where: str) -> dict[str, int]:
    """Smallest latencies l >= 0 with ``delay + l[target] - l[source] >= extra`` for every arc.

    Parameters
    ----------
    arcs : sequence of (source, target, delay in steps)
    extra : int
        The target's smallest delay.

    Raises
    ------
    LoweringError
        If a cycle is faster than the target allows.
    """
    latency = dict.fromkeys(names, 0)
    cause: dict[str, str] = {}
    for _ in range(len(latency) + 1):
        changed = ""
        for source, target, delay in arcs:
            need = latency[source] + extra - delay
            if need > latency[target]:
                latency[target], cause[target], changed = need, source, target
        if not changed:
            return latency
    loop = [changed]
    for _ in range(2 * len(latency)):
        loop.append(cause.get(loop[-1], changed))
    start = loop[-1]
    cycle = [start, cause[start]]
    while cycle[-1] != start:
        cycle.append(cause[cycle[-1]])
    raise LoweringError(
        "a cycle of connections is faster than the target",
        where=where,
        got=" -> ".join(reversed(cycle)),
        allowed=f"at least {extra} step of delay per connection, on average over the cycle",
        fix="give one of its connections a longer delay",
    )
