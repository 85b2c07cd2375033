"""One side of a difference, turned into the other switch by switch, and run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurohw.compare import Entry, with_evidence
from neurohw.errors import NeurohwError
from neurohw.lowering import Numbers, lower
from neurohw.network import Network
from neurohw.program import Program
from neurohw.run import run_program, with_spikes
from neurohw.targets import Target

from .switches import Switch, switched

__all__ = ["Apart", "Setting", "Variants", "apart", "keys"]

LIGHT = 4_000_000
"""Elements times steps up to which the reference is used: it compiles nothing."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How everything is run: what :func:`neurohw.run` takes."""

    dt: float
    steps: int
    trials: int = 1
    seed: int = 0
    inputs: Mapping[str, Any] | None = None
    backend: str = ""
    raw: bool = False
    """Spikes at the steps in which an engine emits them: latencies are not taken off."""


@dataclass(frozen=True, order=True)
class Apart:
    """How far two runs are apart; the smaller, the closer.

    Attributes
    ----------
    sooner : int
        Minus the step of the first unequal spike; minus the number of steps if there is none.
    distance : float
        1 - Jaccard index over all spikes of neurons: 0 equal, 1 nothing shared.
    """

    sooner: int
    distance: float

    @property
    def equal(self) -> bool:
        """Whether no spike differs."""
        return self.distance == 0


def keys(e: Entry, names: Sequence[str]) -> np.ndarray:
    """One ascending number per spike of the populations, in network time: by step first."""
    found = []
    populations = [e.program.population(name) for name in names]
    total = sum(q.size for q in populations)
    trials, first = len(e.probes.trials), 0
    for q in populations:
        s = e.spikes(q.name)
        trial = np.searchsorted(e.probes.trials, s.trial)
        found.append((s.step.astype(np.int64) * trials + trial) * total + first + s.element)
        first += q.size
    return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)


def apart(a: Entry, b: Entry, names: Sequence[str]) -> Apart:
    """How far the spikes of some populations are apart, up to the last step that both runs have."""
    per_step = len(a.probes.trials) * sum(a.program.population(name).size for name in names)
    late = max((*a.program.latency.values(), *b.program.latency.values(), 0))
    steps = a.probes.t0 + a.probes.steps - late
    ends = (keys(e, names) for e in (a, b))
    x, y = (k[: np.searchsorted(k, steps * per_step)] for k in ends)
    shared = len(np.intersect1d(x, y, assume_unique=True))
    union = len(x) + len(y) - shared
    odd = np.setxor1d(x, y, assume_unique=True)
    first = int(odd[0]) // per_step if len(odd) else steps
    return Apart(-first, 1 - shared / union if union else 0.0)


@dataclass
class Variants:
    """Runs of a network on one record with any of some switches thrown; each program runs once.

    Attributes
    ----------
    numbers : Numbers or None
        What switches of numbers take over.
    problems : dict
        Path of a switch -> why it cannot be thrown by itself.
    """

    network: Network
    record: Target
    setting: Setting
    numbers: Numbers | None = None
    tick: Callable[[], None] = lambda: None
    problems: dict[str, str] = field(default_factory=dict)
    _entries: dict[str, Entry] = field(default_factory=dict)

    def program(self, thrown: Collection[Switch]) -> Program:
        """Lowered with these switches thrown.

        Raises
        ------
        LoweringError
            The record so made cannot carry the network.
        """
        record = self.record
        for s in thrown:
            if not s.numbers:
                record = switched(record, s.path, s.b)
        labels = {s.path for s in thrown if s.numbers}
        numbers = self.numbers.only(labels) if self.numbers and labels else None
        x = self.setting
        lowered = lower(
            self.network, record, dt=x.dt, trials=x.trials, seed=x.seed, numbers=numbers
        )
        return with_evidence(with_spikes(lowered.program))

    def numbers_of(self) -> Numbers:
        """What the record itself computes with."""
        x = self.setting
        return lower(self.network, self.record, dt=x.dt, trials=x.trials, seed=x.seed).numbers

    def entry(self, thrown: Collection[Switch]) -> Entry:
        """The run with these switches thrown."""
        return self.run(self.program(thrown))

    def run(self, program: Program) -> Entry:
        """A program's run, from memory if it ran before."""
        if program.hash not in self._entries:
            self.tick()
            size = sum(q.size for q in program.populations) * program.trials
            light = size * self.setting.steps <= LIGHT
            backend = self.setting.backend or ("reference" if light else "native")
            recording = run_program(
                program, backend, self.setting.steps, inputs=self.setting.inputs
            )
            seen = dataclasses.replace(program, latency={}) if self.setting.raw else program
            self._entries[program.hash] = Entry.of(seen, recording.probes, backend=backend)
        return self._entries[program.hash]

    def effective(self, switches: Sequence[Switch]) -> list[Switch]:
        """Those that change the program of this network, by themselves or beside the others.

        One that the record cannot carry is left out as well, and kept in ``problems``.
        """
        plain, possible, alone = self.program(()).hash, [], set()
        for s in switches:
            found = self.hash((s,), s)
            if found is not None:
                possible.append(s)
                alone |= {s.path} if found != plain else set()
        whole = self.hash(possible)
        found = []
        for s in possible:
            rest = [x for x in possible if x is not s]
            if s.path in alone or (whole is not None and self.hash(rest) not in (None, whole)):
                found.append(s)
        return found

    def hash(self, thrown: Collection[Switch], blame: Switch | None = None) -> str | None:
        """Of the program; None if the record cannot carry the network so."""
        try:
            return self.program(thrown).hash
        except NeurohwError as error:
            if blame is not None:
                self.problems[blame.path] = str(error)
            return None
