"""The surroundings of a divergence: what the rules of ``causes`` look at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurohw.program import Population

from .divergence import Divergence
from .entry import Entry, Series
from .measure import aligned

__all__ = ["Both", "Scene"]


@dataclass(frozen=True)
class Both:
    """One neuron's value in one trial on both sides, at the same steps."""

    steps: np.ndarray
    a: np.ndarray  # physical
    b: np.ndarray
    raw_a: np.ndarray
    raw_b: np.ndarray
    grain: float  # the coarser unit in the last place, physical

    @property
    def apart(self) -> np.ndarray:
        """``|a - b|``; 0 where two raw numbers of one type and scale are equal."""
        return np.abs(self.a - self.b)

    def upto(self, step: int) -> Both:
        """Without the steps after ``step``."""
        n = int(np.searchsorted(self.steps, step, side="right"))
        steps, a, b = self.steps[:n], self.a[:n], self.b[:n]
        return Both(steps, a, b, self.raw_a[:n], self.raw_b[:n], self.grain)


@dataclass(frozen=True)
class Scene:
    """A divergence between two entries."""

    a: Entry
    b: Entry
    d: Divergence

    @property
    def entries(self) -> tuple[Entry, Entry]:
        return self.a, self.b

    @property
    def populations(self) -> tuple[Population, Population]:
        """The population that diverges, in both programs."""
        name = self.d.population
        return self.a.program.population(name), self.b.program.population(name)

    def both(self, value: str) -> Both | None:
        """A value of this neuron in this trial, if both recorded it in every step."""
        x, y = (e.series.get((self.d.population, value)) for e in self.entries)
        if x is None or y is None:
            return None
        steps, i, j = aligned(x, y)
        if len(steps) < 2 or steps[1] - steps[0] != 1:
            return None

        def one(s: Series, data: np.ndarray, rows: slice) -> np.ndarray:
            return data[rows, np.searchsorted(self.a.probes.trials, self.d.trial), self.d.neuron]

        return Both(
            steps,
            one(x, x.values, i),
            one(y, y.values, j),
            one(x, x.raw, i),
            one(y, y.raw, j),
            max(x.grain, y.grain),
        )

    @cached_property
    def v(self) -> Both | None:
        """The membrane after the reset."""
        return self.both("v")

    @cached_property
    def trains(self) -> tuple[np.ndarray, np.ndarray]:
        """All spikes of this neuron in this trial."""
        where = (self.d.population, self.d.trial, self.d.neuron)
        return self.a.spikes_of(*where), self.b.spikes_of(*where)

    @cached_property
    def shared(self) -> np.ndarray:
        """Spikes of both before the divergence; there they are equal."""
        return np.array([s for s in self.trains[0].tolist() if s < self.d.step], np.int64)

    @cached_property
    def span(self) -> float:
        """Working range of the membrane, physical: from its minimum to the threshold."""
        if self.v is None:
            return 0.0
        values = np.concatenate([self.v.a, self.v.b])
        levels = [x for x in (self.d.threshold_a, self.d.threshold_b) if x is not None]
        top = max(levels) if levels else float(values.max())
        return max(top - float(values.min()), 0.0)
