"""The numbers behind the claims about the classical LIF neuron.

Every function takes the runs of :mod:`neurohw.science.lif` and returns a :class:`Measured`, or
makes a function that does. "Variability" is the coefficient of variation (CV) of the intervals
between spikes, one value for each realisation, with the error of their mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from neurohw.analysis.intervals import cv, intervals
from neurohw.analysis.rates import rates, spiking_fraction
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
from neurohw.science.lif import DT, E_L, G_L, STEPS, TAU, V_RESET, V_TH, Runs

END = STEPS * DT * 1e3
SWING = (V_TH - V_RESET) * 1e3
Measure = Callable[[Runs], Measured]


# statistics --------------------------------------------------------------------------------------


def rate(runs: Runs, panel: str, start: float = 0.0, stop: float = END) -> tuple[float, float]:
    """Firing rate in Hz and its error over realisations, within start <= t < stop ms."""
    return mean_error(rates(runs.trains(panel, start, stop)).per_trial)


def variation(runs: Runs, panel: str) -> tuple[float, float]:
    """CV of the intervals: the mean over realisations, and its error."""
    found = cv(runs.trains(panel))
    return found.mean, found.sem


def mean_interval(runs: Runs, panel: str) -> tuple[float, float]:
    """Mean interval in ms and its error."""
    found = intervals(runs.trains(panel))
    length = found.value * 1e3
    sums = [np.bincount(found.trial, w, runs.trials) for w in (np.ones_like(length), length)]
    return jackknife(lambda s: s[1] / s[0], np.array(sums))


def mean_potential(
    runs: Runs, panel: str, start: float = 0.0, stop: float = END
) -> tuple[float, float]:
    """Mean of V over realisations and a stretch of time, mV."""
    return mean_error(runs.potential(panel, start, stop).mean(0))


def spread(runs: Runs, panel: str) -> tuple[float, float]:
    """Standard deviation of V over realisations (eq. 5), its variance averaged over time, mV."""
    v = runs.potential(panel)
    per_trial = ((v - v.mean(1, keepdims=True)) ** 2).mean(0) * len(v[0]) / (len(v[0]) - 1)
    variance, error = mean_error(per_trial)
    sd = math.sqrt(variance)
    return sd, error / (2 * sd) if sd else 0.0


def _minus(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return a[0] - b[0], math.hypot(a[1], b[1])


def _ratio(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    if not b[0]:
        return math.nan, math.nan
    value = a[0] / b[0]
    return value, math.hypot(a[1], value * b[1]) / abs(b[0])


# what the claims ask -----------------------------------------------------------------------------


def _found(runs: Runs, number: tuple[float, float], verdict: Verdict, note: str = "") -> Measured:
    return Measured(*number, runs.trials, verdict, note)


def rc_circuit(runs: Runs) -> Measured:
    trace = runs.potential("2 left")[:, 0]
    first = int(runs.trains("2 left").step[:1].sum()) or STEPS
    t = (np.arange(first) + 1) * DT
    drive = runs.variants["2 left"].current * 1e-9 / G_L
    exact = (E_L - drive * np.expm1(-t / TAU)) * 1e3
    worst = float(np.abs(trace[:first] - exact).max())
    bound = first * DT * DT * drive / (2 * TAU**2) * 1e3
    note = f"the error bound of forward Euler up to the first spike is {bound:.2g} mV"
    return Measured(worst, 0.0, 1, below(worst, 0.0, bound), note)


def refractory(runs: Runs) -> Measured:
    found = intervals(runs.trains("3 left")).value
    if not len(found):
        return unknown("no interval was seen", runs.trials)
    shortest = 1e3 * float(found.min())
    limit = runs.variants["3 left"].t_ref
    note = f"maximum frequency 1 / t_ref = {1e3 / limit:g} Hz"
    return Measured(shortest, 0.0, runs.trials, above(shortest, 0.0, limit), note)


def similar_potential(runs: Runs) -> Measured:
    d = _minus(mean_potential(runs, "2 right"), mean_potential(runs, "2 left"))
    left, right = rate(runs, "2 left")[0], rate(runs, "2 right")[0]
    note = f"µ_ref = 0 leaves half of the spikes without a pause: {right:.0f} against {left:.0f} Hz"
    return _found(runs, d, within(*d, -0.05 * SWING, 0.05 * SWING), note)


def jitter(runs: Runs) -> Measured:
    left, right = variation(runs, "2 left"), variation(runs, "2 right")
    verdict = above(*right) if left[0] == 0 else "does not hold"
    return _found(runs, right, verdict, f"Fig. 2 left: {left[0]:g}")


def jitter_rate(runs: Runs) -> Measured:
    v = [_partial_steps(runs, p) for p in ("2 left", "2 right")]
    return _found(runs, v[1], above(*v[1]) if v[0][0] == 0 else "does not hold",
                  f"Fig. 2 left: {v[0][0]:g}")  # fmt: skip


def _partial_steps(runs: Runs, panel: str) -> tuple[float, float]:
    """Rate (Hz) of the spikes that not all realisations share in their step."""
    t = runs.trains(panel)
    share = spiking_fraction(t)[1][:, 0]
    partial = (share > 0) & (share < 1)
    return mean_error(np.bincount(t.trial, partial[t.step], runs.trials) / (END * 1e-3))


def constant_is_steadier(runs: Runs) -> Measured:
    d = _minus(variation(runs, "3 left"), variation(runs, "2 left"))
    return _found(runs, d, above(*d), "Fig. 3 left stands for the random current of [22]")


def slight_jitter(runs: Runs) -> Measured:
    r = _ratio(variation(runs, "2 right"), variation(runs, "3 left"))
    note = "the random refractory period is the larger of the two sources of variability"
    return _found(runs, r, below(*r, 1.0), note if r[0] > 1 else "")


def strong_fluctuation(runs: Runs) -> Measured:
    s = spread(runs, "3 left")
    return _found(
        runs, s, above(*s, 0.05 * SWING), f"Fig. 2 left: {spread(runs, '2 left')[0]:.3f} mV"
    )


def level(panel: str, said: float) -> Measure:
    def measure(runs: Runs) -> Measured:
        m = mean_potential(runs, panel, 5, 10)
        held = np.mean(runs.potential(panel, 5, 10) == V_RESET * 1e3)
        note = f"t_ref holds V at V_reset for {100 * held:.0f} % of this time"
        return _found(runs, m, within(*m, said - 0.5, said + 0.5), note)

    return measure


def lower(runs: Runs) -> Measured:
    d = _minus(mean_potential(runs, "3 left", 5, 10), mean_potential(runs, "2 left", 5, 10))
    return _found(runs, d, below(*d))


def less_after(panel: str, at: float) -> Measure:
    def measure(runs: Runs) -> Measured:
        late, early = rate(runs, panel, at, END), rate(runs, panel, 0, at)
        r = _ratio(late, early)
        return _found(runs, r, below(*r, 0.5), f"{early[0]:.0f} Hz before, {late[0]:.0f} Hz after")

    return measure


def near_reset(runs: Runs) -> Measured:
    m, sd = mean_potential(runs, "3 left", 10, END)
    d = (m - V_RESET * 1e3, sd)
    note = f"Fig. 2 left: {mean_potential(runs, '2 left', 10, END)[0] - V_RESET * 1e3:.2f} mV"
    return _found(runs, d, within(*d, -SWING / 4, SWING / 4), note)


def more_variable(more: str, less: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        a, b = variation(runs, more), variation(runs, less)
        d = _minus(a, b)
        return _found(runs, d, above(*d), f"{a[0]:.3g} against {b[0]:.3g}")

    return measure


def slower(runs: Runs) -> Measured:
    a, b = rate(runs, "3 left", 20), rate(runs, "2 left", 20)
    return _found(runs, _minus(a, b), below(*_minus(a, b)),
                  f"{a[0]:.1f} against {b[0]:.1f} Hz: the current is twice as large")  # fmt: skip


def same_rate(panel: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        a, b = rate(runs, panel, 20), rate(runs, "3 left", 20)
        r = _ratio(a, b)
        d = (100 * (r[0] - 1), 100 * r[1])
        return _found(runs, d, within(*d, -10, 10), f"{a[0]:.0f} against {b[0]:.0f} Hz")

    return measure


def silent_after(panel: str, at: float) -> Measure:
    def measure(runs: Runs) -> Measured:
        r = rate(runs, panel, at)
        push = runs.variants[panel].current * 1e-9 / G_L * 1e3
        note = f"cannot follow: I / g_L = {push:.0f} mV, the threshold is {SWING:.0f} mV away"
        return _found(runs, r, below(*r, 5.0), note)

    return measure


def noise_matters(runs: Runs) -> Measured:
    a, b = mean_interval(runs, "3 left"), mean_interval(runs, "3 left, no noise")
    d = _minus(a, b)
    differ = abs(d[0]) > 3 * d[1]
    note = f"{a[0]:.3f} with noise, {b[0]:.3f} ms without it, at the same mean current"
    return _found(runs, d, "holds" if differ else "not decidable", note)


def noise_reduces(runs: Runs) -> Measured:
    d = _minus(mean_interval(runs, "3 left"), mean_interval(runs, "3 left, no noise"))
    return _found(runs, d, above(*d), "a longer interval is a weaker response")


def less_spread(runs: Runs) -> Measured:
    a, b = spread(runs, "4 left"), spread(runs, "3 right")
    d = _minus(a, b)
    one, other = (variation(runs, p)[0] for p in ("4 left", "3 right"))
    note = f"{a[0]:.1f} against {b[0]:.1f} mV; the CV of the intervals falls too: " \
           f"{one:.2f} against {other:.2f}"  # fmt: skip
    return _found(runs, d, below(*d), note if one < other else "")


def below_reset(panel: str) -> Measure:
    def measure(runs: Runs) -> Measured:
        share = mean_error(runs.potential(panel).mean(0) < V_RESET * 1e3)
        note = f"median of V over all times: {np.median(runs.potential(panel)):.4g} mV"
        return _found(runs, share, above(*share, 0.5), note)

    return measure


def more_spikes(runs: Runs) -> Measured:
    a, b = rate(runs, "4 right", 20), rate(runs, "3 right", 20)
    c, d = rate(runs, "4 right, 5 ms", 20), rate(runs, "4 left", 20)
    note = f"with µ_ref = 5 ms in both: {c[0]:.0f} against {d[0]:.0f} Hz"
    return _found(runs, _minus(a, b), above(*_minus(a, b)), note)


def point_four(runs: Runs) -> Measured:
    p = float(spiking_fraction(runs.trains("4 right"))[1].max())
    step = 2e-6 * abs(E_L) * DT / (TAU * G_L)
    drift = 6e-9 / G_L * DT / TAU
    expected = 0.5 * math.erfc((V_TH - E_L - drift) / step / math.sqrt(2))
    note = f"in Hz: {rate(runs, '4 right')[0]:.0f}; expected in the first step: {expected:.4f}"
    number = p, math.sqrt(p * (1 - p) / runs.trials)
    return _found(runs, number, within(*number, 0.35, 0.45), note)
