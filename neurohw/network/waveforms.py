"""Waveforms: a current or a rate that changes in time in a known way.

A waveform is a current where it stands in ``currents`` of a population and a rate where it stands
in ``rate`` of a Poisson driver; the units of its numbers say which of the two it can be, and bare
numbers can be either. Every number is one value or one per neuron (or source). In a step that
begins at time t, it has the value of time t, held over the step; the times at which it changes are
rounded to whole steps, a sine is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from neurohw.network.common import Ask, Origin
from neurohw.network.units import FloatArray, Quantity, Shown, Value, format_si
from neurohw.network.wave import Wave, read_levels, read_number, window

__all__ = ["WAVEFORMS", "Piecewise", "Ramp", "Sine", "Step", "Waveform"]


@dataclass(frozen=True, eq=False, init=False)
class Step(Wave):
    """`amplitude` from `start` until just before `stop`, and 0 at other times.

    Parameters
    ----------
    amplitude : Quantity
        In A or Hz.
    start : Quantity
        In s, at least 0.
    stop : Quantity, optional
        In s, after `start`; never if left out.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        A time is out of range, or arrays differ in length.
    """

    amplitude: Value
    start: Value
    stop: Value | None
    unit: str = field(init=False)
    origin: Origin = field(compare=False, repr=False)
    levels = ("amplitude",)

    def __init__(
        self,
        *,
        amplitude: Quantity,
        start: Quantity = 0.0,
        stop: Quantity | None = None,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        self._read(
            ask,
            {"amplitude": amplitude},
            start=read_number(ask, "start", start),
            stop=None if stop is None else read_number(ask, "stop", stop),
        )
        window(ask, self.start, self.stop)


@dataclass(frozen=True, eq=False, init=False)
class Ramp(Wave):
    """`initial` up to `start`, then a straight line to `final` at `stop`, held from there on.

    Parameters
    ----------
    initial, final : Quantity
        In A or Hz.
    start : Quantity
        In s, at least 0.
    stop : Quantity
        In s, after `start`.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        A time is out of range, or arrays differ in length.
    """

    initial: Value
    final: Value
    start: Value
    stop: Value
    unit: str = field(init=False)
    origin: Origin = field(compare=False, repr=False)
    levels = ("initial", "final")

    def __init__(
        self,
        *,
        initial: Quantity = 0.0,
        final: Quantity,
        start: Quantity = 0.0,
        stop: Quantity,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        times = {"start": read_number(ask, "start", start), "stop": read_number(ask, "stop", stop)}
        self._read(ask, {"initial": initial, "final": final}, **times)
        window(ask, self.start, self.stop)


@dataclass(frozen=True, eq=False, init=False)
class Sine(Wave):
    """``mean + amplitude * sin(2 pi frequency (t - start) + phase)``; 0 outside `start`..`stop`.

    As a rate it may go below 0 Hz, where it is taken as 0; its mean may not.

    Parameters
    ----------
    amplitude, mean : Quantity
        In A or Hz.
    frequency : Quantity
        In Hz, at least 0; lowering refuses more than half a cycle per step.
    phase : Quantity
        In rad (or ``"90 deg"``), at `start`.
    start : Quantity
        In s, at least 0.
    stop : Quantity, optional
        In s, after `start`; never if left out.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        A value is out of range, or arrays differ in length.
    """

    amplitude: Value
    frequency: Value
    mean: Value
    phase: Value
    start: Value
    stop: Value | None
    unit: str = field(init=False)
    origin: Origin = field(compare=False, repr=False)
    levels = ("amplitude", "mean")

    def __init__(
        self,
        *,
        amplitude: Quantity,
        frequency: Quantity,
        mean: Quantity = 0.0,
        phase: Quantity = 0.0,
        start: Quantity = 0.0,
        stop: Quantity | None = None,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        self._read(
            ask,
            {"amplitude": amplitude, "mean": mean},
            frequency=read_number(ask, "frequency", frequency, "Hz"),
            phase=read_number(ask, "phase", phase, "rad", -math.inf),
            start=read_number(ask, "start", start),
            stop=None if stop is None else read_number(ask, "stop", stop),
        )
        window(ask, self.start, self.stop)

    def limits(self) -> tuple[float, float]:
        """``mean - |amplitude|`` and ``mean + |amplitude|``, the widest of any neuron, in SI."""
        swing = np.abs(self.amplitude)
        return float(np.min(self.mean - swing)), float(np.max(self.mean + swing))


@dataclass(frozen=True, eq=False, init=False)
class Piecewise(Wave):
    """A staircase: 0 before ``times[0]``, ``values[i]`` from ``times[i]`` until the next.

    Every value is a comparison and a choice in each step, so this is for some ten values; an engine
    that compiles takes about a tenth of a second for each.

    Parameters
    ----------
    times : list of Quantity, n of them
        In s, at least 0, ascending; the same for all neurons.
    values : list of Quantity, n of them
        In A or Hz; each of them one value or a list of one per neuron.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        Times do not ascend, or there are not as many values as times.
    """

    times: FloatArray
    values: FloatArray
    unit: str = field(init=False)
    origin: Origin = field(compare=False, repr=False)
    levels = ("values",)

    def __init__(
        self, *, times: Quantity, values: Quantity, origin: Origin | None = None
    ) -> None:  # fmt: skip
        ask = self._ask(origin)
        unit, found = read_levels(ask, {"values": values})
        self._set(unit=unit, times=read_number(ask, "times", times), **found)
        if np.ndim(self.times) != 1 or not len(self.times):
            ask.error("times", "must be a list of times", got=Shown(f"shape {np.shape(times)}"))
        if not (np.diff(self.times) > 0).all():
            at = int(np.argmax(np.diff(self.times) <= 0)) + 1
            got = Shown(f"{format_si(float(self.times[at]), 's')} at index {at}")
            ask.error("times", "do not ascend", got=got)
        shape, n = np.shape(self.values), len(self.times)
        if len(shape) not in (1, 2) or shape[0] != n:
            allowed = f"one value per time, ({n},), or ({n}, neurons)"
            ask.error("values", "wrong shape", got=Shown(f"shape {shape}"), allowed=allowed)

    def _lengths(self) -> dict[str, int]:
        return {"values": self.values.shape[1]} if self.values.ndim == 2 else {}


Waveform = Step | Ramp | Sine | Piecewise
WAVEFORMS = {"step": Step, "ramp": Ramp, "sine": Sine, "piecewise": Piecewise}
"""By the name that a file gives them."""


def read_rate(ask: Ask, rate: Quantity | Waveform, size: int) -> Value | Waveform:
    """A rate in Hz, at least 0: one value or one per source, or a waveform of them."""
    if not isinstance(rate, Waveform):
        return ask.si("rate", rate, "Hz", size=size, least=0)
    rate = rate.fit("Hz", f"{ask.owner}.rate", size)
    inner = Ask(f"{ask.owner}.rate", rate.origin)
    for key in ("mean",) if isinstance(rate, Sine) else rate.levels:
        value = getattr(rate, key)
        flat = np.ravel(value) if np.ndim(value) else value
        inner.si(key, flat, "Hz", size=np.size(value), least=0)
    return rate
