"""Checks that need two parts at once: does this noise fit that neuron, this synapse that target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np

from neurohw.network.common import Ask, Origin
from neurohw.network.drivers import AnalogInput, DriverModel
from neurohw.network.model import Neuron
from neurohw.network.neurons import LIF, Relay
from neurohw.network.noise import Mismatch, Noise
from neurohw.network.parts import VARIABLES, Connection, Driver, Population, Probe
from neurohw.network.synapses import Conductance, Delta, Event, Exponential, Graded, SynapseModel
from neurohw.network.units import Quantity, Shown
from neurohw.network.waveforms import Waveform
from neurohw.network.wiring import read_connectivity, read_delay

__all__ = [
    "check_network",
    "check_population",
    "make_connection",
    "make_driver",
    "make_population",
    "make_probe",
]


_CONDUCTANCE = re.compile(r"g(_[A-Za-z0-9_]+)?")  # lowering knows which there are


def _kind(value: object) -> str:
    return type(value).__name__


def _items(ask: Ask, key: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, Mismatch | Noise | Waveform):
        return (value,)
    if not isinstance(value, Iterable):
        ask.error(key, "must be a list", got=Shown(_kind(value)))
    return tuple(value)


def make_driver(name: str, model: Any, origin: Origin) -> Driver:
    """A driver, having checked that `model` is one."""
    if not isinstance(model, DriverModel):
        kinds = " | ".join(kind.__name__ for kind in get_args(DriverModel))
        Ask(name, origin).error("", "not a driver", got=Shown(_kind(model)), allowed=kinds)
    return Driver(name=name, model=model, origin=origin)


def make_population(
    name: str, model: Any, noise: Any, mismatch: Any, currents: Any, origin: Origin
) -> Population:  # fmt: skip
    """A population, having checked that noise, mismatch and currents fit the neuron."""
    ask = Ask(name, origin)
    if not isinstance(model, Neuron | Relay):
        ask.error("", "not a neuron", got=Shown(_kind(model)), allowed="a neuron model or Relay")
    part = Population(
        name=name,
        model=model,
        noise=_items(ask, "noise", noise),
        mismatch=_items(ask, "mismatch", mismatch),
        currents=tuple(
            _current(Ask(f"{name}.currents[{k}]", getattr(wave, "origin", origin)), wave, model)
            for k, wave in enumerate(_items(ask, "currents", currents))
        ),
        origin=origin,
    )
    check_population(part)
    return part


def _current(ask: Ask, wave: Any, model: Neuron | Relay) -> Waveform:
    """A waveform in A, having checked that it fits the neuron."""
    if not isinstance(wave, Waveform):
        kinds = "Step | Ramp | Sine | Piecewise"
        ask.error("", "not a waveform", got=Shown(_kind(wave)), allowed=kinds)
    return wave.fit("A", ask.owner, model.size)


def check_population(part: Population) -> None:
    """Noise, mismatch and currents must fit the neuron they are put on."""
    model, ask = part.model, Ask(part.name, part.origin)
    for key in ("noise", "mismatch", "currents"):
        items = getattr(part, key)
        if items and isinstance(model, Relay):
            ask.error(key, "a relay has none", got=len(items), allowed="0")
    for index, noise in enumerate(part.noise):
        one = Ask(f"{part.name}.noise[{index}]", getattr(noise, "origin", part.origin))
        if not isinstance(noise, Noise):
            kinds = "AdditiveNoise | MultiplicativeNoise"
            one.error("", "not noise", got=Shown(_kind(noise)), allowed=kinds)
        one.si("sigma", noise.sigma, "", size=model.size)
    seen: set[str] = set()
    for index, item in enumerate(part.mismatch):
        one = Ask(f"{part.name}.mismatch[{index}]", getattr(item, "origin", part.origin))
        if not isinstance(item, Mismatch):
            one.error("", "not a mismatch", got=Shown(_kind(item)), allowed="Mismatch")
        assert isinstance(model, Neuron)
        one.choice("parameter", item.parameter, model.spreadable())
        if item.parameter in seen:
            one.error("parameter", "spread twice", got=item.parameter, fix="keep one of them")
        seen.add(item.parameter)
        if seen >= {"g_L", "tau"}:
            one.error("parameter", "g_L and tau cannot both be spread", got=item.parameter,
                      fix="spread C and g_L")  # fmt: skip
        if item.parameter == "V_reset" and isinstance(model, LIF):
            if np.all(np.equal(model.V_reset, model.E_L)):
                one.error("parameter", "V_reset equals E_L, so a spread relative to E_L is none",
                          got="V_reset", fix="give V_reset as one value per neuron")  # fmt: skip


def make_connection(
    name: str,
    start: Driver | Population,
    end: Driver | Population,
    synapse: Any,
    delays: tuple[Any, Any],
    connectivity: str | None,
    origin: Origin,
) -> Connection:
    """A connection, having checked that synapse and delays (s, steps) fit both ends."""
    ask = Ask(name, origin)
    if not isinstance(end, Population):
        ask.error("target", "a driver has no input", got=end.name, allowed="a population")
    if not isinstance(synapse, SynapseModel):
        kinds = "Delta | Exponential | Conductance | Graded | Event"
        ask.error("", "not a synapse", got=Shown(_kind(synapse)), allowed=kinds)
    relay = isinstance(end.model, Relay)
    wanted = (Event,) if relay else (Delta, Exponential, Conductance, Graded)
    if not isinstance(synapse, wanted):
        allowed = " | ".join(kind.__name__ for kind in wanted)
        what = f"a {_kind(end.model)} cannot receive this synapse"
        ask.error("kind", what, got=Shown(_kind(synapse)), allowed=allowed)
    if isinstance(synapse, Graded) and not isinstance(start.model, Neuron):
        got = Shown(f"{start.name}, a {_kind(start.model)}")
        ask.error("source", "it has no V, which a graded synapse follows", got=got,
                  allowed="neurons")  # fmt: skip
    if isinstance(start.model, AnalogInput) and isinstance(synapse, Event | Conductance):
        why = "a relay hears spikes" if isinstance(synapse, Event) else "a conductance needs spikes"
        ask.error("source", why, got=f"{start.name}, an AnalogInput",
                  allowed="Delta or Exponential synapses")  # fmt: skip
    shape = (end.size, start.size)
    form = read_connectivity(ask, synapse.weight, start.size, end.size, connectivity)
    seconds, steps = read_delay(ask, form, synapse.weight, shape, *delays)
    return Connection(
        name=name,
        source=start.name,
        target=end.name,
        synapse=synapse,
        connectivity=form,
        delay=seconds,
        delay_steps=steps,
        shape=shape,
        origin=origin,
    )


def check_network(
    name: str,
    origin: Origin,
    nodes: Mapping[str, Driver | Population],
    connections: Iterable[Connection],
) -> None:
    """It is not empty, every shape fits, and every relay has an input."""
    if not nodes:
        Ask(name, origin).error("", "the network is empty", fix="add a population")
    driven = set()
    for part in connections:
        driven.add(part.target)
        ask, shape = Ask(part.name, part.origin), (nodes[part.target].size, nodes[part.source].size)
        if part.shape != shape:
            got = Shown(f"shape {part.shape}")
            ask.error("", "wrong shape", got=got, allowed=f"shape {shape}")
        read_connectivity(ask, part.synapse.weight, shape[1], shape[0], part.connectivity)
    for node in nodes.values():
        if isinstance(node, Population):
            check_population(node)
            if isinstance(node.model, Relay) and node.name not in driven:
                ask = Ask(node.name, node.origin)
                ask.error("", "a relay without input never fires", fix="connect something to it")


def make_probe(
    node: Driver | Population,
    variables: Sequence[str],
    every: Quantity | None,
    when: str,
    reduce: str | None,
    others: Iterable[Probe],
    origin: Origin,
) -> Probe:
    """A probe, having checked that the node has the variables and none is recorded twice."""
    ask = Ask(f"probe of {node.name}", origin)
    model, known = node.model, VARIABLES[:1]
    if sends := getattr(model, "sends", ""):
        known = (sends,)
    if isinstance(model, Neuron):
        known = (*VARIABLES, *tuple(model.states)[1:])
    if not variables:
        ask.error("variables", "nothing to record", allowed=" | ".join(known))
    for variable in variables:
        if not (len(known) > 1 and isinstance(variable, str) and _CONDUCTANCE.fullmatch(variable)):
            ask.choice("variables", variable, known)
    part = Probe(
        population=node.name,
        variables=tuple(dict.fromkeys(variables)),
        every=None if every is None else ask.one("every", every, "s", above=0),
        when=cast("Any", ask.choice("when", when, ("after_reset", "before_reset"))),
        reduce=None if reduce is None else cast("Any", ask.choice("reduce", reduce, ("moments",))),
        origin=origin,
    )
    for old in others:
        both = sorted(set(old.variables) & set(part.variables))
        if both and old.key == part.key:
            fix = "remove one of the two probes"
            ask.error("variables", "recorded twice", got=Shown(", ".join(both)), fix=fix)
    return part
