"""T1: one step of a float program from the reference's own state, measured in ulps.

Two measurements. ``ops`` probes every node and recomputes each one from the backend's *own*
arguments, so errors cannot pile up and the limits are those of single operations: the IEEE
operations are exact (0 ulp; a contracted multiply-add shows here), ``exp``, ``expm1`` and ``log``
are within ``LIMITS`` of a wider type's result. ``step`` runs the program as it is, so that nothing
is switched off by probing, and demands the reference's values up to a bound that a forward error
analysis of the step derives from the same limits (module ``budget``); without transcendentals and
without sums of several float weights the bound is 0.

A port that sums n spikes' weights may add in any order: ``(n - 1) * eps * sum |w|``. One to which
edges carry values is held to twice the bound that ``docs/program.md`` gives for each of the two.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.compare.numeric import ulps
from neurohw.program import (
    DType,
    Edge,
    Float,
    Int,
    Node,
    Population,
    Probe,
    Probes,
    Program,
    RunState,
    per_trial,
)
from neurohw.program.philox import normals, site_hash, words
from neurohw.reference import deliver, evaluate

if TYPE_CHECKING:
    from neurohw.testing.cases import Bench

__all__ = ["LIMITS", "absolute", "instrument", "node_of", "note", "ops", "port_sums", "span"]
__all__ += ["sum_bound", "ulps", "values_of"]

LIMITS = {"exp": 4.0, "expm1": 4.0, "log": 4.0}  # ulps; every other operation: 0
_WIDE = {32: np.float64, 64: np.longdouble}
TRANSCENDENTAL = {"exp": np.exp, "expm1": np.expm1, "log": np.log}


def name_of(q: Population, index: int) -> str:
    """The name under which ``instrument`` probes a node."""
    return q.nodes[index].name or f"__{index}"


def instrument(p: Program) -> Program:
    """The same program with a probe on every node and no other probes or watches."""
    populations = tuple(
        dataclasses.replace(
            q,
            nodes=tuple(dataclasses.replace(n, name=name_of(q, i)) for i, n in enumerate(q.nodes)),
        )
        for q in p.populations
    )
    probes = tuple(Probe(q.name, name_of(q, i)) for q in p.populations for i in range(len(q.nodes)))
    return dataclasses.replace(p, populations=populations, probes=probes, watches=())


def values_of(p: Program, probes: Probes, row: int = 0) -> dict[str, list[np.ndarray]]:
    """Per population, the value of each node in one step of an instrumented run."""
    return {
        q.name: [probes.traces[f"{q.name}.{name_of(q, i)}"][row] for i in range(len(q.nodes))]
        for q in p.populations
    }


def port_sums(
    p: Program, state: RunState, values: dict[str, list[np.ndarray]], q: Population, port: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum of what arrives, sum of its magnitudes, and number of its terms, ``[T, size]``."""
    dtype = next(x.dtype for x in q.ports if x.name == port)
    shape = (len(state.trials), q.size)
    total = np.zeros(shape, dtype.storage)
    magnitude, number = np.zeros(shape), np.zeros(shape)
    for e in p.edges:
        if (e.target, e.port) != (q.name, port):
            continue
        sent = state.history[e.key][:, e.delay - 1] if e.delay else values[e.source][node_of(p, e)]
        deliver(total, e, sent)
        size, there = (np.abs(sent), sent != 0) if e.value else (sent, sent)
        deliver(magnitude, absolute(e), size.astype(np.float64 if e.value else np.bool_))
        ones = dataclasses.replace(e.weights, data=(e.weights.data != 0).astype(np.float64))
        deliver(number, dataclasses.replace(e, weights=ones), there)
    return total, magnitude, number


def node_of(p: Program, e: Edge) -> int:
    """The node of its source that an edge carries."""
    q = p.population(e.source)
    index = q.value(e.value) if e.value else q.spike
    assert index is not None
    return index


def absolute(e: Edge) -> Edge:
    """The edge with the magnitudes of its weights, in float64."""
    data = np.abs(e.weights.data).astype(np.float64)
    return dataclasses.replace(e, weights=dataclasses.replace(e.weights, data=data))


def sum_bound(
    p: Program, q: Population, port: str, magnitude: np.ndarray, number: np.ndarray
) -> np.ndarray:
    """How far two right sums of a float port may be apart; inf where the sum is not specified."""
    info = np.finfo(next(x.dtype for x in q.ports if x.name == port).storage)
    if not any(e.value for e in p.edges if (e.target, e.port) == (q.name, port)):
        return np.maximum(number - 1, 0) * info.eps * magnitude
    unit = number * info.eps / 2
    bound = 2 * (unit / (1 - unit) * magnitude + number * float(info.smallest_subnormal))
    # one product, rounded once, whether or not it is fused with the addition to zero
    return np.where(magnitude <= info.max, np.where(number > 1, bound, 0.0), np.inf)


