"""Writes a network and how to run it as TOML that reads back as equal."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from neurohw.network.common import Part
from neurohw.network.convolution import Conv2D
from neurohw.network.drivers import Poisson, SpikeArray
from neurohw.network.graded import PooledPoisson
from neurohw.network.model import Neuron
from neurohw.network.network import Network
from neurohw.network.neurons import MODELS, Relay
from neurohw.network.noise import AdditiveNoise
from neurohw.network.parts import Connection, Population
from neurohw.network.runspec import RunSpec
from neurohw.network.synapses import CSR, Conductance, Delta, Event, Exponential, Graded
from neurohw.network.units import format_si
from neurohw.network.waveforms import WAVEFORMS, Waveform

__all__ = ["dumps"]

_UNITS = {
    "C": "F", "g_L": "S", "tau": "s", "R": "ohm", "E_L": "V", "V_th": "V", "V_reset": "V",
    "V_init": "V", "t_ref": "s", "t_ref_sigma": "s", "I_bias": "A", "rate": "Hz", "period": "s",
    "start": "s", "E_rev": "V", "dt": "s", "duration": "s", "delay": "s", "every": "s",
}  # fmt: skip
_KINDS = {
    "Regular": "regular", "Poisson": "poisson", "SpikeTimes": "spike_times",
    "SpikeArray": "spike_array", "PooledPoisson": "pooled_poisson",
    "AnalogInput": "analog_input", "AdditiveNoise": "additive",
    "MultiplicativeNoise": "multiplicative", "Delta": "delta", "Exponential": "exponential",
    "Conductance": "conductance", "Graded": "graded", "Event": "event",
    **{c.__name__: k for kinds in (MODELS, WAVEFORMS) for k, c in kinds.items()},
}  # fmt: skip
_ZERO = ("t_ref", "t_ref_sigma", "I_bias", "start", "delay")


def dumps(network: Network, run: RunSpec | None = None) -> str:
    """Write a network as TOML: ``loads(dumps(network, run)) == (network, run)``.

    Parameters
    ----------
    network : Network
        What to write. Arrays are written out, in SI.
    run : RunSpec, optional
        How to run it.

    Returns
    -------
    str
        TOML text.
    """
    blocks = [_block("[network]", {"name": network.name})]
    for driver in network.drivers:
        body = {"name": driver.name, "kind": _kind(driver.model), **_fields(driver.model)}
        blocks.append(_block("[[driver]]", body))
    short = {part.name: wire for part in network.populations if (wire := _relayed(network, part))}
    for part in network.populations:
        if part.name not in short:
            blocks.append(_block("[[population]]", _population(part)))
    for name, wire in short.items():
        body = {"name": name, "source": wire.source, **_pick({"delay": wire.delay})}
        blocks.append(_block("[[spike_driver]]", body))
    for wire in network.connections:
        if wire is not short.get(wire.target):
            blocks.append(_block("[[synapse]]", _synapse(wire)))
    for probe in network.probes:
        body = {"population": probe.population, "variables": list(probe.variables)}
        body |= _pick({"every": probe.every, "reduce": probe.reduce})
        if probe.when != "after_reset":
            body["when"] = probe.when
        blocks.append(_block("[[probe]]", body))
    if run is not None:
        blocks.append(_block("[run]", _fields(run)))
    return "\n".join(blocks)


def _kind(part: Any) -> str:
    return _KINDS[type(part).__name__]


def _pick(values: dict[str, Any], units: dict[str, str] = _UNITS) -> dict[str, Any]:
    """Fields worth writing: quantities with units, neither absent nor zero by default."""
    body: dict[str, Any] = {}
    for key, value in values.items():
        default = key in _ZERO and isinstance(value, float) and value == 0
        if value is None or default or (isinstance(value, tuple) and not value):
            continue
        unit = units.get(key)
        body[key] = format_si(value, unit) if unit and isinstance(value, float) else value
    return body


def _fields(part: Part) -> dict[str, Any]:
    values = {k: v for k, v in part.arguments().items() if k != "origin"}
    if isinstance(part, Neuron):
        return _neuron(part, values)
    if isinstance(part, SpikeArray) and part.events is not None:
        values["events"] = {"steps": part.events[0], "indices": part.events[1]}
    if isinstance(part, Poisson | PooledPoisson) and isinstance(part.rate, Waveform):
        values["rate"] = _waveform(part.rate)
    if isinstance(part, Poisson) and part.sampling == "step":
        del values["sampling"]
    return _pick(values)


def _waveform(part: Waveform) -> dict[str, Any]:
    units = {"start": "s", "stop": "s", "frequency": "Hz", "phase": "rad"}
    units |= dict.fromkeys(part.levels, part.unit)
    values = {k: getattr(part, k) for k in part.arguments() if k != "origin"}
    zero = [k for k in ("mean", "phase", "initial") if _same(values.get(k), 0.0)]
    return {"kind": _kind(part)} | _pick({k: values[k] for k in values if k not in zero}, units)


def _neuron(part: Neuron, values: dict[str, Any]) -> dict[str, Any]:
    """Without the parameters that have their default."""
    defaults = part.defaults()
    units = {key: declared.unit for key, declared in part.parameters.items()}
    return _pick({k: v for k, v in values.items() if not _same(v, defaults.get(k))}, units)


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, float) and value == default)


def _population(part: Population) -> dict[str, Any]:
    body = {"name": part.name, "model": _kind(part.model), **_fields(part.model)}
    if part.noise:
        body["noise"] = [
            {"kind": _kind(noise)}
            | _pick(
                {"sigma": noise.sigma, "convention": noise.convention},
                {
                    "sigma": ("A" if isinstance(noise, AdditiveNoise) else "S")
                    + ("*s**0.5" if noise.convention == "white" else "")
                },
            )
            for noise in part.noise
        ]
    if part.mismatch:
        body["mismatch"] = [_fields(item) for item in part.mismatch]
    if part.currents:
        body["currents"] = [_waveform(item) for item in part.currents]
    return body


def _synapse(wire: Connection) -> dict[str, Any]:
    synapse = wire.synapse
    body: dict[str, Any] = {"source": wire.source, "target": wire.target, "name": wire.name}
    body["kind"] = _kind(synapse)
    unit = {Delta: "V", Exponential: "A", Conductance: "S", Graded: "S", Event: ""}[type(synapse)]
    body |= _pick({"weight": wire.weight}, {"weight": unit})
    if isinstance(synapse, Exponential | Conductance | Graded):
        body |= _pick({"tau": synapse.tau})
    if isinstance(synapse, Conductance):
        body |= _pick({"E_rev": synapse.E_rev})
        if synapse.receptor:
            body["receptor"] = synapse.receptor
    body |= _pick({"delay": wire.delay, "delay_steps": wire.delay_steps})
    if wire.connectivity == "one_to_one":
        body["connectivity"] = wire.connectivity
    return body


def _relayed(network: Network, part: Population) -> Connection | None:
    """The only input of a relay, if `spike_driver` would have made it."""
    inputs = [wire for wire in network.connections if wire.target == part.name]
    if len(inputs) != 1 or not isinstance(part.model, Relay):
        return None
    wire = inputs[0]
    plain = isinstance(wire.synapse, Event) and isinstance(wire.weight, float) and wire.weight == 1
    named = wire.name == f"{wire.source}_to_{part.name}" and isinstance(wire.delay, float)
    order = [population.name for population in network.populations]
    early = wire.source not in order or order.index(wire.source) < order.index(part.name)
    return wire if plain and named and early and wire.connectivity == "one_to_one" else None


def _block(header: str, body: dict[str, Any]) -> str:
    return "\n".join((header, *(f"{key} = {_value(value)}" for key, value in body.items()), ""))


def _value(value: Any) -> str:
    if isinstance(value, bool | int | np.integer):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, CSR):
        table = {
            "shape": list(value.shape), "rows": value.rows, "columns": value.indices,
            "values": value.data,
        }  # fmt: skip
        return _value(table)
    if isinstance(value, Conv2D):
        keys = ("input_shape", "stride", "padding", "dilation", "groups")
        return _value({"kernel": value.data} | {k: getattr(value, k) for k in keys})
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return "[" + ", ".join(map(_value, value)) + "]"
