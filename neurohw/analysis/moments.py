"""Sample mean and variance over trials, streamed: no trace has to be kept.

With N trials, ``<V> = 1/N sum V_n`` and ``1/(N - 1) sum (V_n - <V>)^2``: the unbiased estimates,
eqs. (4) and (5) of Thieu & Melnik, "Effects of noise on leaky integrate-and-fire neuron models for
neuromorphic computing applications" (2022). Parts are combined as in Chan, Golub & LeVeque (1979).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np

from neurohw.errors import NeurohwError
from neurohw.program import Moments, Probe, sample_steps
from neurohw.recording import Recording

__all__ = ["TrialMoments", "mean_variance", "stream_moments", "trial_moments"]


@dataclass(frozen=True, eq=False)
class TrialMoments:
    """A variable's mean and variance over trials, in physical units.

    Attributes
    ----------
    time : float64 [samples]
        Network time in seconds.
    count : int
        Number of trials.
    mean, variance : float64 [samples, N]
        In ``unit`` and its square; the variance is NaN for one trial.
    unit : str
        SI.
    """

    time: np.ndarray
    count: int
    mean: np.ndarray
    variance: np.ndarray
    unit: str

    @property
    def std(self) -> np.ndarray:
        """Square root of the variance."""
        return np.sqrt(self.variance)

    @property
    def sem(self) -> np.ndarray:
        """Standard error of the mean."""
        return np.sqrt(self.variance / self.count)


def stream_moments(chunks: Iterable[np.ndarray]) -> Moments:
    """Count, mean and sum of squared deviations of trials that come in parts.

    Parameters
    ----------
    chunks : iterable of arrays [samples, trials, N]
        Any number of trials each, none too. Only one is held at a time.

    Returns
    -------
    Moments
        Over the trials of all chunks; float64 ``[samples, N]``.

    Raises
    ------
    NeurohwError
        If there is no trial.
    """
    return _merged(Moments.of(c) for c in chunks if c.shape[1])


def mean_variance(
    moments: Moments | Iterable[Moments], *, scale: float = 1.0, shift: float = 0.0
) -> tuple[int, np.ndarray, np.ndarray]:
    """Count, mean and unbiased variance of what a probe with ``reduce="moments"`` kept.

    Parameters
    ----------
    moments : Moments or iterable of Moments
        Those of disjoint sets of trials are merged.
    scale, shift : float
        Of the probe: a quantity is ``number * scale + shift``.

    Returns
    -------
    count : int
    mean, variance : float64 arrays of the moments' shape
        The variance, ``m2 / (count - 1)``, is NaN for one trial.
    """
    m = _merged([moments] if isinstance(moments, Moments) else moments)
    variance = m.m2 / (m.count - 1) if m.count > 1 else np.full_like(m.m2, np.nan)
    return m.count, m.mean * scale + shift, variance * scale**2


def trial_moments(
    recordings: Recording | Sequence[Recording], population: str, variable: str = "v"
) -> TrialMoments:
    """Mean and variance over the trials of one or several recordings.

    Parameters
    ----------
    recordings : Recording or sequence of Recording
        Of one network, over one span: with other trials or other seeds. Moments that were streamed
        are used; otherwise they are computed from the trace.
    population, variable : str
        What was recorded.

    Raises
    ------
    ProgramError
        If the variable was not recorded.
    NeurohwError
        If two recordings share a trial (same program and trial number), or were not sampled alike.
    """
    given = [recordings] if isinstance(recordings, Recording) else list(recordings)
    for a, b in combinations(given, 2):
        twice = np.intersect1d(a.probes.trials, b.probes.trials)
        if a.program_hash == b.program_hash and len(twice):
            raise NeurohwError("a trial occurs twice", where=a.name, got=int(twice[0]))
    found = [_moments(r, population, variable) for r in given]
    grid = {(p.every, p.offset, p.scale, p.shift, p.unit, *s) for p, _, s in found}
    if len(grid) != 1:
        raise NeurohwError(
            "recordings not sampled alike",
            where=f"{population}.{variable}",
            got=f"{len(grid)} kinds",
            allowed="one period, phase, scale, span and latency",
        )
    p, _, (t0, steps, dt, latency) = found[0]
    m = mean_variance((m for _, m, _ in found), scale=p.scale, shift=p.shift)
    step = sample_steps(p, t0, steps) - latency
    keep = step >= 0
    return TrialMoments(step[keep] * dt, m[0], m[1][keep], m[2][keep], p.unit)


def _moments(
    r: Recording, population: str, variable: str
) -> tuple[Probe, Moments, tuple[int, int, float, int]]:
    o = r.probes
    span = o.t0, o.steps, r.dt, r.latency.get(population, 0)
    by_kind = {p.reduce: p for p in r.declared if (p.population, p.value) == (population, variable)}
    if "moments" in by_kind:
        p = by_kind["moments"]
        return p, o.moments[p.key], span
    raw = r.raw(population, variable)  # or says what was recorded
    return by_kind[""], Moments.of(raw), span


def _merged(parts: Iterable[Moments]) -> Moments:
    held = (m for m in parts if m.count)
    try:
        return reduce(Moments.merge, held)
    except TypeError:
        raise NeurohwError("no trial", where="moments", allowed="one at least") from None
