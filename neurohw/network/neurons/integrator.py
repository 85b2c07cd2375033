"""Integrate-and-fire without a leak: the capacitor alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neurohw.network.common import Ask
from neurohw.network.model import Neuron, above, parameter
from neurohw.network.units import Value

__all__ = ["IF"]


class IF(Neuron):
    """Integrate-and-fire neurons: ``C dV/dt = I``, the charge Q = C V on a capacitor.

    A neuron that reaches `V_th` spikes and is set to `V_reset`. A constant current I > 0 makes it
    fire at ``1 / (t_ref + C (V_th - V_reset) / I)``. Source: Lapicque 1907; Gerstner et al.,
    Neuronal Dynamics (2014), section 1.3, without its leak.

    Parameters
    ----------
    C : Quantity
        Membrane capacitance in F, greater than 0.
    V_reset, V_th : Quantity
        Reset and threshold in V; `V_th` is above `V_reset`, which is 0 V if left out.
    V_init : Quantity, optional
        Potential at time 0 in V; `V_reset` if left out.
    size, I_bias, t_ref, t_ref_sigma
        See :class:`~neurohw.network.model.Neuron`.
    """

    C: Value = parameter("F", above=0)
    V_reset: Value = parameter("V", 0.0)
    V_th: Value = parameter("V")
    V_init: Value = parameter("V", "V_reset")
    states = {"V": "V"}

    def validate(self, ask: Ask) -> None:
        above(ask, "V_th", self.V_th, self.V_reset, "V_reset")

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": x.I / p.C}
