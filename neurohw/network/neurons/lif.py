"""The leaky integrate-and-fire neuron: an RC circuit with a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

import numpy as np

from neurohw.network.common import Ask, Origin, frozen
from neurohw.network.model import Neuron, above, parameter, read_parameters
from neurohw.network.units import Quantity, Shown, Value, brief, format_si

__all__ = ["LIF"]

Reset = Literal["to", "subtract", "none"]
_MEMBRANE = {"C": "F", "g_L": "S", "tau": "s", "R": "ohm"}
_TOLERANCE = 1e-6


class LIF(Neuron):
    """Leaky integrate-and-fire neurons on a capacitor.

    ``C dV/dt = -g_L (V - E_L) + I_bias + I_synapses + I_noise``; a neuron whose V exceeds V_th
    emits a spike, is reset, and stays there for its refractory period. Source: Gerstner et al.,
    Neuronal Dynamics (2014), section 1.3. Whether equality fires is a rule of the target.

    Every quantity but `size` is one value or one per neuron. Two of `C`, `g_L`, `tau` and `R` are
    enough (``tau = C / g_L``, ``R = 1 / g_L``); more are checked for consistency. ``g_L=0`` with
    `C` is a perfect integrator: `tau` and `R` are then infinite.

    Parameters
    ----------
    size : int
        Number of neurons, at least 1.
    C : Quantity, optional
        Membrane capacitance in F, greater than 0.
    g_L : Quantity, optional
        Leak conductance in S, at least 0.
    tau : Quantity, optional
        Membrane time constant in s, greater than 0.
    R : Quantity, optional
        Membrane resistance in ohm, greater than 0.
    E_L : Quantity
        Leak reversal (resting) potential in V.
    V_th : Quantity
        Threshold in V; above V_reset unless `reset` is ``"none"``.
    V_reset : Quantity, optional
        Reset potential in V; E_L if left out.
    V_init : Quantity, optional
        Potential at time 0 in V; E_L if left out.
    t_ref : Quantity
        Mean refractory period in s, at least 0.
    t_ref_sigma : Quantity
        Refractory jitter in s, at least 0: at every spike the period is drawn anew from
        ``N(t_ref, t_ref_sigma**2)``, a negative draw taken as 0.
    I_bias : Quantity
        Constant current in A.
    reset : {"to", "subtract", "none"}
        ``V := V_reset``; ``V := V - (V_th - V_reset)``; or V untouched.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        A value is out of range, or the membrane is under- or inconsistently determined.
    """

    E_L: Value = parameter("V", 0.0)
    V_th: Value = parameter("V")
    V_reset: Value = parameter("V", "E_L")
    V_init: Value = parameter("V", "E_L")
    C: Value = parameter("F", None, above=0)
    g_L: Value = parameter("S", None, least=0)
    tau: Value = parameter("s", None, above=0)
    R: Value = parameter("ohm", None, above=0)
    reset: Reset
    given: tuple[str, ...] = field(compare=False, repr=False)
    """Which of C, g_L, tau and R the user wrote; the others follow from them."""
    states = {"V": "V"}

    def __init__(
        self,
        *,
        size: int = 1,
        C: Quantity | None = None,
        g_L: Quantity | None = None,
        tau: Quantity | None = None,
        R: Quantity | None = None,
        E_L: Quantity = 0.0,
        V_th: Quantity,
        V_reset: Quantity | None = None,
        V_init: Quantity | None = None,
        t_ref: Quantity = 0.0,
        t_ref_sigma: Quantity = 0.0,
        I_bias: Quantity = 0.0,
        reset: Reset = "to",
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        n = ask.count("size", size, least=1)
        written = {"C": C, "g_L": g_L, "tau": tau, "R": R}
        membrane = _membrane(ask, n, written)
        others = {k: d for k, d in self.parameters.items() if k not in _MEMBRANE}
        values = {"E_L": E_L, "V_th": V_th, "V_reset": V_reset, "V_init": V_init, "t_ref": t_ref,
                  "t_ref_sigma": t_ref_sigma, "I_bias": I_bias}  # fmt: skip
        self._set(
            size=n,
            given=tuple(key for key, value in written.items() if value is not None),
            **membrane,
            **read_parameters(ask, n, others, values),
            reset=ask.choice("reset", reset, ("to", "subtract", "none")),
        )
        if self.reset != "none":
            hint = "V_reset defaults to E_L, which defaults to 0 V"
            above(ask, "V_th", self.V_th, self.V_reset, "V_reset", hint)

    def arguments(self) -> dict[str, Any]:
        """Constructor keywords, SI values, that build an equal object."""
        skip = {"given", *(set(_MEMBRANE) - set(self.given))}
        return {k: v for k, v in super().arguments().items() if k not in skip}

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        return {"V": (p.g_L * (p.E_L - x.V) + x.I) / p.C}

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        if p.reset == "none":
            return {}
        return {"V": p.V_reset if p.reset == "to" else x.V - (p.V_th - p.V_reset)}

    @classmethod
    def spread(cls, p: dict[str, Any], parameter: str, factor: Any) -> dict[str, Any]:
        """As for any model; C and g_L change tau, while tau leaves C and changes g_L."""
        p = super().spread(p, parameter, factor)
        with np.errstate(divide="ignore"):
            if parameter in ("C", "g_L"):
                p["tau"] = np.divide(p["C"], p["g_L"])
            elif parameter == "tau":
                p["g_L"] = np.divide(p["C"], p["tau"])
        return p

    @classmethod
    def spreadable(cls) -> tuple[str, ...]:
        """Without R, which follows from the others."""
        return ("C", "g_L", "tau", "V_th", "V_reset", "I_bias", "t_ref")


def _membrane(ask: Ask, size: int, written: dict[str, Quantity | None]) -> dict[str, Value]:
    """All of C, g_L, tau and R from those written, which are kept as they are."""
    have: dict[str, Value] = {}
    for key, value in written.items():
        if value is not None:
            limits = {"least": 0.0} if key == "g_L" else {"above": 0.0}
            have[key] = ask.si(key, value, _MEMBRANE[key], size=size, **limits)
    given = set(have)
    if len(given) < 2 or given == {"g_L", "R"}:
        ask.error(
            "",
            "the membrane is not determined",
            got=Shown(" and ".join(sorted(given)) or "none of C, g_L, tau, R"),
            allowed="two of C, g_L, tau and R, but not just g_L and R",
            fix="add C or tau" if given else "for example C='500 pF', tau='30 ms'",
        )
    if "C" not in given and np.any(have.get("g_L", 1.0) == 0):
        ask.error("g_L", "no leak needs a capacitance", got=Shown("0 S"), fix="give C")
    with np.errstate(all="ignore"):
        found = {k: np.asarray(v, dtype=np.float64) for k, v in have.items()}
        if "g_L" not in found:
            found["g_L"] = 1 / found["R"] if "R" in found else found["C"] / found["tau"]
        if "C" not in found:
            tau, leak = found["tau"], found["g_L"]
            found["C"] = tau / found["R"] if "R" in found else tau * leak
        if "tau" not in found:
            by_R = "R" in found
            found["tau"] = found["C"] * found["R"] if by_R else found["C"] / found["g_L"]
        if "R" not in found:
            found["R"] = 1 / found["g_L"] if "g_L" in given else found["tau"] / found["C"]
        for key, other, unit in (
            ("tau", found["C"] / found["g_L"], "s"),
            ("R", 1 / found["g_L"], "ohm"),
        ):
            value, expected = np.broadcast_arrays(found[key], other)
            fine = (value == expected) | (np.abs(value - expected) <= _TOLERANCE * np.abs(value))
            if not fine.all():
                index = int(np.argmin(fine.ravel()))
                ask.error(
                    key if key in given else "g_L",
                    f"inconsistent: {' and '.join(sorted(given))} contradict each other",
                    got=Shown(f"{key} = {format_si(float(value.flat[index]), unit)}"),
                    allowed=f"{key} = {format_si(float(expected.flat[index]), unit)}",
                    fix="leave one of them out",
                )
    for key, tiny in (("C", found["C"] <= 0), ("g_L", found["g_L"] < 0)):
        if tiny.any() or not np.isfinite(found[key]).all():
            ask.error(key, "beyond the range of a float", got=Shown(brief(found[key])))
    return {k: have[k] if k in have else _value(found[k]) for k in _MEMBRANE}


def _value(array: Any) -> Value:
    return frozen(array) if np.ndim(array) else float(array)
