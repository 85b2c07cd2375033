"""What all waveforms share: levels whose unit is settled in the place where they are used."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from neurohw.errors import UnitError
from neurohw.network.common import Ask, Part
from neurohw.network.units import Quantity, Scaled, Shown, Value, format_si, to_si

__all__ = ["Wave", "read_levels", "read_number", "window"]

_KINDS = {"A": "a current, such as '10 pA'", "Hz": "a rate, such as '50 Hz'"}
_SHAPE = "one value, or one per neuron"


class Wave(Part):
    """What the waveforms share: levels in a unit that is settled where the waveform is used."""

    unit: str
    levels: ClassVar[tuple[str, ...]]

    def _read(self, ask: Ask, levels: Mapping[str, Any], **others: Value | None) -> None:
        """Store the levels in SI with their unit, and what else there is."""
        unit, found = read_levels(ask, levels)
        self._set(unit=unit, **found, **others)
        sizes: dict[str, int] = {}
        for key, value in {**found, **others}.items():
            if isinstance(value, np.ndarray):
                if value.ndim > 1:
                    ask.error(key, "wrong shape", got=Shown(f"{value.ndim} axes"), allowed=_SHAPE)
                sizes[key] = len(value)
        if len(set(sizes.values())) > 1:
            got = Shown(", ".join(f"{n} of {key}" for key, n in sizes.items()))
            ask.error("", "different numbers of neurons", got=got, allowed=_SHAPE)

    def fit(self, unit: str, owner: str, size: int) -> Self:
        """The same waveform in the unit of its place, having checked that it fits there.

        Parameters
        ----------
        unit : {"A", "Hz"}
            What the place wants.
        owner : str
            The place, such as ``N.currents[0]``, for the error.
        size : int
            Neurons or sources that are there.

        Raises
        ------
        UnitError
            It is a rate where a current is wanted, or the other way round.
        NetworkError
            An array has another length.
        """
        ask = Ask(owner, self.origin)
        key = self.levels[0]
        if self.unit not in ("", unit):
            first = format_si(float(np.ravel(getattr(self, key))[0]), self.unit)
            to_si(first, unit, where=f"{owner}.{key}", origin=self.origin.at(key))  # refuses
        for name, n in self._lengths().items():
            if n != size:
                got = Shown(f"{n} values")
                ask.error(name, "wrong shape", got=got, allowed=f"one value, or {size}")
        found = copy.copy(self)
        object.__setattr__(found, "unit", unit)
        return found

    def _lengths(self) -> dict[str, int]:
        """Number of neurons, by field, of what is given neuron by neuron."""
        return {k: len(v) for k, v in vars(self).items() if isinstance(v, np.ndarray)}

    def arguments(self) -> dict[str, Any]:
        """Constructor keywords that build an equal object: SI values, levels with their unit."""
        found = super().arguments()
        if self.unit:
            found |= {key: Scaled(found[key], self.unit) for key in self.levels}
        return found

    def limits(self) -> tuple[float, float]:
        """Lowest and highest value that any neuron ever has while it is on, in SI."""
        values = np.concatenate([np.ravel(getattr(self, key)) for key in self.levels])
        return float(values.min()), float(values.max())


def read_levels(ask: Ask, given: Mapping[str, Any]) -> tuple[str, dict[str, Value]]:
    """Levels in SI, and their unit: that of the first that has one, empty if all are bare."""
    unit, readings = "", dict[str, dict[str, Value | UnitError]]()
    for key, value in given.items():
        readings[key] = tried = {kind: _attempt(ask, key, value, kind) for kind in _KINDS}
        fits = [kind for kind, one in tried.items() if not isinstance(one, UnitError)]
        if not fits and isinstance(error := tried["A"], UnitError):
            allowed = " or ".join(_KINDS.values())
            ask.error(key, error.what, got=error.got, allowed=allowed, kind=UnitError)
        unit = unit or (fits[0] if len(fits) == 1 else "")
    found = {key: tried[unit or "A"] for key, tried in readings.items()}
    for one in found.values():
        if isinstance(one, UnitError):
            raise one
    return unit, found  # type: ignore[return-value]


def _attempt(ask: Ask, key: str, value: Quantity, unit: str) -> Value | UnitError:
    try:
        return to_si(value, unit, where=f"{ask.owner}.{key}", origin=ask.origin.at(key))
    except UnitError as error:
        return error


def read_number(ask: Ask, key: str, value: Quantity, unit: str = "s", least: float = 0) -> Value:
    """A number, or a list of them of any length; whether it has the right one is seen later."""
    number = to_si(value, unit, where=f"{ask.owner}.{key}", origin=ask.origin.at(key))
    return ask.si(key, number, unit, size=np.size(number) if np.ndim(number) else None, least=least)


def window(ask: Ask, start: Value, stop: Value | None) -> None:
    """Refuse a waveform that ends before it begins."""
    if stop is not None and np.any(np.less_equal(stop, start)):
        got, allowed = Shown(format_si(stop, "s")), f"after start = {format_si(start, 's')}"
        ask.error("stop", "ends before it begins", got=got, allowed=allowed)
