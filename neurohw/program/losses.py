"""Watch what rounding takes away: bits that are shifted out, and values that become 0.

A program says everything it does, so what it loses can be computed in it: for each ``shr`` of
integers, nodes that hold the rounding error and whether a value other than 0 became 0, and a watch
on each. The rest of the program stays as it is; who does not ask pays nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from neurohw.program.program import Node, Population, Program, Watch
from neurohw.program.types import BOOL, Int

__all__ = ["bits_shifted_out", "is_loss", "with_losses"]

SHIFTED, ZERO = "{}: {} bits shifted out", "{}: became 0"
_SHIFTED = re.compile(r": (\d+) bits shifted out$")


def with_losses(program: Program) -> Program:
    """The program with rows of the ledger for what its shifts to the right lose.

    For a shift by n bits there are two rows. ``what: n bits shifted out`` counts the entries in
    which rounding changed the value; its extremes are the rounding error, in units of 2**-n of the
    result's last place. ``what: became 0`` counts those in which a value other than 0 became 0.
    ``what`` is the state whose decay it is, what arrived, or a draw of noise. Taking some bits of a
    random word is no rounding, and has no row.
    """
    populations, watches = [], list(program.watches)
    for q in program.populations:
        made, rows = _watched(q)
        populations.append(made)
        watches += rows
    return dataclasses.replace(program, populations=tuple(populations), watches=tuple(watches))


def bits_shifted_out(key: str) -> int | None:
    """How many, if a row of the ledger is of shifted bits."""
    found = _SHIFTED.search(key)
    return int(found[1]) if found else None


def is_loss(key: str) -> bool:
    """Whether a row of the ledger is one of these."""
    return bits_shifted_out(key) is not None or key.endswith(ZERO.format(""))


def _watched(q: Population) -> tuple[Population, list[Watch]]:
    nodes, watches, seen = list(q.nodes), [], {}

    def put(op: str, dtype: object, *args: int, name: str = "", **attrs: object) -> int:
        nodes.append(Node(op, dtype, args, attrs, name))  # type: ignore[arg-type]
        return len(nodes) - 1

    for i, node in enumerate(q.nodes):
        by = node.attrs.get("by", 0)
        exact = node.attrs.get("overflow", "exact") == "exact"
        if node.op != "shr" or not by or not exact or not isinstance(node.dtype, Int):
            continue
        if q.nodes[node.args[0]].op == "word":  # some of the bits of a random word: no rounding
            continue
        what = _what(q.nodes, i)
        seen[what] = seen.get(what, 0) + 1
        what = what if seen[what] == 1 else f"{what} ({seen[what]})"
        x = node.args[0]
        low = put("cast", Int(by, False), x, overflow="wrap")
        wide = Int(min(node.dtype.bits + 1, 64))  # rounding down may reach one further
        floor = put("shr", wide, x, by=by, rounding="floor")
        up = put("gt", BOOL, i, floor)  # rounded to the next higher integer
        error = Int(by + 1)
        whole = put("const", Int(by + 2), value=1 << by)
        above, below = put("sub", error, low, whole), put("cast", error, low)
        put("select", error, up, above, below, name=f"lost_{i}")
        zero, one, none = (put("const", Int(2), value=v) for v in (0, 1, 0))
        gone = put("and", BOOL, put("ne", BOOL, x, zero), put("eq", BOOL, i, zero))
        put("select", Int(2), gone, one, none, name=f"zero_{i}")
        watches.append(Watch(q.name, f"lost_{i}", 0, 0, SHIFTED.format(what, by)))
        watches.append(Watch(q.name, f"zero_{i}", 0, 0, ZERO.format(what)))
    return (dataclasses.replace(q, nodes=tuple(nodes)) if watches else q), watches


def _what(nodes: Sequence[Node], i: int) -> str:
    """A name for what a node is made of: a draw, a state, or what arrived."""
    found: dict[str, list[str]] = {"draw": [], "state": [], "input": []}
    left, met = [i], set()
    while left:
        node = nodes[k := left.pop()]
        if k in met:
            continue
        met.add(k)
        left += node.args
        if node.op in ("word", "normal"):
            found["draw"].append(node.attrs["site"].rpartition(".")[2])
        elif node.op in ("state", "input"):
            found[node.op].append(node.attrs["name"])
    for kind in ("draw", "state", "input"):
        if found[kind]:
            return nodes[i].name or sorted(set(found[kind]))[0]
    return nodes[i].name or "constant"
