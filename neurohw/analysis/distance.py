"""How far two recordings of one population are apart, train by train.

Victor-Purpura's distance is the price of turning one train into the other; van Rossum's that of
the two as filtered signals. Both are taken between a neuron's train and the same neuron's in the
other recording. Where no spike is missing or added, the shift of the first spikes says more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurohw.analysis.trains import Source, Trains, shared, trains
from neurohw.errors import NeurohwError

__all__ = ["LatencyShift", "latency_shift", "van_rossum", "victor_purpura"]


@dataclass(frozen=True, eq=False)
class LatencyShift:
    """Shift of the first spikes of the second recording against the first.

    Attributes
    ----------
    shift : float64 [T, N]
        In seconds, later is positive; NaN where a train of the pair is empty.
    lost, gained : int
        Trains with spikes in the first recording alone, and in the second alone.
    """

    shift: np.ndarray
    lost: int
    gained: int

    @property
    def median(self) -> float:
        """Of all shifts; NaN if there are none."""
        return float(np.nanmedian(self.shift)) if np.isfinite(self.shift).any() else math.nan

    @property
    def largest(self) -> float:
        """The largest absolute shift; NaN if there are none."""
        some = np.abs(self.shift[np.isfinite(self.shift)])
        return float(some.max()) if some.size else math.nan


def victor_purpura(a: Source, b: Source, population: str = "", *, cost: float) -> np.ndarray:
    """Least price of turning each train into its counterpart: float64 ``[T, N]``.

    Adding or removing a spike costs 1, shifting one by a time t costs ``cost * t``
    (Victor and Purpura, J. Neurophysiol. 76:1310, 1996).

    Parameters
    ----------
    a, b : Recording or Trains
        Of the same trials and neurons; compared over the span that they share.
    cost : float
        Per second, at least 0. 0 counts spikes; beyond 2/dt nothing is ever shifted.

    Raises
    ------
    NeurohwError
        If trials, neurons or steps differ, or the cost is negative or not finite.
    """
    if not (math.isfinite(cost) and cost >= 0):
        raise NeurohwError("cost", got=cost, allowed="at least 0 per second")
    x, y = _pair(a, b, population)
    out = np.zeros(x.shape)
    for at, s, t in _trains(x, y):
        out[at] = _price(s * x.dt, t * x.dt, cost)
    return out


def _price(s: np.ndarray, t: np.ndarray, cost: float) -> float:
    """Row by row of the table of prices of all beginnings; the minimum along a row is a running
    one once the price of additions is taken off."""
    j = np.arange(len(t) + 1)
    row = j.astype(np.float64)
    for time in s:
        best = row + 1
        np.minimum(best[1:], row[:-1] + cost * np.abs(t - time), out=best[1:])
        row = np.minimum.accumulate(best - j) + j
    return float(row[-1])


def van_rossum(a: Source, b: Source, population: str = "", *, tau: float) -> np.ndarray:
    """Distance of each train and its counterpart, filtered by an exponential: float64 ``[T, N]``.

    The root of ``1/tau`` times the integrated square of the difference, times two, so that a single
    spike more or less is a distance of 1 (van Rossum, Neural Comput. 13:751, 2001, has 1/2).

    Parameters
    ----------
    a, b : Recording or Trains
        Of the same trials and neurons; compared over the span that they share.
    tau : float
        Time constant in seconds, above 0.

    Raises
    ------
    NeurohwError
        If trials, neurons or steps differ, or tau is not above 0.
    """
    if not (math.isfinite(tau) and tau > 0):
        raise NeurohwError("tau", got=tau, allowed="above 0 s")
    x, y = _pair(a, b, population)
    out = np.zeros(x.shape)
    for at, s, t in _trains(x, y):
        out[at] = _filtered(s, t, x.dt / tau)
    return out


def _filtered(s: np.ndarray, t: np.ndarray, step: float) -> float:
    """The integral, interval by interval, of the squared difference of the two filtered trains."""
    steps, where = np.unique(np.concatenate([s, t]), return_inverse=True)
    jump = np.bincount(where, np.concatenate([np.ones(len(s)), -np.ones(len(t))]), len(steps))
    total = height = 0.0
    for k, up in enumerate(jump):
        height += up
        if k + 1 == len(jump):
            return math.sqrt(total + height**2)
        gap = step * float(steps[k + 1] - steps[k])
        total += height**2 * -math.expm1(-2 * gap)
        height *= math.exp(-gap)
    return 0.0


def latency_shift(a: Source, b: Source, population: str = "") -> LatencyShift:
    """By how much the first spikes of the second recording come later.

    Raises
    ------
    NeurohwError
        If trials, neurons or steps differ.
    """
    x, y = _pair(a, b, population)
    first = [_first(t) for t in (x, y)]
    with np.errstate(invalid="ignore"):
        shift = (first[1] - first[0]) * x.dt
    has = [np.isfinite(f) for f in first]
    shift[~(has[0] & has[1])] = np.nan
    lost, gained = np.count_nonzero(has[0] & ~has[1]), np.count_nonzero(has[1] & ~has[0])
    return LatencyShift(shift, int(lost), int(gained))


def _first(t: Trains) -> np.ndarray:
    out = np.full(t.shape, np.inf)
    np.minimum.at(out, (t.trial, t.neuron), t.step.astype(np.float64))
    return out


def _pair(a: Source, b: Source, population: str) -> tuple[Trains, Trains]:
    x, y = shared(trains(a, population), trains(b, population))
    if not np.array_equal(x.neurons, y.neurons):
        raise NeurohwError(
            "not the same neurons",
            where=f"{x.population}, {y.population}",
            got=f"{len(x.neurons)} and {len(y.neurons)} of them",
        )
    return x, y


def _trains(x: Trains, y: Trains):
    """((trial, neuron), steps of the one, steps of the other) of every pair with any spike."""
    ends = [np.searchsorted(t.train, np.arange(t.shape[0] * t.shape[1] + 1)) for t in (x, y)]
    for k in range(x.shape[0] * x.shape[1]):
        s, t = (u.step[e[k] : e[k + 1]] for u, e in zip((x, y), ends, strict=True))
        if len(s) or len(t):
            yield divmod(k, x.shape[1]), s, t
