"""What two trains have to do with each other: correlograms and correlations of counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.analysis.trains import Source, Trains, cells, shared, trains, whole_steps
from neurohw.errors import NeurohwError

__all__ = [
    "Correlogram",
    "PairwiseCorrelation",
    "binned",
    "cross_correlogram",
    "pairwise_correlation",
]

_BLOCK = 1 << 22  # numbers of a dense block: 32 MB


@dataclass(frozen=True, eq=False)
class Correlogram:
    """Cross-correlogram of two groups of neurons; see `cross_correlogram`.

    Attributes
    ----------
    lag : float64 [2 L + 1]
        In s; where it is positive, the second follows the first.
    count : int64 [2 L + 1]
        Pairs of spikes whose bins lie `lag` apart, over all trials.
    coefficient : float64 [2 L + 1]
        Correlation coefficient of the binned counts; NaN if one of them never changes.
    rate : float64 [2 L + 1]
        Spikes per second and neuron of the second, at a lag from a spike of the first, in Hz.
    bin_width : float
        In s.
    self_pairs : int
        How many of ``count`` at lag 0 are a spike with itself, where both groups are of one
        population: spikes of the same trial, neuron and step.
    """

    lag: np.ndarray
    count: np.ndarray
    coefficient: np.ndarray
    rate: np.ndarray
    bin_width: float
    self_pairs: int


@dataclass(frozen=True, eq=False)
class PairwiseCorrelation:
    """Correlation coefficients of the binned counts of pairs of neurons.

    Attributes
    ----------
    mean : float
        Over all pairs of neurons whose counts vary; NaN if there is none.
    pairs : int
        How many pairs these are.
    bin_width : float
        In s. The coefficients depend on it.
    neurons : int64 [M]
        Numbers of the neurons whose counts vary.
    matrix : float64 [M, M] or None
        The coefficients, if asked for.
    """

    mean: float
    pairs: int
    bin_width: float
    neurons: np.ndarray
    matrix: np.ndarray | None

    @property
    def values(self) -> np.ndarray:
        """The coefficients, one per pair.

        Raises
        ------
        NeurohwError
            If they were not asked for.
        """
        if self.matrix is None:
            raise NeurohwError("no matrix", fix="pairwise_correlation(..., matrix=True)")
        return self.matrix[np.triu_indices(len(self.matrix), 1)]


def binned(t: Trains, width: int, first: int, last: int) -> np.ndarray:
    """Spikes of all neurons by bin, for trials ``first .. last - 1``: float64 ``[trials, bins]``.

    ``width`` is in steps; steps left at the end that fill no bin are not used.
    """
    bins = t.steps // width
    span = slice(*np.searchsorted(t.trial, (first, last)))
    slot = t.step[span] // width
    inside = slot < bins
    key = ((t.trial[span] - first) * bins + slot)[inside]
    count = np.bincount(key, minlength=(last - first) * bins)
    return count.astype(np.float64).reshape(last - first, bins)


def cross_correlogram(
    first: Trains,
    second: Trains,
    *,
    bin_width: float,
    max_lag: float,
    border_correction: bool = True,
) -> Correlogram:
    """Cross-correlogram of two groups of neurons, each summed over its neurons.

    With x and y the counts per bin, of B bins, the sums over all trials and bins

        C(k) = sum x[b] y[b + k]
        coefficient(k) = (C(k) - sum n_x n_y / B) / sqrt(S_x S_y),  S_x = sum x^2 - n_x^2 / B

    where n is a trial's number of spikes: each trial's own mean is taken off. For one trial that is
    ``elephant.spike_train_correlation.cross_correlation_histogram``.

    Parameters
    ----------
    first, second : Trains
        From `trains`, e.g. ``trains(rec, "E")`` and ``trains(rec, "I", neurons=3)``; the span that
        both share is used.
    bin_width, max_lag : float
        In s; whole numbers of steps. Lags go from ``-max_lag`` to ``max_lag`` in bins.
    border_correction : bool
        Multiply C(k) by ``B / (B - |k|)``, as fewer bins overlap at larger lags.

    Raises
    ------
    NeurohwError
        If steps or trials differ, or bin and lags do not fit the span.
    """
    a, b = shared(first, second)
    width = whole_steps(a, bin_width, "bin_width")
    bins, lags = a.steps // width, whole_steps(a, max_lag, "max_lag") // width
    if lags >= bins:
        raise NeurohwError("lags as long as the run", got=f"{max_lag:g} s", where="max_lag")
    # Occupied bins and what is in them; trials lie so far apart that no lag joins two.
    stride = bins + lags
    (x, p), (y, q) = (_occupied(t, width, stride) for t in (a, b))
    u, v = (np.bincount(i // stride, n, len(a.trials)) for i, n in ((x, p), (y, q)))
    mean, nx = u @ v / bins, u.sum()
    sx, sy = np.vdot(p, p) - u @ u / bins, np.vdot(q, q) - v @ v / bins
    begin, end = np.searchsorted(y, x - lags), np.searchsorted(y, x + lags, side="right")
    if (end - begin).sum() < stride * len(a.trials):  # fewer pairs than numbers to transform
        count = _by_pairs(x, p, y, q, begin, end, lags)
    else:
        count = _by_transform(a, b, width, lags)
    k = np.arange(-lags, lags + 1)
    fair = count * (bins / (bins - np.abs(k))) if border_correction else count
    spread = np.sqrt(sx * sy)
    coefficient = (fair - mean) / spread if spread > 0 else np.full(len(k), np.nan)
    rate = fair / ((nx or np.nan) * b.shape[1] * width * a.dt)
    own = 0
    if a.population == b.population:
        i, j = ((t.trial * (1 << 32) + t.neurons[t.neuron]) * t.steps + t.step for t in (a, b))
        own = len(np.intersect1d(i[a.step < bins * width], j, assume_unique=True))
    return Correlogram(k * width * a.dt, count, coefficient, rate, width * a.dt, own)


def _occupied(t: Trains, width: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """``trial * stride + bin`` of the bins that hold a spike, ascending, and how many they hold."""
    slot = t.step // width
    inside = slot < t.steps // width
    key, n = cells((t.trial * stride + slot)[inside])
    return key, n.astype(np.float64)


def _by_pairs(
    x: np.ndarray,
    p: np.ndarray,
    y: np.ndarray,
    q: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    lags: int,
) -> np.ndarray:
    """C(k) from the pairs of occupied bins: the partners of x[i] are ``y[begin[i]:end[i]]``."""
    count = np.zeros(2 * lags + 1)
    left = np.arange(len(x))
    for j in range(int((end - begin).max(initial=0))):
        left = left[begin[left] + j < end[left]]
        other = begin[left] + j
        count += np.bincount(y[other] - x[left] + lags, p[left] * q[other], 2 * lags + 1)
    return count.astype(np.int64)


def _by_transform(a: Trains, b: Trains, width: int, lags: int) -> np.ndarray:
    """C(k) from Fourier transforms of the trials."""
    size = 1 << (a.steps // width + lags - 1).bit_length()  # so that nothing wraps around
    block = max(_BLOCK // size, 1)
    count = np.zeros(2 * lags + 1, np.int64)
    for lo in range(0, len(a.trials), block):
        hi = min(lo + block, len(a.trials))
        x, y = (np.fft.rfft(binned(t, width, lo, hi), size) for t in (a, b))
        found = np.fft.irfft((x.conj() * y).sum(axis=0), size)
        both = np.concatenate((found[size - lags :], found[: lags + 1]))
        count += np.rint(both).astype(np.int64)  # a sum of products of whole numbers
    return count


def pairwise_correlation(
    source: Source, population: str = "", *, bin_width: float, matrix: bool = False
) -> PairwiseCorrelation:
    """Pearson correlation of spike counts in bins, for all N (N - 1) / 2 pairs of neurons.

    The bins of all trials, one after the other, are the samples, and a neuron's mean is that over
    all of them: a rate that all trials share in time counts as correlation, as it does in one
    trial. With z the counts of M neurons, each less its mean and scaled to variance 1, the mean
    over pairs follows from the variance of their sum, ``(<(sum z)^2> - M) / (M (M - 1))``. So
    neither bins by neurons nor pairs have to be held, and time grows with the number of spikes.

    Parameters
    ----------
    source, population
        As for `trains`. Neurons whose counts never change have no coefficient and are left out.
    bin_width : float
        In s, a whole number of steps. Steps left at the end that fill no bin are not used.
    matrix : bool
        Also compute each coefficient: N x N numbers, and time as N^2 times the bins.

    Raises
    ------
    NeurohwError
        If the bin does not fit the span.
    """
    t = trains(source, population)
    width = whole_steps(t, bin_width, "bin_width")
    (trials, neurons), bins = t.shape, t.steps // width
    samples = trials * bins
    slot = t.step // width
    inside = slot < bins
    key, n = cells((t.trial * bins + slot)[inside] * neurons + t.neuron[inside])
    sample, neuron, n = key // neurons, key % neurons, n.astype(np.float64)
    total = np.bincount(neuron, n, neurons)
    squares = np.bincount(neuron, n**2, neurons) - total**2 / samples
    peak = np.zeros(neurons)
    np.maximum.at(peak, neuron, n)
    varies = peak * samples > total  # unless the largest count is the mean
    used = np.flatnonzero(varies)
    pairs = len(used) * (len(used) - 1) // 2
    keep = varies[neuron]
    sample, neuron, n = sample[keep], np.searchsorted(used, neuron[keep]), n[keep]
    total, spread = total[used], np.sqrt(squares[used])
    mean = np.nan
    if pairs:
        place, summed = _sums(sample, n / spread[neuron])
        offset = (total / spread).sum() / samples
        power = ((summed - offset) ** 2).sum() + (samples - len(place)) * offset**2
        mean = float((power - len(used)) / (2 * pairs))
    full = _matrix(sample, neuron, n, total, spread, samples) if matrix else None
    return PairwiseCorrelation(mean, pairs, width * t.dt, t.neurons[used], full)


def _sums(sample: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of ``value`` in each sample that occurs (``sample`` ascends)."""
    place, at = np.unique(sample, return_inverse=True)
    return place, np.bincount(at, value, len(place))


def _matrix(
    sample: np.ndarray,
    neuron: np.ndarray,
    n: np.ndarray,
    total: np.ndarray,
    spread: np.ndarray,
    samples: int,
) -> np.ndarray:
    """All coefficients, from blocks of the samples in which anything happened."""
    size = len(total)
    place, at = np.unique(sample, return_inverse=True)
    products = np.zeros((size, size))  # of whole numbers: exact below 2**53
    block = max(_BLOCK // max(size, 1), 1)
    for lo in range(0, len(place), block):
        hi = min(lo + block, len(place))
        span = slice(*np.searchsorted(at, (lo, hi)))
        x = np.zeros((size, hi - lo))
        x[neuron[span], at[span] - lo] = n[span]
        products += x @ x.T
    out = (products - np.outer(total, total) / samples) / np.outer(spread, spread)
    np.fill_diagonal(out, 1.0)
    return out
