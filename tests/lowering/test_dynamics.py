"""The float step of any model: against the linear path, closed forms and itself on every engine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import neurohw as nh
from neurohw.errors import LoweringError
from neurohw.run import compare_programs
from neurohw.testing import resolve
from neurohw.testing.checks import examine
from neurohw.testing.models import MODELS, model_case

NOISE = {
    "white": nh.AdditiveNoise(sigma="4 pA*s**0.5"),
    "per step": nh.AdditiveNoise(sigma="0.2 nA", convention="per_step"),
    "times V, white": nh.MultiplicativeNoise(sigma="2 pA/mV*ms**0.5"),
    "times V, per step": nh.MultiplicativeNoise(sigma="0.1 nS", convention="per_step"),
}


ALL = list(itertools.product(MODELS, ["euler", "exponential"]))


def lif(**more: Any) -> nh.LIF:
    given = dict(tau="20 ms", g_L="20 nS", E_L="-60 mV", V_th="-50 mV", V_reset="-70 mV",
                 I_bias="0.3 nA")  # fmt: skip
    return nh.LIF(**(given | more))


def conductance_net(neuron: nh.Neuron, weight: Any, tau: Any, E_rev: Any, **more: Any) -> Any:
    """One spike at time 0 onto a conductance."""
    net = nh.Network("one")
    net.driver("x", nh.SpikeTimes(times=[[0.0]]))
    net.population("n", neuron, **more)
    net.connect("x", "n", nh.Conductance(weight=weight, tau=tau, E_rev=E_rev))
    net.probe("n", "v", "g")
    return net


@pytest.mark.parametrize("method", ["euler", "exponential"])
@pytest.mark.parametrize("noise", NOISE)
def test_the_general_step_is_the_linear_step(method: str, noise: str) -> None:
    """A conductance of weight 0 sends a LIF neuron down the general path: same draws, same V."""
    neuron = lif(size=3, t_ref="2 ms", t_ref_sigma="1 ms", reset="to")
    plain = nh.Network("one")
    plain.population("n", neuron, noise=NOISE[noise])
    plain.probe("n", "v")
    general = conductance_net(neuron, 0.0, "5 ms", "0 mV", noise=NOISE[noise])
    assert len(nh.lower(plain, "float64", dt=1e-4).program.population("n").states) == 2
    assert len(nh.lower(general, "float64", dt=1e-4).program.population("n").states) == 3
    one, two = (
        nh.run(x, backend="reference", method=method, steps=1200, trials=4, seed=3)
        for x in (plain, general)
    )
    a, b = one.trace("n", "v").values, two.trace("n", "v").values
    assert len(one.spikes("n")) > 20
    # 1200 steps of rounding in volts of the order of 0.1, and no amplification below threshold
    np.testing.assert_allclose(a, b, rtol=0, atol=1200 * 2.0**-52)
    np.testing.assert_array_equal(one.spikes("n").step, two.spikes("n").step)


@pytest.mark.parametrize("method", ["euler", "exponential"])
def test_two_noises_of_one_kind_add_their_variances(method: str) -> None:
    """As on the linear path: one draw of the root of the sum of squares."""
    noise = [NOISE["white"], NOISE["per step"], NOISE["times V, white"], NOISE["times V, per step"]]
    neuron = lif(size=2)
    plain = nh.Network("one")
    plain.population("n", neuron, noise=noise)
    plain.probe("n", "v")
    general = conductance_net(neuron, 0.0, "5 ms", "0 mV", noise=noise)
    one, two = (
        nh.run(x, backend="reference", method=method, steps=300, trials=3, seed=3)
        for x in (plain, general)
    )
    a, b = one.trace("n", "v").values, two.trace("n", "v").values
    # as above, with multiplicative noise that may carry V to -1 V
    np.testing.assert_allclose(a, b, rtol=0, atol=300 * 2.0**-52 * 10)


@pytest.mark.parametrize("reset", ["to", "subtract", "none"])
def test_resets_agree_with_the_linear_step(reset: Any) -> None:
    neuron = lif(reset=reset, I_bias="0.5 nA")
    plain = nh.Network("one")
    plain.population("n", neuron)
    plain.probe("n", "v")
    general = conductance_net(neuron, 0.0, "5 ms", "0 mV")
    one, two = (nh.run(x, backend="reference", steps=900) for x in (plain, general))
    np.testing.assert_array_equal(one.spikes("n").step, two.spikes("n").step)
    assert len(one.spikes("n")) > 2


def test_exponential_euler_is_exact_for_a_constant_conductance() -> None:
    g, leak, C = 30e-9, 20e-9, 0.4e-9
    neuron = lif(V_th="10 mV", I_bias="0.1 nA")
    net = conductance_net(neuron, g, "1e13 s", "0 mV")
    for dt, steps in ((1e-3, 50), (5e-3, 10)):
        v = nh.run(net, backend="reference", dt=dt, steps=steps, method="exponential").trace("n")
        t = dt * np.arange(1, steps + 1)
        rest = (leak * -0.06 + 0.1e-9) / (leak + g)
        exact = rest + (-0.06 - rest) * np.exp(-(leak + g) / C * t)
        np.testing.assert_allclose(v.values[:, 0, 0], exact, rtol=1e-13)


def test_euler_and_exponential_converge_at_first_order() -> None:
    """A decaying conductance has no closed form here: errors against SciPy halve with dt."""
    from scipy.integrate import solve_ivp

    neuron, tau = lif(V_th="10 mV"), 5e-3

    def f(t: float, v: np.ndarray) -> np.ndarray:
        return neuron.rates({"V": v}, 40e-9 * np.exp(-t / tau) * (0.0 - v))["V"]

    exact = solve_ivp(f, (0, 20e-3), [-0.06], rtol=1e-11, atol=1e-14, method="DOP853").y[0, -1]
    for method in ("euler", "exponential"):
        errors = []
        for dt in (4e-4, 2e-4, 1e-4):
            net = conductance_net(neuron, 40e-9, tau, "0 mV")
            rec = nh.run(net, backend="reference", dt=dt, duration=20e-3, method=method)
            errors.append(abs(float(rec.trace("n").values[-1, 0, 0]) - exact))
        ratios = np.divide(errors[:-1], errors[1:])
        # first order: 2, and the next term of the error is smaller by dt / tau = 8 % at most
        assert np.all(np.abs(ratios - 2) < 0.25), (method, errors)


def test_order_of_a_step_is_conductance_first() -> None:
    net = conductance_net(lif(V_init="-60 mV", I_bias=0.0), "40 nS", "5 ms", "0 mV")
    rec = nh.run(net, backend="reference", steps=2, dt=1e-4)
    g, v = (rec.trace("n", k).values[:, 0, 0] for k in ("g", "v"))
    assert g[0] == 40e-9 and g[1] == pytest.approx(40e-9 * (1 - 1e-4 / 5e-3), rel=1e-15)
    assert v[0] == pytest.approx(-0.06 + 1e-4 * 40e-9 * 0.06 / 0.4e-9, rel=1e-15)


def test_a_crossing_is_one_spike() -> None:
    net = nh.Network("hh")
    net.population("n", nh.HodgkinHuxley(size=2, I_bias=["0 uA", "10 uA"]))
    net.probe("n", "v", "h")
    rec = nh.run(net, backend="reference", dt="0.02 ms", duration="60 ms")
    v = rec.trace("n", "v").values[:, 0, 1]
    crossings = np.flatnonzero((v[1:] >= 0) & (v[:-1] < 0)) + 1
    np.testing.assert_array_equal(rec.spikes("n").step, crossings)
    assert len(crossings) >= 3 and np.all(rec.spikes("n").element == 1)
    assert rec.trace("n", "h").attrs["units"] == ""


def test_a_spike_of_adex_adds_b_to_w() -> None:
    net = nh.Network("a")
    neuron = nh.AdEx(C="200 pF", g_L="10 nS", E_L="-70 mV", V_T="-50 mV", V_reset="-58 mV",
                     tau_w="30 ms", b="60 pA", I_bias="0.5 nA")  # fmt: skip
    net.population("n", neuron)
    net.probe("n", "v", "w")
    rec = nh.run(net, backend="reference", duration="50 ms")
    step = int(rec.spikes("n").step[0])
    v, w = (rec.trace("n", k).values[:, 0, 0] for k in ("v", "w"))
    assert v[step] == -0.058
    free = w[step - 1] + 1e-4 * (0.0 * (v[step - 1] + 0.07) - w[step - 1]) / 0.03
    assert w[step] == pytest.approx(free + 60e-12, rel=1e-12)


def test_devices_differ_on_the_general_path_too() -> None:
    net = conductance_net(
        lif(size=50, I_bias=0.0), 0.0, "5 ms", "0 mV",
        mismatch=[nh.Mismatch(parameter="C", cv=0.2), nh.Mismatch(parameter="V_th", cv=0.1)],
    )  # fmt: skip
    program = nh.lower(net, "float64", dt=1e-4, seed=5).program
    spread = {x.name: x.data for x in program.population("n").params}
    assert len(spread) >= 2 and all(len(np.unique(d)) > 45 for d in spread.values())


def test_one_name_for_two_conductances_is_refused() -> None:
    net = conductance_net(lif(), "1 nS", "5 ms", "0 mV")
    net.connect("x", "n", nh.Conductance(weight="1 nS", tau="5 ms", E_rev="-80 mV"))
    with pytest.raises(LoweringError, match=r"one name for two conductances; got 'g'; .*receptor"):
        nh.lower(net, "float64", dt=1e-4)


@pytest.mark.parametrize("target", ["loihi1", "lava", "lava-float", "snntorch"])
def test_refusals_name_the_reason(target: str) -> None:
    with pytest.raises(LoweringError, match="cannot multiply g by V") as caught:
        nh.lower(conductance_net(lif(), "1 nS", "5 ms", "0 mV"), target, dt=1e-4)
    assert "\n" not in str(caught.value)
    net = nh.Network("hh")
    net.population("n", nh.HodgkinHuxley())
    with pytest.raises(LoweringError, match=f"n: {target} .*; got 'HodgkinHuxley'; .*fix|float"):
        nh.lower(net, target, dt=1e-5)


class Linear(nh.Neuron):
    """A model of a user's own that is linear, so every chip can have it."""

    E: float = nh.parameter("V", "-65 mV")
    k: float = nh.parameter("Hz", above=0)
    C: float = nh.parameter("F", above=0)
    V_th: float = nh.parameter("V", "-50 mV")
    states = {"V": "V"}

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": p.k * p.E - x.V * p.k + x.I / p.C}

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": p.E}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        return {"V": p.E}


