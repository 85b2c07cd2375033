"""Spike trains as arrays: the one form in which every statistic of spikes takes them.

Times are those of the network. A population that retiming delays by ``latency`` steps spikes that
much later in its recording; here the latency is subtracted. What such a population does before the
network's time 0 belongs to no circuit and is dropped, and its trains end ``latency`` steps earlier.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurohw.errors import NeurohwError
from neurohw.program import Events
from neurohw.recording import Recording

__all__ = ["Neurons", "Source", "Trains", "cells", "shared", "trains", "trains_of", "whole_steps"]

Neurons = int | slice | Sequence[int] | np.ndarray
_WHOLE = 1e-6  # of a step: quotients of decimal times are this far from whole numbers at most


@dataclass(frozen=True, eq=False)
class Trains:
    """Spike trains of some neurons in some trials, over a span of steps.

    Attributes
    ----------
    population : str
        Whose they are.
    dt : float
        Step in seconds.
    first, steps : int
        The span, in steps of network time: ``first .. first + steps - 1``.
    trials : int64 [T]
        Trial numbers.
    neurons : int64 [N]
        Numbers of the neurons within their population.
    trial, neuron, step : int64 [spikes]
        One entry per spike, ascending in (trial, neuron, step). ``trial`` and ``neuron`` are
        indices into ``trials`` and ``neurons``; ``step`` is counted from ``first``.
    """

    population: str
    dt: float
    first: int
    steps: int
    trials: np.ndarray
    neurons: np.ndarray
    trial: np.ndarray
    neuron: np.ndarray
    step: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(T, N)."""
        return len(self.trials), len(self.neurons)

    @property
    def train(self) -> np.ndarray:
        """Of each spike, the number ``trial * N + neuron`` of its train; int64 ``[spikes]``."""
        return self.trial * len(self.neurons) + self.neuron

    @property
    def duration(self) -> float:
        """Length of the span in seconds."""
        return self.steps * self.dt

    @property
    def start(self) -> float:
        """Network time at which the span starts, in seconds."""
        return self.first * self.dt

    def __len__(self) -> int:
        return len(self.step)


Source = Recording | Trains


def trains_of(
    events: Events,
    *,
    dt: float,
    steps: int,
    size: int,
    trials: int | np.ndarray,
    first: int = 0,
    latency: int = 0,
    population: str = "",
) -> Trains:
    """Trains from spikes that no recording holds.

    Parameters
    ----------
    events : Events
        Trial numbers, absolute steps and elements.
    dt : float
        Step in seconds.
    steps, first : int
        The spikes were watched in steps ``first .. first + steps - 1``.
    size : int
        Number of neurons.
    trials : int or int64 [T]
        How many, or their ascending numbers.
    latency : int
        Steps by which retiming delayed the population.

    Raises
    ------
    NeurohwError
        If a spike lies outside the span, the trials or the neurons.
    """
    ids = np.arange(trials) if isinstance(trials, int) else np.asarray(trials, np.int64)
    at = np.searchsorted(ids, events.trial)
    known = at < len(ids)
    known &= ids[np.minimum(at, len(ids) - 1)] == events.trial
    inside = (events.step >= first) & (events.step < first + steps)
    for what, ok, got in (
        ("trial", known, events.trial),
        ("step", inside, events.step),
        ("element", (events.element >= 0) & (events.element < size), events.element),
    ):
        if not ok.all():
            bad = int(got[np.argmin(ok)])
            raise NeurohwError(f"a spike of an unknown {what}", where=population, got=bad)
    begin = max(first - latency, 0)
    step = events.step.astype(np.int64) - latency - begin
    keep = step >= 0
    trial, neuron, step = at[keep], events.element[keep], step[keep]
    span = first + steps - latency - begin
    if span < 1:
        raise NeurohwError("shorter than the latency", where=population, got=f"{steps} steps")
    key = (trial * size + neuron) * span + step
    if np.any(np.diff(key) < 0):  # a recording of one neuron is in order
        order = np.argsort(key, kind="stable")
        trial, neuron, step = trial[order], neuron[order], step[order]
    columns = (x.astype(np.int64, copy=False) for x in (trial, neuron, step))
    return Trains(population, float(dt), begin, span, ids, np.arange(size), *columns)


