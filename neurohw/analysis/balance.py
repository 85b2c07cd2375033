"""Excitation against inhibition: how strong each is, and how far one follows the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.errors import NeurohwError
from neurohw.recording import Recording

__all__ = ["Balance", "balance", "balance_of"]


@dataclass(frozen=True, eq=False)
class Balance:
    """Excitation and inhibition of each neuron.

    Attributes
    ----------
    excitatory, inhibitory : float64 [T, N]
        Means over time, in ``unit``.
    ratio : float64 [T, N]
        ``excitatory / inhibitory``; inf or NaN where there is no inhibition.
    correlation : float64 [T, N]
        Pearson correlation over time; NaN where one of them is constant.
    mean_ratio, mean_correlation : float
        The ratio of the means over neurons and trials; the mean of those correlations that are not
        NaN.
    unit : str
        Of the means.
    """

    excitatory: np.ndarray
    inhibitory: np.ndarray
    ratio: np.ndarray
    correlation: np.ndarray
    mean_ratio: float
    mean_correlation: float
    unit: str


def balance_of(excitatory: np.ndarray, inhibitory: np.ndarray, *, unit: str = "") -> Balance:
    """Balance of two arrays of strengths.

    Parameters
    ----------
    excitatory, inhibitory : float [samples, T, N]
        The more, the stronger: conductances, or currents of which the inhibitory one has been
        given a positive sign. Then balance shows as a ratio near 1 (of currents) and a correlation
        towards 1.
    unit : str
        A label.

    Raises
    ------
    NeurohwError
        If the shapes differ or there is no sample.
    """
    e, i = (np.asarray(x, np.float64) for x in (excitatory, inhibitory))
    if e.shape != i.shape or e.ndim != 3 or not len(e):
        raise NeurohwError(
            "balance", got=f"shapes {e.shape} and {i.shape}", allowed="two of [samples, T, N]"
        )
    varies = (np.ptp(e, axis=0) > 0) & (np.ptp(i, axis=0) > 0)
    mean_e, mean_i = e.mean(axis=0), i.mean(axis=0)
    e, i = e - mean_e, i - mean_i
    cross, squares = (e * i).sum(axis=0), (e**2).sum(axis=0) * (i**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, correlation = mean_e / mean_i, cross / np.sqrt(squares)
        overall = float(mean_e.mean() / mean_i.mean())
    correlation = np.where(varies, correlation, np.nan)
    mean = float(correlation[varies].mean()) if varies.any() else np.nan
    return Balance(mean_e, mean_i, ratio, correlation, overall, mean, unit)


def balance(
    recording: Recording,
    population: str,
    *,
    excitatory: str = "g_E",
    inhibitory: str = "g_I",
    reversal: tuple[float, float] | None = None,
    start: float | None = None,
    stop: float | None = None,
) -> Balance:
    """Excitation and inhibition of a population, from the traces of both.

    Parameters
    ----------
    recording, population
        Traces of both variables were recorded, of each trial.
    excitatory, inhibitory : str
        The variables.
    reversal : (float, float), optional
        Reversal potentials E_E and E_I in V. The variables are then conductances and strengths are
        currents in A: ``g_E (E_E - v)``, which depolarises, and ``g_I (v - E_I)``, which
        hyperpolarises; v must have been recorded as well. Without it the variables are taken as
        they are.
    start, stop : float, optional
        Only samples with ``start <= t < stop``, in s of network time.

    Raises
    ------
    ProgramError
        If a variable was not recorded.
    NeurohwError
        If the variables were not sampled alike, or no sample is left.
    """
    names = [excitatory, inhibitory] + (["v"] if reversal else [])
    traces = [recording.trace(population, name) for name in names]
    if any(not np.array_equal(x.step, traces[0].step) for x in traces):
        raise NeurohwError("not sampled alike", where=population, got=", ".join(names))
    step = traces[0].step.values - recording.latency.get(population, 0)
    slack = 1e-6 * recording.dt
    keep, time = step >= 0, step * recording.dt
    if start is not None:
        keep &= time >= start - slack
    if stop is not None:
        keep &= time < stop - slack
    e, i, *rest = (x.values[keep] for x in traces)
    if not reversal:
        return balance_of(e, i, unit=traces[0].attrs["units"])
    (v,) = rest
    return balance_of(e * (reversal[0] - v), i * (v - reversal[1]), unit="A")
