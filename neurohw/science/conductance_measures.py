"""The numbers behind the claims about the LIF neuron under synaptic conductances.

Every function takes the runs of :mod:`neurohw.science.conductance` and returns a :class:`Measured`,
or makes a function that does. All variants hear the same trains in a realisation, so differences
are taken realisation by realisation. The distance between spikes is time over spikes: unlike the
mean of the intervals in 1 s, it does not miss the long ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from neurohw.analysis.intervals import bursts, cv, intervals
from neurohw.analysis.rates import counts, rates
from neurohw.science.claim import (
    Measured,
    Verdict,
    above,
    below,
    jackknife,
    mean_error,
    unknown,
    within,
)
from neurohw.science.conductance import DT, SHORT, STEPS, V_RESET, V_TH, Runs, Variant

Measure = Callable[[Runs], Measured]
LENGTH = STEPS * DT * 1e3
SETTLED = 50.0  # ms
SWING = (V_TH - V_RESET) * 1e3


# statistics --------------------------------------------------------------------------------------


def spikes(runs: Runs, panel: str) -> np.ndarray:
    """Spikes in each realisation."""
    return counts(runs.trains(panel))[:, 0]


def rate(runs: Runs, panel: str) -> float:
    """Firing rate in Hz."""
    return rates(runs.trains(panel)).mean


def distance(runs: Runs, a: str, b: str) -> tuple[float, float]:
    """Distance between spikes, a minus b, in ms."""
    sums = np.array([np.full(runs.trials, LENGTH), spikes(runs, a), spikes(runs, b)])
    return jackknife(lambda s: s[0] / s[1] - s[0] / s[2], sums)


def change(runs: Runs, a: str, b: str) -> tuple[float, float]:
    """Change of the rate from b to a, in %."""
    sums = np.array([spikes(runs, a), spikes(runs, b)])
    return jackknife(lambda s: 100 * (s[0] / s[1] - 1), sums)


def burst_share(runs: Runs, panel: str, *, stronger: bool = False) -> tuple[float, float]:
    """Spikes that belong to a burst, in %; none where there is no spike."""
    found = bursts(runs.trains(panel, stronger=stronger), limit=SHORT)
    return 100 * found.fraction, 100 * found.fraction_sem


def burst_change(runs: Runs, a: str, b: str, *, stronger: bool = False) -> tuple[float, float]:
    """Share of the spikes in bursts, a minus b, in %."""
    found = [bursts(runs.trains(p, stronger=stronger), limit=SHORT) for p in (a, b)]
    sums = np.array([x[:, 0] for f in found for x in (f.spikes_in_bursts, f.spikes)])
    return jackknife(lambda s: 100 * (s[0] / s[1] - s[2] / s[3]), sums)


def settled(runs: Runs, panel: str, *, free: bool = False) -> np.ndarray:
    """V from 50 ms on, mV, ``[sample, trial]``."""
    return runs.potential(panel, free=free, start=SETTLED)


def refractory_moments(v: Variant) -> tuple[float, float]:
    """Mean and variance in ms of a refractory period whose negative draws count as 0."""
    mu, sigma = v.t_ref, v.t_ref_sigma
    if not sigma:
        return mu, 0.0
    z = mu / sigma
    inside = 0.5 * math.erfc(-z / math.sqrt(2))
    density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    mean = mu * inside + sigma * density
    return mean, (mu**2 + sigma**2) * inside + mu * sigma * density - mean**2


# what the claims ask -----------------------------------------------------------------------------


def _found(runs: Runs, number: tuple[float, float], verdict: Verdict, note: str = "") -> Measured:
    return Measured(*number, runs.trials, verdict, note)


def removed_threshold(runs: Runs) -> Measured:
    first = np.full(runs.trials, STEPS)
    t = runs.trains("6 left")
    np.minimum.at(first, t.trial, t.step)
    gap = np.abs(runs.potential("6 left") - runs.potential("6 left", free=True))
    before = np.arange(len(gap))[:, None] * round(1e-3 / DT) < first
    worst = float(np.where(before, gap, 0).max())
    note = f"before the first spike; spikes without a threshold: {len(runs.free.spikes('cells'))}"
    return Measured(worst, 0.0, runs.trials, within(worst, 0.0, -1e-12, 1e-12), note)


def same_mean(a: str, b: str, *, free: bool = False) -> Measure:
    def measure(runs: Runs) -> Measured:
        d = mean_error((settled(runs, a, free=free) - settled(runs, b, free=free)).mean(0))
        note = f"{rate(runs, a):.3g} against {rate(runs, b):.3g} Hz"
        return _found(runs, d, within(*d, -0.05 * SWING, 0.05 * SWING), note)

    return measure


def same_spread(a: str, b: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        one, other = (settled(runs, p, free=True).std(0) for p in (a, b))
        d = jackknife(lambda s: 100 * (s[0] / s[1] - 1), np.array([one, other]))
        note = f"{one.mean():.2f} against {other.mean():.2f} mV"
        return _found(runs, d, within(*d, -10, 10), note)

    return measure


def longer(a: str, b: str, note: str = "") -> Measure:
    def measure(runs: Runs) -> Measured:
        d = distance(runs, a, b)
        one, other = (1e3 / rate(runs, p) if rate(runs, p) else math.inf for p in (a, b))
        told = f"{one:.1f} against {other:.1f} ms" + (f"; {note}" if note else "")
        return _found(runs, d, above(*d), told)

    return measure


def longer_by(a: str, b: str, limit: float) -> Measure:
    def measure(runs: Runs) -> Measured:
        d = change(runs, b, a)
        note = f"{1e3 / rate(runs, a):.1f} against {1e3 / rate(runs, b):.1f} ms"
        return _found(runs, d, above(*d, limit), note)

    return measure


def quieter(panel: str, at: float) -> Measure:
    def measure(runs: Runs) -> Measured:
        late = counts(runs.trains(panel, at))[:, 0]
        early = spikes(runs, panel) - late
        ratio = (LENGTH - at) / at
        r = jackknife(lambda s: s[0] / s[1] / ratio, np.array([late, early]))
        none = float(np.mean(late == 0))
        note = f"{100 * none:.2g} % of the realisations have no spike from {at:g} ms on"
        return _found(runs, r, below(*r, 0.5), note)

    return measure


def silence(runs: Runs, panel: str, at: float) -> np.ndarray:
    """Longest time without a spike from ``at`` to the end, ms, of each realisation."""
    t = runs.trains(panel, at)
    when = [at + t.step[t.trial == k] * DT * 1e3 for k in range(runs.trials)]
    return np.array([np.diff(np.r_[at, w, LENGTH]).max() for w in when])


def more_silence(a: str, b: str, at: float, long: float) -> Measure:
    def measure(runs: Runs) -> Measured:
        one, other = (silence(runs, p, at) >= long for p in (a, b))
        d = mean_error(100.0 * one - 100.0 * other)
        note = f"{100 * one.mean():.0f} against {100 * other.mean():.0f} %"
        return _found(runs, d, above(*d, 5.0), note)

    return measure


def causes_bursts(a: str, b: str, *, stronger: bool = False) -> Measure:
    def measure(runs: Runs) -> Measured:
        d = burst_change(runs, a, b, stronger=stronger)
        one, other = (burst_share(runs, p, stronger=stronger)[0] for p in (a, b))
        return _found(runs, d, above(*d, 5.0), f"{one:.3g} against {other:.2g} %")

    return measure


def clusters(panel: str) -> Measure:
    """Bursts are more than a high rate: more irregular than chance with a dead time."""

    def measure(runs: Runs) -> Measured:
        t = runs.trains(panel)
        gaps = intervals(t)
        dead, variance = refractory_moments(runs.variants[panel])
        number = np.bincount(gaps.trial, minlength=runs.trials)
        total = np.bincount(gaps.trial, gaps.value * 1e3, runs.trials)
        some = number > 1
        mean = total[some] / number[some]
        chance = np.sqrt((mean - dead) ** 2 + variance) / mean
        d = mean_error(cv(t).per_train[some, 0] - chance)
        lot = 100 * (1 - math.exp(-rate(runs, panel) * SHORT))
        note = (
            f"CV {cv(t).mean:.2f} against {chance.mean():.2f}; of the intervals "
            f"{100 * bursts(t, limit=SHORT).short:.0f} % are below 5 ms, in a Poisson train of "
            f"this rate {lot:.0f} %"
        )
        return _found(runs, d, above(*d), note)

    return measure


def free_bursts(a: str, b: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        one, other = (settled(runs, p, free=True).std(0) for p in (a, b))
        r = jackknife(lambda s: s[0] / s[1], np.array([one, other]))
        times = [100 * float(np.mean(settled(runs, p, free=True) > V_TH * 1e3)) for p in (a, b)]
        note = f"above V_th for {times[0]:.0f} against {times[1]:.0f} % of the time"
        return _found(runs, r, above(*r, 2.0), note)

    return measure


def no_bursts(panel: str, *, to: str, stronger: bool = False) -> Measure:
    def measure(runs: Runs) -> Measured:
        share = burst_share(runs, panel, stronger=stronger)
        note = f"{burst_share(runs, to, stronger=stronger)[0]:.3g} % with g_L = 20 nS"
        if not np.isfinite(share[0]):
            return unknown(f"the neuron never fires; {note}", runs.trials)
        return _found(runs, share, below(*share, 5.0), note)

    return measure


def bursts_to_remove(before: str, after: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        share = burst_share(runs, before)
        quiet = len(runs.trains(after)) == 0
        note = "and with g_L = 200 nS the neuron never fires" if quiet else ""
        return _found(runs, share, above(*share, 5.0), note)

    return measure


def rate_below(a: str, b: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        r = jackknife(lambda s: s[0] / s[1], np.array([spikes(runs, a), spikes(runs, b)]))
        note = f"{rate(runs, a):.3g} against {rate(runs, b):.3g} Hz"
        return _found(runs, r, below(*r, 0.5), note)

    return measure


def rougher(a: str, b: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        def rms(panel: str) -> np.ndarray:
            return np.sqrt((np.diff(settled(runs, panel, free=True), axis=0) ** 2).mean(0))

        one, other = rms(a), rms(b)
        d = mean_error(one - other)
        return _found(runs, d, above(*d), f"{one.mean():.2f} against {other.mean():.2f} mV")

    return measure


def matters(a: str, b: str, limit: float) -> Measure:
    """Whether the rate changes by more than ``limit`` %, up or down."""

    def measure(runs: Runs) -> Measured:
        d = change(runs, a, b)
        sides = {above(*d, limit), below(*d, -limit)}
        verdicts: tuple[Verdict, ...] = ("holds", "not decidable", "does not hold")
        note = f"{rate(runs, a):.4g} against {rate(runs, b):.4g} Hz"
        return _found(runs, d, next(v for v in verdicts if v in sides), note)

    return measure


def weaker(a: str, b: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        d = change(runs, a, b)
        return _found(runs, d, below(*d), f"{rate(runs, a):.3g} against {rate(runs, b):.3g} Hz")

    return measure
