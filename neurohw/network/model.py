"""What a neuron model is: parameters with units, derivatives, a threshold and a reset, once.

A model is a class that declares its parameters and says, as ordinary arithmetic, how its states
change. The same four functions are read in three ways: on numbers (initial values, tests against
other solvers), on symbols that become the nodes of a step (``neurohw.lowering``), and on symbols
that are differentiated (which is how lowering knows that a membrane is linear)::

    class Quadratic(Neuron):
        C: Value = parameter("F", above=0)
        ...
        states = {"V": "V"}

        @staticmethod
        def derivatives(x, p):
            return {"V": (p.k * (x.V - p.V_r) * (x.V - p.V_c) + x.I) / p.C}

``x`` holds the states and the total input current ``x.I`` (A); ``p`` the parameters. Functions
beyond arithmetic come from ``neurohw.network.maths``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from neurohw.network.common import Ask, Origin, Part, nearest
from neurohw.network.units import Quantity, Shown, Value, format_si, to_si

__all__ = ["Neuron", "Parameter", "above", "parameter"]

_REQUIRED: Any = object()


@dataclass(frozen=True)
class Parameter:
    """The declaration of one parameter: its SI unit, its range, and what it is if left out.

    Attributes
    ----------
    unit : str
        As in :func:`neurohw.network.units.to_si`.
    default : Quantity or str
        A quantity, or the name of a parameter declared earlier whose value is taken.
    above, least : float or None
        Bounds in SI.
    """

    unit: str
    default: Any = _REQUIRED
    above: float | None = None
    least: float | None = None

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is _REQUIRED


def parameter(
    unit: str,
    default: Any = _REQUIRED,
    *,
    above: float | None = None,
    least: float | None = None,
) -> Any:
    """Declare a parameter of a model; see :class:`Parameter`."""
    return Parameter(unit, default, above, least)


_BIAS = {"I_bias": Parameter("A", 0.0)}
_REST = {"t_ref": Parameter("s", 0.0, least=0), "t_ref_sigma": Parameter("s", 0.0, least=0)}


class Neuron(Part):
    """Base of all neuron models; a subclass declares, it computes nothing by itself.

    Every parameter is one value or one per neuron. All models have ``size`` (neurons, at least 1)
    and ``I_bias`` (constant current, A); those with ``refractory = True`` have ``t_ref`` (mean
    refractory period, s) and ``t_ref_sigma`` (its jitter, s: drawn anew at every spike from
    ``N(t_ref, t_ref_sigma**2)``, a negative draw taken as 0).

    Attributes
    ----------
    states : mapping of str to str
        State -> SI unit; the first is the membrane potential ``V`` in volts.
    crossing : bool
        A spike is an upward crossing of the threshold; else any step at or above it.
    refractory : bool
        After a spike, ``V`` stands still for a while.
    parameters : mapping of str to Parameter
        Made from the declarations.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        A parameter is missing, unknown, or out of range.
    """

    size: int
    I_bias: Value
    states: ClassVar[Mapping[str, str]] = {}
    crossing: ClassVar[bool] = False
    refractory: ClassVar[bool] = True
    parameters: ClassVar[Mapping[str, Parameter]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {k: v for k, v in vars(cls).items() if isinstance(v, Parameter)}
        inherited = {k: v for k, v in cls.parameters.items() if k not in _BIAS | _REST}
        cls.parameters = inherited | own | (_REST if cls.refractory else {}) | _BIAS
        for name in own:
            delattr(cls, name)
        names = inspect.get_annotations(cls)
        cls.__annotations__ = (
            {"size": "int"}
            | names
            | {k: "Value" for k in cls.parameters if k not in names}
            | {"origin": "Origin"}
        )
        cls.origin = field(compare=False, repr=False)
        dataclass(frozen=True, eq=False, init=False)(cls)
        if "__init__" not in vars(cls):
            cls.__signature__ = _signature(cls.parameters)  # type: ignore[attr-defined]

    def __init__(self, *, size: int = 1, origin: Origin | None = None, **given: Quantity) -> None:
        ask = self._ask(origin)
        n = ask.count("size", size, least=1)
        for key in given:
            if key not in self.parameters:
                ask.error(key, "unknown parameter", fix=nearest(key, self.parameters),
                          allowed=", ".join(self.parameters))  # fmt: skip
        self._set(size=n, **read_parameters(ask, n, self.parameters, given))
        self.validate(ask)

    def validate(self, ask: Ask) -> None:
        """Check what no single parameter shows, with ``ask.error``."""

    # the model -----------------------------------------------------------------------------------

    @staticmethod
    def derivatives(x: Any, p: Any) -> Mapping[str, Any]:
        """Time derivative of every state, in its unit per second."""
        raise NotImplementedError

    @staticmethod
    def threshold(x: Any, p: Any) -> Any:
        """Potential (V) at which the neuron spikes."""
        return p.V_th

    @staticmethod
    def after_spike(x: Any, p: Any) -> Mapping[str, Any]:
        """States that a spike changes, from the states ``x`` just after the step."""
        return {"V": p.V_reset}

    @staticmethod
    def initial(p: Any) -> Mapping[str, Any]:
        """States at time 0; those left out start at 0."""
        return {"V": p.V_init}

    @staticmethod
    def span(p: Any) -> Mapping[str, tuple[Any, Any]]:
        """Lowest and highest value that a state takes, for targets whose numbers have a limit.

        Such a target saturates beyond them. It finds limits of V by itself, from the voltages among
        the parameters, and needs those of all other states.
        """
        return {}

    @classmethod
    def spread(cls, p: dict[str, Any], parameter: str, factor: Any) -> dict[str, Any]:
        """Parameters with one of them multiplied, as mismatch does.

        The zero of a voltage is arbitrary, so its distance from the first declared voltage is
        multiplied (``E_L`` in most models).
        """
        zero = next((k for k, d in cls.parameters.items() if d.unit == "V"), "")
        if cls.parameters[parameter].unit == "V":
            return p | {parameter: p[zero] + factor * (p[parameter] - p[zero])}
        return p | {parameter: p[parameter] * factor}

    @classmethod
    def spreadable(cls) -> tuple[str, ...]:
        """Parameters that mismatch may change: all but the first voltage and the start."""
        first = next((k for k, d in cls.parameters.items() if d.unit == "V"), "")
        return tuple(k for k in cls.parameters if k != first and not k.endswith("_init"))

    # reading it ----------------------------------------------------------------------------------

    @property
    def values(self) -> dict[str, Any]:
        """Parameters by name: SI floats or arrays, and whatever else was declared."""
        skip = ("size", "origin", "given")
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in skip}  # type: ignore[attr-defined]

    def defaults(self) -> dict[str, Any]:
        """What each optional parameter would be if it had been left out, in SI."""
        out: dict[str, Any] = {}
        for key, d in self.parameters.items():
            if d.required or d.default is None:
                continue
            named = isinstance(d.default, str) and d.default in self.parameters
            out[key] = getattr(self, d.default) if named else to_si(d.default, d.unit)
        return out

    def rates(self, states: Mapping[str, Any], current: Any = 0.0) -> dict[str, Any]:
        """Derivatives on plain numbers: for another solver, or a phase plane.

        Parameters
        ----------
        states : mapping
            State -> value in SI, floats or arrays.
        current : float or array
            Current in A on top of ``I_bias``.

        Returns
        -------
        dict
            State -> derivative in its unit per second.
        """
        p = SimpleNamespace(**self.values)
        return dict(self.derivatives(SimpleNamespace(**states, I=p.I_bias + current), p))

    def start(self, p: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Every state at time 0 in SI, with the parameters ``p`` if they are other than its own."""
        space = SimpleNamespace(**(self.values if p is None else p))
        return dict.fromkeys(self.states, 0.0) | dict(self.initial(space))


