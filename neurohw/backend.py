"""The plug-in protocol: what a backend is, how one is found, how a program is run on it.

A backend is found through the entry point group ``neurohw.backends``; the built-in ones use the
same door as any other. Nothing is imported until a backend is asked for by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Protocol, runtime_checkable

import numpy as np

from neurohw.errors import BackendError, NeurohwError, Unsupported
from neurohw.program import IR_VERSION, Probes, Program, RunState, concat, initial_state, verify

__all__ = [
    "Backend",
    "BackendInfo",
    "Run",
    "available",
    "compile_program",
    "load",
    "names",
    "simulate",
]

GROUP = "neurohw.backends"
INSTALL = {
    "torch": "pip install 'neurohw[torch]'",
    "snntorch": "pip install 'neurohw[torch]'",
    "triton": "pip install 'neurohw[torch]'",
    "lava": "pip install 'neurohw[lava]' && "
    "pip install --no-deps --ignore-requires-python lava-nc==0.10.0",
}
"""How to get what a built-in backend needs, by the name of the missing module."""


class Run(Protocol):
    """A compiled program: a pure function from a state to the state ``steps`` steps later."""

    def __call__(
        self, state: RunState, inputs: Mapping[str, np.ndarray] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        """Run steps ``t0 .. t0 + steps - 1``.

        Parameters
        ----------
        state : RunState
            As returned by ``initial_state`` or by an earlier run that ended before ``t0``.
        inputs : mapping or None
            ``"population.external"`` -> array ``[steps, size]`` or ``[steps, T, size]``.
        steps : int
            >= 1; what a run of no steps returns is not defined.
        """
        ...


@runtime_checkable
class Backend(Protocol):
    """What executes a program."""

    name: str
    ir_version: int

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        """(node or part, reason) for everything this backend cannot run; empty if it can."""
        ...

    def compile(self, program: Program) -> Run:
        """Prepare ``program``; called only if ``unsupported`` returned nothing."""
        ...


@dataclass(frozen=True)
class BackendInfo:
    """A registered backend: where it comes from, and why it cannot be used ("" if it can)."""

    name: str
    value: str
    distribution: str = ""
    version: str = ""
    problem: str = ""


def names() -> list[str]:
    """Names of all backends, the reference first, because it is what the others are held to."""
    found = {e.name for e in entry_points(group=GROUP)}
    return sorted(found, key=lambda name: (name != "reference", name))


def load(name: str) -> Backend:
    """The backend called ``name``.

    Raises
    ------
    BackendError
        If there is none of this name, or if it cannot be imported (with the command that installs
        what is missing, if that is known), or if it is broken.
    """
    found = {e.name: e for e in entry_points(group=GROUP)}
    if name not in found:
        near = difflib.get_close_matches(name, found, n=1)
        raise BackendError(
            "unknown backend",
            got=name,
            allowed=", ".join(sorted(found)),
            fix=f"did you mean {near[0]}?" if near else "",
        )
    try:
        backend: Backend = found[name].load()()
        version = backend.ir_version
    except NeurohwError:
        raise
    except ImportError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in INSTALL:
            raise BackendError(f"backend {name} cannot be imported ({error})") from error
        raise BackendError(
            f"backend {name} needs {missing}, which is not installed", fix=INSTALL[missing]
        ) from error
    except Exception as error:
        raise BackendError(f"backend {name} is broken ({type(error).__name__}: {error})") from error
    if version != IR_VERSION:
        raise BackendError(
            "backend speaks another program version",
            where=name,
            got=version,
            allowed=str(IR_VERSION),
        )
    return backend


def available() -> list[BackendInfo]:
    """All registered backends; one that is broken is listed with its problem, and never raises."""
    out = []
    for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name):
        try:
            load(entry.name)
            problem = ""
        except NeurohwError as error:
            problem = str(error)
        dist = entry.dist
        of = (dist.name, dist.version) if dist is not None else ("", "")
        out.append(BackendInfo(entry.name, entry.value, *of, problem))
    return out


def compile_program(backend: Backend, program: Program) -> Run:
    """Verify and compile.

    Raises
    ------
    Unsupported
        Listing every part of the program that the backend cannot run.
    """
    verify(program)
    problems = backend.unsupported(program)
    if problems:
        listed = "; ".join(f"{part}: {reason}" for part, reason in problems)
        raise Unsupported(
            f"backend {backend.name} cannot run this program: {listed}", where=program.name
        )
    return backend.compile(program)


def simulate(
    run: Run,
    program: Program,
    steps: int,
    *,
    inputs: Mapping[str, np.ndarray] | None = None,
    trials: Sequence[int] | None = None,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[RunState, Probes]:
    """Run from step 0 in chunks, so that progress shows and an interrupt is heard.

    Parameters
    ----------
    steps : int
        Steps to run, >= 1.
    inputs : mapping, optional
        ``"population.external"`` -> ``[steps, size]`` or ``[steps, T, size]``.
    chunk : int, optional
        Steps per call; default ``run.chunk`` if the run has that attribute, else 1000. The
        result does not depend on it.
    progress : callable, optional
        Called with (steps done, steps).
    """
    if steps < 1:
        raise BackendError("steps", got=steps, allowed=">= 1")
    state = initial_state(program, trials)
    size = chunk or getattr(run, "chunk", None) or 1000
    probes: list[Probes] = []
    for t0 in range(0, steps, size):
        n = min(size, steps - t0)
        part = {k: np.asarray(v)[t0 : t0 + n] for k, v in inputs.items()} if inputs else None
        state, out = run(state, part, t0, n)
        probes.append(out)
        if progress is not None:
            progress(t0 + n, steps)
    return state, concat(*probes)
