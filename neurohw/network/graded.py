"""Drivers that send a number in every step: pooled Poisson trains, analog input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from neurohw.network.common import Origin, Part
from neurohw.network.units import Quantity, Value
from neurohw.network.waveforms import Waveform, read_rate

__all__ = ["AnalogInput", "PooledPoisson"]


@dataclass(frozen=True, eq=False, init=False)
class PooledPoisson(Part):
    """The sum of many independent Poisson trains of one rate, drawn at once.

    Source i emits in each step the number of spikes of `trains` trains, and every synapse counts
    it so many times. In discrete time, where a train emits a spike with probability p in a step
    (as in :class:`~neurohw.network.drivers.Poisson`), that number is binomial. One random word of
    32 bits is compared with the thresholds ``round(2**32 * P(number <= k))``: the distribution
    function is exact to 2**-33, and numbers rarer than that are not drawn.

    The probe of a source is ``count``, the number of the step; it has no spikes to record.

    Parameters
    ----------
    size : int
        Number of sources, at least 1; each is a pool of its own.
    trains : int
        Trains in each pool, 1 to 2**20.
    rate : Quantity or Step, Ramp, Sine or Piecewise
        Rate of one train in Hz, at least 0; one value or one per source, or a waveform (of at most
        2**16 trains). Where a sine goes below 0 it counts as 0.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    UnitError
        The rate has the wrong unit or is not finite.
    NetworkError
        The rate is negative, or `size` or `trains` is out of range.
    """

    sends: ClassVar[str] = "count"
    size: int
    trains: int
    rate: Value | Waveform
    origin: Origin = field(compare=False, repr=False)

    def __init__(
        self,
        *,
        size: int = 1,
        trains: int,
        rate: Quantity | Waveform,
        origin: Origin | None = None,
    ) -> None:
        ask = self._ask(origin)
        n = ask.count("size", size, least=1)
        most = 2**16 if isinstance(rate, Waveform) else 2**20
        trains = ask.count("trains", trains, least=1, most=most)
        self._set(size=n, trains=trains, rate=read_rate(ask, rate, n))


@dataclass(frozen=True, eq=False, init=False)
class AnalogInput(Part):
    """Numbers supplied at run time, per trial and step, that synapses weight like spikes.

    A ``Delta`` synapse makes V jump by ``weight * value`` in every step, an ``Exponential`` one the
    current: a dense layer on analog input. Give the numbers with ``inputs=`` of
    :func:`neurohw.run`: ``{name: array}``, float ``[steps, size]`` or ``[steps, trials, size]``;
    without them all are 0. The probe of a source is ``value``.

    Parameters
    ----------
    size : int
        Number of sources, at least 1.
    origin : Origin, optional
        Where the object was made; found by itself.

    Raises
    ------
    NetworkError
        `size` is not a positive integer.
    """

    sends: ClassVar[str] = "value"
    size: int
    origin: Origin = field(compare=False, repr=False)

    def __init__(self, *, size: int = 1, origin: Origin | None = None) -> None:
        self._set(size=self._ask(origin).count("size", size, least=1))