def read_parameters(
    ask: Ask, size: int, declared: Mapping[str, Parameter], given: Mapping[str, Any]
) -> dict[str, Value]:
    """SI values of all declared parameters, in order of declaration."""
    out: dict[str, Value] = {}
    for key, d in declared.items():
        raw = given.get(key)
        if raw is None:
            if d.required:
                ask.error(key, "missing parameter", allowed=f"a quantity in {d.unit or '1'}")
            raw = d.default
            if isinstance(raw, str) and raw in out:
                out[key] = out[raw]
                continue
        out[key] = ask.si(key, raw, d.unit, size=size, above=d.above, least=d.least)
    return out


def above(ask: Ask, key: str, high: Value, low: Value, low_key: str, hint: str = "") -> None:
    """Refuse voltages unless every ``high`` is greater than its ``low``; a hint where that is 0."""
    fine = np.atleast_1d(np.greater(high, low))
    if fine.all():
        return
    index = int(np.argmin(fine))
    one, other = (float(np.broadcast_to(x, fine.shape)[index]) for x in (high, low))
    ask.error(
        key,
        f"must be above {low_key}" + (f" at index {index}" if fine.size > 1 else ""),
        got=Shown(format_si(one, "V")),
        allowed=f"greater than {low_key} = {format_si(other, 'V')}",
        fix=hint if other == 0 else "",
    )


def _signature(declared: Mapping[str, Parameter]) -> inspect.Signature:
    def one(name: str, default: Any) -> inspect.Parameter:
        shown = inspect.Parameter.empty if default is _REQUIRED else default
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown)

    named = [one(k, d.default) for k, d in declared.items()]
    return inspect.Signature([one("size", 1), *named, one("origin", None)])
