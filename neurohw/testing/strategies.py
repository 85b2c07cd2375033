"""Random programs, legal by construction.

``programs()`` draws cases of every kind of operation, integers only unless ``floats``;
``leaky.float_programs()`` draws leaky spiking networks in floats, ``chip.chip_programs()``
networks of chip neurons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from neurohw.program import (
    BOOL,
    F32,
    F64,
    DType,
    Edge,
    Float,
    Int,
    Interval,
    Population,
    Port,
    Probe,
    Program,
    Value,
    Watch,
    verify,
)
from neurohw.program.intervals import weight_sums
from neurohw.testing.cases import Case
from neurohw.testing.sketch import Sketch
from neurohw.testing.values import (
    float_values,
    int_types,
    int_values,
    param_data,
    random_inputs,
    weights,
)

__all__ = ["programs"]

INT_BINARY = ("add", "sub", "mul", "min", "max")
ROUNDINGS = ("floor", "toward_zero", "half_even", "half_away", "stochastic")
COMPARES = ("eq", "ne", "lt", "le", "gt", "ge")
Draw = Any


# the step of one population ----------------------------------------------------------------------


def _pick(draw: Draw, s: Sketch, kind: Any, pool: list[Value]) -> Value:
    """A value of a type, or of any integer type if ``kind`` is Int."""
    fits = [v for v in pool if (isinstance(v.dtype, Int) if kind is Int else v.dtype == kind)]
    if fits:
        return draw(st.sampled_from(fits))
    if kind is Int:
        dtype = draw(int_types())
        return s.const(draw(int_values(dtype.lo, dtype.hi)), dtype)
    if isinstance(kind, Float):
        return s.const(draw(float_values(kind)), kind)
    return s.const(True, BOOL)


def _mode(draw: Draw, s: Sketch, span: Interval, traps: bool) -> tuple[Int, str]:
    dtype = draw(int_types())
    if dtype.lo <= span[0] and span[1] <= dtype.hi:
        return dtype, draw(st.sampled_from(["exact", "wrap", "saturate", "trap"]))
    return dtype, draw(st.sampled_from(["wrap", "saturate"] + ["trap"] * traps))


def _int_op(draw: Draw, s: Sketch, op: str, pool: list[Value], traps: bool) -> Value | None:
    args = [_pick(draw, s, Int, pool)]
    attrs: dict[str, Any] = {}
    if op in INT_BINARY:
        args.append(_pick(draw, s, Int, pool))
    elif op in ("shl", "shr"):
        attrs["by"] = draw(st.integers(0, 62 if op == "shr" else 24))
    if op == "shr":
        attrs["rounding"] = draw(st.sampled_from(ROUNDINGS))
        if attrs["rounding"] == "stochastic":
            attrs["by"] = min(attrs["by"], 32)
            args.append(s.word(f"round{len(s.spans)}"))
    span = s.exact(op, *args, **attrs)
    if span is None:
        return None
    dtype, overflow = _mode(draw, s, span, traps)
    return s.op(op, dtype, *args, overflow=overflow, **attrs)


def _float_op(draw: Draw, s: Sketch, dtype: Float, pool: list[Value]) -> Value:
    op = draw(
        st.sampled_from(
            [
                "add",
                "mul",
                "sub",
                "div",
                "neg",
                "abs",
                "min",
                "max",
                "sqrt",
                "exp",
                "expm1",
                "log",
                "fused",
                "from_int",
                "from_float",
            ]
        )
    )
    if op == "fused":  # what a compiler must not contract
        a, b, c = (_pick(draw, s, dtype, pool) for _ in range(3))
        return s.add(s.mul(a, b, dtype), c, dtype)
    if op == "from_int":
        return s.cast(_pick(draw, s, Int, pool), dtype)
    if op == "from_float":
        return s.cast(_pick(draw, s, F64 if dtype == F32 else F32, pool), dtype)
    two = op in ("add", "mul", "sub", "div", "min", "max")
    return s.op(op, dtype, *(_pick(draw, s, dtype, pool) for _ in range(1 + two)))


def _grow(draw: Draw, s: Sketch, pool: list[Value], floats: bool, traps: bool) -> None:
    kinds = [*INT_BINARY, "shl", "shr", "neg", "abs", "cast", "compare", "logic", "select", "not"]
    kinds += ["float32", "float64", "to_int", "float32", "float64"] * floats
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(kinds))
        value: Value | None
        if kind == "compare":
            t = draw(st.sampled_from([Int, BOOL, *((F32, F64) if floats else ())]))
            value = s.compare(
                draw(st.sampled_from(COMPARES)), _pick(draw, s, t, pool), _pick(draw, s, t, pool)
            )
        elif kind == "logic":
            a, b = _pick(draw, s, BOOL, pool), _pick(draw, s, BOOL, pool)
            value = s.logic(draw(st.sampled_from(["and", "or", "xor"])), a, b)
        elif kind == "not":
            value = s.logic("not", _pick(draw, s, BOOL, pool))
        elif kind == "select":
            a = draw(st.sampled_from(pool))
            value = s.select(_pick(draw, s, BOOL, pool), a, _pick(draw, s, a.dtype, pool))
        elif kind in ("float32", "float64"):
            value = _float_op(draw, s, F32 if kind == "float32" else F64, pool)
        elif kind == "to_int":
            t = draw(st.sampled_from([F32, F64]))
            value = s.cast(
                _pick(draw, s, t, pool),
                draw(int_types()),
                overflow="saturate",
                rounding=draw(st.sampled_from(ROUNDINGS[:4])),
            )
        else:
            value = _int_op(draw, s, kind, pool, traps)
        if value is not None:
            pool.append(value)


def _to(draw: Draw, s: Sketch, dtype: DType, pool: list[Value]) -> Value:
    """A value of exactly ``dtype`` from the pool, converted if need be."""
    if not isinstance(dtype, Int):
        return _pick(draw, s, dtype, pool)
    value = _pick(draw, s, Int, pool)
    return s.cast(value, dtype, overflow=draw(st.sampled_from(["wrap", "saturate"])))


def _population(
    draw: Draw, name: str, size: int, trials: int, ports: list[Port],
    spans: dict[str, Interval | None], sends: dict[str, DType], floats: bool, traps: bool,
) -> Population:  # fmt: skip
    s = Sketch(name, size, spans)
    scalar: st.SearchStrategy = int_types() | st.just(BOOL)
    if floats:
        scalar = scalar | st.sampled_from([F32, F64]) | st.sampled_from([F32, F64])
    pool = [s.port(p.name, p.dtype, p.overflow) for p in ports]
    states = {f"s{i}": draw(scalar) for i in range(draw(st.integers(1, 3)))}
    pool += [s.state(n, t, param_data(draw, t, size, trials)) for n, t in states.items()]
    for i in range(draw(st.integers(0, 2))):
        t = draw(scalar)
        pool.append(s.param(f"p{i}", t, param_data(draw, t, size, trials)))
    for i in range(draw(st.integers(0, 2))):
        t = draw(scalar)
        events = np.array([[1, 0], [1, size - 1], [4, 0]][:: 2 if size == 1 else 1])
        given = events if t == BOOL and draw(st.booleans()) else None
        pool.append(s.external(f"x{i}", t, given))
    if draw(st.booleans()):
        pool.append(s.word("word"))
    if draw(st.booleans()):
        pool.append(s.normal("normal"))
    _grow(draw, s, pool, floats, traps)
    for n, t in states.items():
        if draw(st.integers(0, 7)):  # now and then a state is kept
            s.write(n, _to(draw, s, t, pool))
    for n, t in sends.items():
        sent = _to(draw, s, t, pool)
        s.name_value(s.op("neg", t, sent) if isinstance(t, Float) else sent, n)
    a, b = _pick(draw, s, Int, pool), _pick(draw, s, Int, pool)
    s.spike(draw(st.sampled_from([s.compare("gt", a, b), _pick(draw, s, BOOL, pool)])))
    for value in {v.index: v for v in pool}.values():
        if draw(st.integers(0, 2)) == 0 or isinstance(value.dtype, Float):
            s.name_value(value, f"n{value.index}")
    return s.build()


# the whole ---------------------------------------------------------------------------------------


def _probes(draw: Draw, populations: list[Population]) -> tuple[list[Probe], list[Watch]]:
    probes, watches = [], []
    for q in populations:
        every, offset = draw(st.integers(1, 3)), draw(st.integers(0, 4))
        probes.append(Probe(q.name, "spikes", *draw(st.sampled_from([(1, 0), (every, offset)]))))
        for n in [n for n in q.nodes if n.name]:
            for reduce in draw(st.sampled_from([("",), ("",), ("moments",), ("", "moments")])):
                probes.append(Probe(q.name, n.name, every, offset, reduce))
            if isinstance(n.dtype, Int) and draw(st.booleans()):
                ends = sorted([draw(int_values(n.dtype.lo, n.dtype.hi)) for _ in range(2)])
                watches.append(Watch(q.name, n.name, *ends, label=f"watch_{n.name}"))
    return probes, watches


def _sends(draw: Draw, floats: bool) -> dict[str, DType]:
    """Values that edges of a population may carry."""
    out: dict[str, DType] = {}
    if draw(st.booleans()):
        out["sent"] = draw(int_types(16))
    if floats:
        out |= {f"sent_{t}": t for t in (F32, F64) if draw(st.booleans())}
    return out


def _carried(draw: Draw, sends: dict[str, DType], port: DType | None) -> str:
    """What an edge carries to a port of a float type, or of integers: mostly spikes."""
    fits = [n for n, t in sends.items() if t == port or (port is None and isinstance(t, Int))]
    return draw(st.sampled_from(["", *fits]))


@st.composite
def programs(draw: Draw, *, floats: bool = False, traps: bool = False, max_steps: int = 40) -> Case:
    """Cases over all operations; with ``traps``, operations of mode ``trap`` may fire."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    trials = draw(st.integers(1, 3))
    names = [f"N{i}" for i in range(len(sizes))]
    sends: list[dict[str, DType]] = [_sends(draw, floats) for _ in names]
    ports: dict[str, list[Port]] = {n: [] for n in names}
    edges: list[Edge] = []
    spans: dict[tuple[str, str], Interval | None] = {}
    for j, target in enumerate(names):
        for k in range(draw(st.integers(0, 2))):
            port_type = (
                draw(st.sampled_from([F32, F64])) if floats and draw(st.booleans()) else None
            )
            weight_type: DType = port_type or Int(draw(st.integers(2, 40)))
            low = high = 0
            for _ in range(draw(st.integers(1, 2))):
                i = draw(st.integers(0, len(names) - 1))
                w = weights(draw, weight_type, sizes[i], sizes[j])
                shortest = 0 if i < j else 1
                delay = draw(st.sampled_from([shortest, 1, 2, 3]) | st.integers(shortest, 62))
                value = _carried(draw, sends[i], port_type)
                edges.append(Edge(names[i], target, f"in{k}", w, delay, value))
                if port_type is None:
                    t = sends[i].get(value)
                    a, b = weight_sums(w, (t.lo, t.hi) if isinstance(t, Int) else (0, 1))
                    low, high = low + a, high + b
            if port_type is not None:
                ports[target].append(Port(f"in{k}", port_type))
                spans[target, f"in{k}"] = None
                continue
            dtype = draw(int_types())
            fits = dtype.lo <= low and high <= dtype.hi
            mode = draw(st.sampled_from(["exact"] * fits + ["wrap", "saturate"]))
            ports[target].append(Port(f"in{k}", dtype, mode))
            spans[target, f"in{k}"] = (
                (low, high) if fits else (dtype.lo, dtype.hi) if mode == "wrap"
                else (max(low, dtype.lo), min(max(high, dtype.lo), dtype.hi))
            )  # fmt: skip
    populations = [
        _population(draw, n, size, trials, ports[n],
                    {p.name: spans[n, p.name] for p in ports[n]}, sent, floats, traps)
        for n, size, sent in zip(names, sizes, sends, strict=True)
    ]  # fmt: skip
    probes, watches = _probes(draw, populations)
    p = Program(
        "random", "any", seed=draw(st.integers(0, 2**64 - 1)), trials=trials,
        populations=tuple(draw(st.permutations(populations))),
        edges=tuple(draw(st.permutations(edges))), probes=tuple(probes), watches=tuple(watches),
    )  # fmt: skip
    verify(p)
    steps = draw(st.integers(2, max_steps))
    t0 = draw(st.sampled_from([0, 0, 0, 5, 2**20 + 3]))
    return Case(
        "programs", p, steps, random_inputs(draw, p, steps), t0, draw(st.integers(1, steps - 1))
    )
