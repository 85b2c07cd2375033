"""Times between spikes: intervals, their variability, bursts.

An interval lies between two successive spikes of one neuron in one trial; none crosses trials.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurohw.analysis.rates import Histogram, standard_error
from neurohw.analysis.trains import Source, Trains, trains, whole_steps
from neurohw.errors import NeurohwError

__all__ = [
    "Bursts",
    "Intervals",
    "Variation",
    "bursts",
    "cv",
    "interval_distribution",
    "intervals",
    "lv",
]


@dataclass(frozen=True, eq=False)
class Intervals:
    """Inter-spike intervals.

    Attributes
    ----------
    value : float64 [intervals]
        In s, ascending in (trial, neuron, time).
    trial, neuron : int64 [intervals]
        Indices, as in `Trains`.
    """

    value: np.ndarray
    trial: np.ndarray
    neuron: np.ndarray


@dataclass(frozen=True, eq=False)
class Variation:
    """A measure of how irregular trains are, and three ways to say it in one number.

    Attributes
    ----------
    per_train : float64 [T, N]
        Of each neuron in each trial; NaN where there are too few intervals.
    mean, sem : float
        Of ``per_train`` over all trains that have a value; and the standard error, over trials,
        of the trial's mean (NaN for less than two trials with a value).
    trains : int
        How many trains have a value.
    per_neuron : float64 [N]
        From the intervals of all trials of a neuron.
    pooled : float
        From all intervals at once: differences of rate between neurons count as irregularity.
    """

    per_train: np.ndarray
    mean: float
    sem: float
    trains: int
    per_neuron: np.ndarray
    pooled: float


@dataclass(frozen=True, eq=False)
class Bursts:
    """Bursts; see `bursts` for what is one.

    Attributes
    ----------
    fraction, fraction_sem : float
        Spikes that belong to a burst over all spikes, all trains together, and its standard error
        over trials. NaN if there is no spike.
    rate, rate_sem : float
        Bursts per second and neuron, and its standard error over trials.
    short : float
        Fraction of the intervals that are below ``limit``, whatever they are part of.
    size : float
        Mean number of spikes in a burst.
    count : int64 [T, N]
        Bursts.
    spikes_in_bursts, spikes : int64 [T, N]
        Spikes that belong to a burst; all spikes.
    limit : float
        In s.
    least : int
        Fewest spikes of a burst.
    """

    fraction: float
    fraction_sem: float
    rate: float
    rate_sem: float
    short: float
    size: float
    count: np.ndarray
    spikes_in_bursts: np.ndarray
    spikes: np.ndarray
    limit: float
    least: int


def _gaps(t: Trains) -> tuple[np.ndarray, np.ndarray]:
    """Intervals in steps, and the train of each."""
    train = t.train
    inner = train[1:] == train[:-1]
    return np.diff(t.step)[inner], train[1:][inner]


def intervals(source: Source, population: str = "") -> Intervals:
    """Inter-spike intervals of all trains. Arguments as for `trains`."""
    t = trains(source, population)
    gap, train = _gaps(t)
    return Intervals(gap * t.dt, *np.divmod(train, t.shape[1]))


def interval_distribution(
    source: Source, population: str = "", *, bin_width: float, longest: float | None = None
) -> Histogram:
    """Histogram of the intervals of all trains.

    Intervals are whole numbers of steps and so are the bins, so none is split between two: a bin
    holds ``edge <= interval < next edge``.

    Parameters
    ----------
    source, population
        As for `trains`.
    bin_width : float
        In s, a whole number of steps.
    longest : float, optional
        In s; longer intervals are not counted. Default: all are.
    """
    t = trains(source, population)
    width = whole_steps(t, bin_width, "bin_width")
    gap, _ = _gaps(t)
    last = gap.max(initial=0) + 1 if longest is None else round(longest / t.dt)
    bins = max(math.ceil(last / width), 1)
    slot = gap // width
    count = np.bincount(slot[slot < bins], minlength=bins)
    return Histogram(np.arange(bins + 1) * width * t.dt, count)


def cv(source: Source, population: str = "", *, ddof: int = 1) -> Variation:
    """Coefficient of variation: standard deviation of the intervals over their mean.

    1 for a Poisson process, 0 for a regular train. ``mean`` is the usual number: one value for
    each neuron and trial, then the mean over them.

    Parameters
    ----------
    source, population
        As for `trains`.
    ddof : int
        The variance is divided by n - ddof; `elephant.statistics.cv` takes 0 unless told. A train
        of one interval has no value either way.
    """

    def of(gap: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
        n = np.bincount(group, minlength=size)
        out = np.full(size, np.nan)
        some = n > max(ddof, 1)
        mean = np.divide(np.bincount(group, gap, size), n, where=some, out=np.ones(size))
        squares = np.bincount(group, (gap - mean[group]) ** 2, size)
        out[some] = np.sqrt(squares[some] / (n[some] - ddof)) / mean[some]
        return out

    t = trains(source, population)
    return _variation(t, *_gaps(t), of)


def lv(source: Source, population: str = "") -> Variation:
    """Local variation: the mean of ``3 ((I_k - I_k+1) / (I_k + I_k+1))^2``.

    Shinomoto, Shima & Tanji, "Differences in spiking patterns among cortical neurons" (2003). 1
    for a Poisson process; unlike `cv`, a slow change of rate does not raise it. Only intervals
    that follow each other in one train are paired. Arguments as for `trains`.
    """

    def of(value: np.ndarray, group: np.ndarray, size: int) -> np.ndarray:
        n = np.bincount(group, minlength=size)
        return np.divide(np.bincount(group, value, size), n, where=n > 0, out=np.full(size, np.nan))

    t = trains(source, population)
    gap, train = _gaps(t)
    same = train[1:] == train[:-1]
    a, b = gap[:-1][same], gap[1:][same]
    return _variation(t, 3 * ((a - b) / (a + b)) ** 2, train[1:][same], of)


def _variation(
    t: Trains,
    value: np.ndarray,
    train: np.ndarray,
    of: Callable[[np.ndarray, np.ndarray, int], np.ndarray],
) -> Variation:
    trials, neurons = t.shape
    per_train = of(value, train, trials * neurons).reshape(t.shape)
    good = ~np.isnan(per_train)
    some = good.any(axis=1)
    per_trial = np.where(good, per_train, 0).sum(axis=1)[some] / good.sum(axis=1)[some]
    mean = float(per_train[good].mean()) if good.any() else np.nan
    sem = float(standard_error(per_trial))
    per_neuron = of(value, train % neurons, neurons)
    pooled = float(of(value, np.zeros_like(train), 1)[0])
    return Variation(per_train, mean, sem, int(good.sum()), per_neuron, pooled)


def bursts(source: Source, population: str = "", *, limit: float = 5e-3, least: int = 2) -> Bursts:
    """Bursts, by the length of intervals.

    A burst is a longest possible run of at least `least` spikes of one train in which each spike
    follows the one before in less than `limit`. A train of rate r has short intervals by chance: a
    Poisson process ``1 - exp(-r limit)`` of them.

    Parameters
    ----------
    source, population
        As for `trains`.
    limit : float
        In s, greater than 0; an interval of exactly `limit` is not short.
    least : int
        Fewest spikes of a burst, at least 2.

    Raises
    ------
    NeurohwError
        If `limit` or `least` is out of range.
    """
    if not limit > 0 or least < 2:
        raise NeurohwError(
            "bursts: limit or least", got=f"{limit:g} s, {least}", allowed="> 0 s, 2 or more"
        )
    t = trains(source, population)
    train, total = t.train, t.shape[0] * t.shape[1]
    same = train[1:] == train[:-1]
    below = same & (np.diff(t.step) < limit / t.dt * (1 - 1e-9))
    begins = np.flatnonzero(np.concatenate(([True], ~below))[: len(t)])
    length = np.diff(np.append(begins, len(t)))
    is_burst = length >= least
    owner, length = train[begins][is_burst], length[is_burst]
    count = np.bincount(owner, minlength=total).reshape(t.shape)
    inside = np.bincount(owner, length, total).astype(np.int64).reshape(t.shape)
    spikes = np.bincount(train, minlength=total).reshape(t.shape)
    fraction, error = _ratio(inside.sum(axis=1), spikes.sum(axis=1))
    per_trial = count.mean(axis=1) / t.duration
    return Bursts(
        fraction,
        error,
        float(per_trial.mean()),
        float(standard_error(per_trial)),
        float(below.sum() / (same.sum() or np.nan)),
        float(length.mean()) if len(length) else np.nan,
        count,
        inside,
        spikes,
        limit,
        least,
    )


def _ratio(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Sum of a over sum of b, and its standard error over trials.

    The error of a ratio of means to first order: ``s(a - ratio b) / (sqrt(T) mean(b))`` (Cochran,
    "Sampling Techniques", 3rd ed., section 2.11).
    """
    if not b.sum():
        return np.nan, np.nan
    ratio = a.sum() / b.sum()
    return float(ratio), float(standard_error(a - ratio * b) / b.mean())
