"""Currents and rates that change in time: nodes for the value of a waveform in the step.

Step k begins at time k dt, and in it a waveform has the value of that time. The times at which a
step, a ramp or a staircase changes are rounded to whole steps (nearest, halves to even), so the
value changes in exactly that step. All is done with comparisons, integers, and single additions
and multiplications in binary64, so every engine finds the same bits; a waveform in binary32 is the
binary64 one, rounded once.

A sine is a phase that goes round (direct digital synthesis): an integer of 62 bits that wraps, with
an increment per step. So the frequency is a multiple of 2**-62 / dt: at dt = 0.1 ms within
1.1e-15 Hz of the one asked, and after n steps the phase is off by at most n * 2**-63 cycles, with
no error that grows otherwise. Folded to a quarter of a cycle, it goes through the Taylor polynomial
of the sine up to the power 21. The error, relative to the sine, is at most 1.3e-18 by truncation
and, measured against values of 40 digits over the whole cycle, 4e-16 in all.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import Piecewise, Ramp, Sine, Step, Waveform
from neurohw.program import F64, Builder, DType, Int, Value
from neurohw.targets import Target

from .report import Log, worst

__all__ = ["Clock", "no_waveforms", "waveform_sum", "waveform_value"]

Array = Any
_TIME, _PHASE, _FOLDED = Int(48), Int(62), Int(63)
_CYCLE, _QUARTER = 2**62, 2**60
_HALF_PI = Fraction("1.570796326794896619231321691639751442098584699687552910487")
_ODD = [float((-1) ** k * _HALF_PI ** (2 * k + 1) / factorial(2 * k + 1)) for k in range(11)]
"""Taylor coefficients of sin(pi/2 r) = r (c0 + c1 r**2 + ...), rounded once."""


class Clock:
    """Number of the step, as a state of one population, made when it is first asked for.

    It begins at ``-late`` in a population that is retimed by so many steps, and stays at 2**47 - 1
    when it gets there.
    """

    def __init__(self, b: Builder, late: int = 0) -> None:
        self._b, self.late = b, late
        self._now: Value | None = None

    @property
    def now(self) -> Value:
        """The step."""
        if self._now is None:
            b = self._b
            self._now = b.state("clock", _TIME, -self.late)
            b.write("clock", b.add(self._now, b.const(1, Int(2)), _TIME, overflow="saturate"))
        return self._now


def no_waveforms(target: Target, where: str, origin: str = "") -> LoweringError:
    """The refusal of a target that has constant currents only; ``where`` as ``N.currents``."""
    return LoweringError(
        f"{target.name} has no currents that change in time",
        where=where,
        allowed="a constant I_bias",
        fix="drive the neurons with spikes, or use a float target",
        origin=origin,
    )


def waveform_sum(
    b: Builder,
    waveforms: Sequence[Waveform],
    name: str,
    real: DType,
    dt: float,
    scale: Array,
    log: Log,
    *,
    late: int = 0,
) -> Value | None:
    """Sum of the waveforms of one population; arguments as for :func:`waveform_value`.

    Makes the population's clock (``late`` steps late), so it is called once per population. None if
    there are no waveforms.
    """
    clock, total = Clock(b, late), None
    for k, waveform in enumerate(waveforms):
        one = waveform_value(b, clock, waveform, f"{name}[{k}]", real, dt, scale, log)
        total = one if total is None else b.add(total, one, real)
    return total


def waveform_value(
    b: Builder,
    clock: Clock,
    waveform: Waveform,
    name: str,
    real: DType,
    dt: float,
    scale: Array,
    log: Log,
) -> Value:
    """Nodes for the value of a waveform in the step, times ``scale``.

    Parameters
    ----------
    clock : Clock
        Of the same population.
    waveform : Waveform
        In SI units; its arrays have one value per neuron.
    name : str
        Field of the population, such as ``currents[0]``; states and parameters are called by it.
    real : DType
        Float type of the result.
    dt : float
        Step in s.
    scale : float or array
        Number or array of shape ``()``, ``(size,)``, ``(trials, 1)`` or ``(trials, size)`` that
        multiplies every level; the product is rounded in binary64, then to ``real``.
    log : Log
        Receives what rounding did to times and frequencies.

    Raises
    ------
    LoweringError
        A frequency is above half a cycle per step, or a time beyond the clock.
    """
    make = _Nodes(b, clock, waveform, name, real, dt, np.asarray(scale, np.float64), log)
    if isinstance(waveform, Step):
        return make.window(waveform, make.number("amplitude", make.scaled(waveform.amplitude)))
    if isinstance(waveform, Ramp):
        return make.ramp(waveform)
    if isinstance(waveform, Sine):
        return make.window(waveform, make.sine(waveform))
    return make.piecewise(waveform)


class _Nodes:
    """Writes the nodes of one waveform."""

    def __init__(
        self, b: Builder, clock: Clock, waveform: Waveform, name: str, real: DType, dt: float,
        scale: Array, log: Log,
    ) -> None:  # fmt: skip
        self.b, self.clock, self.real, self.dt, self.scale = b, clock, real, dt, scale
        self.log, self.origin, self.where = log, waveform.origin, f"{b.name}.{name}"
        self.id = "".join(c for c in name if c.isalnum() or c == "_")

    def scaled(self, level: Array) -> Array:
        return np.asarray(level, np.float64) * self.scale

    def number(self, key: str, data: Array, real: DType | None = None) -> Value:
        return self.b.value_or_param(f"{self.id}_{key}", real or self.real, data)

    def steps(self, key: str, seconds: Array) -> Array:
        """A time in whole steps, int64, and a row in the report."""
        if np.max(seconds) / self.dt >= _TIME.hi:
            self._refuse(key, "beyond the clock", np.max(seconds), "s", _TIME.hi * self.dt)
        found = np.rint(np.asarray(seconds) / self.dt).astype(np.int64)
        self.log.rows.append(worst(f"{self.where}.{key}", seconds, found * self.dt, "s"))
        return found

    def _refuse(self, key: str, what: str, got: float, unit: str, most: float) -> None:
        raise LoweringError(
            what,
            where=f"{self.where}.{key}",
            got=f"{got:g} {unit} at dt = {self.dt:g} s",
            allowed=f"at most {most:g} {unit}",
            fix="use a shorter step" if unit == "Hz" else "",
            origin=self.origin.at(key),
        )

    def reached(self, key: str, steps: Array) -> Value | None:
        """Whether the clock has come that far; None if it always has."""
        if not np.any(steps > -self.clock.late):
            return None
        return self.b.compare(
            "ge", self.clock.now, self.b.value_or_param(f"{self.id}_{key}", _TIME, steps)
        )

    def window(self, waveform: Step | Sine, value: Value) -> Value:
        """The value from start to stop, else 0."""
        b, zero = self.b, self.b.const(0.0, self.real)
        start = self.steps("start", waveform.start) if np.any(waveform.start) else np.int64(0)
        on = self.reached("start", start)
        if on is not None:
            value = b.select(on, value, zero)
        if waveform.stop is None:
            return value
        stop = self.steps("stop", waveform.stop)
        if np.any(stop <= start):
            self.log.warnings.append(f"{self.where}: shorter than a step, so never on")
        off = self.reached("stop", stop)
        return zero if off is None else b.select(off, zero, value)

    def ramp(self, waveform: Ramp) -> Value:
        """initial + slope * (steps since start), and exactly final from stop on."""
        b, real = self.b, self.real
        start, stop = self.steps("start", waveform.start), self.steps("stop", waveform.stop)
        first, last = self.scaled(waveform.initial), self.scaled(waveform.final)
        slope = self.number("slope", (last - first) / np.maximum(stop - start, 1), F64)
        since = b.sub(self.clock.now, b.value_or_param(f"{self.id}_start", _TIME, start), Int(49))
        since = b.op("max", _TIME, since, b.const(0, _TIME))
        line = b.mul(b.cast(since, F64), slope, F64)
        if np.any(first):
            line = b.add(line, self.number("initial", first, F64), F64)
        line = line if real == F64 else b.cast(line, real)
        final, there = self.number("final", last), self.reached("stop", stop)
        return final if there is None else b.select(there, final, line)

    def piecewise(self, waveform: Piecewise) -> Value:
        """The last value whose time has come."""
        b, value = self.b, self.b.const(0.0, self.real)
        steps = self.steps("times", waveform.times)
        if np.any(np.diff(steps) == 0):
            self.log.warnings.append(f"{self.where}: of several values in one step the last holds")
        for k, step in enumerate(steps):
            level = self.number(f"value{k}", self.scaled(waveform.values[k]))
            on = self.reached("", step)
            value = level if on is None else b.select(on, level, value)
        return value

    def sine(self, waveform: Sine) -> Value:
        """mean + amplitude * sin(phase), the phase a state."""
        b = self.b
        cycles = Fraction(self.dt) * _CYCLE
        step = _each(lambda f: round(Fraction(f) * cycles), waveform.frequency)
        if np.any(np.multiply(waveform.frequency, self.dt) > 0.5):
            what, most = "faster than half a cycle per step", float(np.max(waveform.frequency))
            self._refuse("frequency", what, most, "Hz", 0.5 / self.dt)
        realised = np.asarray(step / _CYCLE, np.float64) / self.dt
        self.log.rows.append(worst(f"{self.where}.frequency", waveform.frequency, realised, "Hz"))
        start = np.rint(np.asarray(waveform.start) / self.dt).astype(np.int64) + self.clock.late
        back = step * np.asarray(start, object)
        turns = _each(lambda x: round(Fraction(x) / (4 * _HALF_PI) * _CYCLE), waveform.phase)
        name = f"{self.id}_phase"
        old = b.state(name, _PHASE, _signed(turns - back - _QUARTER))
        by = b.value_or_param(f"{self.id}_step", _PHASE, _signed(step))
        b.write(name, b.add(old, by, _PHASE, overflow="wrap"))
        # the state is a quarter of a cycle behind: sin(x) = cos(x - 1/4) = sin(1/4 - |x - 1/4|)
        folded = b.sub(b.const(_QUARTER, _PHASE), b.op("abs", _FOLDED, old), _FOLDED)
        r = b.mul(b.cast(folded, F64), b.const(2.0**-60, F64), F64)
        square = b.mul(r, r, F64)
        value = b.const(_ODD[-1], F64)
        for c in reversed(_ODD[:-1]):
            value = b.add(b.mul(value, square, F64), b.const(c, F64), F64)
        swing = self.number("amplitude", self.scaled(waveform.amplitude), F64)
        value = b.mul(b.mul(value, r, F64), swing, F64)
        if np.any(waveform.mean):
            value = b.add(value, self.number("mean", self.scaled(waveform.mean), F64), F64)
        return value if self.real == F64 else b.cast(value, self.real)


def _each(function: Any, values: Array) -> Array:
    """Exact integers, one for each value, as an array of Python ints."""
    array = np.asarray(values, np.float64)
    distinct, inverse = np.unique(array, return_inverse=True)
    found = np.array([function(x) for x in distinct.tolist()] + [None], object)[:-1]
    return found[inverse.reshape(array.shape)]


def _signed(cycles: Array) -> Array:
    """Integers modulo a cycle, as int64 in -1/2 .. 1/2 of it."""
    half = _CYCLE // 2
    return np.asarray((np.asarray(cycles, object) + half) % _CYCLE - half).astype(np.int64)
