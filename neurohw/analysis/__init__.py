"""Statistics of recordings: rates, intervals, correlations, spectra, moments over trials.

Functions take a `Recording` and the name of a population, or `Trains`, the part of it that
`trains` chose: some neurons, a span of time. They return NumPy arrays in SI units.

>>> from neurohw import analysis  # doctest: +SKIP
>>> settled = analysis.trains(rec, "E", start=0.2)  # doctest: +SKIP
>>> analysis.rates(settled).mean, analysis.cv(settled).mean  # doctest: +SKIP
"""

from neurohw.analysis.balance import Balance, balance, balance_of
from neurohw.analysis.connectivity import Connectivity, connectivity
from neurohw.analysis.correlation import (
    Correlogram,
    PairwiseCorrelation,
    cross_correlogram,
    pairwise_correlation,
)
from neurohw.analysis.distance import (
    LatencyShift,
    latency_shift,
    van_rossum,
    victor_purpura,
)
from neurohw.analysis.energy import Work, work_of
from neurohw.analysis.fi import FICurve, fi_curve
from neurohw.analysis.intervals import (
    Bursts,
    Intervals,
    Variation,
    bursts,
    cv,
    interval_distribution,
    intervals,
    lv,
)
from neurohw.analysis.moments import TrialMoments, mean_variance, stream_moments, trial_moments
from neurohw.analysis.rates import (
    PSTH,
    Fano,
    Histogram,
    Rates,
    counts,
    fano_factor,
    psth,
    rate_distribution,
    rates,
    spiking_fraction,
)
from neurohw.analysis.spectrum import Spectrum, population_rate, power_spectrum
from neurohw.analysis.trains import Trains, trains, trains_of

__all__ = [
    "PSTH",
    "Balance",
    "Bursts",
    "Connectivity",
    "Correlogram",
    "FICurve",
    "Fano",
    "Histogram",
    "Intervals",
    "LatencyShift",
    "PairwiseCorrelation",
    "Rates",
    "Spectrum",
    "Trains",
    "TrialMoments",
    "Variation",
    "balance",
    "balance_of",
    "bursts",
    "connectivity",
    "counts",
    "cross_correlogram",
    "cv",
    "fano_factor",
    "fi_curve",
    "interval_distribution",
    "intervals",
    "latency_shift",
    "lv",
    "mean_variance",
    "pairwise_correlation",
    "population_rate",
    "power_spectrum",
    "psth",
    "rate_distribution",
    "rates",
    "spiking_fraction",
    "stream_moments",
    "trains",
    "trains_of",
    "trial_moments",
    "van_rossum",
    "victor_purpura",
    "Work",
    "work_of",
]
