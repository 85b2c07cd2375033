"""Runs a program on the reference and on the torch backend, and compares all that comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

import numpy as np
import pytest

import neurohw_torch
from neurohw.program import Conv, Probes, Program, RunState, concat, initial_state, parse
from neurohw.reference import ReferenceRun

BOTH = (True, False)  # event-driven, and as on a GPU: never looking at a spike


def run_torch(
    p: Program,
    state: RunState,
    inputs: Mapping[str, np.ndarray] | None,
    t0: int,
    steps: int,
    *,
    event_driven: bool = True,
    fused: bool = False,
    splits: Sequence[int] = (),
) -> tuple[RunState, Probes]:
    """Run on the CPU, in parts that end at ``splits`` (steps since ``t0``).

    ``fused``: by Triton kernels, which Triton's interpreter runs.
    """
    run = neurohw_torch.backend("cpu", event_driven=event_driven, fused=fused).compile(p)
    assert run.path == "fused" if fused else run.path.startswith("eager")
    ends, out, a = [*splits, steps], None, 0
    for b in ends:
        part = {k: v[a:b] for k, v in (inputs or {}).items()}
        state, probes = run(state, part, t0 + a, b - a)
        out = probes if out is None else concat(out, probes)
        a = b
    assert out is not None
    return state, out


def same(a: np.ndarray, b: np.ndarray, what: str) -> None:
    """Same type, shape and bits (NaNs are equal; the sign of a zero does not count)."""
    assert a.dtype == b.dtype, (what, a.dtype, b.dtype)
    assert a.shape == b.shape, (what, a.shape, b.shape)
    np.testing.assert_array_equal(a, b, err_msg=what)


def assert_same(want: tuple[RunState, Probes], got: tuple[RunState, Probes]) -> None:
    """Everything that two runs returned is the same, bit for bit."""
    (s, p), (r, q) = want, got
    same(s.trials, r.trials, "trials")
    for kind in ("values", "history"):
        x, y = getattr(s, kind), getattr(r, kind)
        assert x.keys() == y.keys()
        for k in x:
            same(x[k], y[k], f"{kind} {k}")
    assert (p.t0, p.steps) == (q.t0, q.steps)
    assert p.events.keys() == q.events.keys()
    for k in p.events:
        for column in ("trial", "step", "element"):
            same(getattr(p.events[k], column), getattr(q.events[k], column), f"{k} {column}")
    assert p.traces.keys() == q.traces.keys()
    for k in p.traces:
        same(p.traces[k], q.traces[k], f"trace {k}")
    assert p.moments.keys() == q.moments.keys()
    for k, m in p.moments.items():
        assert m.count == q.moments[k].count
        same(m.mean, q.moments[k].mean, f"mean {k}")
        same(m.m2, q.moments[k].m2, f"m2 {k}")
    assert p.ledger == q.ledger


def check(
    p: Program,
    steps: int,
    inputs: Mapping[str, np.ndarray] | None = None,
    *,
    t0: int = 0,
    trials: Sequence[int] | None = None,
    splits: Sequence[int] = (),
    modes: Sequence[bool] = BOTH,
    fused: bool = True,
    state: RunState | None = None,
) -> tuple[RunState, Probes]:
    """Assert that torch gives what the reference gives, and return that.

    Run operation by operation in each of the ``modes``, and where there is Triton by its kernels,
    unless edges carry values or are convolutions, which the kernels do not know.
    """
    assert parse(p.text) == p
    state = state or initial_state(p, trials)
    want = ReferenceRun(p)(state, inputs, t0, steps)
    for mode in modes:
        got = run_torch(p, state, inputs, t0, steps, event_driven=mode, splits=splits)
        assert_same(want, got)
    known = not any(e.value or isinstance(e.weights, Conv) for e in p.edges)
    if fused and known and steps and find_spec("triton"):
        assert_same(want, run_torch(p, state, inputs, t0, steps, fused=True, splits=splits))
    return want


@pytest.fixture(name="check")
def check_fixture() -> Callable[..., tuple[RunState, Probes]]:
    """:func:`check`; fixtures, for test modules cannot import each other."""
    return check


@pytest.fixture(name="run_torch")
def run_torch_fixture() -> Callable[..., tuple[RunState, Probes]]:
    return run_torch


@pytest.fixture(name="assert_same")
def assert_same_fixture() -> Callable[..., None]:
    return assert_same
