"""The yardsticks: ulps, the drift budget of float trajectories, exact comparison of probes.

One definition for the conformance suite and for the comparator.

**Drift budget.** Each step adds rounding errors of the order of ``eps / 2 * scale`` per operation
with no preferred sign, which in the worst linear case, an integrator, add up as a random walk:
after ``t + 1`` steps ``FACTOR * eps * scale * sqrt(t + 1)``, with ``scale`` the largest magnitude
met so far. ``FACTOR`` = 64 is 8 standard deviations for 64 unit-gain errors of ``eps / 2 * scale``
(half width of a uniform error, sigma = eps / 2 / sqrt(3)) a step, twice over. The bound is for
dynamics that do not amplify errors.

**Moments** are sums whose order nobody promises: with n trials, ``e = 2**-52`` and ``m`` the
largest magnitude that the reference's moments admit, a mean may differ by ``8 n e m`` and a sum of
squares by ``16 n e (m2 + sqrt(n m2) |mean|) + n (8 n e m)**2``, the bounds of a streaming
algorithm.

NaN equals NaN and -0.0 equals 0.0: a program fixes neither a NaN's payload nor the sign of
``min(0.0, -0.0)``.
"""

from __future__ import annotations

import numpy as np

from neurohw.program import Events, Float, LedgerRow, Moments, Probes

__all__ = [
    "CAP",
    "FACTOR",
    "arrays_differ",
    "drift_budget",
    "events_differ",
    "ledger_differs",
    "moments_differ",
    "probes_differ",
    "ulps",
]

FACTOR = 64.0
CAP = 0.01  # share of trials x populations that near-ties may excuse (or one, if that is less)
EPS = 2.0**-52


def drift_budget(dtype: Float, scale: float, t: int) -> float:
    """How far a float may have drifted after ``t + 1`` steps with values up to ``scale``."""
    eps = float(np.finfo(dtype.storage).eps)
    return FACTOR * eps * scale * float(np.sqrt(t + 1.0))


def ulps(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """``|got - want|`` in units in the last place of ``want``, inf where only one is a number.

    Below the smallest normal number the unit is that of the smallest normal number.
    """
    storage = want.dtype
    info = np.finfo(storage)
    with np.errstate(all="ignore"):
        a, b = (np.clip(x.astype(np.longdouble), -info.max, info.max) for x in (got, want))
        unit = np.spacing(np.maximum(np.abs(b), info.tiny).astype(storage))
        out = (np.abs(a - b) / unit).astype(np.float64)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    return np.where(same, 0.0, np.where(np.isnan(out), np.inf, out))


def arrays_differ(what: str, got: np.ndarray, want: np.ndarray) -> str:
    """Say where two arrays differ first; empty if nowhere."""
    got = np.asarray(got)
    if got.shape != want.shape:
        return f"{what}: shape {got.shape}, reference {want.shape}"
    if got.dtype != want.dtype:
        return f"{what}: type {got.dtype}, reference {want.dtype}"
    same = got == want
    if want.dtype.kind == "f":
        same |= np.isnan(got) & np.isnan(want)
    if same.all():
        return ""
    at = tuple(int(i) for i in np.argwhere(~same)[0])
    return f"{what}{list(at)}: {got[at]}, reference {want[at]} ({int((~same).sum())} differ)"


def _rows(e: Events) -> np.ndarray:
    return np.stack([e.trial, e.step, e.element], axis=1)


def events_differ(name: str, got: Events, want: Events) -> str:
    """Spikes, in their order."""
    a, b = _rows(got), _rows(want)
    if a.shape == b.shape and np.array_equal(a, b):
        return ""
    left, right = set(map(tuple, a.tolist())), set(map(tuple, b.tolist()))
    extra, missing = sorted(left - right)[:1], sorted(right - left)[:1]
    if not extra and not missing:
        return f"spikes of {name}: not in the order (trial, step, element)"
    return (
        f"spikes of {name}: {len(a)}, reference {len(b)}; first wrong (trial, step, element) "
        f"{extra}, first missing {missing}"
    )


def moments_differ(key: str, got: Moments, want: Moments) -> str:
    """Counts exactly, means and sums of squares up to the order of summation."""
    if got.count != want.count:
        return f"moments {key}: count {got.count}, reference {want.count}"
    n, mean, m2 = want.count, want.mean, want.m2
    if got.mean.shape != mean.shape or got.m2.shape != m2.shape:
        return f"moments {key}: shape {got.mean.shape}, reference {mean.shape}"
    with np.errstate(all="ignore"):
        wide = 8 * n * EPS * (np.abs(mean) + np.sqrt(m2))
        squares = 16 * n * EPS * (m2 + np.sqrt(n * m2) * np.abs(mean)) + n * wide**2
        for what, a, b, limit in (
            ("mean", got.mean, mean, wide),
            ("m2", got.m2, m2, squares),
        ):
            bad = np.isfinite(b) & ~(np.abs(a - b) <= limit)
            if bad.any():
                at = tuple(int(i) for i in np.argwhere(bad)[0])
                return f"moments {key}.{what}{list(at)}: {a[at]}, reference {b[at]}"
    return ""


def ledger_differs(key: str, got: LedgerRow, want: LedgerRow) -> str:
    """Count, first event and extremes."""
    a, b = ((r.count, r.first and tuple(r.first), r.low, r.high) for r in (got, want))
    return "" if a == b else f"ledger {key}: {got}, reference {want}"


def probes_differ(got: Probes, want: Probes) -> str:
    """Say where what two runs recorded differs first; empty if nowhere."""
    for what in ("events", "traces", "moments", "ledger"):
        a, b = getattr(got, what), getattr(want, what)
        if set(a) != set(b):
            return f"{what}: {sorted(a)}, reference {sorted(b)}"
    if (got.t0, got.steps) != (want.t0, want.steps):
        return f"span: {got.t0, got.steps}, reference {want.t0, want.steps}"
    for name, e in want.events.items():
        if problem := events_differ(name, got.events[name], e):
            return problem
    for key, trace in want.traces.items():
        if problem := arrays_differ(f"trace {key}", got.traces[key], trace):
            return problem
    for key, moments in want.moments.items():
        if problem := moments_differ(key, got.moments[key], moments):
            return problem
    for key, row in want.ledger.items():
        if problem := ledger_differs(key, got.ledger[key], row):
            return problem
    return ""
