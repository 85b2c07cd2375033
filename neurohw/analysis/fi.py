"""The f-I curve: firing rate against current."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.analysis.rates import counts, standard_error
from neurohw.analysis.trains import Source, trains
from neurohw.errors import NeurohwError

__all__ = ["FICurve", "fi_curve"]


@dataclass(frozen=True, eq=False)
class FICurve:
    """Firing rate against current.

    Attributes
    ----------
    current : float64 [M]
        Distinct currents in A, ascending.
    rate, sem : float64 [M]
        Spikes over duration in Hz, and the standard error over trials (NaN for one trial).
    from_intervals : float64 [M]
        One over the mean interval in Hz: exact for a regular train, however short the run. NaN
        where there was no interval.
    """

    current: np.ndarray
    rate: np.ndarray
    sem: np.ndarray
    from_intervals: np.ndarray


def fi_curve(source: Source, population: str = "", *, current: np.ndarray) -> FICurve:
    """Rate against current, from one run of neurons that differ in their current.

    Parameters
    ----------
    source, population
        As for `trains`; give ``start`` there to leave out a transient.
    current : float [N]
        Current of each neuron in A, e.g. its ``I_bias``. Neurons of equal current are averaged.

    Raises
    ------
    NeurohwError
        If there is not one current per neuron.
    """
    t = trains(source, population)
    given = np.asarray(current, np.float64)
    if given.shape != t.shape[1:]:
        raise NeurohwError(
            "not one current per neuron",
            where=t.population,
            got=f"shape {given.shape}",
            allowed=f"({t.shape[1]},)",
        )
    values, which = np.unique(given, return_inverse=True)
    same = np.bincount(which)
    each = counts(t) / t.duration
    by_current = np.stack([np.bincount(which, row) / same for row in each])
    train = t.train
    inner = np.diff(train) == 0
    gap, of = np.diff(t.step)[inner], which[t.neuron[1:][inner]]
    number = np.bincount(of, minlength=len(values))
    total = np.bincount(of, gap, len(values)) * t.dt
    exact = np.full(len(values), np.nan)
    exact[number > 0] = number[number > 0] / total[number > 0]
    return FICurve(values, by_current.mean(axis=0), standard_error(by_current), exact)
