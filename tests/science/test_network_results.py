"""The 200-neuron network: verdicts, experiments, the table, the figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from neurohw.analysis.trains import Trains
from neurohw.science.claim import find
from neurohw.science.figure import make_figure, save_figure
from neurohw.science.network_claims import CLAIMS, PRINTED, difference, oscillation
from neurohw.science.network_experiments import LISTENERS, _answer, fi, noise_free, runaway
from neurohw.science.network_measures import SEGMENT, Runs, simulate
from neurohw.science.network_model import GAUSS, POISSON, SETS, V_REST, V_TH


def runs_with(power, alone=1.0):
    found = {"power": power, "alone": np.full_like(power, alone)}
    return Runs(1, len(power), {"gauss": found}, {})


def test_oscillation_sees_a_peak_and_nothing_else():
    rng = np.random.default_rng(0)
    frequency = np.arange(101) / SEGMENT
    flat = rng.exponential(size=(100, 101))
    peak = flat * (1 + 3 * np.exp(-(((frequency - 340) / 40) ** 2)))
    falling = flat * (1 + 9 / (1 + frequency / 100))
    assert oscillation(runs_with(flat), GAUSS).verdict == "does not hold"
    assert oscillation(runs_with(falling), GAUSS).verdict == "does not hold"
    found = oscillation(runs_with(peak), GAUSS)
    assert found.verdict == "holds" and abs(found.value - 4) < 4 * found.error + 0.2
    assert 320 <= float(found.note.split()[1]) <= 360


def test_difference_counts_standard_deviations():
    rng = np.random.default_rng(1)
    rates = {"rate_E": rng.normal(367, 0.5, 400), "rate_I": rng.normal(371, 0.5, 400)}
    found = difference(Runs(1, 400, {"gauss": rates}, {}), GAUSS)
    want = (PRINTED["rate_I"] - PRINTED["rate_E"]) / math.sqrt(0.5)
    assert abs(found.value - want) < 4 * found.error and found.verdict == "holds"


# experiments -------------------------------------------------------------------------------------


def test_answer_to_pulses():
    """Neuron 0 fires at 0.3 and 4 ms after each pulse, another of the second half at 30 ms."""
    period, pulses = 500, 4
    step, neuron = [], []
    for n, after in ((0, 3), (0, 40), (LISTENERS + 7, 300)):
        step += [period * k + after for k in range(pulses)]
        neuron += [n] * pulses
    order = np.lexsort((step, neuron))
    t = Trains(
        "T", 1e-4, 0, period * pulses, np.arange(1), np.arange(2 * LISTENERS),
        np.zeros(len(step), int), np.array(neuron)[order], np.array(step)[order],
    )  # fmt: skip
    one, two = _answer(t, 0), _answer(t, 1)
    assert one["echo"][0] == pytest.approx(1 / LISTENERS)
    assert two["echo"][0] == pytest.approx(-1 / LISTENERS * 9 / 30)  # 9 ms below the mean of 30
    assert one["rate"].sum() * t.dt == pytest.approx(2 / LISTENERS)
    assert one["jitter"][0] == two["jitter"][0] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("s", SETS.values(), ids=SETS.keys())
def test_noise_free_curve(s):
    """A simulated interval is a whole number of steps, at most one above that of Euler's V."""
    bias = [0.1e-9, 0.5e-9, 1.5e-9]
    quiet = replace(s, weight=0.0, sigma=0.0, rate=(0.0, 0.0), bias=(1e-9, 1e-9))
    found = fi(quiet, 1, bias)[:, 0]
    push = s.R * np.array(bias[1:])
    euler = np.log1p(-(V_TH - V_REST) / push) / math.log1p(-s.dt / s.tau) * s.dt
    interval = s.dt * np.ceil(euler / s.dt) + s.t_ref
    assert found[0] == 0 == noise_free(quiet, np.array(bias))[0]
    assert (np.abs(found[1:] - 1 / interval) <= 1 / 0.5 + 1e-9).all()  # one spike in 0.5 s
    exact = 1 / noise_free(quiet, np.array(bias[1:]))
    assert (exact <= interval + s.dt).all() and (interval - exact <= s.dt + exact * 0.5e-2).all()


def test_inhibition_holds_the_network():
    assert (runaway(GAUSS, 1, 3) > 1000).all()
    assert (runaway(POISSON, 1, 3) > 900).all()


# results -----------------------------------------------------------------------------------------


def test_both_sets_give_the_table():
    """The text prints one network; its five numbers are those of a usual one of ours."""
    runs = simulate(1, 20, names=("rates", "irregularity", "correlation"))
    for s in SETS:
        for name, want in PRINTED.items():
            x = runs.numbers[s][name]
            assert abs(x.mean() - want) < x.std(ddof=1), (s, name)
    table = [c for c in CLAIMS if c.source == "Table 4.1"]
    verdicts = {f.id: f.verdict for f in find(table, runs)}
    assert len(verdicts) == 12
    assert all(v == "holds" for k, v in verdicts.items() if "difference" not in k)


def test_claims_are_unique_and_cover_both_sets():
    ids = [c.id for c in CLAIMS]
    assert len(set(ids)) == len(ids) >= 16
    assert sum(c.id.endswith("-gauss") for c in CLAIMS) == len(CLAIMS) / 2
    assert {c.source for c in CLAIMS} >= {f"conclusion {k}" for k in range(1, 7)}


def test_pulse_claims():
    runs = simulate(2, 3, names=("rates",))
    found = find([c for c in CLAIMS if "-echo-" in c.id], runs)
    assert [f.verdict for f in found] == ["holds"] * 2


@pytest.mark.parametrize("name", ["network-activity", "network-synchrony", "network-table"])
def test_figures(name, tmp_path):
    figure = make_figure(name, seed=2, trials=2)
    paths = save_figure(figure, tmp_path)
    assert all(p.stat().st_size > 1000 for p in paths)
    data = json.loads(paths[2].read_text(), parse_constant=pytest.fail)
    assert data["trials"] == 2 and set(data["parameters"]) >= set(SETS)
    assert {f["id"] for f in data["findings"]} == {c.id for c in CLAIMS if name in c.figures}
    if name == "network-table":
        for s in SETS:
            assert set(data["numbers"][s]) == set(PRINTED) == set(data["numbers"]["printed"])