def _expected(node: Node, args: list[np.ndarray], types: list[DType]) -> np.ndarray:
    if node.op in TRANSCENDENTAL:
        assert isinstance(node.dtype, Float)
        wide = TRANSCENDENTAL[node.op](args[0].astype(_WIDE[node.dtype.bits]))
        return wide.astype(node.dtype.storage)
    wide_args = [
        a.astype(np.int64) if isinstance(t, Int) else a for a, t in zip(args, types, strict=True)
    ]
    return evaluate(node, wide_args, types)


def _leaf(b: Bench, q: Population, node: Node, state: RunState, t: int) -> np.ndarray | None:
    """What a leaf must hold, or None if it is not checked here."""
    name, size, trials = node.attrs.get("name", ""), q.size, state.trials
    if node.op == "const":
        return np.asarray(node.attrs["value"], node.dtype.storage)
    if node.op == "param":
        return per_trial(next(x.data for x in q.params if x.name == name), trials, size)
    if node.op == "state":
        return state.values[f"{q.name}.{name}"]
    if node.op in ("word", "normal"):
        draw = words if node.op == "word" else normals
        return draw(b.program.seed, site_hash(node.attrs["site"]), trials, np.arange(size), t)
    return None


def span(b: Bench) -> list[tuple[int, RunState, Any]]:
    """Steps to test: (time, the reference's state before it, the inputs of that step)."""
    c, state, out = b.case, b.start(), []
    every = max(1, c.steps // 12)
    for k in range(c.steps):
        part = {n: np.asarray(v)[k : k + 1] for n, v in c.inputs.items()} if c.inputs else None
        if k % every == 0 or k < 4:
            out.append((c.t0 + k, state, part))
        state = b.reference(state, part, c.t0 + k, 1)[0]
    return out


def note(b: Bench, op: str, distance: np.ndarray) -> float:
    table = b.__dict__.setdefault("ulps", {})
    worst = float(distance.max()) if distance.size else 0.0
    table[op] = max(table.get(op, 0.0), worst)
    return worst


def ops(b: Bench) -> str | None:
    """T1, each operation by itself, from the backend's own arguments."""
    from neurohw.backend import compile_program

    p = instrument(b.program)
    if b.backend.unsupported(p):
        return None
    run = compile_program(b.backend, p)
    for t, state, part in span(b):
        values = values_of(p, run(state, part, t, 1)[1])
        for q in p.populations:
            for i, node in enumerate(q.nodes):
                got = values[q.name][i]
                with np.errstate(all="ignore"):
                    if problem := _check_node(b, p, q, node, got, values, state, t):
                        return f"step {t}, {q.name}.%{i} {node.op} {node.dtype}: {problem}"
    return ""


def _check_node(
    b: Bench, p: Program, q: Population, node: Node, got: np.ndarray,
    values: dict[str, list[np.ndarray]], state: RunState, t: int,
) -> str:  # fmt: skip
    limit: Any = LIMITS.get(node.op, 0.0)
    if node.op == "external":
        return ""
    if node.op == "input":
        if not isinstance(node.dtype, Float):
            return ""
        want, magnitude, number = port_sums(p, state, values, q, node.attrs["name"])
        unit = np.spacing(np.maximum(np.abs(want), np.finfo(want.dtype).tiny))
        slack = sum_bound(p, q, node.attrs["name"], magnitude, number)
        limit = np.where(slack > 0, slack / unit + 1, 0)
    elif node.args:
        args = [values[q.name][a] for a in node.args]
        want = _expected(node, args, [q.nodes[a].dtype for a in node.args])
    else:
        leaf = _leaf(b, q, node, state, t)
        assert leaf is not None
        want = np.broadcast_to(leaf, got.shape)
    if not isinstance(node.dtype, Float):
        bad = got != want
    else:
        distance = ulps(got, np.broadcast_to(want, got.shape))
        note(b, node.op, distance)
        bad = ~(distance <= limit)
    if not bad.any():
        return ""
    at = tuple(np.argwhere(bad)[0])
    said = f"{got[at]!r}, expected {np.broadcast_to(want, got.shape)[at]!r}"
    return said + (f" ({distance[at]:.4g} ulp)" if isinstance(node.dtype, Float) else "")
