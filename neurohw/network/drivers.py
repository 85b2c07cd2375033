"""Drivers: where spikes come from before any neuron has fired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurohw.network.common import Origin, Part, frozen, same
from neurohw.network.graded import AnalogInput, PooledPoisson
from neurohw.network.units import FloatArray, Quantity, Shown, Value, format_si, to_si
from neurohw.network.waveforms import Waveform, read_rate

__all__ = ["DriverModel", "Poisson", "Regular", "SpikeArray", "SpikeTimes"]


@dataclass(frozen=True, eq=False, init=False)
class Regular(Part):
    """Periodic spikes at ``start + k * period``, k = 0, 1, 2...

    Parameters
    ----------
    size : int
        Number of sources, at least 1.
    rate : Quantity, optional
        Rate in Hz, at least 0 (0 is silent); one value or one per source.
    period : Quantity, optional
        Interval in s, greater than 0; give `rate` or `period`.
    start : Quantity
        Time of the first spike in s, at least 0; one value or one per source.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A quantity has the wrong unit or is not finite.
    NetworkError
        Neither or both of `rate` and `period`, or a value out of range.
    """

    size: int
    rate: Value
    period: Value
    start: Value
    origin: Origin = field(compare=False, repr=False)
    given: str = field(compare=False, repr=False)
    """Which of rate and period the user wrote; the other is its inverse."""

    def __init__(
        self,
        *,
        size: int = 1,
        rate: Quantity | None = None,
        period: Quantity | None = None,
        start: Quantity = 0.0,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        n = ask.count("size", size, least=1)
        if (rate is None) == (period is None):
            got = "neither" if rate is None else "both"
            key = "" if rate is None else "period"
            ask.error(key, "give rate or period", got=Shown(got), allowed="exactly one of them")
        if period is None:
            first = ask.si("rate", rate, "Hz", size=n, least=0)
        else:
            first = ask.si("period", period, "s", size=n, above=0)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = 1 / np.asarray(first, dtype=np.float64)
        second: Value = frozen(inverse) if inverse.ndim else float(inverse)
        given = "rate" if period is None else "period"
        self._set(
            size=n,
            rate=first if given == "rate" else second,
            period=second if given == "rate" else first,
            start=ask.si("start", start, "s", size=n, least=0),
            given=given,
        )

    def arguments(self) -> dict[str, Any]:
        """Constructor keywords, SI values, that build an equal object."""
        skip = ("given", "period" if self.given == "rate" else "rate")
        return {k: v for k, v in super().arguments().items() if k not in skip}


@dataclass(frozen=True, eq=False, init=False)
class Poisson(Part):
    """Independent Poisson spikes; in discrete time a Bernoulli process of each source.

    In every step a source spikes with probability p = rate * dt, whatever came before. `sampling`
    says how that is drawn; the two describe the same process, with other random numbers:

    ``step``
        One random word per source and step, which is below p or not.
    ``interval``
        At each spike the number G of steps before the next one, P(G = g) = p (1 - p)**g. With
        r = (1 - p)**(8**k) the octal digit k of G is m with a probability proportional to r**m,
        independently of the others, because (1 - p)**G is a product over its digits. Each digit
        is one random word, compared with the digit's distribution function; it is exact to
        2**-33, and so the rate is to 5e-8 of itself. Only spikes cost draws on ``native``;
        engines that draw for all sources in every step take some five words where ``step`` takes
        one.

    Parameters
    ----------
    size : int
        Number of sources, at least 1.
    rate : Quantity or Step, Ramp, Sine or Piecewise
        Rate in Hz, at least 0; one value or one per source, or a waveform. Where a sine goes below
        0 it counts as 0.
    sampling : {"step", "interval"}
        How spikes are drawn; ``interval`` takes a rate that does not change in time.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        The rate has the wrong unit or is not finite.
    NetworkError
        The rate is negative, `size` is not a positive integer, or `sampling` is neither word, or
        is ``interval`` with a waveform.
    """

    size: int
    rate: Value | Waveform
    sampling: str
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self,
        *,
        size: int = 1,
        rate: Quantity | Waveform,
        sampling: str = "step",
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        n = ask.count("size", size, least=1)
        sampling = ask.choice("sampling", sampling, ("step", "interval"))
        if sampling == "interval" and isinstance(rate, Waveform):
            ask.error(
                "sampling",
                "an interval is drawn for a rate that does not change",
                got=Shown(f"interval, with a {type(rate).__name__} as rate"),
                allowed="interval with one rate or one per source, step with any",
                fix='use sampling = "step"',
            )
        self._set(size=n, rate=read_rate(ask, rate, n), sampling=sampling)


@dataclass(frozen=True, eq=False, init=False)
class SpikeTimes(Part):
    """Spikes at given times.

    Parameters
    ----------
    times : sequence of sequence of Quantity
        For each source its spike times in s, at least 0, in any order; stored sorted.
    size : int, optional
        Number of sources; the length of `times` if left out.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        A time has the wrong unit or is not finite.
    NetworkError
        A time is negative, or `size` and `times` disagree.
    """

    size: int
    times: tuple[FloatArray, ...]
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self,
        *,
        times: Sequence[Quantity],
        size: int | None = None,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        if isinstance(times, str | bytes) or not hasattr(times, "__len__") or not len(times):
            ask.error("times", "must be a list of lists, one per source", got=Shown(str(times)))
        n = ask.count("size", len(times) if size is None else size, least=1)
        if len(times) != n:
            ask.error("times", "wrong length", got=len(times), allowed=f"one list per source: {n}")
        trains = []
        for index, train in enumerate(times):
            where, place = f"{ask.owner}.times[{index}]", ask.origin.at("times")
            one = np.sort(np.atleast_1d(to_si(train, "s", where=where, origin=place)))
            if one.ndim > 1:
                ask.error(f"times[{index}]", "must be a flat list of times", got=f"{one.ndim}-D")
            if one.size and one[0] < 0:
                got = Shown(format_si(float(one[0]), "s"))
                ask.error("times", f"negative time of source {index}", got=got, allowed=">= 0 s")
            trains.append(frozen(one))
        self._set(size=n, times=tuple(trains))


@dataclass(frozen=True, eq=False, init=False)
class SpikeArray(Part):
    """Spikes supplied at run time, per trial and step; optionally with default events.

    Parameters
    ----------
    size : int
        Number of sources, at least 1.
    events : (steps, indices), optional
        Default events for every trial: two integer arrays of one length, a step (at least 0) and
        a source (0 to ``size - 1``) each; no event twice. Stored sorted by step, then source.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    NetworkError
        The arrays differ in length, an entry is out of range, or an event occurs twice.
    """

    size: int
    events: tuple[NDArray[np.int64], NDArray[np.int64]] | None
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self,
        *,
        size: int = 1,
        events: tuple[Any, Any] | None = None,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        n = ask.count("size", size, least=1)
        if events is None:
            self._set(size=n, events=None)
            return
        if not isinstance(events, tuple | list) or len(events) != 2:
            ask.error("events", "must be a pair (steps, indices)", got=Shown(type(events).__name__))
        steps, indices = (ask.integers("events", part) for part in events)
        if steps.ndim != 1 or steps.shape != indices.shape:
            got = Shown(f"shapes {steps.shape} and {indices.shape}")
            ask.error("events", "steps and indices differ", got=got, allowed="two equal lengths")
        if indices.size and indices.max() >= n:
            ask.error("events", "no such source", got=int(indices.max()), allowed=f"0 to {n - 1}")
        order = np.lexsort((indices, steps))
        steps, indices = steps[order], indices[order]
        twice = (np.diff(steps) == 0) & (np.diff(indices) == 0)
        if twice.any():
            k = int(np.argmax(twice))
            got = Shown(f"step {steps[k]}, source {indices[k]}")
            ask.error("events", "an event occurs twice", got=got, fix="remove one")
        self._set(size=n, events=(frozen(steps, np.int64), frozen(indices, np.int64)))

    def __eq__(self, other: object) -> bool:
        """Whether size and default events agree; no events and zero events are one."""
        if not isinstance(other, SpikeArray):
            return NotImplemented
        none = (np.empty(0, np.int64),) * 2
        return self.size == other.size and same(self.events or none, other.events or none)

    __hash__ = None  # type: ignore[assignment]


DriverModel = Regular | Poisson | SpikeTimes | SpikeArray | PooledPoisson | AnalogInput