def trains(
    source: Source,
    population: str = "",
    *,
    neurons: Neurons | None = None,
    start: float | None = None,
    stop: float | None = None,
) -> Trains:
    """The spike trains of a population, or a part of them.

    Parameters
    ----------
    source : Recording or Trains
        What was recorded; or trains, of which a part is wanted.
    population : str
        Name of a population or driver of the recording.
    neurons : int, slice, sequence of int or bool array, optional
        Which of its neurons; default: all.
    start, stop : float, optional
        Only spikes with ``start <= t < stop``, in seconds of network time. What lies outside the
        recording is cut off.

    Raises
    ------
    ProgramError
        If the spikes of the population were not recorded.
    NeurohwError
        If no time or no neuron is left, or a neuron does not exist.
    """
    if isinstance(source, Trains):
        found = source
        if population not in ("", found.population):
            raise NeurohwError(
                "trains of another population", got=population, allowed=found.population
            )
    else:
        o = source.probes
        found = trains_of(
            source.spikes(population),
            dt=source.dt,
            steps=o.steps,
            size=source.sizes[population],
            trials=o.trials,
            first=o.t0,
            latency=source.latency.get(population, 0),
            population=population,
        )
    if start is not None or stop is not None:
        found = _within(found, start, stop)
    return found if neurons is None else _among(found, neurons)


def _within(t: Trains, start: float | None, stop: float | None) -> Trains:
    begin, end = t.first, t.first + t.steps
    if start is not None:
        begin = max(begin, math.ceil(start / t.dt - _WHOLE))
    if stop is not None:
        end = min(end, math.ceil(stop / t.dt - _WHOLE))
    if end <= begin:
        raise NeurohwError(
            "no step is left",
            where=t.population,
            got=f"start {start}, stop {stop}",
            allowed=f"{t.start:g}..{t.start + t.duration:g} s",
        )
    step = t.step + (t.first - begin)
    keep = (step >= 0) & (step < end - begin)
    columns = {"trial": t.trial[keep], "neuron": t.neuron[keep], "step": step[keep]}
    return replace(t, first=begin, steps=end - begin, **columns)


def _among(t: Trains, neurons: Neurons) -> Trains:
    count = len(t.neurons)
    try:
        at = neurons if isinstance(neurons, slice) else np.asarray(neurons)
        chosen = np.unique(np.arange(count)[at])
    except IndexError:
        raise NeurohwError(
            "no such neuron", where=t.population, got=neurons, allowed=f"0..{count - 1}"
        ) from None
    if not len(chosen):
        raise NeurohwError("no neuron is left", where=t.population, got=neurons)
    place = np.full(count, -1)
    place[chosen] = np.arange(len(chosen))
    neuron = place[t.neuron]
    keep = neuron >= 0
    columns = {"trial": t.trial[keep], "neuron": neuron[keep], "step": t.step[keep]}
    return replace(t, neurons=t.neurons[chosen], **columns)


def shared(a: Trains, b: Trains) -> tuple[Trains, Trains]:
    """Both, over the span that they share.

    Raises
    ------
    NeurohwError
        If steps or trials differ, or no span is shared.
    """
    for what, x, y in (("dt", a.dt, b.dt), ("trials", a.trials, b.trials)):
        if not np.array_equal(x, y):
            raise NeurohwError(
                f"not the same {what}",
                where=f"{a.population}, {b.population}",
                got=f"{x} and {y}",
            )
    start = max(a.start, b.start)
    stop = min(a.start + a.duration, b.start + b.duration)
    return _within(a, start, stop), _within(b, start, stop)


def whole_steps(t: Trains, seconds: float, name: str) -> int:
    """How many steps a time is.

    Raises
    ------
    NeurohwError
        If it is not a whole number of steps, at least 1, or longer than the span.
    """
    steps = round(seconds / t.dt) if math.isfinite(seconds) else 0
    whole = abs(seconds / t.dt - steps) <= _WHOLE * max(1, steps)
    if not (whole and 1 <= steps <= t.steps):
        raise NeurohwError(
            "not a whole number of steps within the span",
            where=f"{t.population}: {name}",
            got=f"{seconds:g} s",
            allowed=f"multiples of {t.dt:g} s up to {t.duration:g} s",
        )
    return steps


def cells(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values of ``keys``, and how often each occurs: a sparse table of counts."""
    return np.unique(keys, return_counts=True)
