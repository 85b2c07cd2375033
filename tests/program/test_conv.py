"""Convolutions: their geometry, their weights one by one, their bounds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from neurohw.program import F32, Conv, Dense, Edge, Int, Program, freeze, parse
from neurohw.program.intervals import weight_sums
from neurohw.reference import fan_out

I8 = Int(8)
CASES = [
    (stride, padding, dilation, groups)
    for stride, padding, dilation, groups in itertools.product(
        [(1, 1), (2, 3)], [(0, 0), (1, 2)], [(1, 1), (2, 1)], [1, 2]
    )
]


def make(stride, padding, dilation, groups, seed: int = 0) -> Conv:
    rng = np.random.default_rng(seed)
    data = freeze(rng.integers(-128, 128, (4, 4 // groups, 2, 3)), I8)
    return Conv(I8, data, (4, 5, 6), stride, padding, dilation, groups)


def matrix(w: Conv) -> np.ndarray:
    """All weights by the definition of ``docs/program.md``, one at a time."""
    (outs, height, width), (ins, rows, columns) = w.output_shape, w.input_shape
    full = np.zeros((outs, height, width, ins, rows, columns), np.int64)
    mine = ins // w.groups
    for o, y, x in np.ndindex(outs, height, width):
        first = o // (outs // w.groups) * mine
        for i, r, q in np.ndindex(mine, *w.data.shape[2:]):
            v = y * w.stride[0] + r * w.dilation[0] - w.padding[0]
            u = x * w.stride[1] + q * w.dilation[1] - w.padding[1]
            if 0 <= v < rows and 0 <= u < columns:
                full[o, y, x, first + i, v, u] = w.data[o, i, r, q]
    return full.reshape(w.shape)


@pytest.mark.parametrize("how", CASES, ids=str)
def test_weights_one_by_one(how) -> None:
    w = make(*how)
    full, s = matrix(w), w.to_sparse()
    assert w.shape == s.shape == full.shape
    found = np.zeros(full.shape, np.int64)
    for j in range(w.shape[1]):
        row = slice(s.indptr[j], s.indptr[j + 1])
        assert np.all(np.diff(s.indices[row]) > 0)
        found[s.indices[row], j] = s.data[row]
        targets, weights = fan_out(w, j)
        assert np.array_equal(targets, s.indices[row])
        assert np.array_equal(weights, s.data[row])
    assert np.array_equal(found, full)


@pytest.mark.parametrize("value", [(0, 1), (-128, 127), (-3, -1)])
@pytest.mark.parametrize("how", CASES, ids=str)
def test_bounds_are_those_of_the_full_matrix(how, value) -> None:
    w = make(*how)
    full = Dense(Int(16), freeze(matrix(w), Int(16)))
    assert weight_sums(w, value) == weight_sums(full, value)


def test_against_scipy() -> None:
    """One channel, full padding: what SciPy calls correlation."""
    signal = pytest.importorskip("scipy.signal")
    rng = np.random.default_rng(4)
    kernel, image = rng.integers(-9, 10, (3, 2)), rng.integers(-9, 10, (5, 6))
    w = Conv(I8, freeze(kernel[None, None], I8), (1, 5, 6), padding=(2, 1))
    got = (matrix(w) @ image.ravel()).reshape(w.output_shape[1:])
    assert np.array_equal(got, signal.correlate2d(image, kernel))


def test_text_and_equality() -> None:
    from neurohw.program import Builder

    w = Conv(F32, freeze(np.full((2, 1, 1, 3), 0.1), F32), (2, 1, 9), padding=(0, 1), groups=2)
    q = Builder("A", 18)
    x = q.port("in", F32)
    q.spike(q.compare("gt", x, q.const(0.0, F32)))
    p = Program("p", populations=(q.build(),), edges=(Edge("A", "A", "in", w, 1),))
    assert parse(p.text) == p
    assert parse(p.text).edges[0].weights.stride == (1, 1)
    sparse = p.without_conv()
    assert sparse != p and sparse.without_conv() is sparse
    with pytest.raises(Exception, match="cannot read this line"):
        parse(p.text.replace('"groups":2', '"groups":2,"bias":1'))
