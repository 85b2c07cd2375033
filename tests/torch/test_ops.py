"""Every operation against the reference, at the values where integers and floats are hardest."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from neurohw.program import (
    BOOL,
    F32,
    F64,
    Builder,
    Int,
    Probe,
    Program,
    Value,
    Watch,
    initial_state,
)
from neurohw.reference import ReferenceRun

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

EDGES = [
    0,
    1,
    2,
    3,
    5,
    7,
    127,
    2**15,
    2**22,
    2**23 - 1,
    2**23,
    2**23 + 1,
    2**30,
    2**31 - 1,
    2**31,
    2**31 + 1,
    2**32,
    2**52 + 1,
    2**53 + 1,
    2**61,
    2**62 - 1,
    2**62,
    2**63 - 1,
]


def values(dtype: Int, limit: int | None = None) -> np.ndarray:
    """Numbers of the type around powers of two; at most ``limit`` in size."""
    top = min(dtype.hi, limit if limit is not None else dtype.hi)
    low = max(dtype.lo, -limit if limit is not None else dtype.lo)
    found = {x for e in EDGES for x in (e, -e, e - 1, 1 - e, e // 3)} | {low, low + 1, top - 1, top}
    return np.array(sorted(x for x in found if low <= x <= top), np.int64)


def program(build, size: int, name: str = "ops", trials: int = 1) -> Program:
    """One population whose values, returned by ``build`` as a dict, are traced (ints watched)."""
    b = Builder("A", size)
    made: dict[str, Value] = build(b)
    for key, value in made.items():
        b.name_value(value, key)
    return Program(
        name,
        populations=(b.build(),),
        trials=trials,
        seed=5,
        probes=tuple(Probe("A", k) for k in made),
        watches=tuple(
            Watch("A", k, lo, hi, f"{k}_{i}")
            for k, v in made.items()
            if isinstance(v.dtype, Int)
            for i, (lo, hi) in enumerate(((-100, 100), (-(2**33), 2**30)))
        ),
    )


def leaves(b: Builder, pairs: list[tuple[str, Int, np.ndarray]], stateful: bool) -> list[Value]:
    """Columns of numbers as parameters (hoisted) or as states (computed in every step)."""
    return [b.state(n, t, x) if stateful else b.param(n, t, x) for n, t, x in pairs]


WIDTHS = [
    (8, True),
    (24, True),
    (31, True),
    (32, True),
    (32, False),
    (33, True),
    (16, False),
    (31, False),
    (62, True),
    (63, True),
    (63, False),
    (64, True),
]


@pytest.mark.parametrize("stateful", [False, True])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "min", "max"])
def test_binary_integers(op: str, stateful: bool, check) -> None:
    limit = {"add": 2**62 - 1, "sub": 2**62 - 1, "mul": 2**31 - 1}.get(op, 2**63 - 1)
    source = Int(limit.bit_length() + 1)
    for narrow in (False, True):  # arguments of 24 bits are computed in int32
        a_type, top = (Int(12 if op == "mul" else 24), None) if narrow else (source, limit)
        pairs = list(itertools.product(values(a_type, top)[:: 2 if narrow else 4], repeat=2))
        xs, ys = (np.array(c) for c in zip(*pairs, strict=True))

        def build(b: Builder, xs=xs, ys=ys, t=a_type) -> dict[str, Value]:
            x, y = leaves(b, [("x", t, xs), ("y", t, ys)], stateful)
            return {
                f"v{bits}{signed:d}{mode[0]}": b.op(op, Int(bits, signed), x, y, overflow=mode)
                for bits, signed in WIDTHS
                for mode in ("wrap", "saturate")
            }

        check(program(build, len(pairs)), 2, modes=(True,), fused=stateful)


@pytest.mark.parametrize("stateful", [False, True])
def test_unary_integers(stateful: bool, check) -> None:
    for t in (Int(64), Int(63), Int(32), Int(31), Int(24), Int(9), Int(31, False), Int(63, False)):
        xs = values(t, 2**63 - 1)

        def build(b: Builder, t=t, xs=xs) -> dict[str, Value]:
            (x,) = leaves(b, [("x", t, xs)], stateful)
            if t == Int(64):  # its negative needs 65 bits
                x = b.op("max", t, x, b.const(-(2**63) + 1, t))
            out = {}
            for bits, signed in WIDTHS:
                for mode in ("wrap", "saturate"):
                    for op in ("neg", "abs", "cast"):
                        out[f"{op}{bits}{signed:d}{mode[0]}"] = b.op(
                            op, Int(bits, signed), x, overflow=mode
                        )
            return out

        check(program(build, len(xs)), 1, modes=(True,), fused=stateful)


@pytest.mark.parametrize("stateful", [False, True])
def test_shifts(stateful: bool, check) -> None:
    for t, limit in (
        (Int(64), 2**62),
        (Int(64), None),
        (Int(32), None),
        (Int(24), None),
        (Int(12), None),
        (Int(62, False), None),
    ):
        xs = values(t, limit)

        def build(b: Builder, t=t, xs=xs, limit=limit) -> dict[str, Value]:
            (x,) = leaves(b, [("x", t, xs)], stateful)
            if limit and stateful:
                x = b.op("min", t, b.op("max", t, x, b.const(-limit, t)), b.const(limit, t))
            full = t == Int(64) and not limit
            out = {}
            for by in (0, 1, 2, 7, 22, 30, 31, 32, 33, 45, 61, 62):
                for rounding in ("floor", "toward_zero", "half_even", "half_away"):
                    if full and rounding.startswith("half"):
                        continue  # the sum before rounding may leave 64 bits: not legal
                    for out_type, mode in (
                        (Int(64), "exact"),
                        (Int(8), "wrap"),
                        (Int(20, False), "saturate"),
                    ):
                        out[f"{rounding}{by}{mode}"] = b.shr(
                            x, by, out_type, rounding=rounding, overflow=mode
                        )
                if by <= 32 and not full:
                    word = b.word(f"s{by}")
                    out[f"stochastic{by}"] = b.op(
                        "shr", Int(64), x, word, by=by, rounding="stochastic"
                    )
                if t.bits + by <= 63:
                    for mode in ("wrap", "saturate"):
                        out[f"shl{by}{mode}"] = b.shl(x, by, Int(24), overflow=mode)
            return out

        check(program(build, len(xs), trials=2), 5, modes=(True,), fused=stateful)


def test_shift_of_one_value_by_everything(check) -> None:
    """Constants at the border of int32 keep the widths from being guessed too small."""

    def build(b: Builder) -> dict[str, Value]:
        out = {}
        for i, x in enumerate((-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1)):
            value = b.const(x, Int(32))
            for by in range(0, 63, 3):
                for r in ("floor", "toward_zero", "half_even", "half_away"):
                    out[f"{r}_{by}_{i}"] = b.shr(value, by, Int(64), rounding=r)
                if by <= 32:
                    out[f"st_{by}_{i}"] = b.op(
                        "shr", Int(64), value, b.word(f"{by}.{i}"), by=by, rounding="stochastic"
                    )
        return out

    check(program(build, 3), 2, modes=(True,))


@pytest.mark.parametrize("stateful", [False, True])
def test_comparisons_and_choice(stateful: bool, check) -> None:
    for s, t in (
        (Int(64), Int(64)),
        (Int(24), Int(24)),
        (Int(24), Int(40)),
        (Int(31, False), Int(33)),
    ):
        pairs = list(itertools.product(values(s)[::2], values(t)[::2]))
        xs, ys = (np.array(c) for c in zip(*pairs, strict=True))

        def build(b: Builder, s=s, t=t, xs=xs, ys=ys) -> dict[str, Value]:
            x, y = leaves(b, [("x", s, xs), ("y", t, ys)], stateful)
            out = {op: b.compare(op, x, y) for op in ("eq", "ne", "lt", "le", "gt", "ge")}
            out |= {op: b.logic(op, out["eq"], out["lt"]) for op in ("and", "or", "xor")}
            out["not"] = b.logic("not", out["xor"])
            out |= {
                f"b{op}": b.compare(op, out["eq"], out["le"])
                for op in ("eq", "ne", "lt", "le", "gt", "ge")
            }
            wide = b.cast(x, t, overflow="wrap")
            out["select"] = b.select(out["gt"], wide, y)
            out["choose"] = b.select(out["gt"], out["eq"], out["lt"])
            out["bit"] = b.cast(out["gt"], Int(1), overflow="wrap")
            out["bits"] = b.cast(out["gt"], Int(9))
            out["mixed"] = b.select(out["gt"], b.const(1, t), y)
            out["far"] = b.compare("lt", x, b.const(2**40, Int(42)))
            out["real"] = b.cast(x, F32)
            out["double"] = b.cast(out["gt"], F64)
            return out

        check(program(build, len(pairs)), 1, modes=(True,), fused=stateful)


def test_constants_alone(check) -> None:
    def build(b: Builder) -> dict[str, Value]:
        x, y = b.const(2**31 - 1, Int(64)), b.const(-3, Int(4))
        a, c = b.const(0.1, F32), b.const(3.0, F32)
        return {
            "add": b.add(x, y, Int(64)),
            "mul": b.mul(x, x, Int(64)),
            "wrap": b.mul(x, y, Int(24), overflow="wrap"),
            "lt": b.compare("lt", y, x),
            "div": b.op("div", F32, a, c),
            "true": b.const(True, BOOL),
            "pi": b.const(np.pi, F64),
        }

    p = check(program(build, 3, trials=4), 3, modes=(True,))[1]
    assert p.traces["A.add"].shape == (3, 4, 3)
    assert check(program(build, 3), 0, modes=(True,))[1].ledger == {}


FLOATS = np.array(
    [
        0.0,
        0.5,
        1.0,
        1.5,
        2.5,
        0.1,
        1e-3,
        3.7,
        1e10,
        2.0**23 + 0.5,
        2.0**31,
        2.0**52,
        2.0**62.5,
        2.0**63,
        1e30,
        1e-38,
        1e-44,
        87.0,
        100.0,
        1e-8,
    ]
)
FLOATS = np.concatenate([FLOATS, -FLOATS])


@pytest.mark.parametrize("t", [F32, F64])
@pytest.mark.parametrize("stateful", [False, True])
def test_float_operations_are_ieee(t, stateful: bool, check) -> None:
    rng = np.random.default_rng(1)
    draws = rng.standard_normal(500) * 10.0 ** rng.integers(-9, 9, 500)
    pool = np.concatenate([FLOATS, draws]).astype(t.storage)
    xs, ys = np.repeat(pool, 4), rng.permutation(np.tile(pool, 4))

    def build(b: Builder) -> dict[str, Value]:
        x, y = leaves(b, [("x", t, xs), ("y", t, ys)], stateful)
        out = {op: b.op(op, t, x, y) for op in ("add", "sub", "mul", "min", "max", "div")}
        out |= {op: b.op(op, t, x) for op in ("neg", "abs", "sqrt")}
        out["muladd"] = b.add(out["mul"], y, t)  # would differ if it were contracted
        out["div3"] = b.op("div", t, x, b.const(3.0, t))  # and here if by the reciprocal
        out |= {op: b.compare(op, x, y) for op in ("eq", "ne", "lt", "le", "gt", "ge")}
        out["nan"] = b.op("div", t, b.sub(x, x, t), b.const(0.0, t))
        out["inf"] = b.op("div", t, x, b.const(0.0, t))
        out["nanless"] = b.compare("lt", out["nan"], x)
        out["nanmax"] = b.op("max", t, out["nan"], x)
        out["choice"] = b.select(out["lt"], x, y)
        out["to32"], out["to64"] = b.cast(x, F32), b.cast(x, F64)
        for name, source in (("x", x), ("nan", out["nan"]), ("inf", out["inf"])):
            for bits, signed in (*WIDTHS, (26, True), (54, True), (55, True)):
                for r in ("floor", "toward_zero", "half_even", "half_away"):
                    out[f"{name}{bits}{signed:d}{r}"] = b.cast(
                        source, Int(bits, signed), rounding=r, overflow="saturate"
                    )
        return out

    check(program(build, len(xs)), 1, modes=(True,))


def test_float_limits_of_integers(check) -> None:
    """2**k is a float, 2**k - 1 often is not."""
    for t in (F32, F64):
        xs = np.array([s * 2.0**k for k in range(20, 64) for s in (1, -1)])
        near = np.nextafter(xs.astype(t.storage), t.storage.type(0))
        xs = np.concatenate([xs, near]).astype(t.storage)

        def build(b: Builder, t=t, xs=xs) -> dict[str, Value]:
            x = b.param("x", t, xs)
            return {
                f"i{k}{s:d}": b.cast(x, Int(k, s), rounding="half_even", overflow="saturate")
                for k in range(20, 64)
                for s in (True, False)
            }

        check(program(build, len(xs)), 1, modes=(True,))


def ulps(a: np.ndarray, b: np.ndarray) -> int:
    """Largest distance in units in the last place; infinities and NaNs must agree."""
    odd = ~(np.isfinite(a) & np.isfinite(b))
    np.testing.assert_array_equal(a[odd], b[odd])
    kind = np.int32 if a.dtype == np.float32 else np.int64
    x, y = (v[~odd].view(kind).astype(object) for v in (a, b))
    low = -(2 ** (31 if kind is np.int32 else 63))
    order = [np.where(v < 0, low - v, v) for v in (x, y)]
    return int(np.abs(order[0] - order[1]).max(initial=0))


@pytest.mark.parametrize("t", [F32, F64])
def test_transcendentals_within_2_ulp(t, run_torch) -> None:
    rng = np.random.default_rng(2)
    xs = np.concatenate(
        [
            FLOATS,
            rng.uniform(-30, 30, 20000),
            rng.uniform(-1e-3, 1e-3, 5000),
            np.exp(rng.uniform(-80, 80, 5000)),
        ]
    ).astype(t.storage)

    def build(b: Builder) -> dict[str, Value]:
        x = b.param("x", t, xs)
        return {op: b.op(op, t, x) for op in ("exp", "expm1", "log")}

    p = program(build, len(xs))
    want = ReferenceRun(p)(initial_state(p), None, 0, 1)[1]
    got = run_torch(p, initial_state(p), None, 0, 1)[1]
    for key, x in want.traces.items():
        assert ulps(x, got.traces[key]) <= 2, key
