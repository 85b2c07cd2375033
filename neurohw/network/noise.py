"""Device noise: fluctuating currents, and parameters that differ from device to device.

The literature writes current noise in two ways, so both exist here. ``white`` is a property of the
circuit: its strength is a current times the square root of a time, and statistics do not depend on
the time step. ``per_step`` adds a Gaussian of the given size at every step, so that its statistics
do depend on the step (the variance of V grows with dt); use it to reproduce a paper that did so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from neurohw.network.common import Origin, Part
from neurohw.network.units import Quantity, Value, to_si

__all__ = ["AdditiveNoise", "Mismatch", "MultiplicativeNoise", "Noise"]

Convention = Literal["white", "per_step"]
_CONVENTIONS = ("white", "per_step")
MIN_FACTOR = 0.01
"""A normal mismatch factor is never below this: a capacitance does not turn negative."""


class _Current(Part):
    """A noise current of strength `sigma`; subclasses say in which unit."""

    sigma: Value
    convention: Convention

    def _read(self, sigma: Quantity, convention: str, unit: str, origin: Origin | None) -> None:
        ask = self._ask(origin)
        self._set(convention=ask.choice("convention", convention, _CONVENTIONS))
        unit = unit if convention == "per_step" else f"{unit}*s**0.5"
        where, place = f"{ask.owner}.sigma", ask.origin.at("sigma")
        number = to_si(sigma, unit, where=where, origin=place)
        size = len(number) if isinstance(number, np.ndarray) else None
        self._set(sigma=ask.si("sigma", number, unit, size=size, least=0))


@dataclass(frozen=True, eq=False, init=False)
class AdditiveNoise(_Current):
    """Current noise of fixed strength, a fresh standard normal N per neuron and step.

    ``white``: ``I_noise = sigma * N / sqrt(dt)``. A membrane of capacitance C and time constant
    tau then fluctuates with ``std(V) = sigma / C * sqrt(tau / 2)`` for any small dt
    (Ornstein-Uhlenbeck; Gerstner et al., Neuronal Dynamics, section 8.1).
    ``per_step``: ``I_noise = sigma * N``.

    Parameters
    ----------
    sigma : Quantity
        Strength, at least 0, in A*s**0.5 (``white``) or A (``per_step``); one value or one per
        neuron.
    convention : {"white", "per_step"}
        How `sigma` is meant.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        `sigma` has the unit of the other convention, or another wrong one.
    NetworkError
        `sigma` is negative or `convention` unknown.
    """

    sigma: Value
    convention: Convention
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self, *, sigma: Quantity, convention: Convention = "white", origin: Origin | None = None
    ) -> None:
        self._read(sigma, convention, "A", origin)


@dataclass(frozen=True, eq=False, init=False)
class MultiplicativeNoise(_Current):
    """Current noise in proportion to the membrane potential: a fluctuating conductance.

    ``white``: ``I_noise = sigma * V * N / sqrt(dt)``; ``per_step``: ``I_noise = sigma * V * N``.
    V is the absolute potential at the start of the step (Ito), not its distance from E_L.

    Parameters
    ----------
    sigma : Quantity
        Strength, at least 0, in S*s**0.5 (``white``) or S (``per_step``); one value or one per
        neuron.
    convention : {"white", "per_step"}
        How `sigma` is meant.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        `sigma` has the unit of the other convention, or another wrong one.
    NetworkError
        `sigma` is negative or `convention` unknown.
    """

    sigma: Value
    convention: Convention
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self, *, sigma: Quantity, convention: Convention = "white", origin: Origin | None = None
    ) -> None:
        self._read(sigma, convention, "S", origin)


@dataclass(frozen=True, eq=False, init=False)
class Mismatch(Part):
    """A relative spread of one parameter, drawn once per device (and per trial) and then fixed.

    The parameter p of each neuron is multiplied by a factor f of mean 1 and coefficient of
    variation `cv`. ``normal``: ``f = max(1 + cv * N, MIN_FACTOR)``. ``lognormal``:
    ``f = exp(s * N - s**2 / 2)`` with ``s = log_sigma = sqrt(log(1 + cv**2))``. For a voltage,
    zero is arbitrary, so its distance from E_L is multiplied: ``p' = E_L + f * (p - E_L)``.
    Changing C or g_L changes tau; changing tau leaves C and changes g_L.

    Parameters
    ----------
    parameter : str
        What differs: a parameter of the neuron model, of LIF one of C, g_L, tau, V_th, V_reset,
        I_bias and t_ref.
    cv : Quantity
        Coefficient of variation, a pure number: at least 0, and below 0.5 for ``normal``.
    distribution : {"normal", "lognormal"}
        Distribution of f.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    NetworkError
        Unknown parameter or distribution, or `cv` out of range.
    """

    parameter: str
    cv: float
    distribution: Literal["normal", "lognormal"]
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self,
        *,
        parameter: str,
        cv: Quantity,
        distribution: Literal["normal", "lognormal"] = "normal",
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        if parameter == "E_L":
            ask.error(
                "parameter",
                "a relative spread of E_L has no meaning, voltages are spread relative to E_L",
                got=parameter,
                fix="give E_L as one value per neuron",
            )
        self._set(
            parameter=parameter,
            cv=ask.one("cv", cv, "", least=0),
            distribution=ask.choice("distribution", distribution, ("normal", "lognormal")),
        )
        if self.distribution == "normal" and self.cv >= 0.5:
            fix = "use distribution='lognormal'"
            ask.error("cv", "too wide for a normal spread", got=self.cv, allowed="< 0.5", fix=fix)

    @property
    def log_sigma(self) -> float:
        """Standard deviation of log f of the lognormal distribution, dimensionless."""
        return math.sqrt(math.log1p(self.cv**2))


Noise = AdditiveNoise | MultiplicativeNoise
