"""A population of neurons on its way to a target: what every lowering is given and gives back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from neurohw.network import Neuron, Waveform
from neurohw.program import Edge, Population, Watch
from neurohw.targets import Target

from .numbers import Numbers
from .report import Log
from .wires import Wire

__all__ = ["NONE", "Outcome", "Part", "ProbeMap", "most_spikes"]

NONE = Numbers({}, {}, {})

ProbeMap = dict[str, tuple[str, float, float, str]]
"""Variable -> (value of the program, scale, shift, unit)."""
Outcome = tuple[Population, list[Edge], ProbeMap, list[Watch]]
"""Population, incoming edges, what can be recorded, rows of the overflow ledger."""


@dataclass(frozen=True, eq=False)
class Part:
    """One population and what it is lowered for.

    Attributes
    ----------
    p : mapping
        Parameters of the neuron as float64 arrays, with mismatch applied (see ``bind``).
    noise, currents : tuple
        Noise of the population, and its currents that change in time.
    wires : list of Wire
        Its inputs; ``delays`` maps the position of each to the delay of its edge in steps.
    late : int
        Steps by which retiming delays the population.
    dt : float
        Step in s; ``method`` says how equations become one.
    numbers : Numbers
        What to compute with instead of what follows from the physics.
    most : int
        Spikes of one neuron in one step, at most.
    followed, heard : bool
        V is sent to other neurons; spikes are, or they are recorded.
    """

    name: str
    neuron: Neuron
    p: Mapping[str, Any]
    noise: tuple[Any, ...]
    currents: tuple[Waveform, ...]
    wires: list[Wire]
    delays: dict[int, int]
    late: int
    target: Target
    dt: float
    method: str
    log: Log
    numbers: Numbers = NONE
    most: int = 1
    followed: bool = False
    heard: bool = True


def most_spikes(name: str, wires: list[Wire], drivers: Collection[str], target: Target) -> int:
    """Spikes of one neuron in a step, at most."""
    heard = any(w.source == name for w in wires)
    driven = any(w.source in drivers for w in wires if w.target == name)
    return target.firing.most if heard or driven else target.firing.readout or target.firing.most
