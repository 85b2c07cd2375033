"""The squid axon of Hodgkin and Huxley."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from neurohw.network.maths import exp, exprel
from neurohw.network.model import Neuron, parameter
from neurohw.network.units import Value

__all__ = ["HodgkinHuxley"]


class HodgkinHuxley(Neuron):
    """Hodgkin-Huxley neurons: sodium (m^3 h), potassium (n^4) and leak on a capacitor.

    ``C dV/dt = g_Na m^3 h (E_Na - V) + g_K n^4 (E_K - V) + g_L (E_L - V) + I`` and
    ``dy/dt = alpha_y (1 - y) - beta_y y`` for the gates m, h, n. The defaults are one square
    centimetre of squid axon at 6.3 degrees Celsius, rest near -65 mV, so that a current in uA reads
    as uA/cm^2. A spike is an upward crossing of `V_th`; nothing is reset. Source: Hodgkin and
    Huxley, J. Physiol. 117:500 (1952), in the modern sign and with rest at -65 mV (Gerstner et al.,
    Neuronal Dynamics, section 2.2).

    Parameters
    ----------
    E_L, E_Na, E_K : Quantity
        Reversal potentials in V.
    C : Quantity
        Membrane capacitance in F, greater than 0.
    g_Na, g_K, g_L : Quantity
        Largest conductances in S, at least 0.
    V_th : Quantity
        Potential in V whose upward crossing counts as a spike.
    V_init : Quantity
        Potential at time 0 in V; the gates start at their steady state there.
    size, I_bias
        See :class:`~neurohw.network.model.Neuron`.
    """

    E_L: Value = parameter("V", "-54.387 mV")
    E_Na: Value = parameter("V", "50 mV")
    E_K: Value = parameter("V", "-77 mV")
    C: Value = parameter("F", "1 uF", above=0)
    g_Na: Value = parameter("S", "120 mS", least=0)
    g_K: Value = parameter("S", "36 mS", least=0)
    g_L: Value = parameter("S", "0.3 mS", least=0)
    V_th: Value = parameter("V", "0 mV")
    V_init: Value = parameter("V", "-65 mV")
    states = {"V": "V", "m": "", "h": "", "n": ""}
    crossing = True
    refractory = False

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        sodium = p.g_Na * (x.m * x.m * x.m * x.h) * (p.E_Na - x.V)
        potassium = p.g_K * (x.n * x.n * x.n * x.n) * (p.E_K - x.V)
        out = {"V": (sodium + potassium + p.g_L * (p.E_L - x.V) + x.I) / p.C}
        for gate, (alpha, beta) in _rates(x.V).items():
            y = getattr(x, gate)
            out[gate] = alpha * (1.0 - y) - beta * y
        return out

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        return {}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        rates = _rates(SimpleNamespace(V=p.V_init).V)
        return {"V": p.V_init} | {gate: a / (a + b) for gate, (a, b) in rates.items()}


def _rates(V: Any) -> dict[str, tuple[Any, Any]]:
    """Opening and closing rates of each gate in 1/s at the potential V (V)."""
    v = V * 1e3  # the fits are in mV and per ms
    return {
        "m": (1e3 / exprel((v + 40.0) * -0.1), 4e3 * exp((v + 65.0) * (-1 / 18))),
        "h": (70.0 * exp((v + 65.0) * -0.05), 1e3 / (1.0 + exp((v + 35.0) * -0.1))),
        "n": (100.0 / exprel((v + 55.0) * -0.1), 125.0 * exp((v + 65.0) * (-1 / 80))),
    }
