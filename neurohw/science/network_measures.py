"""Numbers of each network: rates, irregularity, correlation, spectra, balance.

Every function takes a :class:`~neurohw.science.network_model.Group` and returns arrays whose first
axis counts its networks, so that a spread over networks is a spread over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neurohw.analysis.balance import balance_of
from neurohw.analysis.correlation import cross_correlogram, pairwise_correlation
from neurohw.analysis.intervals import cv
from neurohw.analysis.rates import fano_factor, rates
from neurohw.analysis.spectrum import population_rate, power_spectrum
from neurohw.analysis.trains import Trains, trains
from neurohw.science.figure import Progress, quiet
from neurohw.science.network_model import DELAY, SETS, SIZES, Group, Settings, groups

__all__ = [
    "BIN", "BINS", "LAG", "STATISTICS", "Runs", "each", "independent", "one", "recurrent_input",
    "simulate",
]  # fmt: skip

BIN = 5e-3
"""Bin (s) of the mean pairwise correlation."""
BINS = (1e-3, 2e-3, 5e-3, 10e-3, 20e-3)
FAST = 1e-3  # s, bin in which synchrony is judged
WINDOW = 0.1  # s, of spike counts
RESOLVE, SEGMENT = 5e-4, 0.1  # s, bin and segment of spectra
LAG = 10e-3  # s

Numbers = dict[str, np.ndarray]


def one(t: Trains, at: int) -> Trains:
    """The trains of a single trial, by its index."""
    span = slice(*np.searchsorted(t.trial, (at, at + 1)))
    columns = {"trial": t.trial[span] * 0, "neuron": t.neuron[span], "step": t.step[span]}
    return replace(t, trials=t.trials[at : at + 1], **columns)


def independent(t: Trains) -> Trains:
    """Every neuron of every trial as a trial of its own: nothing is left but single trains."""
    train = t.train
    return replace(
        t, trials=np.arange(t.shape[0] * t.shape[1]), neurons=np.arange(1), trial=train,
        neuron=np.zeros_like(train),
    )  # fmt: skip


def each(group: Group, name: str = "all") -> list[Trains]:
    """Trains of each network."""
    t = group.trains[name]
    return [one(t, k) for k in range(len(t.trials))]


def _rates(group: Group) -> Numbers:
    t = group.trains
    middle = t["all"].start + t["all"].duration / 2
    halves = (trains(t["all"], stop=middle), trains(t["all"], start=middle))
    early, late = (rates(half).per_trial for half in halves)
    names = {"rate": "all", "rate_E": "E", "rate_I": "I"}
    return {k: rates(t[v]).per_trial for k, v in names.items()} | {"drift": late - early}


def _irregularity(group: Group) -> Numbers:
    t = group.trains["all"]
    fano = fano_factor(t, window=WINDOW, over="windows").factor
    return {"cv": np.nanmean(cv(t).per_train, axis=1), "fano": np.nanmean(fano, axis=1)}


def _correlation(group: Group) -> Numbers:
    """Mean over pairs in :data:`BIN`."""
    return {"correlation": np.array([pairwise_correlation(t, bin_width=BIN).mean
                                     for t in each(group)])}  # fmt: skip


def _bins(group: Group) -> Numbers:
    """Mean correlation ``[network, bin]`` for each of :data:`BINS`."""
    return {"correlation_by_bin": np.array(
        [[pairwise_correlation(t, bin_width=b).mean for b in BINS] for t in each(group)]
    )}  # fmt: skip


def _synchrony(group: Group) -> Numbers:
    """Variance of the population's count over the sum of its neurons' variances."""
    t = group.trains["all"]
    networks, neurons = t.shape
    together = population_rate(t, bin_width=FAST)[1].var(axis=1) * neurons**2
    alone = population_rate(independent(t), bin_width=FAST)[1].var(axis=1)
    return {"synchrony": together / alone.reshape(networks, neurons).sum(axis=1)}


def _spectra(group: Group) -> Numbers:
    """Power of the population rate, and what it would be if trains were independent."""
    t = group.trains["all"]
    alone = power_spectrum(independent(t), bin_width=RESOLVE, segment=SEGMENT).power / t.shape[1]
    power = [power_spectrum(x, bin_width=RESOLVE, segment=SEGMENT).power for x in each(group)]
    return {"power": np.array(power), "alone": np.tile(alone, (len(power), 1))}


def _correlogram(group: Group) -> Numbers:
    """Coefficient of E (first) with I in steps, lags up to :data:`LAG`."""
    pairs = zip(each(group, "E"), each(group, "I"), strict=True)
    found = [cross_correlogram(a, b, bin_width=a.dt, max_lag=LAG).coefficient for a, b in pairs]
    return {"correlogram": np.array(found)}


def recurrent_input(group: Group, at: int, bin_width: float) -> np.ndarray:
    """Input of network number `at` of a group as tau dV/dt in V: ``[E or I, bins, neurons]``.

    The inhibitory part is negative. A bin holds the input that arrives in it, the delay included.
    """
    t = one(group.trains["all"], at)
    width = round(bin_width / t.dt)
    bins = t.steps // width
    slot = (t.step + round(DELAY / t.dt)) // width
    inside = slot < bins
    n = sum(SIZES.values())
    count = np.bincount(slot[inside] * n + t.neuron[inside], minlength=bins * n).reshape(bins, n)
    at_source = {"E": count[:, : SIZES["E"]], "I": count[:, SIZES["E"] :]}
    wires = group.wiring[at]
    weights = {a: np.concatenate([wires[a, b].toarray() for b in SIZES]) for a in SIZES}
    scale = group.settings.tau / bin_width
    return np.stack([at_source[a] @ weights[a].T * scale for a in SIZES])


def _balance(group: Group) -> Numbers:
    """Recurrent E over I, their correlation in time, and the mean of all input, R I in V."""
    found = [recurrent_input(group, k, BIN)[:, 1:, None] for k in range(len(group.numbers))]
    parts = [balance_of(e, -i, unit="V") for e, i in found]
    drive = np.repeat(group.settings.drive, list(SIZES.values()))
    net = [float((p.excitatory - p.inhibitory + drive).mean()) for p in parts]
    excitation = [float((p.excitatory + drive).mean()) for p in parts]
    return {
        "recurrent_ratio": np.array([p.mean_ratio for p in parts]),
        "input_correlation": np.array([p.mean_correlation for p in parts]),
        "net_input": np.array(net),
        "all_excitation": np.array(excitation),
    }


STATISTICS: Mapping[str, Callable[[Group], Numbers]] = {
    "rates": _rates,
    "irregularity": _irregularity,
    "correlation": _correlation,
    "bins": _bins,
    "synchrony": _synchrony,
    "spectra": _spectra,
    "correlogram": _correlogram,
    "balance": _balance,
}


@dataclass(frozen=True, eq=False)
class Runs:
    """What the networks of all sets did.

    Attributes
    ----------
    seed, count : int
        Networks ``0 .. count - 1`` of that seed.
    numbers : mapping
        Set -> statistic -> array, its first axis the network.
    first : mapping
        Set -> its first group, whole.
    progress : callable
        For what is simulated later.
    """

    seed: int
    count: int
    numbers: Mapping[str, Numbers]
    first: Mapping[str, Group]
    progress: Progress = quiet
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returned when `name` was first asked for."""
        if name not in self._kept:
            self._kept[name] = make()
        return self._kept[name]


def simulate(
    seed: int,
    trials: int,
    progress: Progress = quiet,
    *,
    names: tuple[str, ...] = tuple(STATISTICS),
    sets: Mapping[str, Settings] = SETS,
) -> Runs:
    """Run `trials` networks of each set and measure the statistics that are named."""
    numbers, first = {}, {}
    for label, s in sets.items():
        parts: list[Numbers] = []
        progress(s.label, 0, trials)
        for group in groups(s, seed, trials):
            first.setdefault(label, group)
            found = [STATISTICS[name](group) for name in names]
            parts.append({k: v for part in found for k, v in part.items()})
            progress(s.label, group.numbers[-1] + 1, trials)
        numbers[label] = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return Runs(seed, trials, numbers, first, progress)
