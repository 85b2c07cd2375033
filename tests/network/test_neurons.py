"""Neuron models as declarations: parameters, defaults, errors, TOML, and one of a user's own."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from neurohw.errors import NetworkError, UnitError
from neurohw.lowering import lower
from neurohw.network import (
    IF,
    LIF,
    AdEx,
    Conductance,
    HodgkinHuxley,
    Izhikevich,
    Mismatch,
    Network,
    Neuron,
    Poisson,
    dumps,
    loads,
    parameter,
)
from neurohw.network.neurons import MODELS


def adex(**more: Any) -> AdEx:
    given = dict(
        C="200 pF", g_L="10 nS", E_L="-70 mV", V_T="-50 mV", V_reset="-58 mV", tau_w="30 ms"
    )
    return AdEx(**(given | more))


class Leaky(Neuron):
    """The README's own model: a leak and nothing else."""

    E: float = parameter("V", "-60 mV")
    tau: float = parameter("s", above=0)
    V_th: float = parameter("V", "0 mV")
    states = {"V": "V"}

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": (p.E - x.V) / p.tau}

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        return {}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        return {"V": p.E}


def test_parameters_are_si_and_defaults_follow_others() -> None:
    neuron = adex(size=2, I_bias=["1 nA", "2 nA"])
    assert neuron.V_init == neuron.E_L == -0.07
    assert neuron.V_peak == 0.0 and neuron.Delta_T == 0.002
    np.testing.assert_array_equal(neuron.I_bias, [1e-9, 2e-9])
    assert neuron == neuron.replace() and neuron != neuron.replace(a="1 nS")
    assert neuron.replace(E_L="-65 mV").V_init == -0.07  # written values are kept as they were


