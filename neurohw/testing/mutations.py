"""Wrong programs made of right ones; ``broken`` makes backends of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from neurohw.program import (
    BOOL,
    F32,
    F64,
    Conv,
    Dense,
    Edge,
    Node,
    Population,
    Program,
    State,
    freeze,
)

__all__ = [
    "ProgramChange",
    "contract",
    "edges",
    "flip",
    "late_reset",
    "nodes",
    "offset",
    "swap_attr",
    "swap_op",
    "transpose",
]

ProgramChange = Callable[[Program], Program]


def nodes(change: Callable[[Node], Node]) -> ProgramChange:
    def apply(p: Program) -> Program:
        return dataclasses.replace(
            p,
            populations=tuple(
                dataclasses.replace(q, nodes=tuple(map(change, q.nodes))) for q in p.populations
            ),
        )

    return apply


def swap_attr(key: str, old: str, new: str, ports: bool = False) -> ProgramChange:
    def node(n: Node) -> Node:
        if n.attrs.get(key) != old:
            return n
        return dataclasses.replace(n, attrs={**n.attrs, key: new})

    def apply(p: Program) -> Program:
        p = nodes(node)(p)
        return p if not ports else dataclasses.replace(
            p, populations=tuple(
                dataclasses.replace(q, ports=tuple(
                    dataclasses.replace(x, overflow=new) if x.overflow == old else x
                    for x in q.ports)) for q in p.populations))  # fmt: skip

    return apply


def swap_op(pairs: Mapping[str, str]) -> ProgramChange:
    return nodes(lambda n: dataclasses.replace(n, op=pairs.get(n.op, n.op)))


def edges(change: Callable[[Edge], Edge]) -> ProgramChange:
    return lambda p: dataclasses.replace(p, edges=tuple(map(change, p.edges)))


def transpose(e: Edge) -> Edge:
    w = e.weights
    if not isinstance(w, Dense) or w.shape[0] != w.shape[1]:
        return e
    return dataclasses.replace(e, weights=Dense(w.dtype, freeze(w.data.T.copy(), w.dtype)))


def flip(e: Edge) -> Edge:
    """A convolution in the sense of mathematics: the kernel is turned around."""
    w = e.weights
    if not isinstance(w, Conv):
        return e
    turned = freeze(w.data[:, :, ::-1, ::-1].copy(), w.dtype)
    return dataclasses.replace(e, weights=dataclasses.replace(w, data=turned))


def rebuild(q: Population, emit: Callable[[int, Node, list[Node]], int], first: list[Node]
             ) -> Population:  # fmt: skip
    """Population with its nodes emitted anew; ``emit`` appends to a list, returns an index."""
    out, new = list(first), {}
    for i, n in enumerate(q.nodes):
        new[i] = emit(i, dataclasses.replace(n, args=tuple(new[a] for a in n.args)), out)
    spike = None if q.spike is None else new[q.spike]
    return dataclasses.replace(q, nodes=tuple(out), spike=spike,
                               writes={k: new[i] for k, i in q.writes.items()})  # fmt: skip


def late_reset(p: Program) -> Program:
    """Selects by the spike are made by the spike of the step before."""

    def population(q: Population) -> Population:
        if q.spike is None or q.nodes[q.spike].op == "external":
            return q
        index = q.spike

        def emit(i: int, n: Node, out: list[Node]) -> int:
            if n.op == "select" and q.nodes[i].args[0] == index:
                n = dataclasses.replace(n, args=(0, *n.args[1:]))
            out.append(n)
            return len(out) - 1

        made = rebuild(q, emit, [Node("state", BOOL, (), {"name": "__late"})])
        states = (*q.states, State("__late", BOOL, freeze(False, BOOL)))
        return dataclasses.replace(made, states=states,
                                   writes={**made.writes, "__late": made.spike})  # fmt: skip

    return dataclasses.replace(p, populations=tuple(map(population, p.populations)))


def contract(p: Program) -> Program:
    """``a * b + c`` of float32 with one rounding instead of two (up to double rounding)."""

    def population(q: Population) -> Population:
        def emit(i: int, n: Node, out: list[Node]) -> int:
            def put(op: str, dtype: Any, *args: int) -> int:
                out.append(Node(op, dtype, args))
                return len(out) - 1

            if n.op in ("add", "sub") and n.dtype == F32 and out[n.args[0]].op == "mul":
                a, b = (put("cast", F64, x) for x in out[n.args[0]].args)
                c = put("cast", F64, n.args[1])
                total = put(n.op, F64, put("mul", F64, a, b), c)
                n = dataclasses.replace(n, op="cast", args=(total,), attrs={})
            out.append(n)
            return len(out) - 1

        return rebuild(q, emit, [])

    return dataclasses.replace(p, populations=tuple(map(population, p.populations)))


def offset(p: Program) -> Program:
    return dataclasses.replace(
        p, probes=tuple(dataclasses.replace(x, offset=x.offset + 1) for x in p.probes))  # fmt: skip
