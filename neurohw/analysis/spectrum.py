"""The population rate as a signal, and its power spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.analysis.correlation import binned
from neurohw.analysis.trains import Source, trains, whole_steps
from neurohw.errors import NeurohwError

__all__ = ["Spectrum", "population_rate", "power_spectrum"]

_BLOCK = 1 << 22  # numbers of a dense block: 32 MB


@dataclass(frozen=True, eq=False)
class Spectrum:
    """One-sided power spectral density of a population's rate.

    Attributes
    ----------
    frequency : float64 [F]
        In Hz, from 0 to ``1 / (2 bin_width)``.
    power, sem : float64 [F]
        Mean over trials in Hz^2/Hz, and its standard error over trials (NaN for one trial).
    bin_width : float
        Of the rate, in s.
    segment : float
        Length of Welch's segments in s; ``1 / segment`` is the resolution in Hz.
    """

    frequency: np.ndarray
    power: np.ndarray
    sem: np.ndarray
    bin_width: float
    segment: float


def population_rate(
    source: Source, population: str = "", *, bin_width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes per neuron and second in each trial.

    Parameters
    ----------
    source, population
        As for `trains`.
    bin_width : float
        In s, a whole number of steps. Steps left at the end that fill no bin are not used.

    Returns
    -------
    time : float64 [bins]
        Start of each bin, network time in s.
    rate : float64 [T, bins]
        In Hz.
    """
    t = trains(source, population)
    width = whole_steps(t, bin_width, "bin_width")
    rate = binned(t, width, 0, t.shape[0]) / (t.shape[1] * width * t.dt)
    return (t.first + width * np.arange(rate.shape[1])) * t.dt, rate


def power_spectrum(
    source: Source,
    population: str = "",
    *,
    bin_width: float,
    segment: float | None = None,
    overlap: float = 0.5,
    window: Any = "hann",
) -> Spectrum:
    """Power spectral density of the population rate, by Welch's method.

    ``scipy.signal.welch`` on each trial's `population_rate`, the mean of each segment taken off;
    then the mean over trials. For N independent Poisson processes of rate r it is 2 r / N at every
    frequency above 0.

    Parameters
    ----------
    source, population
        As for `trains`.
    bin_width : float
        In s, a whole number of steps.
    segment : float, optional
        In s, rounded down to bins. Default: 8 segments, with their overlap, cover the run.
    overlap : float
        Part of a segment that the next one repeats, 0 <= overlap < 1.
    window : str, tuple or array
        As for ``scipy.signal.get_window``.

    Raises
    ------
    NeurohwError
        If bin, segment or overlap do not fit.
    """
    from scipy.signal import welch

    t = trains(source, population)
    width = whole_steps(t, bin_width, "bin_width")
    trials, bins = t.shape[0], t.steps // width
    if not 0 <= overlap < 1:
        raise NeurohwError("power_spectrum: overlap", got=overlap, allowed="0 <= overlap < 1")
    if segment is None:
        length = int(bins / (8 - overlap * 7))
    else:
        length = whole_steps(t, segment, "segment") // width
    if not 2 <= length <= bins:
        raise NeurohwError("power_spectrum: segment", got=f"{length} bins", allowed=f"2..{bins}")
    to_rate = 1 / (t.shape[1] * width * t.dt)
    mean = squares = np.zeros(length // 2 + 1)
    frequency, done = mean, 0
    block = max(_BLOCK // bins, 1)
    for lo in range(0, trials, block):
        hi = min(lo + block, trials)
        frequency, power = welch(
            binned(t, width, lo, hi) * to_rate,
            fs=1 / (width * t.dt),
            window=window,
            nperseg=length,
            noverlap=int(length * overlap),
        )
        n, part = hi - lo, power.mean(axis=0)
        delta, done = part - mean, done + n  # merged as in `moments`
        mean = mean + delta * (n / done)
        squares = squares + ((power - part) ** 2).sum(0) + delta**2 * (n * (done - n) / done)
    sem = np.sqrt(squares / (trials - 1) / trials) if trials > 1 else np.full(len(mean), np.nan)
    return Spectrum(frequency, mean, sem, width * t.dt, length * width * t.dt)
