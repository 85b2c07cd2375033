"""How often neurons spike: counts, rates, histograms over time and over neurons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.analysis.trains import Source, cells, trains, whole_steps
from neurohw.errors import NeurohwError

__all__ = [
    "PSTH",
    "Fano",
    "Histogram",
    "Rates",
    "counts",
    "fano_factor",
    "psth",
    "rate_distribution",
    "rates",
    "spiking_fraction",
    "standard_error",
]


def standard_error(samples: np.ndarray) -> np.ndarray:
    """``s / sqrt(n)`` over the first axis, s with n - 1; NaN where n is 1."""
    n = len(samples)
    if n < 2:
        return np.full(samples.shape[1:], np.nan)
    return np.std(samples, axis=0, ddof=1) / np.sqrt(n)


@dataclass(frozen=True, eq=False)
class Rates:
    """Firing rates in Hz: spikes per neuron and second.

    Attributes
    ----------
    mean, sem : float
        Over neurons and trials, and its standard error over trials (NaN for one trial).
    per_trial : float64 [T]
        Mean over neurons.
    per_neuron, per_neuron_sem : float64 [N]
        Mean over trials, and its standard error.
    duration : float
        Of the counting, in s.
    """

    mean: float
    sem: float
    per_trial: np.ndarray
    per_neuron: np.ndarray
    per_neuron_sem: np.ndarray
    duration: float


@dataclass(frozen=True, eq=False)
class PSTH:
    """Peristimulus time histogram.

    Attributes
    ----------
    edges : float64 [bins + 1]
        Network time in s.
    rate, sem : float64 [bins]
        Spikes per neuron and second in Hz, and the standard error over trials.
    bin_width : float
        In s.
    """

    edges: np.ndarray
    rate: np.ndarray
    sem: np.ndarray
    bin_width: float


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often values fell between ``edges`` (float64 [bins + 1]); ``count`` int64 [bins]."""

    edges: np.ndarray
    count: np.ndarray

    @property
    def density(self) -> np.ndarray:
        """Per unit of the edges; its integral is 1. NaN if nothing was counted."""
        total = self.count.sum()
        return self.count / (total or np.nan) / np.diff(self.edges)


@dataclass(frozen=True, eq=False)
class Fano:
    """Variance of spike counts over their mean.

    Attributes
    ----------
    factor : float64 [windows, N] (over trials) or [T, N] (over windows)
        NaN where there was no spike.
    mean : float
        Of those that are not NaN; NaN if all are.
    window : float
        In s.
    over : {"trials", "windows"}
        What the variance is taken over.
    ddof : int
        Its divisor is n - ddof.
    """

    factor: np.ndarray
    mean: float
    window: float
    over: str
    ddof: int


def counts(source: Source, population: str = "") -> np.ndarray:
    """Spikes of each neuron in each trial, int64 ``[T, N]``; arguments as for `trains`."""
    t = trains(source, population)
    return np.bincount(t.train, minlength=t.shape[0] * t.shape[1]).reshape(t.shape)


def rates(source: Source, population: str = "") -> Rates:
    """Firing rates: spikes over duration. Arguments as for `trains`.

    The standard error is that over trials, s / sqrt(T).
    """
    t = trains(source, population)
    each = counts(t) / t.duration
    per_trial = each.mean(axis=1)
    return Rates(
        float(per_trial.mean()),
        float(standard_error(per_trial)),
        per_trial,
        each.mean(axis=0),
        standard_error(each),
        t.duration,
    )


def psth(source: Source, population: str = "", *, bin_width: float) -> PSTH:
    """Rate against time, averaged over neurons and trials.

    Parameters
    ----------
    source, population
        As for `trains`; its neurons are averaged.
    bin_width : float
        In s, a whole number of steps. Steps left at the end that fill no bin are not used.

    Raises
    ------
    NeurohwError
        If the bin is no whole number of steps, or longer than the trains.
    """
    t = trains(source, population)
    width = whole_steps(t, bin_width, "bin_width")
    (trials, neurons), bins = t.shape, t.steps // width
    slot = t.step // width
    inside = slot < bins
    key, n = cells(t.trial[inside] * bins + slot[inside])
    # Sums over trials of counts and of their squares: whole numbers, so nothing cancels.
    total = np.bincount(key % bins, weights=n, minlength=bins)
    squares = np.bincount(key % bins, weights=n.astype(np.float64) ** 2, minlength=bins)
    to_rate = 1 / (neurons * width * t.dt)
    sem = np.full(bins, np.nan)
    if trials > 1:
        sem = np.sqrt((trials * squares - total**2) / (trials - 1)) / trials * to_rate
    edges = (t.first + width * np.arange(bins + 1)) * t.dt
    return PSTH(edges, total / trials * to_rate, sem, width * t.dt)


def spiking_fraction(source: Source, population: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Fraction of the trials in which a neuron spikes, step by step.

    A number between 0 and 1 that is proportional to dt, not a rate: see `psth` for Hz.

    Returns
    -------
    time : float64 [steps]
        Network time in s.
    fraction : float64 [steps, N]
    """
    t = trains(source, population)
    trials, neurons = t.shape
    n = np.bincount(t.step * neurons + t.neuron, minlength=t.steps * neurons)
    return (t.first + np.arange(t.steps)) * t.dt, n.reshape(t.steps, neurons) / trials


def rate_distribution(source: Source, population: str = "", *, bins: Any = 20) -> Histogram:
    """Histogram over neurons of their rate (Hz, mean over trials).

    Parameters
    ----------
    source, population
        As for `trains`.
    bins : int, str or array
        As for ``numpy.histogram``: a number of bins, a rule, or edges in Hz.
    """
    count, edges = np.histogram(rates(source, population).per_neuron, bins=bins)
    return Histogram(edges, count)


def fano_factor(
    source: Source,
    population: str = "",
    *,
    window: float | None = None,
    over: str = "trials",
    ddof: int = 1,
) -> Fano:
    """Fano factor of spike counts in windows, for each neuron.

    Parameters
    ----------
    source, population
        As for `trains`.
    window : float, optional
        In s, a whole number of steps; default: the whole span. Steps left at the end are not used.
    over : {"trials", "windows"}
        The variance over trials, for each window, does not see a rate that changes in time; that
        over windows, for each trial, does.
    ddof : int
        The variance is divided by n - ddof; `elephant.statistics.fanofactor` takes 0.

    Raises
    ------
    NeurohwError
        If the window does not fit or `over` is unknown.
    """
    if over not in ("trials", "windows"):
        raise NeurohwError("fano_factor: over", got=over, allowed="trials, windows")
    t = trains(source, population)
    width = t.steps if window is None else whole_steps(t, window, "window")
    (trials, neurons), windows = t.shape, t.steps // width
    slot = t.step // width
    inside = slot < windows
    key, c = cells((t.trial[inside] * windows + slot[inside]) * neurons + t.neuron[inside])
    if over == "trials":
        n, rows, group = trials, windows, key % (windows * neurons)
    else:
        n, rows, group = windows, trials, key // (windows * neurons) * neurons + key % neurons
    total = np.bincount(group, weights=c, minlength=rows * neurons)
    squares = np.bincount(group, weights=c.astype(np.float64) ** 2, minlength=rows * neurons)
    factor = np.full(rows * neurons, np.nan)
    some = total > 0
    if n > ddof:
        factor[some] = (n * squares[some] - total[some] ** 2) / ((n - ddof) * total[some])
    good = factor[~np.isnan(factor)]
    mean = float(good.mean()) if len(good) else np.nan
    return Fano(factor.reshape(rows, neurons), mean, width * t.dt, over, ddof)
