"""The simple model of Izhikevich."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurohw.network.model import Neuron, parameter
from neurohw.network.units import Value

__all__ = ["Izhikevich"]


class Izhikevich(Neuron):
    """Izhikevich neurons (Dynamical Systems in Neuroscience, MIT Press 2007, section 8.1.4).

    ``C dV/dt = k (V - V_r) (V - V_t) - w + I``, ``dw/dt = a (b (V - V_r) - w)``; at `V_peak` a
    spike, ``V = V_reset``, ``w += d``. The book's u is called w here.

    Parameters
    ----------
    V_r, V_t, V_peak, V_reset : Quantity
        Rest, instantaneous threshold, cut-off and reset (the book's c) in V.
    C, k : Quantity
        Capacitance (F, greater than 0) and sharpness of the upstroke (S/V, greater than 0).
    a, b, d : Quantity
        Recovery: rate (1/s, greater than 0), sensitivity (S), jump at a spike (A).
    V_init, w_init : Quantity
        States at time 0; `V_r` and 0 A if left out.
    size, I_bias, t_ref, t_ref_sigma
        See :class:`~neurohw.network.model.Neuron`.
    """

    V_r: Value = parameter("V")
    V_t: Value = parameter("V")
    V_peak: Value = parameter("V")
    V_reset: Value = parameter("V")
    C: Value = parameter("F", above=0)
    k: Value = parameter("S/V", above=0)
    a: Value = parameter("Hz", above=0)
    b: Value = parameter("S")
    d: Value = parameter("A")
    V_init: Value = parameter("V", "V_r")
    w_init: Value = parameter("A", 0.0)
    states = {"V": "V", "w": "A"}

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        return {
            "V": (p.k * (x.V - p.V_r) * (x.V - p.V_t) - x.w + x.I) / p.C,
            "w": p.a * (p.b * (x.V - p.V_r) - x.w),
        }

    @staticmethod
    def threshold(x: Any, p: Any) -> Any:
        return p.V_peak

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": p.V_reset, "w": x.w + p.d}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        return {"V": p.V_init, "w": p.w_init}

    @staticmethod
    def span(p: Any) -> Mapping[str, tuple[Any, Any]]:
        """The recovery current at 500 spikes per second, and the swing of V from rest to peak."""
        spikes = abs(p.d) * (1 + 500.0 / p.a)
        most = spikes + abs(p.w_init) + 2 * abs(p.b * (p.V_peak - p.V_r))
        return {"w": (-most, most)}
