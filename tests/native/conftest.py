"""What several test files of the native backend need: small programs, and a comparison."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import neurohw_native
from neurohw.program import (
    Builder,
    Dense,
    Int,
    OneToOne,
    Population,
    Program,
    Sparse,
    freeze,
    initial_state,
)
from neurohw.reference import ReferenceRun

I24 = Int(24)


def equal(p: Program, steps: int, *, trials=None, t0: int = 0, inputs=None) -> int:
    """Compare all events, traces, states and ledgers with the reference; return the events."""
    state = initial_state(p, trials)
    a, x = ReferenceRun(p)(state, inputs, t0, steps)
    b, y = neurohw_native.backend().compile(p)(state, inputs, t0, steps)
    for k in a.values:
        np.testing.assert_array_equal(a.values[k], b.values[k], strict=True)
    for k in a.history:
        np.testing.assert_array_equal(a.history[k], b.history[k], strict=True)
    assert x.events.keys() == y.events.keys() and x.ledger == y.ledger
    for k in x.events:
        for n in ("trial", "step", "element"):
            np.testing.assert_array_equal(getattr(x.events[k], n), getattr(y.events[k], n))
    for k in x.traces:
        np.testing.assert_array_equal(x.traces[k], y.traces[k], strict=True)
    return sum(len(e) for e in x.events.values())


def noisy(name: str, size: int, *, threshold: int = 9000, port: bool = False) -> Population:
    """Leaky integrator with integer noise, and an input port where wanted."""
    b = Builder(name, size)
    v = b.state("v", I24)
    x = b.shr(b.mul(v, b.const(3900, Int(13)), Int(40)), 12, I24, rounding="toward_zero")
    x = b.add(x, b.normal("noise"), I24, overflow="saturate")
    if port:
        x = b.add(x, b.port("in", Int(20), "saturate"), I24, overflow="saturate")
    s = b.compare("gt", x, b.const(threshold, I24))
    b.write("v", b.select(s, b.const(0, I24), x), name="v")
    b.spike(s)
    return b.build()


def weights(kind: str, n: int, seed: int) -> Dense | Sparse | OneToOne:
    rng = np.random.default_rng(seed)
    t = Int(14)
    if kind == "one":
        return OneToOne(t, freeze(rng.integers(-3000, 3000, n), t))
    data = rng.integers(-3000, 3000, (n, n))
    if kind == "dense":
        return Dense(t, freeze(data, t))
    mask = rng.random((n, n)) < 0.3
    ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return Sparse(t, ptr, np.nonzero(mask)[1], freeze(data[mask], t), n)


@pytest.fixture
def kit() -> SimpleNamespace:
    """``equal``, ``noisy`` and ``weights``, above."""
    return SimpleNamespace(equal=equal, noisy=noisy, weights=weights)
