"""Warnings come before the run and are confirmed by it; without the problem there are none.

Each problem has a twin: the same network, mended.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.forecast import forecast, measure

DT, STEPS = 1e-3, 1000
THRESHOLDS = np.array([1.45, 1.0, 1.1, 1.2])


def net(source: Any, synapse: Any, **model: Any) -> nh.Network:
    made = nh.Network("warned")
    made.driver("in", source)
    given = {"C": 1e-3, "tau": 20e-3, "E_L": 0.0, "V_th": 1.0, "V_reset": 0.0} | model
    made.population("hidden", nh.LIF(**{"size": 4, **given}))
    made.connect("in", "hidden", synapse, delay=DT)
    return made


def warned(network: nh.Network) -> dict[str, str]:
    """Kind -> text, of what the forecast finds."""
    return {f.kind: f.text for f in forecast(network, "loihi1", dt=DT).findings}


def ran(network: nh.Network, steps: int = STEPS) -> Any:
    return measure(network, "loihi1", dt=DT, steps=steps, backend="reference")


def quiet(network: nh.Network) -> bool:
    return not warned(network) and not ran(network).findings


# 1. weights that round to 0 -----------------------------------------------------------------------


def few_bits(largest: float) -> nh.Network:
    weight = np.full((4, 100), 3e-3)
    weight[0, 0] = largest
    return net(nh.Poisson(size=100, rate=300.0), nh.Delta(weight=weight))


def test_weights_round_to_zero_and_a_layer_falls_silent() -> None:
    """One weight of -1 V makes the unit 1/127 V; half of it is more than 3 mV."""
    text = warned(few_bits(-1.0))["silent"]
    assert text.startswith(
        "99.8 % of the weights of in_to_hidden round to 0: hidden will be silent"
    )
    found = ran(few_bits(-1.0))
    assert found.rates["hidden"][0] > 10 and found.rates["hidden"][1] == 0
    assert "silent" in [f.kind for f in found.findings]
    assert quiet(few_bits(-3e-3))


# 2. a register overflows, a threshold is coarse ---------------------------------------------------


def steady(rate: float) -> nh.Network:
    """Time constants that 12 bits hold exactly."""
    source = nh.Regular(size=60, rate=rate)
    return net(source, nh.Exponential(weight=1e-3, tau=DT * 4096 / 20), tau=DT * 4096 / 200)


def test_a_current_overflows() -> None:
    text = warned(steady(1 / DT))["overflow"]
    assert "hidden: the mean current alone is" in text and "24 bits hold: it will overflow" in text
    found = ran(steady(1 / DT))
    over = [f for f in found.findings if f.kind == "overflow"]
    assert over and over[0].where == "hidden.u"
    row = next(r for r in found.recording.ledger if r.key == "hidden.u")
    assert row.count > 0 and row.excess > 0 and row.headroom_bits < 0
    assert row.first is not None and f"first at step {row.first[0]}" in over[0].text
    assert quiet(steady(20.0))


def test_a_potential_leaves_its_range_downwards() -> None:
    """Inhibition by 1 V a spike: V would go down to -6 V, its register to -2 V."""
    text = warned(few_bits(-1.0))["overflow"]
    assert "hidden: the mean potential alone is" in text and "24 bits hold" in text
    row = next(r for r in ran(few_bits(-1.0)).recording.ledger if r.key == "hidden.v")
    assert row.count > 0 and row.low < row.lo and row.excess == row.lo - row.low


def coarse(largest: float) -> nh.Network:
    """Perfect integrators on a constant current, thresholds of their own, and one large weight."""
    weight = np.zeros((4, 1))
    weight[0, 0] = largest
    lif = nh.LIF(size=4, C=1e-3, g_L=0.0, E_L=0.0, V_th=THRESHOLDS, V_reset=0.0, I_bias=0.02)
    made = nh.Network("coarse")
    made.driver("in", nh.SpikeArray(size=1))
    made.population("hidden", lif)
    made.connect("in", "hidden", nh.Delta(weight=weight), delay=DT)
    made.probe("hidden", "v", when="before_reset")
    return made


def test_a_threshold_is_coarse() -> None:
    """A weight of -6000 V leaves a threshold seven units; V at the spikes shows them."""
    layer = forecast(coarse(-6000.0), "loihi1", dt=DT).layer("hidden")
    assert "the threshold is off by" in warned(coarse(-6000.0))["threshold"]
    given = np.zeros((STEPS, 1), bool)
    rec = nh.run(coarse(-6000.0), target="loihi1", dt=DT, steps=STEPS, backend="reference",
                 inputs={"in": given})  # fmt: skip
    v = np.asarray(rec.trace("hidden", "v_pre"))[:, 0]
    fired = rec.spikes("hidden").dense(rec.probes.trials, 0, STEPS, 4)[:, 0]
    low = np.array([v[~fired[:, i], i].max() for i in range(4)])
    high = np.array([v[fired[:, i], i].min() for i in range(4)])
    low, high = low / THRESHOLDS - 1, high / THRESHOLDS - 1  # the realised threshold lies between
    worst = int(np.argmax(np.abs(low + high)))
    assert abs(layer.threshold_error) > 0.05
    assert low[worst] <= layer.threshold_error <= high[worst]
    assert "threshold" not in warned(coarse(-1.0))
    assert abs(forecast(coarse(-1.0), "loihi1", dt=DT).layer("hidden").threshold_error) < 1e-3


# 3. a time constant that cannot be held -----------------------------------------------------------


def slow(tau: float, tau_syn: float = 5e-3, weight: float = 0.01) -> nh.Network:
    synapse = nh.Exponential(weight=np.full((4, 1), weight), tau=tau_syn)
    made = net(nh.SpikeTimes(times=[[0.0]]), synapse, tau=tau, V_init=0.9)
    made.probe("hidden", "v", "u")
    return made


def decay(x: np.ndarray, first: int, last: int) -> float:
    """Time constant of an exponential decay between two steps, in s; inf: none."""
    with np.errstate(divide="ignore"):
        return float(-(last - first) * DT / np.log(x[last] / x[first]))


@pytest.mark.parametrize(("tau", "said"), [(2.8, "off by +46 %"), (20.0, "it becomes infinite")])
def test_a_time_constant_of_the_membrane(tau: float, said: str) -> None:
    """4096 dt / tau is 1.46, held as 1; and 0.2, held as 0."""
    found = warned(slow(tau))
    assert said in found["tau"], found
    layer = forecast(slow(tau), "loihi1", dt=DT).layer("hidden")
    rec = nh.run(slow(tau), target="loihi1", dt=DT, steps=400, backend="reference")
    v = np.asarray(rec.trace("hidden", "v"))[:, 0, 0]
    got = decay(v, 100, 300)  # the current is gone
    if math.isinf(layer.tau_error):
        assert v[100] == v[300] > 0.9
    else:
        assert got / tau - 1 == pytest.approx(layer.tau_error, abs=0.01)
    assert "tau" not in warned(slow(20e-3))


def test_a_time_constant_of_the_synapses() -> None:
    """A strong synapse: the last place of u, lost in each step, is then nothing."""
    made = slow(20e-3, 2.8, weight=1.0)
    assert "hidden: the tau_syn is off by +46 %" in warned(made)["tau"]
    rec = nh.run(made, target="loihi1", dt=DT, steps=400, backend="reference")
    u = np.asarray(rec.trace("hidden", "u"))[:, 0, 0]
    layer = forecast(made, "loihi1", dt=DT).layer("hidden")
    assert decay(u, 100, 300) / 2.8 - 1 == pytest.approx(layer.tau_syn_error, abs=0.01)
    assert "tau" not in warned(slow(20e-3, 5e-3, weight=1.0))
