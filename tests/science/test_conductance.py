"""The LIF neuron under conductances: recomputed by hand, closed forms, and what moves a verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from neurohw.analysis.trains import trains
from neurohw.network import LIF, AdditiveNoise, MultiplicativeNoise, Network
from neurohw.run import run
from neurohw.science import conductance as model
from neurohw.science import conductance_inputs as inputs
from neurohw.science import conductance_measures as measures
from neurohw.science.claim import find
from neurohw.science.conductance import DT, STEPS, VARIANTS, Variant
from neurohw.science.conductance_claims import CLAIMS
from neurohw.science.figure import quiet

N = 100


@pytest.fixture(scope="module")
def runs():
    return model.simulate(1, N)


def found(runs):
    return {f.id: f for f in find(CLAIMS, runs)}


# the neuron ------------------------------------------------------------------------------------


def tutorial(heard, current, t_ref, *, late=False):
    """The loop of the tutorial in mV, ms, nS and pA: V and spikes; ``late``: V before g."""
    v, g_e, g_i, wait = -65.0, 0.0, 0.0, 0
    trace, spikes = [], []
    for k, (e, i) in enumerate(heard):
        old_e, old_i = g_e, g_i
        g_e, g_i = g_e - 0.1 / 2 * g_e + 2.4 * e, g_i - 0.1 / 5 * g_i + 2.4 * i
        used_e, used_i = (old_e, old_i) if late else (g_e, g_i)
        if wait:
            wait -= 1
        else:
            pull = -(v + 60) - used_e / 20 * v - used_i / 20 * (v + 80) + current / 20
            v += pull * 0.1 / 10
        if v >= -55:
            spikes.append(k)
            v, wait = -70.0, round(t_ref / 0.1)
        trace.append(v)
    return np.array(trace), spikes


def recomputed(**how):
    cell = (VARIANTS["6 left"],)
    rec = model.record(model.network(cell, every=DT), 5, 3, quiet, "")
    worst, same = 0.0, True
    for trial in range(3):
        heard = [np.bincount(t.step[t.trial == trial], minlength=STEPS)
                 for t in (trains(rec, "E"), trains(rec, "I"))]  # fmt: skip
        v, spikes = tutorial(np.transpose(heard), 8.0, 8.0, **how)
        mine = trains(rec, "cells")
        same &= spikes == mine.step[mine.trial == trial].tolist()
        worst = max(worst, float(np.abs(v - rec.trace("cells").values[:, trial, 0] * 1e3).max()))
    return same, worst


def test_the_loop_of_the_tutorial_gives_the_same_spikes_and_potential():
    """An error is multiplied by 1 - dt / tau or less in each step, so it stays below
    tau / dt = 100 times the rounding of one step, about 10 operations on 80 mV."""
    same, worst = recomputed()
    assert same and worst < 100 * 10 * np.finfo(float).eps * 80


def test_the_order_of_a_step_is_noticed():
    same, worst = recomputed(late=True)
    assert not same and worst > 1


def bare(panel, trials=300):
    """V of a panel without synapses or threshold, mV, one sample every 10 ms from 100 ms on."""
    net = model.network((VARIANTS[panel],), free=True, weight=0.0, every=1e-2)
    rec = model.record(net, 3, trials, quiet, "")
    return rec.trace("cells").values[10:, :, 0] * 1e3


def close(per_trial, want):
    error = per_trial.std(ddof=1) / math.sqrt(len(per_trial))
    return abs(per_trial.mean() - want) < 4.5 * error


def test_additive_noise_against_the_stationary_variance_of_the_recursion():
    """V' = a V + b + s xi with a = 1 - dt / tau, s = 2 pA sqrt(dt / 1 s) / C: s^2 / (1 - a^2)."""
    v = bare("6 right")
    a, s = 1 - 0.01, 2.0 / 200 * math.sqrt(DT) * 1e3  # mV; C = 200 pF
    mean = -60 + 1 / 20
    assert close(v.mean(0), mean)
    assert close(((v - mean) ** 2).mean(0), s**2 / (1 - a**2))
    white = (2.0 / 200 * 1e3) ** 2 * 10e-3 / 2  # Ornstein-Uhlenbeck: sigma^2 tau / 2
    assert s**2 / (1 - a**2) == pytest.approx(white, rel=0.006)  # dt / (2 tau) = 0.5 %


def test_multiplicative_noise_against_the_second_moment_of_the_recursion():
    """V' = a V + b + c V xi: E V^2 = (2 a b m + b^2) / (1 - a^2 - c^2), m = b / (1 - a)."""
    v = bare("8 left")
    a, c = 1 - 0.01, 2.0 / 2 * math.sqrt(DT)  # 2 pA/mV = 2 nS, C = 2 nF
    b = 0.01 * (-60 + 1 / 200)
    m = b / (1 - a)
    assert close(v.mean(0), m)
    assert close((v**2).mean(0), (2 * a * b * m + b * b) / (1 - a * a - c * c))


