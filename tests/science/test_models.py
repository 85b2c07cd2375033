"""IF, LIF and Hodgkin-Huxley under one current: against SciPy, and what moves a verdict."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from neurohw.science import models
from neurohw.science.claim import find
from neurohw.science.models import PROTOCOLS, Protocol
from neurohw.science.models_claims import CLAIMS, firing

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
import hh_scipy


@pytest.fixture(scope="module")
def runs():
    return models.simulate(1)


def found(runs):
    return {f.id: f for f in find(CLAIMS, runs)}


def test_every_claim_holds_and_nothing_is_random(runs):
    results = found(runs)
    assert len(results) == len(CLAIMS)
    assert all((f.verdict, f.error, f.n) == ("holds", 0, 1) for f in results.values())
    again = found(models.simulate(99, 7))
    assert {k: f.value for k, f in again.items()} == {k: f.value for k, f in results.items()}


def test_rest_of_the_axon_against_scipy(runs):
    """The fixed point does not depend on the step: only what 0.3 s have left of the start does."""
    assert runs.trace("HH", "none")[-1] == pytest.approx(hh_scipy.rest(), abs=1e-9)
    for gate, value in zip("mhn", hh_scipy.steady(hh_scipy.rest()), strict=True):
        assert runs.trace("HH", "none", gate)[-1] == pytest.approx(value, abs=1e-9)


def test_the_axon_against_scipy(runs):
    """The method is of first order: at 0.01 ms it is off by what halving 0.02 ms changes, and
    twice that leaves room for the second order. At 0.01 ms plain NumPy finds the same steps."""
    currents = [6.5, 7.0, 15.0]
    steps = {}
    for dt in (0.02, 0.01):
        _, spikes = hh_scipy.recursion(currents, dt, round(300 / dt), "exponential",
                                       keep=lambda k: False)  # fmt: skip
        steps[dt] = [spikes[spikes[:, 1] == k, 0] for k in range(3)]
    for k, current in enumerate(currents):
        want = hh_scipy.solve(current, 300.0).t_events[0]
        name = f"current {current:g}"
        assert runs.trains("HH", name).step.tolist() == steps[0.01][k].tolist()
        coarse, fine = (np.diff(steps[dt][k]).mean() * dt for dt in (0.02, 0.01))
        assert abs(fine - np.diff(want).mean()) < 2 * abs(coarse - fine)
        assert len(want) == len(steps[0.01][k])


def test_axon_fires_on_from_its_own_rheobase(runs):
    """SciPy's neuron keeps firing above a current between 6 and 6.5 µA/cm²; so does ours."""
    low, high = hh_scipy.rheobase(6.0, 6.5, width=0.1)
    fires = [x for x, t in firing(runs, "HH").items() if math.isfinite(t)]
    assert 6.0 <= low < high <= min(fires) == 6.5


def test_closed_forms_of_the_two_circuits(runs):
    """A sample is the end of its step, 0.01 ms after its time; both steps are exact here."""
    at = round(19.95e-3 / models.EVERY)
    assert runs.time[at] == pytest.approx(19.95)
    pulse = models.PULSE * (1 - math.exp(-0.3)) / 0.3  # mV at the end of 1 ms; tau = 1 / 0.3 ms
    want = -65 + pulse * math.exp(-0.3 * (19.96 - 11))
    assert runs.trace("LIF", "pulses")[at] == pytest.approx(want, abs=1e-9)
    assert runs.trace("IF", "pulses")[at] == pytest.approx(-65 + models.PULSE, abs=1e-9)


def test_other_currents_give_other_verdicts():
    changed = dict(PROTOCOLS)
    changed["pulses"] = Protocol((25.0, 10.0, 11.0), (4.0, 50.0, 51.0))  # the first fires it
    changed["none"] = Protocol((-10.0, 0.0, 300.0))
    for d in models.DELAYS:
        changed[f"2 x after {d:g}"] = changed[f"1 x after {d:g}"]
    after = found(models.simulate(1, protocols=changed))
    for name in ("charge", "keeps", "battery", "axon-refractory"):
        assert after[f"models-{name}"].verdict == "does not hold", name
    assert after["models-rheobase"].verdict == "holds"
