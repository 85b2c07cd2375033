"""One side of a comparison: a program, what a run of it recorded, and who ran it.

Everything here is in *network time*: retiming delays a population by ``program.latency`` steps
against the network, and that is subtracted, so that equal steps mean one moment of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurohw.errors import ProgramError
from neurohw.program import Events, Float, Probe, Probes, Program, sample_steps

from .spiking import SpikeRule, spike_rule

__all__ = ["Entry", "Series"]


@dataclass(frozen=True)
class Series:
    """A trace: raw numbers ``[samples, T, size]`` at ``steps`` of network time."""

    probe: Probe
    steps: np.ndarray
    raw: np.ndarray

    @cached_property
    def values(self) -> np.ndarray:
        """In physical units, float64."""
        return self.raw * np.float64(self.probe.scale) + self.probe.shift

    @property
    def grain(self) -> float:
        """The unit in the last place of a raw number, physical: 1, or eps of the largest."""
        if self.raw.dtype.kind != "f":
            return abs(self.probe.scale)
        top = float(np.max(np.abs(self.raw), initial=0.0))
        return abs(self.probe.scale) * float(np.finfo(self.raw.dtype).eps) * top

    def row(self, step: int) -> int | None:
        """Index of the sample of a step."""
        i = int(np.searchsorted(self.steps, step))
        return i if i < len(self.steps) and self.steps[i] == step else None


@dataclass(frozen=True, eq=False)
class Entry:
    """A run to be compared.

    Attributes
    ----------
    backend, target : str
        Who executed it; whose rules it follows.
    program : Program
    probes : Probes
    """

    backend: str
    target: str
    program: Program
    probes: Probes

    @staticmethod
    def of(program: Program, probes: Probes, *, backend: str) -> Entry:
        """With the target the program names."""
        return Entry(backend, program.target, program, probes)

    @property
    def label(self) -> str:
        """``backend/target``."""
        return f"{self.backend}/{self.target}"

    @cached_property
    def floats(self) -> bool:
        """Whether any population computes in floats."""
        return any(isinstance(n.dtype, Float) for q in self.program.populations for n in q.nodes)

    @cached_property
    def rules(self) -> dict[str, SpikeRule | None]:
        """How each population decides to spike, where that can be read off."""
        return {q.name: spike_rule(q) for q in self.program.populations}

    def _size(self, population: str) -> int:
        return self.program.population(population).size

    def latency(self, population: str) -> int:
        """Steps by which retiming delayed a population."""
        return self.program.latency.get(population, 0)

    def spikes(self, population: str) -> Events:
        """Spikes in network time."""
        e = self.probes.events[population]
        return Events(e.trial, e.step - self.latency(population), e.element)

    @cached_property
    def series(self) -> dict[tuple[str, str], Series]:
        """(population, value) -> trace, for every trace recorded.

        A wrong backend may return too few samples (those it has count), or another number of
        trials or neurons (then there is no trace); the verdict sees either.
        """
        out, trials = {}, len(self.probes.trials)
        for p in self.program.probes:
            if p.key in self.probes.traces and not p.reduce:
                steps = sample_steps(p, self.probes.t0, self.probes.steps)
                raw = self.probes.traces[p.key]
                if raw.ndim == 3 and raw.shape[1:] == (trials, self._size(p.population)):
                    n = min(len(raw), len(steps))
                    at = steps[:n] - self.latency(p.population)
                    out[p.population, p.value] = Series(p, at, raw[:n])
        return out

    def at(self, population: str, value: str, step: int, trial: int, neuron: int) -> float | None:
        """One raw number of a trace, or None if it was not recorded."""
        s = self.series.get((population, value))
        row = None if s is None else s.row(step)
        if s is None or row is None:
            return None
        found = s.raw[row, np.searchsorted(self.probes.trials, trial), neuron]
        return float(found) if s.raw.dtype.kind == "f" else int(found)

    def before_reset(self, population: str, step: int, trial: int, neuron: int) -> float | None:
        """What was compared with the threshold, raw; None where the probes do not tell.

        Without a probe before the reset, the value after it will do if there was no spike.
        """
        rule = self.rules.get(population)
        if rule is None:
            return None
        where = (population, step, trial, neuron)
        found = None if not rule.value else self.at(population, rule.value, *where[1:])
        if found is None and rule.after and not self.spiked(*where):
            return self.at(population, rule.after, *where[1:])
        return found

    def spiked(self, population: str, step: int, trial: int, neuron: int) -> bool:
        """Whether a neuron spiked in a step of network time."""
        e = self.spikes_of(population, trial, neuron)
        i = int(np.searchsorted(e, step))
        return i < len(e) and bool(e[i] == step)

    def spikes_of(self, population: str, trial: int, neuron: int) -> np.ndarray:
        """Steps of one neuron's spikes in one trial, ascending."""
        if population not in self.probes.events:
            return np.zeros(0, np.int64)
        e = self.probes.events[population]
        mine = slice(*np.searchsorted(e.trial, [trial, trial + 1]))
        return e.step[mine][e.element[mine] == neuron] - self.latency(population)

    def threshold(self, population: str, trial: int, neuron: int) -> float | None:
        """Raw threshold of a neuron, if it is a constant or a parameter."""
        rule = self.rules.get(population)
        return None if rule is None else rule.level(self.program, population, trial, neuron)


def check_entries(entries: tuple[Entry, ...]) -> None:
    """Refuse runs that cannot be laid side by side.

    Raises
    ------
    ProgramError
        If step length, span of steps or trials differ, or there are fewer than two.
    """
    if len(entries) < 2:
        raise ProgramError("nothing to compare", got=len(entries), allowed="two entries or more")
    first = entries[0]
    for e in entries[1:]:
        for what, a, b in (
            ("networks", e.program.name, first.program.name),
            ("step lengths", e.program.dt, first.program.dt),
            ("spans of steps", (e.probes.t0, e.probes.steps),
             (first.probes.t0, first.probes.steps)),
            ("trials", e.probes.trials.tolist(), first.probes.trials.tolist()),
            ("sizes", _sizes(e, first), _sizes(first, e)),
        ):  # fmt: skip
            if a != b:
                raise ProgramError(
                    f"entries of different {what}", where=e.label, got=a, allowed=f"{b}, as in "
                    f"{first.label}"
                )  # fmt: skip


def _sizes(e: Entry, other: Entry) -> dict[str, int]:
    shared = {q.name for q in other.program.populations}
    return {q.name: q.size for q in e.program.populations if q.name in shared}