def test_noise_per_step_is_white_noise_smaller_by_the_root_of_the_step():
    v = Variant(additive=3, multiplicative=2, per_step=True)
    kept = []
    for white in (True, False):
        net = Network("one")
        a, b = v.white if white else (v.additive * 1e-12, v.multiplicative * 1e-9)
        how = "white" if white else "per_step"
        noise = [AdditiveNoise(sigma=a, convention=how),
                 MultiplicativeNoise(sigma=b, convention=how)]  # fmt: skip
        net.population("cells", LIF(tau=0.01, g_L=20e-9, E_L=-0.06, V_th=1.0), noise=noise)
        net.probe("cells", "v")
        kept.append(run(net, dt=DT, steps=2000, seed=1, method="euler").raw("cells", "v"))
    one, other = kept
    assert np.abs(one - other).max() < 100 * 10 * np.finfo(float).eps * 0.08
    assert one.std() > 1e-5


def test_the_free_potential_has_the_same_noise(runs):
    """Up to the first spike both runs are one; without a threshold there is none."""
    first = np.full(N, STEPS)
    spikes = runs.trains("7 right")
    np.minimum.at(first, spikes.trial, spikes.step)
    v, free = runs.potential("7 right"), runs.potential("7 right", free=True)
    before = np.arange(len(v))[:, None] * 10 < first
    assert np.array_equal(v[before], free[before]) and before.sum() > N
    assert not np.array_equal(v, free)
    assert len(runs.free.spikes("cells")) == 0
    shown = runs.shown_free[::10, runs.index("7 right")]
    assert shown == pytest.approx(free[:, 0], abs=1e-12)


# the inputs ------------------------------------------------------------------------------------


def test_conductances_against_closed_forms():
    heard = inputs.simulate(2, 200)
    for name, (n, rate), tau in (("E", (100, 10), 2e-3), ("I", (50, 20), 5e-3)):
        g = heard.g[name][inputs.SETTLED :]
        mean, sd = inputs.shot_noise(name)
        assert close(g.mean(0), mean) and close(((g - mean) ** 2).mean(0), sd**2)
        assert mean == pytest.approx(2.4 * n * rate * tau)
        campbell = 2.4 * math.sqrt(n * rate * tau / 2)
        assert sd == pytest.approx(campbell, rel=DT / tau)  # the step raises it by dt / (4 tau)


def test_claims_about_the_inputs():
    verdicts = {f.id: f.verdict for f in find(inputs.CLAIMS, inputs.simulate(1, 200))}
    assert verdicts.pop("input-sign") == "does not hold"
    assert set(verdicts.values()) == {"holds"}


# claims ----------------------------------------------------------------------------------------


def test_every_claim_is_measured(runs):
    results = found(runs)
    assert len(results) == len(CLAIMS) >= 30
    for f in results.values():
        assert f.n == N and math.isfinite(f.value) and f.error >= 0, f.id
    spikes = runs.trains("6 left"), runs.trains("6 right")
    left, right = (1e3 * N / len(t) for t in spikes)
    assert results["cond-slight"].value == pytest.approx(right - left)
    assert results["cond-bursts"].verdict == results["cond-removed"].verdict == "holds"
    assert results["cond-bursts-per-step"].verdict == "does not hold"
    assert results["cond-left-text"].note.startswith("0 against")  # it never fires


def test_other_parameters_give_other_verdicts(runs):
    changed = dict(VARIANTS)
    changed["7 right"] = replace(changed["7 right"], multiplicative=0.0)
    changed["7 right, per step"] = replace(changed["7 right, per step"], per_step=False)
    changed["8 right"] = replace(changed["8 right"], g_L=20.0)
    changed["8 left"] = replace(changed["8 left"], t_ref=0.0)
    changed["6 right"] = replace(changed["6 right"], current=-60.0)
    changed["8 left, text"] = VARIANTS["6 left"]
    before, after = found(runs), found(model.simulate(1, N, variants=changed))
    for name, verdicts in {
        "bursts": ("holds", "does not hold"),
        "bursts-free": ("holds", "does not hold"),
        "bursts-per-step": ("does not hold", "holds"),
        "removed": ("holds", "does not hold"),
        "removed-per-step": ("does not hold", "holds"),
        "longer-8": ("does not hold", "does not hold"),
        "similar-free": ("holds", "does not hold"),
        "slight-noise": ("does not hold", "holds"),
        "left-text": ("does not hold", "holds"),
        "response": ("does not hold", "holds"),
    }.items():
        pair = before[f"cond-{name}"].verdict, after[f"cond-{name}"].verdict
        assert pair == verdicts, name


def test_a_silence_of_known_length(runs):
    t = runs.trains("7 left", 400)
    long = measures.silence(runs, "7 left", 400)
    for trial in range(5):
        times = [400.0, *(400 + t.step[t.trial == trial] * 0.1), 1000.0]
        assert long[trial] == pytest.approx(np.diff(times).max())


@pytest.mark.parametrize("variant", [Variant(t_ref=1, t_ref_sigma=2), Variant(t_ref=8)])
def test_moments_of_the_refractory_period(variant):
    drawn = np.random.default_rng(1).normal(variant.t_ref, variant.t_ref_sigma, 10**6)
    mean, variance = measures.refractory_moments(variant)
    period = np.maximum(drawn, 0)
    assert mean == pytest.approx(period.mean(), abs=4.5 * period.std() / 1e3)
    assert variance == pytest.approx(period.var(), rel=0.01)


def test_labels_are_those_of_the_captions():
    assert VARIANTS["7 right"].label == "I = 1 + 2 V ξ pA, t_ref = 1 + 2 ξ ms, g_L = 20 nS"
    assert VARIANTS["8 left, text"].label == "I = 1 + 2 ξ pA, t_ref = 8 ms, g_L = 200 nS"
