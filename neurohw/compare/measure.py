"""How much two runs agree: spike trains and traces, in network time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Events

from .entry import Entry, Series
from .numeric import ulps

__all__ = [
    "SpikeMeasure",
    "TraceMeasure",
    "best_lag",
    "coincidences",
    "common",
    "measure_spikes",
    "measure_traces",
    "train_keys",
]


@dataclass(frozen=True)
class SpikeMeasure:
    """Agreement of a population's spikes.

    Attributes
    ----------
    overlap : float
        Jaccard index: spikes shared (same trial, neuron and step) over all spikes; 1 if there are
        none.
    overlap_window : float
        The same, but a spike may meet one that lies up to ``window`` steps away; each meets one.
    lag : int
        Steps by which the second's trains come later, where most spikes coincide.
    """

    population: str
    count_a: int
    count_b: int
    overlap: float
    overlap_window: float
    window: int
    lag: int


@dataclass(frozen=True)
class TraceMeasure:
    """Difference of a trace, physical (``unit``); ``ulp`` where both are floats of one type."""

    population: str
    variable: str
    largest: float
    rms: float
    unit: str
    ulp: float | None


def train_keys(e: Events, size: int, first: int, span: int) -> np.ndarray:
    """One ascending int64 per spike; trains (trial, neuron) lie at least ``span`` apart."""
    trial, step = e.trial.astype(np.int64), e.step.astype(np.int64)
    return np.sort((trial * size + e.element) * span + (step - first))


def coincidences(a: np.ndarray, b: np.ndarray, window: int) -> int:
    """Largest number of pairs that lie at most ``window`` apart, each spike in one pair at most.

    ``a`` and ``b`` ascending. Taking the earliest partner still free is optimal on a line.
    """
    if window == 0:
        return len(np.intersect1d(a, b))
    left, right = a.tolist(), b.tolist()
    i = j = met = 0
    while i < len(left) and j < len(right):
        d = left[i] - right[j]
        if -window <= d <= window:
            met, i, j = met + 1, i + 1, j + 1
        elif d < 0:
            i += 1
        else:
            j += 1
    return met


def best_lag(a: np.ndarray, b: np.ndarray, limit: int) -> int:
    """The shift in ``-limit..limit`` at which most of ``b`` coincide with ``a``; ties: smallest.

    The maximum of the cross-correlation of the trains, computed from the pairs that lie within
    the limit.
    """
    if limit <= 0 or not len(a) or not len(b):
        return 0
    lo, hi = np.searchsorted(b, a - limit), np.searchsorted(b, a + limit, side="right")
    number = hi - lo
    counts = np.zeros(2 * limit + 1, np.int64)
    for k in range(int(number.max(initial=0))):
        rows = number > k
        counts += np.bincount(b[lo[rows] + k] - a[rows] + limit, minlength=2 * limit + 1)
    lags = np.arange(-limit, limit + 1)
    order = np.lexsort((lags, np.abs(lags), -counts))
    return int(lags[order[0]])


def _jaccard(met: int, a: int, b: int) -> float:
    return met / (a + b - met) if a + b else 1.0


def common(a: Entry, b: Entry) -> list[str]:
    """Populations whose spikes both recorded, sources before what they drive."""
    return [n for n in a.program.order if n in a.probes.events and n in b.probes.events]


def measure_spikes(a: Entry, b: Entry, *, window: float, lag: float) -> tuple[SpikeMeasure, ...]:
    """For each population both recorded; ``window`` and the largest ``lag`` in seconds."""
    dt, out = a.program.dt, []
    w, limit = round(window / dt), min(round(lag / dt), a.probes.steps - 1)
    for name in common(a, b):
        x, y = a.spikes(name), b.spikes(name)
        size = a.program.population(name).size
        first = a.probes.t0 - max(a.latency(name), b.latency(name))
        span = 2 * a.probes.steps + 2 * (limit + w) + 2
        p, q = train_keys(x, size, first, span), train_keys(y, size, first, span)
        exact, near = coincidences(p, q, 0), coincidences(p, q, w)
        m, n = len(p), len(q)
        overlaps = _jaccard(exact, m, n), _jaccard(near, m, n)
        out.append(SpikeMeasure(name, m, n, *overlaps, w, best_lag(p, q, limit)))
    return tuple(out)


def aligned(x: Series, y: Series) -> tuple[np.ndarray, slice, slice]:
    """Steps both sampled, and where they lie in each (probes of one period, so one slice)."""
    steps, i, j = np.intersect1d(x.steps, y.steps, assume_unique=True, return_indices=True)
    if not len(steps):
        return steps, slice(0), slice(0)

    def span(k: np.ndarray) -> slice:
        stride = int(k[1] - k[0]) if len(k) > 1 else 1
        return slice(int(k[0]), int(k[-1]) + 1, stride)

    return steps, span(i), span(j)


def measure_traces(a: Entry, b: Entry) -> tuple[TraceMeasure, ...]:
    """Largest and root-mean-square difference of every trace both recorded."""
    out = []
    for key, x in a.series.items():
        y = b.series.get(key)
        steps, i, j = (np.zeros(0), slice(0), slice(0)) if y is None else aligned(x, y)
        if y is None or not len(steps):
            continue
        d = y.values[j] - x.values[i]
        ulp = None
        if x.raw.dtype == y.raw.dtype and x.raw.dtype.kind == "f":
            ulp = float(ulps(y.raw[j], x.raw[i]).max(initial=0.0))
        with np.errstate(all="ignore"):
            largest = float(np.abs(d).max(initial=0.0))
            rms = float(np.sqrt(np.mean(d**2))) if d.size else 0.0
        out.append(TraceMeasure(*key, largest, rms, x.probe.unit, ulp))
    return tuple(out)
