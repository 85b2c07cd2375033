"""The native backend computes what the reference computes: every op, weight kind, delay, probe."""

from __future__ import annotations

import dataclasses
import os

import numba
import numpy as np
import pytest

import neurohw_native
from neurohw.compare.numeric import moments_differ
from neurohw.errors import OverflowTrap, ProgramError
from neurohw.program import (
    BOOL,
    F32,
    F64,
    Builder,
    Dense,
    Edge,
    Int,
    OneToOne,
    Population,
    Probe,
    Probes,
    Program,
    RunState,
    Sparse,
    Watch,
    concat,
    freeze,
    initial_state,
    verify,
)
from neurohw.program.ops import OPS, ROUNDING
from neurohw.program.types import Float
from neurohw.reference import ReferenceRun

Result = tuple[RunState, Probes]
EFFORT = int(os.environ.get("NEUROHW_NATIVE_EFFORT", "1"))  # kernels compile slowly; CI does more


def same_array(a: np.ndarray, b: np.ndarray, where: str) -> None:
    """Equal in type, shape and every bit (any NaN equals any NaN)."""
    assert (a.dtype, a.shape) == (b.dtype, b.shape), where
    if a.dtype.kind == "f":
        word = f"i{a.dtype.itemsize}"
        bad = (a.view(word) != b.view(word)) & ~(np.isnan(a) & np.isnan(b))
    else:
        bad = a != b
    assert not bad.any(), f"{where}: {a[bad][:5]} != {b[bad][:5]} at {np.argwhere(bad)[:5]}"


def same(a: Result, b: Result) -> None:
    """Assert that two results are identical."""
    same_array(a[0].trials, b[0].trials, "trials")
    for part in ("values", "history"):
        x, y = getattr(a[0], part), getattr(b[0], part)
        assert x.keys() == y.keys()
        for k in x:
            same_array(x[k], y[k], f"{part} {k}")
    p, q = a[1], b[1]
    assert (p.t0, p.steps) == (q.t0, q.steps)
    assert p.events.keys() == q.events.keys()
    for k in p.events:
        for name in ("trial", "step", "element"):
            same_array(getattr(p.events[k], name), getattr(q.events[k], name), f"{k}.{name}")
    assert p.traces.keys() == q.traces.keys()
    for k in p.traces:
        same_array(p.traces[k], q.traces[k], k)
    assert p.moments.keys() == q.moments.keys()
    for k, m in p.moments.items():
        assert moments_differ(k, q.moments[k], m) == ""  # docs/program.md 9: summed in any order
    assert p.ledger == q.ledger


def outcome(run, *args) -> Result | str:
    try:
        return run(*args)
    except OverflowTrap as error:
        return str(error)


def check(p: Program, steps: int = 20, inputs=None, trials=None, t0: int = 0) -> Result | None:
    """Native and reference agree, with one thread and two."""
    state = initial_state(p, trials)
    before = {k: v.copy() for k, v in state.values.items()}
    want = outcome(ReferenceRun(p), state, inputs, t0, steps)
    run = neurohw_native.backend().compile(p)
    used = numba.get_num_threads()
    try:
        for threads in {1, min(2, numba.config.NUMBA_NUM_THREADS)}:
            numba.set_num_threads(threads)
            got = outcome(run, state, inputs, t0, steps)
            if isinstance(want, str) or isinstance(got, str):
                assert want == got
            else:
                same(want, got)
    finally:
        numba.set_num_threads(used)
    for k, v in before.items():
        assert np.array_equal(v, state.values[k]), "a run must not change its arguments"
    return None if isinstance(want, str) else want


EDGES = [
    0,
    1,
    -1,
    2,
    3,
    2**23,
    -(2**23),
    2**23 - 1,
    2**24,
    2**31,
    -(2**31),
    2**31 - 1,
    2**32 - 1,
    2**62,
    -(2**62),
    2**62 - 1,
    2**63 - 1,
    -(2**63),
    -(2**63) + 1,
    -(2**31) - 1,
]
FEDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1.5,
    2.5,
    -0.5,
    -2.5,
    1e-40,
    3e38,
    -3e38,
    0.1,
    1 / 3,
    8388609.0,
    2.0**31,
    -(2.0**31),
    2.0**62,
    2.0**63,
    -(2.0**63),
    16777217.0,
    1e-310,
    7.0,
    1e5,
]


