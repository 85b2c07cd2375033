"""What the suite hands around: a case to run, a failure to report, and how a backend is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module

import numpy as np

from neurohw.backend import Backend, Run, compile_program, load
from neurohw.errors import BackendError, OverflowTrap
from neurohw.program import Float, Probes, Program, RunState, initial_state, print_program
from neurohw.reference import ReferenceBackend, ReferenceRun

__all__ = [
    "Bench",
    "Case",
    "Failure",
    "Outcome",
    "carries_floats",
    "has_floats",
    "outcome",
    "resolve",
]

Outcome = tuple[RunState, Probes] | OverflowTrap
Inputs = Mapping[str, np.ndarray] | None


@dataclass(frozen=True)
class Case:
    """A program and what to do with it.

    Attributes
    ----------
    label : str
        Where the case comes from, for messages.
    program : Program
    steps : int
        Steps ``t0 .. t0 + steps - 1`` are run.
    inputs : mapping or None
        External inputs by ``"population.external"``.
    t0 : int
        First step; the state before it is the initial state.
    cut : int
        The run is also split after so many steps (0: in the middle).
    """

    label: str
    program: Program
    steps: int
    inputs: Inputs = None
    t0: int = 0
    cut: int = 0

    def __repr__(self) -> str:  # what Hypothesis prints for a falsifying example
        text = print_program(self.program, elide=True)
        shapes = {k: v.shape for k, v in (self.inputs or {}).items()}
        return (
            f"Case({self.label}, steps={self.steps}, t0={self.t0}, cut={self.cut}, "
            f"inputs={shapes})\n{text}"
        )


@dataclass(frozen=True)
class Failure:
    """One check that a backend did not pass."""

    check: str
    program: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}\n{self.program}"


def has_floats(program: Program) -> bool:
    """True if any number of ``program`` is a float; only the others are compared bit for bit."""
    return any(
        isinstance(x.dtype, Float)
        for q in program.populations
        for x in (*q.nodes, *q.ports, *q.states, *q.params, *q.externals)
    )


def carries_floats(program: Program) -> bool:
    """True if a sum of float values may be taken in another order in another batch."""
    types = {
        program.population(name).nodes[program.population(name).value(value)].dtype
        for name, value in program.carried.values()
    }
    return any(isinstance(x, Float) for x in types)


def outcome(run: Run, state: RunState, inputs: Inputs, t0: int, steps: int) -> Outcome:
    """Result of a run, or the trap that ended it."""
    try:
        return run(state, inputs, t0, steps)
    except OverflowTrap as trap:
        return trap


def cut_inputs(inputs: Inputs, steps: slice, trial: int | None = None) -> Inputs:
    """Inputs of some steps, and of one trial if that is given."""
    if inputs is None:
        return None
    out = {}
    for key, data in inputs.items():
        part = np.asarray(data)[steps]
        if trial is not None and part.ndim == 3 and part.shape[1] > 1:
            part = part[:, trial : trial + 1]
        out[key] = part
    return out


class Bench:
    """One case on one backend; what several checks need is computed once."""

    def __init__(self, backend: Backend, case: Case) -> None:
        self.backend, self.case, self.program = backend, case, case.program

    @cached_property
    def refused(self) -> list[tuple[str, str]]:
        """What the backend says it cannot run."""
        return self.backend.unsupported(self.program)

    @cached_property
    def run(self) -> Run:
        return compile_program(self.backend, self.program)

    @cached_property
    def reference(self) -> ReferenceRun:
        return ReferenceRun(self.program)

    @cached_property
    def floats(self) -> bool:
        return has_floats(self.program)

    def start(self, trials: list[int] | None = None) -> RunState:
        return initial_state(self.program, trials)

    @cached_property
    def got(self) -> Outcome:
        """The whole case on the backend."""
        c = self.case
        return outcome(self.run, self.start(), c.inputs, c.t0, c.steps)

    @cached_property
    def want(self) -> Outcome:
        """The whole case on the reference."""
        c = self.case
        return outcome(self.reference, self.start(), c.inputs, c.t0, c.steps)


def resolve(name: str) -> Backend:
    """A backend by its registered name, as ``module:factory``, or as ``broken:name``.

    Raises
    ------
    BackendError
        If there is no such backend.
    """
    if name == "reference":
        return ReferenceBackend()
    if name.startswith("broken:"):
        from neurohw.testing.broken import broken_backends

        for backend in broken_backends():
            if backend.name == name.removeprefix("broken:"):
                return backend
        known = ", ".join(b.name for b in broken_backends())
        raise BackendError("unknown broken backend", got=name, allowed=known)
    if ":" in name:
        module, _, attribute = name.partition(":")
        factory: Callable[[], Backend] = getattr(import_module(module), attribute)
        return factory()
    return load(name)