@pytest.mark.parametrize("target", ["float64", "loihi1", "lava", "lava-float"])
def test_a_linear_model_of_ones_own_is_a_lif_everywhere(target: str) -> None:
    mine = nh.Network("x")
    mine.population("n", Linear(k="50 Hz", C="1 nF", I_bias="1 nA"))
    twin = nh.Network("x")
    twin.population(
        "n", nh.LIF(tau="20 ms", C="1 nF", E_L="-65 mV", V_th="-50 mV", I_bias="1 nA")
    )  # fmt: skip
    for net in (mine, twin):
        net.probe("n", "v")
    one, two = (nh.run(n, target=target, backend="reference", steps=1000) for n in (mine, twin))
    assert len(one.spikes("n")) > 1
    np.testing.assert_array_equal(one.spikes("n").step, two.spikes("n").step)
    # the same parameters up to a rounding of binary64, so the same integers
    a, b = (r.trace("n").values for r in (one, two))
    np.testing.assert_allclose(a, b, rtol=0, atol=0 if "float" not in target else 1e-13)


@pytest.mark.parametrize(("kind", "method"), ALL)
@pytest.mark.parametrize("target", ["float64", "float32"])
def test_every_model_and_method_conforms_on_torch(kind: str, method: str, target: str) -> None:
    pytest.importorskip("torch", reason="the torch extra is not installed")
    result = examine(resolve("torch"), model_case(kind, method, target=target))
    assert not result.refused and not result.failures, str(result.failures[0])


@pytest.mark.parametrize(("kind", "method"), ALL)
def test_every_model_and_method_agrees_on_native(kind: str, method: str) -> None:
    case = model_case(kind, method, steps=200)
    found = compare_programs([case.program], 200, backends=["reference", "native"])
    assert found.ok, [pair.sentence for pair in found.pairs]
