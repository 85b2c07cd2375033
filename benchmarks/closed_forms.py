"""What the lowered neuron does against closed forms; measured, expected, error, standard error.

Each function measures one thing on neurohw and yields rows; the formulas are in ``theory.py`` and
know nothing of neurohw. ``python benchmarks/closed_forms.py`` prints the table and exits with 1 if
a row fails; the tests run the same functions with fewer trials.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import neurohw as nh

sys.path.append(str(Path(__file__).parent))
import theory
from table import Row, show

DT, C, TAU, REST, TH = 1e-4, 0.5e-9, 30e-3, -0.070, -0.050
METHODS = ("exponential", "euler")


def same(gaps: np.ndarray) -> float:
    """The number that all intervals are; NaN if they differ."""
    return float(gaps[0]) if len(gaps) and (gaps == gaps[0]).all() else math.nan


def lif_rates(currents: tuple[float, ...] = (0.4e-9, 0.6e-9, 1e-9, 2e-9, 4e-9)) -> Iterator[Row]:
    """Intervals of a LIF neuron: in steps exactly, in seconds to the grid (and Euler's error)."""
    t_ref, dt = 3e-3, 1e-5
    for method in METHODS:
        net = nh.Network("rate")
        n = len(currents)
        lif = nh.LIF(size=n, C=C, tau=TAU, E_L=REST, V_th=TH, t_ref=t_ref, I_bias=currents)
        net.population("N", lif)
        events = nh.run(net, dt=dt, duration=1.0, method=method).spikes("N")
        for i, current in enumerate(currents):
            gaps = np.diff(events.step[events.element == i])
            push, gap = current * TAU / C, TH - REST
            steps = theory.lif_steps(push, gap, dt / TAU, method)
            assert abs(steps - round(steps)) > 1e-6, "rounding would decide; take another current"
            label = f"{method}, I {current * 1e9:g} nA"
            whole = math.ceil(steps) + round(t_ref / dt)
            yield Row(f"LIF interval (steps), {label}", same(gaps), whole, 0, "exact")
            want = theory.lif_interval(push, gap, TAU, t_ref)
            # up to one step for the grid; Euler's time constant is -dt/ln(1 - dt/tau), which is
            # shorter by dt/2 and a part of it that is smaller still
            slack = dt if method == "exponential" else dt + 0.51 * dt * (want - t_ref) / TAU
            yield Row(f"LIF interval (s), {label}", gaps.mean() * dt, want, slack, "bound")


def lif_rheobase() -> Iterator[Row]:
    """A LIF neuron fires for I > (V_th - E_L)/R and not below, to one part in 10^9."""
    excess = np.array([-1e-2, -1e-4, -1e-6, -1e-9, 1e-9, 1e-6, 1e-4, 1e-2])
    least = (TH - REST) * C / TAU
    for method in METHODS:
        net = nh.Network("rheobase")
        lif = nh.LIF(size=8, C=C, tau=TAU, E_L=REST, V_th=TH, I_bias=least * (1 + excess))
        net.population("N", lif)
        # the slowest period is tau ln(1e9) = 21 tau
        events = nh.run(net, dt=DT, duration=30 * TAU, method=method).spikes("N")
        fired = np.isin(np.arange(8), events.element)
        low, high = excess[~fired].max(), excess[fired].min()
        yield Row(f"LIF rheobase (A), {method}", least * (1 + (low + high) / 2), least,
                  least * 1e-9, "bound")  # fmt: skip
        yield Row(f"  silent below, firing above, {method}", float((fired == (excess > 0)).all()),
                  1, 0, "exact")  # fmt: skip


def if_rates(currents: tuple[float, ...] = (0.3e-9, 1.1e-9, 3.3e-9)) -> Iterator[Row]:
    """Perfect integrator: f = I / (C dV); in steps exactly, in Hz to the grid."""
    dt, gap = 1e-5, TH - REST
    for method in METHODS:
        net = nh.Network("if")
        cell = nh.IF(size=len(currents), C=C, V_th=TH, V_reset=REST, V_init=REST, I_bias=currents)
        net.population("N", cell)
        events = nh.run(net, dt=dt, duration=1.0, method=method).spikes("N")
        for i, current in enumerate(currents):
            gaps = np.diff(events.step[events.element == i])
            steps = C * gap / (current * dt)
            assert abs(steps - round(steps)) > 1e-6, "rounding would decide; take another current"
            label = f"{method}, I {current * 1e9:g} nA"
            yield Row(f"IF interval (steps), {label}", same(gaps), math.ceil(steps), 0, "exact")
            rate = current / (C * gap)
            yield Row(f"IF rate (Hz), {label}", 1 / (gaps.mean() * dt), rate, rate**2 * dt, "bound")


def ornstein_uhlenbeck(trials: int = 100_000) -> Iterator[Row]:
    """V without threshold; for Euler the recursion's own moments, and beside them the process's."""
    sigma, current = 4e-12, 0.2e-9
    b, push = sigma / C, current * TAU / C
    for method in METHODS:
        net = nh.Network("ou")
        lif = nh.LIF(C=C, tau=TAU, E_L=REST, V_th=1.0, reset="none", I_bias=current)
        net.population("N", lif, noise=[nh.AdditiveNoise(sigma=sigma)])
        net.probe("N", "v", reduce="moments")
        run = nh.run(net, dt=DT, steps=1500, trials=trials, method=method, seed=2)
        moments = run.probes.moments["N.v:moments"]
        for steps in (10, 50, 300, 1500):
            exact = theory.ornstein_uhlenbeck(steps * DT, push, b, TAU)
            own = exact
            if method == "euler":
                own = theory.autoregression(steps, push, b, DT / TAU, DT)
            label = f"{method}, t {steps * DT * 1e3:g} ms"
            got = moments.mean[steps - 1, 0] - REST, moments.m2[steps - 1, 0] / (trials - 1)
            errors = math.sqrt(own[1] / trials), own[1] * math.sqrt(2 / (trials - 1))
            for k, what in enumerate(("mean (V)", "variance (V^2)")):
                yield Row(f"OU {what}, {label}", got[k], own[k], errors[k])
                if own is not exact:
                    yield Row("  the process itself", got[k], exact[k], errors[k], "shown")


def poisson(trials: int = 20) -> Iterator[Row]:
    """Bernoulli-Poisson trains: rate r, CV sqrt(1 - r dt).

    The first 640 intervals of every train, of 800 expected: a fixed number, so that the end of the
    run favours no short ones (fewer come with probability 1e-8 per train).
    """
    rate, size, seconds, first = 80.0, 200, 10.0, 640
    net = nh.Network("poisson")
    net.driver("P", nh.Poisson(size=size, rate=rate))
    net.population("N", nh.LIF(C=C, tau=TAU, E_L=REST, V_th=TH))
    net.connect("P", "N", nh.Delta(weight=0.0))
    events = nh.run(net, dt=DT, duration=seconds, trials=trials, seed=3).spikes("P")
    p, bins = rate * DT, seconds / DT * size * trials
    error = math.sqrt(p * (1 - p) / bins) / DT
    yield Row("Poisson rate (Hz)", len(events) / bins / DT, rate, error)
    unit = events.trial.astype(np.int64) * size + events.element
    order = np.lexsort((events.step, unit))
    step = events.step[order].astype(np.int64)
    starts = np.searchsorted(unit[order], np.arange(size * trials))
    counts = np.bincount(unit, minlength=size * trials)
    assert counts.min() > first
    rows = step[starts[:, None] + np.arange(first + 1)]
    gaps = np.diff(rows, axis=1).ravel()
    yield Row("Poisson mean interval (steps)", gaps.mean(), 1 / p,
              math.sqrt(1 - p) / p / math.sqrt(len(gaps)))  # fmt: skip
    # a sample's CV has the standard error 1/sqrt(n) for exponential intervals
    yield Row("Poisson CV", gaps.std() / gaps.mean(), math.sqrt(1 - p), 1 / math.sqrt(len(gaps)))


def jitter(trials: int = 2000) -> Iterator[Row]:
    """Refractory periods of a strongly driven neuron: max(0, round(N(t_ref, sigma^2)))."""
    for mean, sd in ((4e-3, 0.5e-3), (5e-3, 1e-3), (1e-3, 2e-3)):
        net = nh.Network("jitter")
        lif = nh.LIF(C=C, tau=TAU, E_L=REST, V_th=TH, t_ref=mean, t_ref_sigma=sd, I_bias=200e-9)
        net.population("N", lif)
        net.probe("N", "spikes", "refractory")
        run = nh.run(net, dt=DT, duration=0.1, trials=trials, seed=4)
        events = run.spikes("N")
        drawn = run.raw("N", "refractory")[events.step, events.trial, events.element]
        # the first four of each trial: a fixed number, so that short ones are not favoured
        rank = np.arange(len(events)) - np.searchsorted(events.trial, events.trial)
        assert np.bincount(events.trial, minlength=trials).min() >= 4
        drawn = drawn[rank < 4]
        average, deviation, fourth = theory.rounded_normal(mean / DT, sd / DT)
        n, label = len(drawn), f"N({mean * 1e3:g} ms, {sd * 1e3:g} ms)"
        yield Row(f"refractory period (steps), {label}", drawn.mean(), average,
                  deviation / math.sqrt(n))  # fmt: skip
        yield Row(f"its deviation (steps), {label}", drawn.std(), deviation,
                  math.sqrt((fourth / deviation**4 - 1) / (4 * n)) * deviation)  # fmt: skip


def shot_noise(trials: int = 500) -> Iterator[Row]:
    """Conductances of 100 trains of 10 Hz and 50 of 20 Hz, sampled every 10 time constants."""
    weight, seconds, gap = 2.4e-9, 2.0, 50e-3
    receptors = {"E": (100, 10.0, 2e-3, 0.0), "I": (50, 20.0, 5e-3, -0.080)}
    for method in METHODS:
        net = nh.Network("shot")
        net.population("N", nh.LIF(C=C, tau=TAU, E_L=REST, V_th=1.0))
        for name, (trains, rate, tau, reversal) in receptors.items():
            net.driver(name, nh.Poisson(size=trains, rate=rate))
            synapse = nh.Conductance(weight=weight, tau=tau, E_rev=reversal, receptor=name)
            net.connect(name, "N", synapse)
            net.probe("N", f"g_{name}", every=gap)
        run = nh.run(net, dt=DT, duration=seconds, trials=trials, seed=5, method=method)
        for name, (trains, rate, tau, _) in receptors.items():
            g = run.raw("N", f"g_{name}")[2:].ravel()  # after 20 time constants
            limit = theory.shot_noise(weight, trains * rate, tau)
            own = theory.shot_chain(weight, trains, rate, tau, DT, method)
            excess = 1 / (trains * rate * tau)  # kurtosis of shot noise, from its cumulants
            errors = own[1] / math.sqrt(len(g)), own[1] * math.sqrt((2 + excess) / (4 * len(g)))
            for k, what in enumerate(("mean", "deviation")):
                got = (g.mean(), g.std())[k]
                label = f"g_{name} {what} (S), {method}"
                yield Row(label, got, own[k], errors[k])
                yield Row("  continuous time", got, limit[k], errors[k], "shown")


ALL = (lif_rates, lif_rheobase, if_rates, ornstein_uhlenbeck, poisson, jitter, shot_noise)

if __name__ == "__main__":
    sys.exit(show(ALL) > 0)
