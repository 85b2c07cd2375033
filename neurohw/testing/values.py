"""Strategies for types, numbers, arrays, weights and inputs."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from neurohw.program import (
    BOOL,
    Conv,
    Dense,
    DType,
    Float,
    Int,
    OneToOne,
    Program,
    Sparse,
    Weights,
    freeze,
)

__all__ = ["arranged", "float_values", "int_types", "int_values", "param_data", "random_inputs"]
__all__ += ["weights"]

LANDMARKS = sorted(
    {s * (1 << k) + d for k in (0, 7, 12, 23, 31, 32, 62) for s in (-1, 1) for d in (-1, 0, 1)}
)
Draw = Any


def int_types(top: int = 63) -> st.SearchStrategy[Int]:
    """Int types, chip widths first; unsigned ones too."""
    bits = st.one_of(
        st.sampled_from([b for b in (8, 12, 16, 17, 24, 25, 32, 33, 48, 63) if b <= top]),
        st.integers(1, top),
    )
    return st.builds(Int, bits, st.booleans())


def int_values(lo: int, hi: int) -> st.SearchStrategy[int]:
    """Integers of a range, mostly its ends and what lies around 2**23, 2**31 and so on."""
    marks = sorted({x for x in [*LANDMARKS, lo, hi] if lo <= x <= hi}, key=abs)
    return st.one_of(st.sampled_from(marks), st.integers(lo, hi))


def float_values(dtype: Float) -> st.SearchStrategy[float]:
    return st.floats(-64.0, 64.0, width=32 if dtype.bits == 32 else 64) | st.sampled_from(
        [0.0, 0.5, 1.0, -1.0, 2.0**23]
    )


def param_data(draw: Draw, dtype: DType, size: int, trials: int) -> np.ndarray:
    shape = draw(st.sampled_from([(), (size,), (trials, 1), (trials, size)]))
    if dtype == BOOL:
        one: st.SearchStrategy = st.booleans()
    elif isinstance(dtype, Float):
        one = float_values(dtype)
    else:
        one = int_values(dtype.lo, dtype.hi)
    n = int(np.prod(shape))
    flat = draw(st.lists(one, min_size=n, max_size=n))
    return freeze(np.array(flat, dtype.storage).reshape(shape), dtype)


def weights(draw: Draw, dtype: DType, source: int, target: int) -> Weights:
    """Weights of every kind: dense, sparse, one to one, a convolution."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["dense", "sparse", "conv"] + ["one"] * (source == target)))
    if kind == "conv":
        return _conv(draw, rng, dtype, source, target)
    if isinstance(dtype, Int):
        full = rng.integers(dtype.lo, dtype.hi + 1, (target, source))
    else:
        full = rng.normal(0, 1, (target, source))
    return arranged(rng, kind, dtype, full)


def _conv(draw: Draw, rng: np.random.Generator, dtype: DType, source: int, target: int) -> Conv:
    """A convolution between populations of these sizes; there always is one."""
    inputs, outputs = draw(st.sampled_from(_shapes(source))), draw(st.sampled_from(_shapes(target)))
    sides = [draw(st.sampled_from(_sides(*x))) for x in zip(inputs[1:], outputs[1:], strict=True)]
    kernel, stride, padding, dilation = zip(*sides, strict=True)
    both = [g for g in range(1, 6) if inputs[0] % g == outputs[0] % g == 0]
    groups = draw(st.sampled_from(both))
    shape = outputs[0], inputs[0] // groups, *kernel
    data = (
        rng.integers(dtype.lo, dtype.hi + 1, shape)
        if isinstance(dtype, Int)
        else rng.normal(0, 1, shape)
    )
    return Conv(dtype, freeze(data, dtype), inputs, stride, padding, dilation, groups)


def _shapes(size: int) -> list[tuple[int, int, int]]:
    """(channels, height, width) of so many elements."""
    ways = [(c, h) for c in range(1, size + 1) for h in range(1, size + 1)]
    return [(c, h, size // (c * h)) for c, h in ways if size % (c * h) == 0]


@functools.cache
def _sides(source: int, target: int) -> list[tuple[int, int, int, int]]:
    """(kernel, stride, padding, dilation) that take one length to another."""
    ways = itertools.product(range(1, 7), range(1, 4), range(6), range(1, 3))
    return [
        (k, s, p, d)
        for k, s, p, d in ways
        if source + 2 * p >= d * (k - 1) + 1
        and (source + 2 * p - d * (k - 1) - 1) // s + 1 == target
    ]


def arranged(rng: np.random.Generator, kind: str, dtype: DType, full: np.ndarray,
             keep: int = 0) -> Weights:  # fmt: skip
    """``full`` as such (dense), thinned (sparse, but for ``[:keep, :keep]``), or its diagonal."""
    if kind == "one":
        return OneToOne(dtype, freeze(full.diagonal(), dtype))
    if kind == "dense":
        return Dense(dtype, freeze(full, dtype))
    mask = rng.random(full.T.shape) < 0.6
    mask[:keep, :keep] = True
    indptr = freeze(np.concatenate([[0], mask.sum(1).cumsum()]), Int(64))
    indices = freeze(np.nonzero(mask)[1], Int(64))
    return Sparse(dtype, indptr, indices, freeze(full.T[mask], dtype), len(full))


def random_inputs(draw: Draw, p: Program, steps: int) -> dict[str, np.ndarray] | None:
    """Arrays for some of the externals, from a drawn seed."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    out = {}
    for q in p.populations:
        for x in q.externals:
            shapes = [(steps, q.size), (steps, 1, q.size), (steps, p.trials, q.size)]
            shape = draw(st.sampled_from(shapes))
            if x.dtype == BOOL:
                data = rng.random(shape) < 0.4
            elif isinstance(x.dtype, Float):
                data = rng.normal(0, 4, shape).astype(x.dtype.storage)
            else:
                data = rng.integers(x.dtype.lo, x.dtype.hi, shape, endpoint=True)
                ends = rng.choice([x.dtype.lo, x.dtype.hi], shape)
                data = np.where(rng.random(shape) < 0.3, ends, data).astype(x.dtype.storage)
            if x.events is None or draw(st.booleans()):
                out[f"{q.name}.{x.name}"] = data
    return out or None
