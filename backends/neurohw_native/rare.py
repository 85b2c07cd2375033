"""Draws that only few lanes need in a step, and populations that only count down."""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.program import Int, Interval, Population
from neurohw.program.analysis import closure

__all__ = ["Rare", "countdown", "rare_states"]

_DRAWS = ("word", "normal")
_LEAVES = {"const", "param", *_DRAWS}


@dataclass(frozen=True)
class Rare:
    """A state that takes ``value`` in few lanes, and ``else_`` in the others.

    ``nodes`` give the value from constants, parameters and draws alone; the draws, which nothing
    else needs, are then made for these few lanes only.
    """

    value: int
    else_: int
    nodes: tuple[int, ...]


def _drawn(q: Population, value: int) -> tuple[int, ...] | None:
    """The nodes that give ``value``, if they need no more than a :class:`Rare` may."""
    nodes = closure(q, {value})
    leaves = {q.nodes[i].op for i in nodes if not q.nodes[i].args}
    traps = any(q.nodes[i].attrs.get("overflow") == "trap" for i in nodes)
    return None if traps or not leaves <= _LEAVES else tuple(sorted(nodes))


def rare_states(q: Population, recorded: set[int]) -> dict[str, Rare]:
    """States whose value at a spike takes draws that nothing else takes.

    Parameters
    ----------
    recorded : set of int
        Nodes whose values are wanted in every step.
    """
    found: dict[str, Rare] = {}
    for state, w in q.writes.items():
        node = q.nodes[w]
        if node.op != "select" or node.args[0] != q.spike or w == q.spike:
            continue
        _, value, else_ = node.args
        others = {i for s, i in q.writes.items() if s != state} | recorded
        needed = closure(q, {*others, else_, node.args[0]})
        nodes = _drawn(q, value)
        if nodes is None or w in needed:
            continue
        draws = {i for i in nodes if q.nodes[i].op in _DRAWS}
        if draws and not draws & needed:
            found[state] = Rare(value, else_, nodes)
    return found


def countdown(
    q: Population, recorded: set[int], spans: tuple[Interval | None, ...]
) -> dict[str, Rare]:
    """The one state of a population that does nothing but count it down to the next spike.

    In each step the state falls by 1, saturating, or, if it was 0, takes a value that is made of
    constants, parameters and draws and is not negative; there is a spike where it is now 0. No
    value of the population is recorded but its spikes, and it hears nothing. So the step of the
    next spike is known as soon as the value is, and until then there is nothing to do.
    """
    if len(q.writes) != 1 or q.spike is None or q.ports or recorded:
        return {}
    state, w = next(iter(q.writes.items()))
    choice, spike = q.nodes[w], q.nodes[q.spike]
    if choice.op != "select" or spike.op != "eq" or choice.dtype not in map(Int, range(1, 63)):
        return {}
    over, value, down = choice.args
    last = q.nodes[down].args[0] if q.nodes[down].op == "sub" else -1
    counts = (
        last >= 0
        and q.nodes[last].op == "state"
        and q.nodes[last].attrs["name"] == state
        and _constant(q, q.nodes[down].args[1], 1)
        and q.nodes[down].attrs.get("overflow") == "saturate"
    )
    nodes, span = _drawn(q, value), spans[value]
    if not counts or nodes is None or span is None or span[0] < 0:
        return {}
    is_over = q.nodes[over].op == "eq" and q.nodes[over].args[0] == last
    if is_over and _constant(q, q.nodes[over].args[1], 0):
        if spike.args[0] == w and _constant(q, spike.args[1], 0):
            return {state: Rare(value, down, nodes)}
    return {}


def _constant(q: Population, index: int, value: int) -> bool:
    return q.nodes[index].op == "const" and q.nodes[index].attrs["value"] == value
