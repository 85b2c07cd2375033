"""The adaptive exponential integrate-and-fire neuron."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurohw.network.common import Ask
from neurohw.network.maths import exp
from neurohw.network.model import Neuron, above, parameter
from neurohw.network.units import Value

__all__ = ["AdEx"]


class AdEx(Neuron):
    """Adaptive exponential integrate-and-fire neurons (Brette and Gerstner, J. Neurophysiol. 2005).

    ``C dV/dt = g_L (E_L - V) + g_L Delta_T exp((V - V_T) / Delta_T) - w + I``,
    ``tau_w dw/dt = a (V - E_L) - w``; at `V_peak` a spike, ``V = V_reset``, ``w += b``.

    Parameters
    ----------
    E_L, V_T, V_reset : Quantity
        Rest, soft threshold and reset in V.
    V_peak : Quantity
        Potential in V at which the upstroke is cut off; above `V_reset`.
    Delta_T : Quantity
        Sharpness of the upstroke in V, greater than 0.
    C, g_L, tau_w : Quantity
        Capacitance (F), leak conductance (S), time constant of adaptation (s); greater than 0.
    a, b : Quantity
        Adaptation: conductance below threshold (S), jump at a spike (A).
    V_init, w_init : Quantity
        States at time 0; `E_L` and 0 A if left out.
    size, I_bias, t_ref, t_ref_sigma
        See :class:`~neurohw.network.model.Neuron`.
    """

    E_L: Value = parameter("V")
    V_T: Value = parameter("V")
    V_reset: Value = parameter("V", "E_L")
    V_peak: Value = parameter("V", "0 mV")
    Delta_T: Value = parameter("V", "2 mV", above=0)
    C: Value = parameter("F", above=0)
    g_L: Value = parameter("S", above=0)
    tau_w: Value = parameter("s", above=0)
    a: Value = parameter("S", 0.0)
    b: Value = parameter("A", 0.0)
    V_init: Value = parameter("V", "E_L")
    w_init: Value = parameter("A", 0.0)
    states = {"V": "V", "w": "A"}

    def validate(self, ask: Ask) -> None:
        above(ask, "V_peak", self.V_peak, self.V_reset, "V_reset")

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        upstroke = p.g_L * p.Delta_T * exp((x.V - p.V_T) / p.Delta_T)
        return {
            "V": (p.g_L * (p.E_L - x.V) + upstroke - x.w + x.I) / p.C,
            "w": (p.a * (x.V - p.E_L) - x.w) / p.tau_w,
        }

    @staticmethod
    def threshold(x: Any, p: Any) -> Any:
        return p.V_peak

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": p.V_reset, "w": x.w + p.b}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        return {"V": p.V_init, "w": p.w_init}
