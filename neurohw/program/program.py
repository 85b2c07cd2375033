"""The lowered program: immutable records, nothing more.

A :class:`Program` says everything about what happens: populations with their step as a list of
nodes in single-assignment form, edges that carry spikes or values between them, probes and
watches. Its meaning is defined in ``docs/program.md``; ``neurohw.reference`` runs it; ``verify``
checks it; ``text`` prints and parses it. Two programs are equal if their texts are.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from neurohw.errors import ProgramError
from neurohw.program.types import DType, Float, Int
from neurohw.program.weights import Conv, Dense, OneToOne, Sparse, Weights

__all__ = [
    "IR_VERSION",
    "Conv",
    "Dense",
    "Edge",
    "External",
    "Node",
    "OneToOne",
    "Param",
    "Population",
    "Port",
    "Probe",
    "Program",
    "Sparse",
    "State",
    "Watch",
    "Weights",
    "freeze",
]

IR_VERSION = 2


def freeze(data: Any, dtype: DType) -> np.ndarray:
    """Copy ``data`` into a read-only C-ordered array of the type's storage; refuse lost values."""
    raw = np.asarray(data)
    if isinstance(dtype, Int):
        if raw.dtype.kind not in "iub":
            raise ProgramError("integer data expected", got=raw.dtype, allowed=str(dtype))
        if raw.size and (int(raw.min()) < dtype.lo or int(raw.max()) > dtype.hi):
            bad = raw.min() if int(raw.min()) < dtype.lo else raw.max()
            raise ProgramError(
                f"value does not fit {dtype}", got=bad, allowed=f"{dtype.lo}..{dtype.hi}"
            )
    out = np.ascontiguousarray(raw.astype(dtype.storage)).reshape(raw.shape)
    if isinstance(dtype, Float) and out.size and not np.isfinite([out.min(), out.max()]).all():
        raise ProgramError("value is not finite", got=raw, allowed=f"finite {dtype}")
    out.flags.writeable = False
    return out


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a population's step; ``args`` are indices of earlier nodes."""

    op: str
    dtype: DType
    args: tuple[int, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Param:
    """A constant: shape ``()``, ``(size,)``, ``(trials, 1)`` or ``(trials, size)``."""

    name: str
    dtype: DType
    data: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A value kept from step to step; ``init`` has the shape of a :class:`Param`'s data."""

    name: str
    dtype: DType
    init: np.ndarray


@dataclass(frozen=True, slots=True)
class Port:
    """Where spikes and values arrive: an accumulator, zero at the start of each step.

    Integers are summed exactly and then brought into the type's range by ``overflow``.
    """

    name: str
    dtype: DType
    overflow: str = "exact"


@dataclass(frozen=True, slots=True, eq=False)
class External:
    """A value per step, trial and element, given to the run from outside.

    ``events``, an int64 array ``[k, 2]`` of (step, element) rows in ascending order, is what a
    boolean external holds when the run is given nothing for it.
    """

    name: str
    dtype: DType
    events: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """An index domain and its step.

    ``writes`` maps each state to the node whose value it takes when the step commits; a state
    that is not written keeps its value. ``spike`` is the index of a bool node, or ``None``.
    """

    name: str
    size: int
    params: tuple[Param, ...] = ()
    states: tuple[State, ...] = ()
    ports: tuple[Port, ...] = ()
    externals: tuple[External, ...] = ()
    nodes: tuple[Node, ...] = ()
    writes: Mapping[str, int] = field(default_factory=dict)
    spike: int | None = None

    def value(self, name: str) -> int:
        """Index of the node called ``name``."""
        for i, node in enumerate(self.nodes):
            if node.name == name:
                return i
        known = ", ".join(n.name for n in self.nodes if n.name)
        raise ProgramError("no such value", where=self.name, got=name, allowed=known or "none")


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """What ``source`` sends in step t arrives at ``target.port`` in step t + ``delay``.

    Without ``value`` these are spikes, and the port receives the weights of those that were
    emitted. Else ``value`` names an integer or float node of the source, and the port receives
    ``weight[target, source] * value[source]`` of every source.
    """

    source: str
    target: str
    port: str
    weights: Weights
    delay: int
    value: str = ""

    @property
    def key(self) -> str:
        """What it carries, as ``RunState.history`` and ``Program.depth`` call it."""
        return f"{self.source}.{self.value}" if self.value else self.source

    @property
    def where(self) -> str:
        """Its place, for messages."""
        return f"{self.source}->{self.target}.{self.port}"


@dataclass(frozen=True, slots=True)
class Probe:
    """Record the value ``value`` (a node's name, or ``"spikes"``) of a population.

    Sampled in steps ``t >= offset`` with ``(t - offset) % every == 0``. ``reduce="moments"``
    keeps count, mean and sum of squared deviations over the trials instead of every trial.
    ``scale`` and ``shift`` turn the number into the quantity: ``number * scale + shift`` in
    ``unit``.
    """

    population: str
    value: str
    every: int = 1
    offset: int = 0
    reduce: str = ""
    scale: float = 1.0
    shift: float = 0.0
    unit: str = ""

    @property
    def key(self) -> str:
        return f"{self.population}.{self.value}" + (":moments" if self.reduce else "")


@dataclass(frozen=True, slots=True)
class Watch:
    """A row of the overflow ledger: count the entries of ``value`` outside ``lo..hi``.

    An entry is one (step, trial, element), so a step may count many times.
    """

    population: str
    value: str
    lo: int
    hi: int
    label: str = ""

    @property
    def key(self) -> str:
        return f"{self.population}.{self.label or self.value}"


@dataclass(frozen=True, eq=False)
class Program:
    """What is to be computed; see ``docs/program.md``.

    Attributes
    ----------
    name, target : str
        Of the network, and of the target whose rules the program follows.
    dt : float
        Length of a step in seconds (a label: no operation reads it).
    seed : int
        0..2**64 - 1, the key of all draws.
    trials : int
        How many trials there are; trial numbers are 0..trials - 1.
    latency : mapping
        Population -> steps by which retiming delayed it against the network.
    """

    name: str
    target: str = ""
    dt: float = 1e-3
    seed: int = 0
    trials: int = 1
    populations: tuple[Population, ...] = ()
    edges: tuple[Edge, ...] = ()
    probes: tuple[Probe, ...] = ()
    watches: tuple[Watch, ...] = ()
    latency: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The canonical text; ``parse(text)`` gives an equal program."""
        from neurohw.program.text import print_program

        return print_program(self)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text in which the SHA-256 of a large array stands for the array."""
        from neurohw.program.text import print_program

        return hashlib.sha256(print_program(self, elide="digest").encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def without_conv(self) -> Program:
        """The same with every ``Conv`` as ``Sparse``: for whoever does not know convolutions."""
        if not any(isinstance(e.weights, Conv) for e in self.edges):
            return self
        edges = [
            dataclasses.replace(e, weights=e.weights.to_sparse())
            if isinstance(e.weights, Conv)
            else e
            for e in self.edges
        ]
        return dataclasses.replace(self, edges=tuple(edges))

    def population(self, name: str) -> Population:
        """The population called ``name``."""
        for p in self.populations:
            if p.name == name:
                return p
        known = ", ".join(p.name for p in self.populations)
        raise ProgramError("no such population", where=self.name, got=name, allowed=known)

    @cached_property
    def depth(self) -> dict[str, int]:
        """How many past steps must be remembered: the longest delay, by key of what is carried.

        There is a key for the spikes of every population, which is its name, and one for every
        value that an edge carries, ``"population.value"``.
        """
        depth = {p.name: 0 for p in self.populations}
        for e in self.edges:
            depth[e.key] = max(depth.get(e.key, 0), e.delay)
        return depth

    @cached_property
    def carried(self) -> dict[str, tuple[str, str]]:
        """(population, value) of every key of ``depth`` that stands for a value."""
        return {e.key: (e.source, e.value) for e in self.edges if e.value}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Populations so that every zero-delay edge points forward.

        Raises
        ------
        ProgramError
            If the zero-delay edges form a cycle.
        """
        before: dict[str, set[str]] = {p.name: set() for p in self.populations}
        for e in self.edges:
            if e.delay == 0:
                before[e.target].add(e.source)
        done: list[str] = []
        left = [p.name for p in self.populations]
        while left:
            ready = [n for n in left if before[n] <= set(done)]
            if not ready:
                raise ProgramError(
                    "edges without delay form a cycle",
                    where=self.name,
                    got=" -> ".join([*left, left[0]]),
                    allowed="at least one delay >= 1 in every cycle",
                )
            done += ready
            left = [n for n in left if n not in ready]
        return tuple(done)
