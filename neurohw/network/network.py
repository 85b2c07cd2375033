"""The network: named drivers, populations, connections and probes, put together step by step."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from itertools import count
from typing import Any

from neurohw.errors import NetworkError
from neurohw.network.build import (
    check_network,
    make_connection,
    make_driver,
    make_population,
    make_probe,
)
from neurohw.network.common import Ask, Origin, here, nearest
from neurohw.network.drivers import DriverModel
from neurohw.network.model import Neuron
from neurohw.network.neurons import Relay
from neurohw.network.noise import Mismatch, Noise
from neurohw.network.parts import Connection, Driver, Population, Probe
from neurohw.network.synapses import Event, SynapseModel
from neurohw.network.units import Quantity
from neurohw.network.waveforms import Waveform

__all__ = ["Network"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
Endpoint = str | Driver | Population


class Network:
    """A circuit in physical units: no time step and no number format.

    Names are unique over drivers, populations and connections and match
    ``[A-Za-z_][A-Za-z0-9_]*``. Every method returns the frozen part it has added. The views
    `drivers`, `populations`, `connections` and `probes` are tuples in order of declaration, which
    has no meaning: two networks are equal if their parts are, in any order. The argument `origin`
    of every method says where a part was declared; it is found by itself.

    Parameters
    ----------
    name : str
        A label; it does not take part in equality.

    Raises
    ------
    NetworkError
        The name is malformed.
    """

    def __init__(self, name: str = "network", *, origin: Origin | None = None) -> None:
        self.origin = origin or here()
        self._nodes: dict[str, Driver | Population] = {}
        self._connections: dict[str, Connection] = {}
        self._probes: list[Probe] = []
        self.name = self._name(Ask("network", self.origin), name)

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """Sources of spikes."""
        return tuple(node for node in self._nodes.values() if isinstance(node, Driver))

    @property
    def populations(self) -> tuple[Population, ...]:
        """Neurons and relays."""
        return tuple(node for node in self._nodes.values() if isinstance(node, Population))

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Synapses between them."""
        return tuple(self._connections.values())

    @property
    def probes(self) -> tuple[Probe, ...]:
        """What is recorded."""
        return tuple(self._probes)

    def unprobed(self) -> Network:
        """The same, with nothing to record."""
        bare = copy.copy(self)
        bare._probes = []
        return bare

    def __getitem__(self, name: str) -> Driver | Population | Connection:
        """A driver, population or connection by name."""
        parts = {**self._nodes, **self._connections}
        if name not in parts:
            hint = nearest(name, parts)
            raise NetworkError("unknown name", where=self.name, got=name, fix=hint)
        return parts[name]

    def driver(self, name: str, drv: DriverModel, *, origin: Origin | None = None) -> Driver:
        """Add a source of spikes.

        Parameters
        ----------
        name : str
            Its name.
        drv : Regular, Poisson, SpikeTimes, SpikeArray, PooledPoisson or AnalogInput
            What it does.

        Raises
        ------
        NetworkError
            The name is malformed or taken, or `drv` is not a driver.
        """
        place = origin or here()
        part = make_driver(self._name(Ask("driver", place), name), drv, place)
        self._nodes[name] = part
        return part

    def population(
        self,
        name: str,
        neuron: Neuron | Relay,
        *,
        noise: Iterable[Noise] = (),
        mismatch: Iterable[Mismatch] = (),
        currents: Iterable[Waveform] = (),
        origin: Origin | None = None,
    ) -> Population:
        """Add neurons.

        Parameters
        ----------
        name : str
            Their name.
        neuron : LIF, IF, HodgkinHuxley, AdEx, Izhikevich or Relay
            What they are; any subclass of :class:`~neurohw.network.model.Neuron`.
        noise : iterable of AdditiveNoise or MultiplicativeNoise
            Currents that fluctuate, independent of one another; not for relays.
        mismatch : iterable of Mismatch
            Parameters that differ from device to device, each at most once; not for relays.
        currents : iterable of Step, Ramp, Sine or Piecewise
            Currents that change in time, added to ``I_bias``; not for relays.

        Raises
        ------
        NetworkError
            The name is malformed or taken, or noise, mismatch or a current does not fit the neuron.
        """
        place = origin or here()
        name = self._name(Ask("population", place), name)
        part = make_population(name, neuron, noise, mismatch, currents, place)
        self._nodes[name] = part
        return part

    def connect(
        self,
        source: Endpoint,
        target: Endpoint,
        synapse: SynapseModel,
        *,
        delay: Quantity | None = None,
        delay_steps: Any = None,
        connectivity: str | None = None,
        name: str | None = None,
        origin: Origin | None = None,
    ) -> Connection:
        """Connect a driver or population to a population.

        Parameters
        ----------
        source, target : str or part
            They exist already; `target` is a population.
        synapse : Delta, Exponential, Conductance, Graded or Event
            What a spike does; a Graded one follows V instead. Events go to relays, the others to
            neurons.
        delay : Quantity, optional
            Time from spike to effect in s, at least 0: one, or one per synapse, as the weights.
        delay_steps : int or array of int, optional
            The delay in time steps, whatever they are; excludes `delay`.
        connectivity : {"all_to_all", "one_to_one", "dense", "sparse"}, optional
            Follows from the weights, except that a list of weights needs ``"one_to_one"``.
        name : str, optional
            By default ``source_to_target``, with ``_2``, ``_3``... if that is taken.

        Raises
        ------
        NetworkError
            An end is unknown, a name is taken, shapes do not fit, or the delay is wrong.
        """
        place = origin or here()
        label = place.owner or "connection"
        start = self._node(Ask(label, place), "source", source)
        end = self._node(Ask(label, place), "target", target)
        if name is None:
            base = f"{start.name}_to_{end.name}"
            taken = {*self._nodes, *self._connections}
            name = next(
                n for k in count(1) if (n := base if k == 1 else f"{base}_{k}") not in taken
            )
        name = self._name(Ask(label, place), name)
        part = make_connection(name, start, end, synapse, (delay, delay_steps), connectivity, place)
        self._connections[name] = part
        return part

    def spike_driver(
        self, name: str, source: Endpoint, *, delay: Quantity = 0.0, origin: Origin | None = None
    ) -> Population:
        """Add a relay that repeats each spike of `source`, neuron by neuron.

        Short for a :class:`Relay` of the same size and a one-to-one :class:`Event` connection.

        Parameters
        ----------
        name, source : str
            Its name, and what it repeats (or that part).
        delay : Quantity
            In s, at least 0.

        Raises
        ------
        NetworkError
            `source` is unknown, the name malformed or taken, or the delay wrong.
        """
        place = origin or here()
        start = self._node(Ask(name if isinstance(name, str) else "", place), "source", source)
        part = self.population(name, Relay(start.size, origin=place), origin=place)
        try:
            self.connect(
                start, part, Event(origin=place), delay=delay, connectivity="one_to_one",
                origin=place,
            )  # fmt: skip
        except NetworkError:
            del self._nodes[name]
            raise
        return part

    def probe(
        self,
        population: Endpoint,
        *variables: str,
        every: Quantity | None = None,
        when: str = "after_reset",
        reduce: str | None = None,
        origin: Origin | None = None,
    ) -> Probe:
        """Record variables of a population, or the spikes of a driver.

        Parameters
        ----------
        population : str or part
            What is recorded.
        *variables : str
            ``spikes``; ``v``, the membrane potential (V); ``u``, the current of exponential
            synapses (A); ``refractory``, what is left of the refractory period (s); ``count``, how
            many spikes there are in the step, on targets where a neuron can have several; ``g`` or
            ``g_<receptor>``, a synaptic conductance (S); any further state of the model by its
            name, such as ``m``. A driver or relay has spikes only.
        every : Quantity, optional
            Sampling interval in s, greater than 0; by default every step.
        when : {"after_reset", "before_reset"}
            The phase of the step at which v is read.
        reduce : {"moments"}, optional
            Keep mean and variance over trials instead of every trial.

        Raises
        ------
        NetworkError
            The population or a variable is unknown, recorded already, or `every` is wrong.
        """
        place = origin or here()
        node = self._node(Ask(place.owner or "probe", place), "population", population)
        part = make_probe(node, variables, every, when, reduce, self._probes, place)
        self._probes.append(part)
        return part

    def check(self) -> None:
        """Validate the whole: it is not empty, every shape fits, and every relay has an input.

        Raises
        ------
        NetworkError
            The first thing that is wrong.
        """
        check_network(self.name, self.origin, self._nodes, self.connections)

    def __eq__(self, other: object) -> bool:
        """Whether both describe the same circuit, in any order of declaration."""
        if not isinstance(other, Network):
            return NotImplemented
        mine, theirs = (
            {(*probe.key, variable) for probe in net._probes for variable in probe.variables}
            for net in (self, other)
        )
        same_parts = self._nodes == other._nodes and self._connections == other._connections
        return same_parts and mine == theirs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = ("drivers", "populations", "connections", "probes")
        counts = ", ".join(f"{len(getattr(self, part))} {part}" for part in parts)
        return f"Network({self.name!r}: {counts})"

    def _name(self, ask: Ask, name: Any) -> str:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            ask.error("name", "not a name", got=name, allowed="letters, digits, _, no digit first")
        old = self._nodes.get(name) or self._connections.get(name)
        if old is not None:
            ask.error("name", "the name is taken", got=name, fix=f"see {old.origin.place}")
        return name

    def _node(self, ask: Ask, key: str, end: Any) -> Driver | Population:
        name = end.name if isinstance(end, Driver | Population) else end
        if not isinstance(name, str) or name not in self._nodes:
            allowed = " | ".join(self._nodes) or "nothing: the network is empty"
            fix = nearest(name, self._nodes) if isinstance(name, str) else ""
            ask.error(key, "unknown name", got=name, allowed=allowed, fix=fix)
        return self._nodes[name]
