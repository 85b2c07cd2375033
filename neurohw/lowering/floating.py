"""A linear integrate-and-fire population in floating point: its numbers, and its edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurohw.errors import LoweringError
from neurohw.program import Conv, DType, Edge, freeze
from neurohw.program.bfloat16 import round_bfloat16

from .common import refuse_cell, refuse_reset
from .neuron import Membrane, current_decay
from .part import Outcome, Part
from .report import Row, WeightErrors
from .step import FloatStep, port_name, realised_tau
from .wires import Wire, single

__all__ = ["connect_float", "lower_float", "realised_tau", "weight_gain"]

Array = np.ndarray


def lower_float(part: Part, m: Membrane) -> Outcome:
    """Lower a linear population, whose numbers are ``m``, to floats."""
    name, target, dt, method = part.name, part.target, part.dt, part.method
    taus = sorted({w.tau for w in part.wires if w.tau is not None})
    jumps = any(w.tau is None for w in part.wires)
    if target.current.single and len(taus) + jumps > 1:
        raise LoweringError(
            f"{target.name} has one synaptic time constant per neuron",
            where=name,
            got=", ".join([*(f"{t:g} s" for t in taus), *(["a jump of V"] if jumps else [])]),
            allowed="one",
            fix="use one synapse model for all inputs",
        )
    refuse_reset(part, m.kind)
    refuse_cell(part, m)
    step = FloatStep(part, m, taus, jumps)
    _keep_numbers(part, m, step)
    held = float(step.real.storage.type(np.asarray(m.leak).flat[0]))
    part.log.rows.append(
        Row(f"{name}.tau", float(m.tau.flat[0]), realised_tau(held, dt, method), "s")
    )
    ports = [port_name(w.tau, taus) for w in part.wires]
    edges = connect_float(part, ports, step.real, [_gain(part, m, w) for w in part.wires])
    probes = {
        "v": ("v", 1.0, m.origin, "V"),
        "refractory": ("refractory", dt, 0.0, "s"),
        "v_pre": ("v_pre" if step.changes else "v", 1.0, m.origin, "V"),
    }
    if step.remembers and not (_decaying(part) and len(taus) > 1):
        tau = taus[0] if taus else None
        gain = float(np.asarray(_current_gain(part, m, tau)).flat[0])
        probes["u"] = ("u", 1 / gain if gain else 0.0, 0.0, "A")
    if target.firing.most > 1:
        probes["count"] = ("count", 1.0, 0.0, "")
    if step.period is None:
        del probes["refractory"]
    return step.population(), edges, probes, []


def _keep_numbers(part: Part, m: Membrane, step: FloatStep) -> None:
    """Write down what the step computes with (see ``numbers``)."""
    name, log = part.name, part.log
    log.origins[name] = m.origin
    log.numbers |= {
        ("decay_v", name): 1 - m.leak,
        ("threshold", name): m.threshold + m.origin,
        ("bias", name): m.bias,
        ("gain", name): _current_gain(part, m, step.taus[0] if len(step.taus) == 1 else None),
        ("jump", name): np.asarray(_jump_gain(part, m)),
    }
    if len(step.decays) <= 1:
        log.numbers["decay_u", name] = step.decays[0] if step.decays else np.asarray(0.0)


def connect_float(
    part: Part, ports: list[str], real: DType, gains: Sequence[Array | np.floating]
) -> list[Edge]:
    """Edges of a population; weights are multiplied by the ``gains`` of each wire's targets.

    Only then are they rounded, once, to what the target holds.
    """
    edges = []
    for i, w in enumerate(part.wires):
        factor = w.of_target(np.asarray(gains[i]))
        numbers = single(w.data) * factor
        if part.target.number.bfloat16:
            numbers = round_bfloat16(numbers)
        numbers = freeze(numbers, real)
        weights = w.build(real, numbers)
        edges.append(Edge(w.source, part.name, ports[i], weights, part.delays[i], w.carries(real)))
        held = numbers if isinstance(weights, Conv) else weights.data  # no second copy of many
        errors = WeightErrors(w.data, held, w.unit, factor)
        part.log.weights[w.where] = errors
        if w.data.size:
            part.log.rows.append(errors.worst(f"{w.where}.weight"))
    return edges


def _decaying(part: Part) -> bool:
    return part.target.arrival.current == "decaying" and part.method == "exponential"


def _current_gain(part: Part, m: Membrane, tau: float | None) -> Array:
    return m.decaying_gain(tau, part.dt) if tau and _decaying(part) else m.gain


def _gain(part: Part, m: Membrane, w: Wire) -> Array | np.floating:
    """What weights of a wire are multiplied by, one number or one for each target neuron."""
    if w.graded:  # a current held over the step, or what it adds to one that follows with a lag
        leak = current_decay(w.tau, part.dt, part.method, f"{w.where}.tau")
        return weight_gain(part.name, leak * _current_gain(part, m, w.tau), part.neuron.size)
    if w.tau is not None:
        return weight_gain(part.name, _current_gain(part, m, w.tau), part.neuron.size)
    if part.target.arrival.jump == "held":
        return weight_gain(part.name, _jump_gain(part, m), part.neuron.size)
    return np.float64(1.0)


def _jump_gain(part: Part, m: Membrane) -> Array | np.floating:
    held = part.target.arrival.jump == "held"
    return m.held_jump(part.dt) if held else np.float64(1.0)


def weight_gain(name: str, gain: Array | np.floating, size: int) -> Array:
    """Volts per step and ampere of each neuron; weights are multiplied by it."""
    if np.ndim(gain) > 1:
        raise LoweringError(
            "weights cannot differ from trial to trial",
            where=f"{name}.C",
            fix="use one device for all trials, or mismatch of V_th or t_ref",
        )
    return np.broadcast_to(gain, (size,))
