"""exp, expm1 and log of the native backend, against NumPy in a wider type and mpmath."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numba import njit

import neurohw as nh
from neurohw.testing import examine
from neurohw.testing.cases import Case
from neurohw_native import NativeBackend, vmath

F4, F8 = np.float32, np.float64
OPS, TYPES = ("exp", "expm1", "log"), (F4, F8)
SHORT = "" if np.finfo(np.longdouble).nmant >= 63 else "long double is float64 here"
ULP = 1
"""Largest distance from the correctly rounded result: of all 2**32 arguments in float32, and of
2 * 10**7 each in float64."""


@functools.cache
def loop(op: str, dtype: type) -> Callable[[np.ndarray, np.ndarray], None]:
    f = getattr(vmath, f"{op}_{'f4' if dtype is F4 else 'f8'}")

    def run(x: np.ndarray, y: np.ndarray) -> None:
        for i in range(len(x)):
            y[i] = f(x[i])

    return njit(error_model="numpy")(run)


def ours(op: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    loop(op, x.dtype.type)(x, y)
    return y


def order(x: np.ndarray) -> np.ndarray:
    """Place of a float among all floats of its type: neighbours differ by 1, both zeros are 0."""
    bits = x.view(np.int32 if x.dtype == F4 else np.int64)
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits)


def check(op: str, x: np.ndarray) -> None:
    wide = F8 if x.dtype == F4 else np.longdouble
    if x.dtype == F8 and SHORT:
        pytest.skip(SHORT)
    with np.errstate(all="ignore"):
        want = getattr(np, op)(x.astype(wide)).astype(x.dtype)
    got = ours(op, x)
    nan = np.isnan(want)
    assert np.array_equal(np.isnan(got), nan)
    far = np.abs(order(got) - order(want)) > ULP
    bad = (far | (np.signbit(got) != np.signbit(want))) & ~nan
    assert not bad.any(), (x[bad][:5], got[bad][:5], want[bad][:5])


@pytest.mark.parametrize("op", OPS)
def test_float32_of_every_binade(op: str) -> None:
    bits = np.arange(1 << 20, dtype=np.uint32) << 12  # sign, exponent and 11 bits, then chance
    bits |= np.random.default_rng(1).integers(0, 1 << 12, bits.size, dtype=np.uint32)
    check(op, bits.view(F4))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(("low", "high"), [(-104, -87), (-20, 89), (-1, 1), (0.6, 1.5)])
def test_float32_where_it_matters(op: str, low: float, high: float) -> None:
    check(op, np.random.default_rng(2).uniform(low, high, 100_000).astype(F4))


@pytest.mark.parametrize("op", OPS)
def test_float64_against_long_double(op: str) -> None:
    rng = np.random.default_rng(3)
    bits = np.arange(1 << 17, dtype=np.uint64) << 47
    bits |= rng.integers(0, 1 << 47, bits.size, dtype=np.uint64)
    check(op, bits.view(F8))
    for low, high in ((-746, -708), (-40, 710), (-1, 1), (0.34, 0.42), (0.6, 1.5)):
        check(op, rng.uniform(low, high, 50_000))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", OPS)
def test_against_mpmath(op: str, dtype: type) -> None:
    mpmath = pytest.importorskip("mpmath")
    low = {"exp": np.log(np.finfo(dtype).tiny), "expm1": -20.0, "log": 0.0}[op]
    x = np.random.default_rng(4).uniform(low, np.log(np.finfo(dtype).max), 2000).astype(dtype)
    x[:300] /= dtype(1e4)
    got = ours(op, x)
    with mpmath.workprec(150):
        exact = [getattr(mpmath, op)(mpmath.mpf(float(v))) for v in x]
        error = [abs(mpmath.mpf(float(g)) - e) for g, e in zip(got, exact, strict=True)]
    assert max(float(e) / np.spacing(np.abs(g)) for e, g in zip(error, got, strict=True)) <= 1.5


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("op", OPS)
def test_edges(op: str, dtype: type) -> None:
    info = np.finfo(dtype)
    ends = [info.max, info.tiny, info.smallest_subnormal, info.eps, 1, np.sqrt(0.5), np.sqrt(2)]
    ends += [np.log(F8(v)) for v in (info.max, info.tiny, info.smallest_subnormal)]  # of exp
    ends += [np.log(F8(info.smallest_subnormal)) - np.log(2)]  # half of which is rounded to 0
    ends += [k * np.log(2) for k in (0.5, 1, 1.5, 127.5, 128, 1023.5, 1024)]  # of a reduction
    x = np.array([0.0, np.inf, *ends]).astype(dtype)
    with np.errstate(over="ignore"):
        x = np.concatenate([np.nextafter(x, -dtype(np.inf)), x, np.nextafter(x, dtype(np.inf))])
    x = np.concatenate([x, -x, [dtype(np.nan)]])
    check(op, x)


@pytest.mark.parametrize("dtype", TYPES)
def test_special_values(dtype: type) -> None:
    inf, nan = dtype(np.inf), dtype(np.nan)
    x = np.array([0.0, -0.0, inf, -inf, nan, -1.0, 1000.0, -1000.0], dtype)
    for op, want in (
        ("exp", [1, 1, inf, 0, nan, ours("exp", x)[5], inf, 0]),
        ("expm1", [0, -0.0, inf, -1, nan, ours("expm1", x)[5], inf, -1]),
        ("log", [-inf, -inf, inf, nan, nan, nan, ours("log", x)[6], nan]),
    ):
        want = np.array(want, dtype)
        got = ours(op, x)
        assert np.array_equal(got, want, equal_nan=True), op
        assert np.array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0])), op


def test_loops_become_vector_instructions() -> None:
    for op in OPS:
        for dtype, name in ((F4, "float"), (F8, "double")):
            ours(op, np.ones(4, dtype))
            (text,) = loop(op, dtype).inspect_llvm().values()
            assert re.search(rf"fmul <\d+ x {name}>", text), (op, name)
            assert not re.search(r"@(llvm\.)?(exp|expm1|log|fma|fmuladd)[.f(]", text), (op, name)


def digest() -> str:
    """Of the bits of results that take every path."""
    found = hashlib.sha256()
    rng = np.random.default_rng(5)
    for dtype in TYPES:
        x = np.concatenate([rng.uniform(-110, 95, 4096), rng.uniform(-800, 720, 4096)])
        x = np.concatenate([x, x / 1e3, np.exp(x[:4096] / 2)]).astype(dtype)
        for op in OPS:
            y = ours(op, x)
            found.update(np.where(np.isnan(y), dtype(0), y).tobytes())
    return found.hexdigest()


def test_an_older_cpu_gives_the_same_bits() -> None:
    """Without fused operations and wide registers: what numba compiles when told so."""
    here = os.path.dirname(__file__)
    code = f"import sys; sys.path.insert(0, {here!r})\nimport test_native_vmath as t\n"
    code += "print(t.digest())"
    env = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    run = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == digest()


def test_hodgkin_huxley_conforms() -> None:
    net = nh.Network("hh")
    net.population("N", nh.HodgkinHuxley(size=40, I_bias=np.linspace(8e-6, 15e-6, 40)))
    program = nh.lower(net, "float32", dt=2e-5, method="exponential").program
    source = NativeBackend().compile(program).kernels[0][0].source
    assert "exp_f4(" in source and "expm1_f4(" in source and "np.exp" not in source
    case = Case("hodgkin_huxley", program, steps=40)
    result = examine(NativeBackend(), case, ("ops", "step"))
    assert not result.failures, result.failures[0]
    assert result.passed == ["ops", "step"]
    assert 0 < max(result.ulps.values()) <= 4