def extremes(rng: np.random.Generator, dtype: Int, n: int) -> np.ndarray:
    near = [v for e in EDGES for v in (e - 1, e, e + 1) if dtype.lo <= v <= dtype.hi]
    near += [dtype.lo, dtype.hi, dtype.lo + 1]
    near = [v for v in near if dtype.lo <= v <= dtype.hi]
    wide = [int(rng.integers(dtype.lo, dtype.hi, endpoint=True)) for _ in range(n // 2 + 1)]
    return np.array([*rng.permutation(np.array(near, object)), *wide], object)


def column(rng: np.random.Generator, dtype, n: int) -> np.ndarray:
    """``n`` values of a type, many at its ends."""
    if dtype == BOOL:
        return rng.random(n) < 0.5
    if isinstance(dtype, Int):
        return np.resize(extremes(rng, dtype, n), n).astype(dtype.storage)
    with np.errstate(all="ignore"):
        x = np.array([*FEDGES, *rng.normal(0, 1, 8), *rng.normal(0, 1e9, 4)]).astype(dtype.storage)
    return np.resize(rng.permutation(x[np.isfinite(x)]), n)


def one_op(op: str, out, types, attrs) -> Population | None:
    """One operation on parameters that run through extreme values; None if it is not legal."""
    b = Builder("P", 96)
    args = []
    for i, t in enumerate(types):
        rng = np.random.default_rng([ord(c) for c in f"{t}{i}"])
        args.append(b.param(f"{t}_{i}", t, column(rng, t, 96)))
    b.op(op, out, *args, **attrs)
    try:
        verify(Program("one", populations=(b.build(),)))
    except ProgramError:
        return None
    return b.build()


def joined(parts: list[Population]) -> Program:
    """Many one-op populations as one with all their nodes, so that they compile together."""
    params, nodes, probes = {}, [], []
    for i, q in enumerate(parts):
        params |= {x.name: x for x in q.params}
        base = len(nodes)
        for node in q.nodes:
            args = tuple(a + base for a in node.args)
            nodes.append(dataclasses.replace(node, args=args))
        nodes[-1] = dataclasses.replace(nodes[-1], name=f"y{i}")
        probes.append(Probe("P", f"y{i}"))
    pop = Population("P", 96, tuple(params.values()), nodes=tuple(nodes))
    return Program("joined", populations=(pop,), probes=tuple(probes))


def integer_cases() -> list[Population]:
    out = []
    wide = [Int(8), Int(24), Int(31), Int(32), Int(12, False), Int(32, False)]
    modes = ("exact", "wrap", "saturate")
    for op in ("add", "sub", "mul", "neg", "abs", "min", "max"):
        n = OPS[op].arity[0]
        for a in wide:
            for b in wide[: 6 if n == 2 else 1]:
                for dtype in (Int(8), Int(24), Int(32), Int(7, False), Int(48), Int(64)):
                    for mode in modes:
                        out.append(one_op(op, dtype, [a, b][:n], {"overflow": mode}))
    for a in (Int(16), Int(32), Int(63), Int(64), Int(62, False)):
        for dtype in (
            Int(1),
            Int(16),
            Int(31, False),
            Int(32),
            Int(61),
            Int(62),
            Int(63),
            Int(63, False),
            Int(64),
            Int(62, False),
        ):
            for mode in modes:
                out.append(one_op("cast", dtype, [a], {"overflow": mode}))
    found = [p for p in out if p is not None]
    rng = np.random.default_rng(1)
    return [found[i] for i in rng.permutation(len(found))]


def shift_cases() -> list[Population]:
    out = []
    for a in (Int(9), Int(24), Int(32), Int(62), Int(63), Int(64), Int(30, False)):
        for by in (0, 1, 7, 23, 30, 31, 32, 40, 62):
            for dtype in (Int(8), Int(24), Int(32), Int(64)):
                for rounding in ROUNDING:
                    types = [a, Int(32, False)] if rounding == "stochastic" else [a]
                    mode = ("wrap", "saturate")[(by + dtype.bits) % 2]
                    attrs = {"by": by, "rounding": rounding, "overflow": mode}
                    out.append(one_op("shr", dtype, types, attrs))
                out.append(one_op("shl", dtype, [a], {"by": by, "overflow": "wrap"}))
                out.append(one_op("shl", dtype, [a], {"by": by, "overflow": "saturate"}))
    found = [p for p in out if p is not None]
    rng = np.random.default_rng(2)
    return [found[i] for i in rng.permutation(len(found))]


def float_cases() -> list[Population]:
    out = []
    for f in (F32, F64):
        for op in ("add", "sub", "mul", "min", "max", "div"):
            out.append(one_op(op, f, [f, f], {}))
        for op in ("neg", "abs", "sqrt"):
            out.append(one_op(op, f, [f], {}))
        for op in ("eq", "ne", "lt", "le", "gt", "ge"):
            out.append(one_op(op, BOOL, [f, f], {}))
        for g in (BOOL, Int(24), Int(32), Int(64), F32, F64):
            out.append(one_op("cast", f, [g], {}))
        for dtype in (
            Int(1),
            Int(8),
            Int(24),
            Int(32),
            Int(63),
            Int(64),
            Int(63, False),
            Int(5, False),
            Int(32, False),
        ):
            for rounding in ROUNDING[:4]:
                out.append(
                    one_op("cast", dtype, [f], {"rounding": rounding, "overflow": "saturate"})
                )
        out.append(one_op("select", f, [BOOL, f, f], {}))
    for a, b in ((Int(8), Int(64)), (Int(32, False), Int(32)), (BOOL, BOOL)):
        for op in ("eq", "ne", "lt", "le", "gt", "ge"):
            out.append(one_op(op, BOOL, [a, b], {}))
    for op in ("and", "or", "xor"):
        out.append(one_op(op, BOOL, [BOOL, BOOL], {}))
    out += [
        one_op("not", BOOL, [BOOL], {}),
        one_op("select", BOOL, [BOOL] * 3, {}),
        one_op("select", Int(64), [BOOL, Int(64), Int(64)], {}),
    ]
    out += [one_op("cast", t, [BOOL], {"overflow": "wrap"}) for t in (Int(1), Int(8), Int(64))]
    found = [p for p in out if p is not None]
    rng = np.random.default_rng(3)
    return [found[i] for i in rng.permutation(len(found))]


@pytest.mark.parametrize("cases", [integer_cases, shift_cases, float_cases])
def test_every_operation_on_extremes(cases) -> None:
    programs = cases()
    assert len(programs) > 100
    for i in range(0, min(len(programs), 40 * EFFORT), 40):
        check(joined(programs[i : i + 40]), steps=1)


def test_not_contracted() -> None:
    """a * b + c, where a fused multiply-add gives another result in most elements."""
    rng = np.random.default_rng(0)
    for f in (F32, F64):
        b = Builder("P", 1000)
        x, y = (b.param(n, f, rng.normal(size=1000).astype(f.storage)) for n in "xy")
        z = b.param("z", f, -(b._params[0].data * b._params[1].data))
        b.name_value(b.add(b.mul(x, y, f), z, f), "fma")  # exactly 0 unless contracted
        want = check(Program("p", populations=(b.build(),), probes=(Probe("P", "fma"),)), 1)
        assert want is not None and not want[1].traces["P.fma"].any()


def test_transcendentals_within_bound() -> None:
    rng = np.random.default_rng(0)
    for f in (F32, F64):
        b = Builder("P", 4000)
        x = b.param("x", f, rng.uniform(-80, 80, 4000).astype(f.storage))
        for op in ("exp", "expm1", "log"):
            b.name_value(b.op(op, f, b.op("abs", f, x) if op == "log" else x), op)
        p = Program(
            "p",
            populations=(b.build(),),
            probes=tuple(Probe("P", k) for k in ("exp", "expm1", "log")),
        )
        s = initial_state(p)
        a, c = ReferenceRun(p)(s, None, 0, 1)[1], neurohw_native.backend().compile(p)(s, None, 0, 1)
        for k, v in a.traces.items():
            ulp = np.abs(v - c[1].traces[k]) / np.spacing(np.abs(v))
            assert ulp.max() <= neurohw_native.TRANSCENDENTAL_ULP, k


def test_zero_signs_and_nan() -> None:
    b = Builder("P", 8)
    zero = b.param("z", F64, np.array([0.0, -0.0] * 4))
    nan = b.op("div", F64, zero, zero)
    b.name_value(nan, "nan")
    for op in ("min", "max", "add"):
        b.name_value(b.op(op, F64, nan, zero), op)
        b.name_value(b.op(op, F64, zero, nan), f"{op}2")
    for op in ("eq", "ne", "lt", "ge"):
        b.name_value(b.compare(op, nan, zero), op)
    b.name_value(b.cast(nan, Int(32), rounding="floor", overflow="saturate"), "int")
    inf = b.op("div", F64, b.const(1.0, F64), zero)
    b.name_value(inf, "inf")
    b.name_value(b.cast(inf, Int(64), rounding="half_even", overflow="saturate"), "far")
    q = b.build()
    check(
        Program("p", populations=(q,), probes=tuple(Probe("P", n.name) for n in q.nodes if n.name)),
        1,
    )


# random programs ---------------------------------------------------------------------------------

INTS = [Int(8), Int(24), Int(32), Int(33), Int(64), Int(12, False), Int(32, False), Int(1)]


def random_population(
    rng: np.random.Generator, name: str, size: int, trials: int, ports: int, trap: bool
) -> Population:
    """Random legal nodes, all of them probed or written."""
    b = Builder(name, size)
    shapes = [(), (size,), (trials, 1), (trials, size)]

    def data(dtype, shape):
        return column(rng, dtype, int(np.prod(shape))).reshape(shape)

    def pick(items):
        return items[int(rng.integers(len(items)))]

    f = pick([F32, F64])
    values = [
        b.state(f"s{i}", t, data(t, pick(shapes)))
        for i, t in enumerate([pick(INTS), pick(INTS), f, BOOL])
    ]
    for i in range(3):
        t = pick([*INTS, f, BOOL])
        values.append(b.param(f"p{i}", t, data(t, pick(shapes))))
    for i in range(ports):
        t = Int(24) if i % 2 == 0 else f
        mode = pick(["wrap", "saturate", *(["trap"] if trap else [])])
        values.append(b.port(f"in{i}", t, mode if i % 2 == 0 else "exact"))
    values += [b.external("x", BOOL), b.external("y", Int(20)), b.word("w"), b.normal("n")]
    values += [b.word("w2"), b.normal("n"), b.const(5, Int(8)), b.const(True, BOOL)]
    values.append(b.const(0.3, f))
    free = BOOL
    for _ in range(14):
        op = pick(
            [
                k
                for k in OPS
                if k
                not in (
                    "const",
                    "param",
                    "state",
                    "input",
                    "external",
                    "word",
                    "normal",
                    "exp",
                    "expm1",
                    "log",
                )
            ]
        )
        args = [pick(values) for _ in range(OPS[op].arity[0])]
        out = pick([*INTS, f, BOOL, *[a.dtype for a in args]])
        attrs = {"overflow": pick(["wrap", "saturate", *(["trap"] if trap else [])])}
        if op in ("shl", "shr"):
            attrs["by"] = int(rng.integers(0, 20))
        if op == "shr" or op == "cast":
            attrs["rounding"] = pick(ROUNDING[:4])
        if op == "cast" and isinstance(args[0].dtype, Float):
            attrs["overflow"] = "saturate"
        if isinstance(out, Float) or not OPS[op].attrs:
            attrs = {k: v for k, v in attrs.items() if k == "rounding" and op == "cast"}
        saved = list(b._nodes)
        y = b.op(op, out, *args, **attrs)
        try:
            verify(Program("t", trials=trials, populations=(b.build(),)))
        except ProgramError:
            b._nodes = saved
            continue
        values.append(y)
    for i, v in enumerate(values):
        if not b._nodes[v.index].name:
            b.name_value(v, f"v{i}")
    for s in b._states:
        fitting = [v for v in values if v.dtype == s.dtype]
        if rng.random() < 0.8:
            b.write(s.name, pick(fitting))
    b.spike(pick([v for v in values if v.dtype == free]))
    return b.build()


def random_weights(rng: np.random.Generator, targets: int, sources: int, dtype):
    def numbers(shape):
        if isinstance(dtype, Int):
            return freeze(rng.integers(dtype.lo, dtype.hi, shape, endpoint=True), dtype)
        return freeze(rng.normal(size=shape).astype(dtype.storage), dtype)

    kind = int(rng.integers(3 if targets == sources else 2))
    if kind == 0:
        return Dense(dtype, numbers((targets, sources)))
    if kind == 2:
        return OneToOne(dtype, numbers(targets))
    mask = rng.random((sources, targets)) < 0.4
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int64)
    indices = np.nonzero(mask)[1].astype(np.int64)
    return Sparse(dtype, indptr, indices, numbers(len(indices)), targets)


def random_program(seed: int) -> Program:
    rng = np.random.default_rng(seed)
    trials = int(rng.integers(1, 6))
    sizes = rng.choice([1, 2, 3, 9, 17, 9], 2)
    pops = [
        random_population(rng, n, int(s), trials, 2, seed % 4 == 3)
        for n, s in zip("AB", sizes, strict=True)
    ]
    edges = []
    delays = [0, 1, 2, 5, int(rng.integers(1, 71))]
    for _ in range(int(rng.integers(1, 7))):
        a, c = (int(v) for v in rng.integers(0, 2, 2))
        delay = int(rng.choice(delays))
        if c <= a:
            delay = max(1, delay)
        port = pops[c].ports[int(rng.integers(2))]
        dtype = Int(int(rng.choice([3, 16, 26, 40]))) if isinstance(port.dtype, Int) else port.dtype
        edges.append(
            Edge(
                pops[a].name,
                pops[c].name,
                port.name,
                random_weights(rng, pops[c].size, pops[a].size, dtype),
                delay,
            )
        )
    probes: list[Probe] = []
    watches = []
    for q in pops:
        probes.append(Probe(q.name, "spikes", int(rng.integers(1, 3)), int(rng.integers(0, 4))))
        for node in q.nodes:
            if rng.random() < 0.5:
                probes.append(
                    Probe(
                        q.name,
                        node.name,
                        int(rng.integers(1, 5)),
                        int(rng.integers(0, 9)),
                        "moments" if isinstance(node.dtype, Int) and rng.random() < 0.3 else "",
                    )
                )
            if isinstance(node.dtype, Int) and rng.random() < 0.3:
                lo, hi = sorted(int(v) for v in rng.integers(-99, 99, 2))
                watches.append(Watch(q.name, node.name, lo, hi))
    order = rng.permutation(2)
    return Program(
        "random",
        seed=int(rng.integers(2**63)),
        trials=trials,
        populations=tuple(pops[i] for i in order),
        edges=tuple(edges),
        probes=tuple(probes),
        watches=tuple(watches),
    )


def random_inputs(rng: np.random.Generator, p: Program, trials: int, steps: int):
    out = {}
    for q in p.populations:
        shapes = [(steps, q.size), (steps, 1, q.size), (steps, trials, q.size)]
        for name, lo, hi in (("x", 0, 1), ("y", -(2**19), 2**19 - 1)):
            if rng.random() < 0.7:
                shape = shapes[int(rng.integers(3))]
                out[f"{q.name}.{name}"] = rng.integers(lo, hi, shape, endpoint=True)
    return out


@pytest.mark.parametrize("seed", range(3 * EFFORT))
def test_random_programs(seed: int) -> None:
    p = random_program(seed)
    rng = np.random.default_rng(seed)
    ids = np.flatnonzero(rng.random(p.trials) < 0.7) if seed % 2 else None
    ids = None if ids is None or not len(ids) else ids
    steps = int(rng.integers(1, 90))
    t0 = int(rng.choice([0, 1, 7, 1001, 2**33 + 5]))
    n = p.trials if ids is None else len(ids)
    inputs = random_inputs(rng, p, n, steps)
    whole = check(p, steps, inputs, ids, t0)
    if whole is None or steps < 2:
        return
    run, state = neurohw_native.backend().compile(p), initial_state(p, ids)
    parts = []
    cut = int(rng.integers(1, steps))
    for a, c in ((0, cut), (cut, steps)):
        part = {k: v[a:c] for k, v in inputs.items()}
        state, probes = run(state, part, t0 + a, c - a)
        parts.append(probes)
    same(whole, (state, concat(*parts)))
