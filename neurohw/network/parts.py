"""The parts of a network as lowering reads them: frozen, named, in SI."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from neurohw.network.common import Origin, same
from neurohw.network.convolution import Conv2D
from neurohw.network.drivers import DriverModel
from neurohw.network.model import Neuron
from neurohw.network.neurons import Relay
from neurohw.network.noise import Mismatch, Noise
from neurohw.network.synapses import CSR, SynapseModel, Weight
from neurohw.network.units import Value
from neurohw.network.waveforms import Waveform
from neurohw.network.wiring import Connectivity, Steps, edges, same_edges

__all__ = ["VARIABLES", "Connection", "Driver", "Population", "Probe"]

VARIABLES = ("spikes", "v", "u", "refractory", "count")


@dataclass(frozen=True, kw_only=True)
class _Node:
    """What drivers and populations share."""

    name: str
    origin: Origin = field(compare=False, repr=False)
    model: Any

    @property
    def size(self) -> int:
        """Number of sources or neurons."""
        return int(self.model.size)

    def where(self, key: str) -> str:
        """``name.key``, for an error about a field of the model."""
        return f"{self.name}.{key}"

    def at(self, key: str) -> str:
        """``file:line`` of a field of the model, for the same error."""
        return str(self.model.origin.at(key))


@dataclass(frozen=True, kw_only=True)
class Driver(_Node):
    """A named source of spikes; `model` says when it fires."""

    model: DriverModel
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class Population(_Node):
    """Named neurons; noise and currents add up, and mismatch changes parameters of `model`."""

    model: Neuron | Relay
    noise: tuple[Noise, ...] = ()
    mismatch: tuple[Mismatch, ...] = ()
    currents: tuple[Waveform, ...] = ()
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True, eq=False)
class Connection:
    """Synapses from one population to another.

    Attributes
    ----------
    name, source, target : str
        Its name and those of its ends.
    synapse : Delta, Exponential, Conductance, Graded or Event
        What a spike does; holds the weights in SI.
    connectivity : {"all_to_all", "one_to_one", "dense", "sparse", "conv2d"}
        Layout of the weights: a float; a float or an array (n,); an array (n_target, n_source);
        a :class:`~neurohw.network.synapses.CSR`; or a
        :class:`~neurohw.network.convolution.Conv2D`.
    delay : float or numpy.ndarray, optional
        In s, at least 0; None if the delay is given in steps. An array is (n_target, n_source) for
        ``all_to_all`` and ``dense``, (n,) for ``one_to_one``, (nnz,) for ``sparse``.
    delay_steps : int or numpy.ndarray, optional
        In steps, greater than 0 if an int (0 steps are stored as ``delay=0.0``), else None.
    shape : (int, int)
        ``(n_target, n_source)``.
    """

    name: str
    source: str
    target: str
    synapse: SynapseModel
    connectivity: Connectivity
    delay: Value | None
    delay_steps: Steps | None
    shape: tuple[int, int]
    origin: Origin = field(repr=False)

    @property
    def weight(self) -> Weight:
        """Weights of the synapse, in V, A, S or 1."""
        return self.synapse.weight

    def where(self, key: str) -> str:
        """``name.key``, for an error about a field of the connection or its synapse."""
        return f"{self.name}.{key}"

    def at(self, key: str) -> str:
        """``file:line`` of that field."""
        own = key in ("source", "target", "delay", "delay_steps", "connectivity")
        return (self.origin if own else self.synapse.origin).at(key)

    def edges(self) -> tuple[Any, ...]:
        """Every non-zero synapse: targets, sources, weights, delays (s or steps)."""
        delay = self.delay if self.delay_steps is None else self.delay_steps
        return edges(self.connectivity, self.weight, delay, self.shape)

    def __eq__(self, other: object) -> bool:
        """Whether the same synapses are there, in whichever layout they are stored."""
        if not isinstance(other, Connection):
            return NotImplemented
        mine, theirs = ((c.name, c.source, c.target, c.shape) for c in (self, other))
        kind = type(self.synapse)
        if mine != theirs or kind is not type(other.synapse):
            return False
        kinetics = (
            [getattr(c.synapse, key, None) for key in ("tau", "E_rev", "receptor")]
            for c in (self, other)
        )
        if len(set(map(tuple, kinetics))) > 1:
            return False
        if (self.delay_steps is None) != (other.delay_steps is None):
            return False
        if self.connectivity == other.connectivity and not isinstance(self.weight, CSR | Conv2D):
            return (
                same(self.weight, other.weight)
                and same(self.delay, other.delay)
                and same(self.delay_steps, other.delay_steps)
            )
        return same_edges(self.edges(), other.edges())

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What is recorded of one population; fields as for :meth:`Network.probe`, `every` in s."""

    population: str
    variables: tuple[str, ...]
    every: float | None = None
    when: Literal["after_reset", "before_reset"] = "after_reset"
    reduce: Literal["moments"] | None = None
    origin: Origin = field(compare=False, repr=False)

    @property
    def key(self) -> tuple[str, float | None, str, str | None]:
        """All that tells two probes of one variable apart."""
        return (self.population, self.every, self.when, self.reduce)
