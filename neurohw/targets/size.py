"""What a chip holds, and what its operations cost, as far as it is public."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Energy", "Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much fits on one chip; 0: no limit is known.

    A network that needs more is refused. What a mapper would need besides (cores, memory of a
    core, routing) is not looked at, so a network within the limits may still not fit.

    Attributes
    ----------
    neurons : int
        In all populations.
    inputs : int
        Sources outside, in all drivers.
    fan_in : int
        Synapses of one neuron.
    source : str
        Where the numbers stand.
    """

    neurons: int = 0
    inputs: int = 0
    fan_in: int = 0
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Published energy of an operation in joules; 0: none is published.

    Attributes
    ----------
    synapse : float
        Of one spike at one synapse.
    update : float
        Of one neuron in one step.
    source : str
        Where the numbers stand, and how they were found.
    """

    synapse: float = 0.0
    update: float = 0.0
    source: str = ""