def test_signature_tells_what_is_needed() -> None:
    found = inspect.signature(AdEx).parameters
    assert all(p.kind is p.KEYWORD_ONLY for p in found.values())
    needed = {k for k, p in found.items() if p.default is p.empty}
    assert needed == {"E_L", "V_T", "C", "g_L", "tau_w"}


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: adex(tau_w=None), NetworkError,
         "AdEx.tau_w: missing parameter; allowed: a quantity in s"),
        (lambda: adex(tau="1 ms"), NetworkError, "AdEx.tau: unknown parameter; allowed: E_L,"),
        (lambda: adex(C="-1 pF"), NetworkError,
         "AdEx.C: out of range; got -1 pF; allowed: greater than 0 F"),
        (lambda: adex(C="1 mV"), UnitError, "AdEx.C: wrong unit; got '1 mV'; allowed: a quantity"),
        (lambda: adex(V_peak="-58 mV"), NetworkError,
         "AdEx.V_peak: must be above V_reset; got -58 mV; allowed: greater than V_reset = -58 mV"),
        (lambda: adex(size=2, a=[1e-9]), NetworkError,
         "AdEx.a: wrong shape; got shape (1,); allowed: one value, or one per neuron: shape (2,)"),
        (lambda: IF(C="1 nF", V_th="-1 mV"), NetworkError, "IF.V_th: must be above V_reset; got"),
        (lambda: HodgkinHuxley(g_Na="-1 mS"), NetworkError, "HodgkinHuxley.g_Na: out of range;"),
        (lambda: Conductance(weight=-1e-9, tau=1, E_rev=0), NetworkError,
         "Conductance.weight: a conductance is not negative; got -1 nS; allowed: at least 0 S; "
         "an inhibitory synapse has a low E_rev"),
        (lambda: Conductance(weight=1, tau=1, E_rev=0, receptor="a b"), NetworkError,
         "Conductance.receptor: not a name; got 'a b'; allowed: letters, digits, _"),
    ],
)  # fmt: skip
def test_errors(make: Any, kind: type, text: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message and text in message, message
    assert "test_neurons.py:" in message


def test_hodgkin_huxley_starts_at_rest() -> None:
    neuron = HodgkinHuxley()
    start = neuron.start()
    # Dayan and Abbott, Theoretical Neuroscience, fig. 5.10: m 0.053, h 0.6, n 0.32 at -65 mV
    assert [round(float(start[k]), 2) for k in ("m", "h", "n")] == [0.05, 0.6, 0.32]
    change = neuron.rates(start)
    assert all(abs(change[k]) < 1e-9 for k in ("m", "h", "n"))
    assert abs(change["V"]) < 0.01  # V/s: rest is within 0.01 mV/ms of -65 mV


def test_the_holes_in_the_rates_are_filled() -> None:
    at = {"V": np.array([-0.040, -0.055, -0.04 + 1e-12]), "m": 0.5, "h": 0.5, "n": 0.5}
    change = HodgkinHuxley().rates(at)
    assert all(np.all(np.isfinite(x)) for x in change.values())
    assert abs(change["m"][0] - change["m"][2]) < 1e-6 * abs(change["m"][0])


@pytest.mark.parametrize("kind", [k for k in MODELS if k != "relay"])
def test_every_model_survives_toml(kind: str) -> None:
    made: dict[str, Neuron] = {
        "lif": LIF(tau="20 ms", C="1 nF", V_th="1 mV"),
        "if": IF(C="1 nF", V_th="10 mV", t_ref="1 ms"),
        "hodgkin_huxley": HodgkinHuxley(size=2, V_init="-70 mV"),
        "adex": adex(b="60 pA", I_bias="0.5 nA"),
        "izhikevich": Izhikevich(
            C="100 pF",
            k="0.7 nS/mV",
            V_r="-60 mV",
            V_t="-40 mV",
            V_peak="35 mV",
            V_reset="-50 mV",
            a="30 Hz",
            b="-2 nS",
            d="100 pA",
        ),
    }
    net = Network("n")
    net.driver("d", Poisson(rate="5 Hz"))
    net.population("p", made[kind])
    net.connect("d", "p", Conductance(weight="1 nS", tau="2 ms", E_rev="0 mV", receptor="E"))
    net.probe("p", "v", "g_E")
    again, _ = loads(dumps(net))
    assert again == net and f'model = "{kind}"' in dumps(net)
    other = net["p"].model.replace(I_bias="1 pA")  # type: ignore[union-attr]
    assert other != net["p"].model  # type: ignore[union-attr]


def test_conductances_differ_in_reversal() -> None:
    one, two = (Conductance(weight=1e-9, tau=1e-3, E_rev=e) for e in (0.0, -0.08))
    assert one != two and one.variable == "g"
    nets = []
    for synapse in (one, two):
        net = Network("n")
        net.driver("d", Poisson(rate="5 Hz"))
        net.population("p", HodgkinHuxley())
        net.connect("d", "p", synapse)
        nets.append(net)
    assert nets[0] != nets[1]


def test_a_model_of_ones_own() -> None:
    neuron = Leaky(size=3, tau="10 ms")
    assert neuron.rates({"V": -0.05}) == {"V": (-0.06 + 0.05) / 0.01}
    assert neuron.spreadable() == ("tau", "V_th", "t_ref", "t_ref_sigma", "I_bias")
    net = Network("n")
    net.population("p", neuron, mismatch=Mismatch(parameter="tau", cv=0.1))
    net.probe("p", "v", "refractory")
    with pytest.raises(NetworkError, match=r"probe of p\.variables: unknown value; got 'w'"):
        net.probe("p", "w")


class Slow(Leaky):
    """A model made from a model: one parameter more, and another default."""

    k: float = parameter("", 2.0)
    E: float = parameter("V", "-70 mV")

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": (p.E - x.V) / (p.tau * p.k)}


def test_a_state_without_a_start_begins_at_zero() -> None:
    class Silent(Leaky):
        @staticmethod
        def initial(p: Any) -> Mapping[str, Any]:
            return {}

    neuron = Silent(tau="10 ms")
    assert neuron.start() == {"V": 0.0}
    net = Network("n")
    net.population("n", neuron)
    program = lower(net, "float64", dt=1e-4).program
    assert float(program.population("n").states[0].init) == 0.0


def test_a_model_made_from_a_model_keeps_its_parameters() -> None:
    neuron = Slow(tau="10 ms", k=4.0)
    assert list(Slow.parameters)[:4] == ["E", "tau", "V_th", "k"]
    assert neuron.E == -0.07 and neuron.V_th == 0.0 and neuron.t_ref == 0.0
    assert neuron.rates({"V": -0.05}) == {"V": (-0.07 + 0.05) / 0.04}
    assert "k" not in Leaky.parameters and neuron == neuron.replace()


def test_spread_keeps_the_membrane_consistent() -> None:
    lif = LIF(C="1 nF", tau="20 ms", E_L="-70 mV", V_th="-50 mV", V_reset="-65 mV")
    p = {k: np.asarray(v) for k, v in lif.values.items() if not isinstance(v, str)}
    wider = lif.spread(p, "C", 2.0)
    assert wider["tau"] == 2 * p["tau"] and wider["g_L"] == p["g_L"]
    slower = lif.spread(p, "tau", 2.0)
    assert slower["g_L"] == p["g_L"] / 2 and slower["C"] == p["C"]
    higher = lif.spread(p, "V_th", 1.5)
    assert higher["V_th"] == pytest.approx(-0.04, abs=1e-15)
