"""A linear integrate-and-fire population in floating point, by the rules of any float target."""

from __future__ import annotations

import numpy as np

from neurohw.errors import LoweringError
from neurohw.program import Builder, Conv, DType, Edge, Float, Value, freeze
from neurohw.program.bfloat16 import round_bfloat16
from neurohw.program.philox import NORMAL_FRACTION_BITS

from .common import Counter, not_blocked, refractory_period
from .neuron import Membrane, current_decay
from .part import Outcome, Part
from .report import Row, WeightErrors
from .waveforms import waveform_sum
from .wires import single

__all__ = ["connect_float", "lower_float", "realised_tau", "weight_gain"]

Array = np.ndarray


def _port(tau: float | None, taus: list[float]) -> str:
    if tau is None:
        return "jump"
    return "current" if len(taus) == 1 else f"current{taus.index(tau)}"


def lower_float(part: Part, m: Membrane) -> Outcome:
    """Lower a linear population, whose numbers are ``m``, to floats."""
    name, target, dt, method = part.name, part.target, part.dt, part.method
    wires, log = part.wires, part.log
    real: DType = Float(target.number.float_bits)
    b = Builder(name, part.neuron.size)
    taus = sorted({w.tau for w in wires if w.tau is not None})
    jumps = any(w.tau is None for w in wires)
    if target.current.single and len(taus) + jumps > 1:
        raise LoweringError(
            f"{target.name} has one synaptic time constant per neuron",
            where=name,
            got=", ".join([*(f"{t:g} s" for t in taus), *(["a jump of V"] if jumps else [])]),
            allowed="one",
            fix="use one synapse model for all inputs",
        )

    def num(label: str, data: Array | np.floating) -> Value:
        return b.value_or_param(label, real, np.asarray(data, np.float64))

    def times(x: Value, label: str, data: Array | np.floating) -> Value:
        return b.mul(x, num(label, data), real)

    # synaptic currents: u' = decay * u + input
    current: Value | None = None
    decay = np.asarray(0.0)
    for tau in taus:
        suffix = "" if len(taus) == 1 else str(taus.index(tau))
        exact = np.float64(1 - current_decay(tau, dt, method, f"{name}.tau_syn"))
        decay = part.numbers.get("decay_u", name, np.asarray(exact))
        arrived = b.port(_port(tau, taus), real)
        u = b.add(times(b.state(f"u{suffix}", real), f"decay_u{suffix}", decay), arrived, real)
        b.write(f"u{suffix}", u, name=f"u{suffix}" if suffix else "u")
        current = u if current is None else b.add(current, u, real)
        log.rows.append(
            Row(f"{name}.tau_syn{suffix}", tau, realised_tau(float(1 - decay), dt, method), "s")
        )
    if len(taus) > 1 and current is not None:
        b.name_value(current, "u")
    jump = b.port("jump", real) if jumps else None
    if jump is not None and target.current.state_always:
        old = times(b.state("u", real), "decay_u", np.float64(0))
        jump = b.add(old, jump, real)
        b.write("u", jump, name="u")

    v = b.state("v", real, m.init)
    period = refractory_period(name, m.blocked, m.jitter, target, dt, log)
    count = None if period is None else Counter(b, period)
    threshold = num("threshold", m.threshold)
    next_step = target.reset.timing == "next_step"
    kind = "current" if taus else "delta"
    fired = b.compare(target.threshold.compare, v, threshold) if next_step else None
    before = v
    if fired is not None and m.kind == "to" and kind not in target.reset.zero_after_input:
        before = b.select(fired, num("reset", m.reset), v)

    bias = bool(np.any(m.bias))
    if next_step and bias and jump is not None:  # there the bias is part of the input (nn.Linear)
        jump, bias = b.add(jump, num("bias", m.bias), real), False
    x = times(before, "decay_v", 1 - m.leak)
    for term in (current, jump):
        if term is not None:
            x = b.add(x, term, real)
    if bias:
        x = b.add(x, num("bias", m.bias), real)
    injected = waveform_sum(b, part.currents, "currents", real, dt, m.gain, log, late=part.late)
    if injected is not None:
        x = b.add(x, injected, real)
    unit = 2.0**-NORMAL_FRACTION_BITS
    if m.additive is not None:
        drawn = b.cast(b.normal("additive"), real)
        x = b.add(x, times(drawn, "noise", m.additive * unit), real)
    if m.multiplicative is not None:
        drawn = times(b.cast(b.normal("multiplicative"), real), "noise_v", m.multiplicative * unit)
        potential = v if m.origin == 0 else b.add(v, num("origin", np.float64(m.origin)), real)
        x = b.add(x, b.mul(drawn, potential, real), real)

    step = num("step", m.down) if m.kind == "subtract" else None
    if fired is not None and step is not None:
        x = b.sub(x, b.select(fired, step, b.const(0.0, real)), real)
    elif fired is not None and m.kind == "to" and before is v:
        x = b.select(fired, num("reset", m.reset), x)
    if count is not None:
        x = b.select(count.blocked, v, x)

    spike = not_blocked(b, b.compare(target.threshold.compare, x, threshold), count)
    after = x
    if not next_step and m.kind == "to":
        after = b.select(spike, num("reset", m.reset), x)
    elif not next_step and step is not None:
        after = b.select(spike, b.sub(x, step, real), x)
    same = after is x
    b.write("v", after, name="v")
    if not same:
        b.name_value(x, "v_pre")
    b.spike(spike)
    if count is not None:
        count.finish(spike)

    part.log.origins[name] = m.origin
    part.log.numbers |= {
        ("decay_v", name): 1 - m.leak,
        ("threshold", name): m.threshold + m.origin,
        ("bias", name): m.bias,
        ("gain", name): m.gain,
    }
    if len(taus) <= 1:
        part.log.numbers["decay_u", name] = decay
    held = float(real.storage.type(np.asarray(m.leak).flat[0]))
    log.rows.append(Row(f"{name}.tau", float(m.tau.flat[0]), realised_tau(held, dt, method), "s"))
    size = part.neuron.size
    gain = weight_gain(name, m, size) if taus else np.broadcast_to(1.0, (size,))
    edges = connect_float(part, [_port(w.tau, taus) for w in wires], real, gain)
    probes = {
        "v": ("v", 1.0, m.origin, "V"),
        "refractory": ("refractory", dt, 0.0, "s"),
        "v_pre": ("v" if same else "v_pre", 1.0, m.origin, "V"),
    }
    if current is not None or (jump is not None and target.current.state_always):
        probes["u"] = ("u", m.per_volt, 0.0, "A")
    if count is None:
        del probes["refractory"]
    return b.build(), edges, probes, []


def connect_float(part: Part, ports: list[str], real: DType, gain: Array) -> list[Edge]:
    """Edges of a population; weights of currents are multiplied by ``gain`` of their target.

    Only then are they rounded, once, to what the target holds.
    """
    edges = []
    for i, w in enumerate(part.wires):
        factor = w.of_target(gain) if w.unit == "A" else np.float64(1.0)
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


def weight_gain(name: str, m: Membrane, size: int) -> Array:
    """Volts per step and ampere of each neuron; weights are multiplied by it."""
    if np.ndim(m.gain) > 1:
        raise LoweringError(
            "weights cannot differ from trial to trial",
            where=f"{name}.C",
            fix="use one device for all trials, or mismatch of V_th or t_ref",
        )
    return np.broadcast_to(m.gain, (size,))


def realised_tau(leak: float, dt: float, method: str) -> float:
    """Time constant that a realised 1 - decay stands for."""
    if leak <= 0:
        return float("inf")
    if leak >= 1:
        return dt if method == "euler" else 0.0
    return dt / float(leak) if method == "euler" else -dt / float(np.log1p(-leak))
