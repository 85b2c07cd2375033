"""One side of a difference, turned into the other switch by switch, and run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurohw.compare import Entry, with_evidence
from neurohw.errors import NeurohwError
from neurohw.lowering import Numbers, lower
from neurohw.network import Network
from neurohw.program import Program
from neurohw.run import run_program, with_spikes
from neurohw.targets import Target

from .apart import Apart, apart, with_counts
from .switches import Switch, switched

__all__ = ["Apart", "Setting", "Variants", "apart"]

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
    counted: bool = True
    """Two spikes of a neuron in one step count as two; else as one."""


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
        return with_counts(with_evidence(with_spikes(lowered.program)), x.counted)

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
