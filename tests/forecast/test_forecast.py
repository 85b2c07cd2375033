"""What is said before the run, held against the run."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import neurohw as nh
from neurohw.forecast import KINDS, forecast, measure
from neurohw.forecast.drive import Neurons
from neurohw.lowering import lower

DT = 1e-3


def cells(size=4, **more):
    return nh.LIF(**{"size": size, "C": 1e-3, "tau": 20e-3, "E_L": 0.0, "V_th": 1.0, "V_reset": 0.0,
                     **more})  # fmt: skip


def net(source, synapse, target, **more):
    made = nh.Network("forecast")
    made.driver("in", source)
    made.population("fc", target)
    made.connect("in", "fc", synapse, **more)
    return made


def kinds(found):
    return [(f.kind, f.where, f.certain) for f in found.findings if f.kind != "latency"]


def ran(network, steps=1000):
    return measure(network, "loihi1", dt=DT, steps=steps, backend="reference")


def test_weights_that_round_to_zero_silence_a_population():
    """100 inputs of 3 mV reach the threshold; beside one of -1 V they are below half a unit."""
    weight = np.full((4, 100), 3e-3)
    weight[0, 0] = -1.0
    silent = net(nh.Poisson(size=100, rate=300.0), nh.Delta(weight=weight), cells())
    found = forecast(silent, "loihi1", dt=DT)
    assert kinds(found) == [("silent", "fc", True), ("overflow", "fc", False)]
    assert found.findings[0].text == (
        "99.8 % of the weights of in_to_fc round to 0: fc will be silent "
        "(no input can lift it to its threshold)"
    )
    layer = found.layer("fc")
    assert layer.zeroed == pytest.approx(399 / 400)
    assert layer.silent and not layer.silent_asked and layer.rate_asked > 10
    measured = ran(silent)
    assert measured.rates["fc"][0] > 10 and measured.rates["fc"][1] == 0
    assert {"silent", "overflow"} == {f.kind for f in measured.findings}


def test_inputs_in_every_step_overflow_the_current():
    """All inputs in every step, and a slow synapse: more than lowering leaves room for."""
    source = nh.Regular(size=60, rate=1 / DT)
    busy = net(source, nh.Exponential(weight=1e-3, tau=200e-3), cells())
    found = forecast(busy, "loihi1", dt=DT)
    assert ("overflow", "fc", False) in kinds(found)
    measured = ran(busy)
    assert "overflow" in [f.kind for f in measured.findings]
    calm = net(nh.Regular(size=60, rate=5.0), nh.Exponential(weight=1e-3, tau=200e-3), cells())
    assert "overflow" not in [k for k, _, _ in kinds(forecast(calm, "loihi1", dt=DT))]
    assert "overflow" not in [f.kind for f in ran(calm).findings]


def test_a_leak_below_half_a_unit_is_none():
    """tau of 20 s at 1 ms: 0.2/4096 a step, held as 0; the membrane then keeps what it got."""
    weight = np.array([[0.5]])
    slow = net(nh.SpikeTimes(times=[[0.0]]), nh.Delta(weight=weight), cells(1, tau=20.0))
    slow.probe("fc", "v")
    found = forecast(slow, "loihi1", dt=DT)
    assert ("tau", "fc.tau", True) in kinds(found)
    v = nh.run(slow, target="loihi1", dt=DT, steps=5000, backend="reference").trace("fc", "v")
    v = np.asarray(v).ravel()
    assert v[1] == v[-1] > 0.49


def test_a_population_that_feeds_on_a_silent_one_is_silent():
    weight = np.full((4, 100), 3e-3)
    weight[0, 0] = -1.0
    chain = net(nh.Poisson(size=100, rate=300.0), nh.Delta(weight=weight), cells())
    chain.population("next", cells(2))
    chain.connect("fc", "next", nh.Delta(weight=2.0))
    assert [w for k, w, sure in kinds(forecast(chain, "loihi1", dt=DT)) if k == "silent" and sure] \
        == ["fc", "next"]  # fmt: skip


@pytest.mark.parametrize("more", [dict(), dict(t_ref=5e-3), dict(g_L=0.0, tau=None)])
def test_the_rate_of_constant_input_is_the_forecast(more):
    """Sources that fire in every step are a constant input: the forecast is then exact."""
    steady = {k: v for k, v in more.items() if v is not None}
    model = cells(**more) if "tau" not in more else nh.LIF(
        size=4, C=1e-3, E_L=0.0, V_th=1.0, V_reset=0.0, **steady)  # fmt: skip
    constant = net(nh.Regular(size=2, rate=1 / DT), nh.Delta(weight=0.06), model)
    found = forecast(constant, "loihi1", dt=DT)
    measured = ran(constant, 2000)
    for asked, got in zip(
        (found.layer("fc").rate_asked, found.layer("fc").rate), measured.rates["fc"], strict=True
    ):
        assert asked == pytest.approx(got, abs=1 / (2000 * DT))


def test_steps_to_threshold_are_those_of_the_recursion():
    rng = np.random.default_rng(0)
    for _ in range(200):
        keep, drive = rng.uniform(0.5, 1), rng.uniform(0.02, 1.5)
        one = (np.array([x]) for x in (keep, 0.0, 1.0, 0.0, 1.0))
        n = Neurons(*one).steps_to_threshold(np.array([drive]))[0]
        v, count = 0.0, 0
        while v < 1 and count < 10_000:
            v, count = keep * v + drive, count + 1
        assert n == count or (math.isinf(n) and count == 10_000)


def test_noise_or_a_current_that_changes_is_no_ground_for_silence():
    weight = np.full((4, 100), 1e-6)
    weight[0, 0] = -1.0
    made = nh.Network("noisy")
    made.driver("in", nh.Poisson(size=100, rate=300.0))
    made.population("fc", cells(), noise=[nh.AdditiveNoise(sigma=1e-3)])
    made.connect("in", "fc", nh.Delta(weight=weight))
    assert not forecast(made, "lava", dt=DT).layer("fc").silent


def test_plain_data_and_the_names_of_what_can_fail():
    good = net(nh.Poisson(size=20, rate=100.0), nh.Delta(weight=0.05), cells())
    found, measured = forecast(good, "loihi1", dt=DT), ran(good, 200)
    json.dumps([found.as_dict(), measured.as_dict()], allow_nan=False)
    assert {f.kind for f in found.findings} <= set(KINDS)


def test_a_float_lowering_knows_its_numbers():
    made = net(nh.Poisson(size=20, rate=100.0), nh.Exponential(weight=1e-3, tau=5e-3), cells())
    numbers = lower(made, "float64", dt=DT, method="exponential").numbers
    assert numbers.values["decay_u", "fc"] == pytest.approx(math.exp(-1 / 5))
    assert numbers.values["decay_v", "fc"] == pytest.approx(math.exp(-1 / 20))
    assert numbers.values["gain", "fc"] == pytest.approx((1 - math.exp(-1 / 20)) * 20)
