"""Rules that simulators of floats differ in; some of them are rules of chips as well."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["CELL_WORDS", "Arrival", "Firing", "Offers"]

CELL_WORDS = frozenset(
    [
        "delta",
        "current",
        "to",
        "subtract",
        "none",
        "leaky",
        "leakless",
        "bias",
        "rest",
        "refractory",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """When and how what arrives in a step gets into V.

    Fixed-point targets know only ``decays``. A kind of neuron is ``delta`` or ``current``, by its
    synapses.

    Attributes
    ----------
    late : tuple of str
        Kinds whose V feels what arrives in a step only in the next one: it is added to u after V
        has used it, or to V after V was compared with the threshold (and before the reset).
    decays : bool
        What arrives decays with the current in the same step: ``u' = decay (u + input)``.
    current : str
        What a current is taken for in the exponential method: ``held`` over the step, or
        ``decaying`` in it, which is then solved exactly.
    jump : str
        What a synapse without time constant is taken for: an ``impulse``, or a current that is
        ``held`` over the step and brings the same charge, which leaks while it flows: weight times
        (1 - decay) / (dt / tau).
    """

    late: tuple[str, ...] = ()
    decays: bool = False
    current: Literal["held", "decaying"] = "held"
    jump: Literal["impulse", "held"] = "impulse"


@dataclass(frozen=True, kw_only=True)
class Firing:
    """How often a neuron may spike in a step, and how low V can get.

    Attributes
    ----------
    most : int
        Spikes of one neuron in one step. Above 1, their number is how many times the threshold
        (against V_reset) goes into V; synapses multiply it by their weight, and where a spike
        subtracts, each does. One less than a power of two on fixed-point targets.
    readout : int
        The same for a population that hears no driver and that no synapse hears; 0: as ``most``.
    given : int
        Spikes that one element of a driver (a pool) brings in a step, at most; 0: no limit.
    floor : float
        Lower limit of V, in multiples of the distance from V_reset to the threshold, at most 0;
        ``-inf``: none.
    """

    most: int = 1
    readout: int = 0
    given: int = 0
    floor: float = -math.inf


@dataclass(frozen=True, kw_only=True)
class Offers:
    """The neurons that a target has.

    Attributes
    ----------
    cells : tuple of str
        None listed: no restriction. A cell is a set of words: its kind (``delta``, ``current``),
        what a spike does (``to``, ``subtract``, ``none``), whether it may be ``leaky`` or
        ``leakless``, whether it takes a constant current (``bias``) or rests away from V_reset
        (``rest``), and whether it can be ``refractory``.
    graded : bool
        A current may follow V of another neuron (:class:`~neurohw.network.Graded`): held over the
        step at the V of the source after that step, or earlier by the delay.
    """

    cells: tuple[str, ...] = ()
    graded: bool = False
