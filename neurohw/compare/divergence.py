"""Where two runs part first: the earliest unequal spike of each trial, or unequal value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .entry import Entry
from .measure import aligned, common

__all__ = ["Divergence", "Place", "describe", "spike_mismatches", "value_mismatch"]


@dataclass(frozen=True)
class Place:
    """Somewhere two runs differ; ``variable`` is ``"spikes"`` or the name of a value."""

    trial: int
    step: int
    population: str
    neuron: int
    variable: str = "spikes"


@dataclass(frozen=True)
class Divergence:
    """The first difference of a trial.

    Attributes
    ----------
    step : int
        In network time (latency subtracted); ``time`` is ``step * dt`` in seconds.
    variable : str
        ``"spikes"``, or the name of the value that differs.
    value_a, value_b : float or None
        The membrane potential before the reset, or that value; physical, in ``unit``. None where
        the probes do not tell.
    raw_a, raw_b : int, float or None
        The same, in the program's numbers.
    spike_a, spike_b : bool
        Whether the neuron spiked.
    threshold_a, threshold_b, distance_a, distance_b : float or None
        Physical; distance is value - threshold.
    cause, why : str
        A cause of ``causes.RULES`` or "unnamed", and the evidence in a few words.
    """

    trial: int
    step: int
    time: float
    population: str
    neuron: int
    variable: str
    value_a: float | None
    value_b: float | None
    unit: str
    raw_a: float | None
    raw_b: float | None
    spike_a: bool
    spike_b: bool
    threshold_a: float | None
    threshold_b: float | None
    cause: str = "unnamed"
    why: str = ""

    @property
    def distance_a(self) -> float | None:
        """Value minus threshold of the first, physical."""
        return _difference(self.value_a, self.threshold_a)

    @property
    def distance_b(self) -> float | None:
        """Value minus threshold of the second, physical."""
        return _difference(self.value_b, self.threshold_b)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"distance_a": self.distance_a, "distance_b": self.distance_b}


def _difference(value: float | None, level: float | None) -> float | None:
    return None if value is None or level is None else value - level


def spike_mismatches(a: Entry, b: Entry) -> list[Place]:
    """The first unequal spike of each trial that has one, earliest trial first by step.

    Among unequal spikes of one step, a population that drives others comes first, then the
    smaller neuron. Populations that retiming delays are compared up to the last step both have.
    """
    first: dict[int, tuple[int, int, int]] = {}
    names = common(a, b)
    for rank, name in enumerate(names):
        last = a.probes.t0 + a.probes.steps - max(a.latency(name), b.latency(name))
        x, y = (np.stack([e.trial, e.step, e.element], 1) for e in (a.spikes(name), b.spikes(name)))
        rows, counts = np.unique(np.concatenate([x, y]), axis=0, return_counts=True)
        odd = rows[(counts == 1) & (rows[:, 1] < last)]
        trials, where = np.unique(odd[:, 0], return_index=True)  # rows ascend: the earliest
        for trial, i in zip(trials.tolist(), where.tolist(), strict=True):
            found = (int(odd[i, 1]), rank, int(odd[i, 2]))
            first[trial] = min(first.get(trial, found), found)
    places = [Place(t, s, names[rank], n) for t, (s, rank, n) in first.items()]
    return sorted(places, key=lambda p: (p.step, p.trial))


def _unequal(a: Entry, b: Entry, share: float) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(population, value, steps, where unequal) of every trace both recorded."""
    for (population, name), x in a.series.items():
        y = b.series.get((population, name))
        if y is None:
            continue
        steps, i, j = aligned(x, y)
        if share == 0 and x.raw.dtype == y.raw.dtype and x.probe == y.probe:
            u, v = x.raw[i], y.raw[j]
            odd = u != v
            if u.dtype.kind == "f":
                odd &= ~(np.isnan(u) & np.isnan(v))
        else:
            u, v = x.values[i], y.values[j]
            span = max(float(np.ptp(u)), float(np.ptp(v))) if u.size else 0.0
            odd = ~(np.abs(u - v) <= max(share * span, x.grain + y.grain))
        yield population, name, steps, odd


def value_mismatch(a: Entry, b: Entry, share: float = 0.0) -> list[Place]:
    """The first unequal value of each trial.

    Raw numbers of one type are compared exactly where ``share`` is 0; else physical values, and a
    difference counts from the units in the last place and from that share of the trace's range
    on.
    """
    first: dict[int, tuple[int, int, int, int, str, str]] = {}
    order = {name: i for i, name in enumerate(a.program.order)}
    for population, name, steps, odd in _unequal(a, b, share):
        rank = a.program.population(population).value(name)  # in the order of evaluation
        for k in np.flatnonzero(odd.any(axis=(0, 2))):
            row = int(np.argmax(odd[:, k].any(axis=1)))
            neuron = int(np.argmax(odd[row, k]))
            found = (int(steps[row]), order[population], rank, neuron, population, name)
            trial = int(a.probes.trials[k])
            kept = first.setdefault(trial, found)
            if found[:4] < kept[:4]:
                first[trial] = found
    places = [Place(t, s, pop, n, name) for t, (s, _, _, n, pop, name) in first.items()]
    return sorted(places, key=lambda p: (p.step, p.trial))


def describe(a: Entry, b: Entry, p: Place) -> Divergence:
    """Values, spikes and thresholds at a place, without a cause."""
    sides = [_side(e, p) for e in (a, b)]
    units = [u for *_, u in sides if u]
    (raw_a, value_a, level_a, _), (raw_b, value_b, level_b, _) = sides
    where = (p.population, p.step, p.trial, p.neuron)
    return Divergence(
        p.trial,
        p.step,
        p.step * a.program.dt,
        p.population,
        p.neuron,
        p.variable,
        value_a,
        value_b,
        units[0] if units else "",
        raw_a,
        raw_b,
        a.spiked(*where),
        b.spiked(*where),
        level_a,
        level_b,
    )


def _side(e: Entry, p: Place) -> tuple[float | None, float | None, float | None, str]:
    """Raw value, physical value, physical threshold, unit."""
    rule = e.rules.get(p.population)
    names = [p.variable] if p.variable != "spikes" else [rule.value, rule.after] if rule else []
    series = next((e.series[p.population, n] for n in names if (p.population, n) in e.series), None)
    if series is None:
        return None, None, None, ""
    where = (p.step, p.trial, p.neuron)
    raw = (
        e.before_reset(p.population, *where)
        if p.variable == "spikes"
        else e.at(p.population, p.variable, *where)
    )
    level = None
    if rule is not None and series.probe.value in (rule.value, rule.after):
        level = e.threshold(p.population, p.trial, p.neuron)
    scale, shift = series.probe.scale, series.probe.shift
    value = None if raw is None else raw * scale + shift
    return raw, value, None if level is None else level * scale + shift, series.probe.unit
