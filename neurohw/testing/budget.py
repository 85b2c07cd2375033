"""Forward error analysis of one step: how far may a right backend be from the reference?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.compare.numeric import arrays_differ
from neurohw.program import Bool, DType, Float, Int, Node, Population, Program, RunState
from neurohw.reference import ReferenceRun, deliver
from neurohw.testing.floats import (
    LIMITS,
    TRANSCENDENTAL,
    absolute,
    instrument,
    node_of,
    note,
    port_sums,
    span,
    sum_bound,
    ulps,
    values_of,
)

if TYPE_CHECKING:
    from neurohw.testing.cases import Bench

__all__ = ["budget", "step"]


def step(b: Bench) -> str:
    """T1, the program as it is: one step from the reference's states, within the budget."""
    p = instrument(b.program)
    probing = ReferenceRun(p)
    for t, state, part in span(b):
        got, want = b.run(state, part, t, 1), b.reference(state, part, t, 1)
        values = values_of(p, probing(state, part, t, 1)[1])
        errors = budget(p, state, values)
        for q in p.populations:
            targets = [
                (f"state {s}", i, got[0].values[f"{q.name}.{s}"], want[0].values[f"{q.name}.{s}"])
                for s, i in q.writes.items()
            ]
            targets += [
                (f"trace {x.value}", q.value(x.value), got[1].traces[x.key][0],
                 want[1].traces[x.key][0])
                for x in b.program.probes
                if x.population == q.name and x.key in want[1].traces
                and len(want[1].traces[x.key])
            ]  # fmt: skip
            for key in b.program.depth:
                source, value = b.program.carried.get(key, (key, ""))
                if source != q.name or not b.program.depth[key]:
                    continue
                a, r = got[0].history[key], want[0].history[key]
                if problem := arrays_differ(f"history {key} before", a[:, 1:], r[:, 1:]):
                    return f"step {t}, {problem}"
                node = q.value(value) if value else q.spike
                assert node is not None
                targets.append((f"history {key}", node, a[:, 0], r[:, 0]))
            for label, i, a, r in targets:
                if a.shape != r.shape or a.dtype != r.dtype:
                    return f"step {t}, {q.name} {label}: {a.dtype}{a.shape}"
                same = (a == r) | ((a != a) & (r != r))
                with np.errstate(all="ignore"):
                    far = np.abs(a.astype(np.longdouble) - r.astype(np.longdouble))
                bad = ~same & ~(far <= errors[q.name][i])
                if isinstance(q.nodes[i].dtype, Float):
                    note(b, "step", np.where(np.isinf(errors[q.name][i]), 0, ulps(a, r)))
                if bad.any():
                    at = tuple(np.argwhere(bad)[0])
                    return (
                        f"step {t}, {q.name} {label}{[int(x) for x in at]}: {a[at]!r}, "
                        f"reference {r[at]!r}, allowed {errors[q.name][i][at]:.3g}"
                    )
    return ""


def budget(
    p: Program, state: RunState, values: dict[str, list[np.ndarray]]
) -> dict[str, list[np.ndarray]]:
    """Bound of ``|backend - reference|`` per node in one step, from the reference's values.

    Zero stays zero: operations that IEEE rounds correctly give equal results for equal arguments.
    Where arguments may differ by their bounds, the first-order propagated error plus one ulp of
    the result is allowed. ``inf`` where a comparison may fall either way.
    """
    out: dict[str, list[np.ndarray]] = {}
    with np.errstate(all="ignore"):
        for name in p.order:
            q, rows = p.population(name), values[name]
            errors: list[np.ndarray] = []
            for node, value in zip(q.nodes, rows, strict=True):
                if node.op == "input" and isinstance(node.dtype, Float):
                    _, magnitude, number = port_sums(p, state, values, q, node.attrs["name"])
                    e = sum_bound(p, q, node.attrs["name"], magnitude, number)
                    e = e + _carried_errors(p, q, node.attrs["name"], out, value.shape)
                    e = np.where(e > 0, e + np.spacing(np.abs(value)), 0.0)
                else:
                    e = _propagate(node, value, [rows[a] for a in node.args],
                                   [errors[a] for a in node.args],
                                   [q.nodes[a].dtype for a in node.args])  # fmt: skip
                if node.op == "input" and any(
                    edge.target == name and edge.delay == 0 and edge.port == node.attrs["name"]
                    and np.isinf(out[edge.source][node_of(p, edge)]).any()
                    for edge in p.edges
                ):  # fmt: skip
                    e = np.full(value.shape, np.inf)
                errors.append(np.broadcast_to(np.where(np.isnan(e), np.inf, e), value.shape))
            out[name] = errors
    return out


def _carried_errors(
    p: Program, q: Population, port: str, errors: dict[str, list[np.ndarray]], shape: tuple
) -> np.ndarray:
    """What errors of float values add up to at a port of the same step."""
    total = np.zeros(shape)
    for e in p.edges:
        if (e.target, e.port, e.delay) == (q.name, port, 0) and e.value:
            deliver(total, absolute(e), errors[e.source][node_of(p, e)])
    return total


def _propagate(
    node: Node, value: np.ndarray, args: list[np.ndarray], errors: list[np.ndarray],
    types: list[DType],
) -> np.ndarray:  # fmt: skip
    zero = np.zeros(value.shape)
    if not args:
        return zero
    loose = np.logical_or.reduce([e > 0 for e in errors])
    ea, eb, a, b = errors[0], errors[-1], args[0], args[-1]
    if node.op == "select":
        chosen = np.where(a, errors[1], errors[2])
        either = np.abs(args[1].astype(float) - args[2]) + np.maximum(errors[1], errors[2])
        return np.where(ea > 0, either, chosen)
    if isinstance(node.dtype, Bool):
        if isinstance(types[0], Bool):
            return np.where(loose, np.inf, 0.0)
        return np.where(loose & (np.abs(a.astype(float) - b) <= ea + eb), np.inf, 0.0)
    if isinstance(node.dtype, Int):
        return np.where(loose, np.inf, 0.0)
    unit = np.spacing(np.abs(value)).astype(float)
    if node.op in ("add", "sub"):
        e = ea + eb
    elif node.op == "mul":
        e = np.abs(a) * eb + np.abs(b) * ea + ea * eb
    elif node.op == "div":
        e = (np.abs(a) * eb + np.abs(b) * ea) / np.maximum(np.abs(b) * (np.abs(b) - eb), 0)
    elif node.op in ("neg", "abs", "cast"):
        e = ea
    elif node.op in ("min", "max"):
        e = np.maximum(ea, eb)
    else:
        f: Any = TRANSCENDENTAL.get(node.op, np.sqrt)
        lo, hi = a.astype(np.float64) - ea, a.astype(np.float64) + ea
        e = np.where(loose, f(hi) - f(lo), 0.0)
        own = 2 * LIMITS.get(node.op, 0.0) * unit
        return e + own + np.where(loose, unit, 0.0)
    return np.where(loose, e + unit, 0.0)
