"""The step of a linear integrate-and-fire neuron in floats, by the rules of any float target.

The only place where these rules become nodes; a simulator is a record of them. With nothing but
defaults::

    u' = decay_u * u + arrived              for each synaptic time constant
    x  = decay_v * v + u' + jumps + bias + currents + noise
    spike = x >= threshold
    v' = reset where it spikes, else x      (v itself while refractory)
"""

from __future__ import annotations

import numpy as np

from neurohw.program import Builder, DType, Float, Int, Population, Value
from neurohw.program.bfloat16 import rounded
from neurohw.program.philox import NORMAL_FRACTION_BITS

from .common import Counter, not_blocked, refractory_period
from .neuron import Membrane, current_decay
from .part import Part
from .report import Row
from .waveforms import waveform_sum

__all__ = ["FloatStep", "port_name", "realised_tau"]

Array = np.ndarray


def port_name(tau: float | None, taus: list[float]) -> str:
    """The port that synapses of a time constant (None: jumps) arrive at."""
    if tau is None:
        return "jump"
    return "current" if len(taus) == 1 else f"current{taus.index(tau)}"


class FloatStep:
    """The step of one population.

    Parameters
    ----------
    part, m : Part, Membrane
        The population and its numbers.
    taus : list of float
        Time constants of its synaptic currents in s, ascending.
    jumps : bool
        Whether it has synapses without time constant.

    Attributes
    ----------
    period : Period or None
        Its refractory period.
    remembers : bool
        The current is a state.
    changes : bool
        V before a spike's effect differs from V after it.
    decays : list of array
        Factor of each synaptic current in a step.
    """

    def __init__(self, part: Part, m: Membrane, taus: list[float], jumps: bool) -> None:
        self.part, self.m, self.taus, self.target = part, m, taus, part.target
        self.real: DType = Float(self.target.number.float_bits)
        self.b = Builder(part.name, part.neuron.size)
        self.kind = "current" if taus else "delta"
        self.late = self.kind in self.target.arrival.late
        self.remembers = bool(taus) or (jumps and self.target.current.state_always)
        self.changes = False
        self.decays: list[Array] = []
        self._build(jumps)

    def _num(self, label: str, data: Array | np.floating) -> Value:
        return self.b.value_or_param(label, self.real, np.asarray(data, np.float64))

    def _times(self, x: Value, label: str, data: Array | np.floating) -> Value:
        return self.b.mul(x, self._num(label, data), self.real)

    def _add(self, x: Value, y: Value) -> Value:
        return self.b.add(x, y, self.real)

    def population(self) -> Population:
        """What was built."""
        return self.b.build()

    # in the order of a step --------------------------------------------------------------------

    def _build(self, jumps: bool) -> None:
        b, m, rule = self.b, self.m, self.target.reset
        current = self._currents()
        jump = b.port("jump", self.real) if jumps else None
        if jump is not None and self.target.current.state_always:
            old = self._times(b.state("u", self.real), "decay_u", np.float64(0))
            jump = self._add(old, jump)
            b.write("u", jump, name="u")

        v = b.state("v", self.real, m.init)
        part = self.part
        self.period = refractory_period(
            part.name, m.blocked, m.jitter, self.target, part.dt, part.log
        )
        count = None if self.period is None else Counter(b, self.period)
        threshold = self._num("threshold", m.threshold)
        fired = None  # V stood above the threshold already
        if rule.timing == "next_step" or (rule.timing == "moved_up" and self._stays_above()):
            fired = b.compare(self.target.threshold.compare, v, threshold)
        early = m.kind == "to" and self.kind not in rule.zero_after_input
        before = v
        if fired is not None and early:
            before = b.select(fired, self._num("reset", m.reset), v)
        x = self._driven(v, before, current, None if self.late else jump, fired is not None)
        down = self._num("step", m.down) if m.kind == "subtract" else None
        if fired is not None and down is not None:
            zero = b.const(0.0, self.real)
            x = b.sub(x, b.select(fired, down, zero), self.real)
        elif fired is not None and m.kind == "to" and before is v:
            x = b.select(fired, self._num("reset", m.reset), x)
        if np.isfinite(self.target.firing.floor):
            lowest = m.reset + self.target.firing.floor * (m.threshold - m.reset)
            x = b.op("max", self.real, x, self._num("floor", lowest))
        if count is not None:
            x = b.select(count.blocked, v, x)

        spike = not_blocked(b, b.compare(self.target.threshold.compare, x, threshold), count)
        y = self._arrive(x, jump, spike, count) if self.late and jump is not None else x
        after = self._after(y, spike, fired, threshold, down)
        self.changes = after is not x
        b.write("v", after, name="v")
        if self.changes:
            b.name_value(x, "v_pre")
        if part.followed and self.target.number.shifted:
            sent = self._add(after, self._num("origin", np.asarray(m.origin)))
            b.name_value(rounded(b, sent) if self.target.number.bfloat16 else sent, "v_sent")
        b.spike(spike)
        if count is not None:
            count.finish(spike)

    def _stays_above(self) -> bool:
        """Whether V can be above the threshold at the start of a step after an immediate reset."""
        return self.m.kind == "subtract" or bool(np.any(self.m.init >= self.m.threshold))

    def _currents(self) -> Value | None:
        """The synaptic current that V uses in this step: of all time constants together."""
        b, part, rule = self.b, self.part, self.target.arrival
        total: Value | None = None
        for tau in self.taus:
            suffix = "" if len(self.taus) == 1 else str(self.taus.index(tau))
            leak = current_decay(tau, part.dt, part.method, f"{part.name}.tau_syn")
            decay = part.numbers.get("decay_u", part.name, np.asarray(1 - leak))
            self.decays.append(decay)
            arrived = b.port(port_name(tau, self.taus), self.real)
            old, label = b.state(f"u{suffix}", self.real), f"decay_u{suffix}"
            if rule.decays:
                u = self._times(self._add(old, arrived), label, decay)
            else:
                u = self._add(self._times(old, label, decay), arrived)
            b.write(f"u{suffix}", u, name=f"u{suffix}" if suffix else "u")
            used = old if self.late else u
            total = used if total is None else self._add(total, used)
            realised = realised_tau(float(1 - decay), part.dt, part.method)
            part.log.rows.append(Row(f"{part.name}.tau_syn{suffix}", tau, realised, "s"))
        if len(self.taus) > 1 and total is not None:
            b.name_value(total, "u")
        return total

    def _driven(
        self, v: Value, before: Value, current: Value | None, jump: Value | None, by_input: bool
    ) -> Value:
        """V after its leak and all that flows in; ``by_input``: the bias belongs to the input."""
        b, m, part, real = self.b, self.m, self.part, self.real
        bias = bool(np.any(m.bias))
        if by_input and bias and jump is not None:  # as in nn.Linear
            jump, bias = self._add(jump, self._num("bias", m.bias)), False
        x = self._times(before, "decay_v", 1 - m.leak)
        for term in (current, jump):
            if term is not None:
                x = self._add(x, term)
        if bias:
            x = self._add(x, self._num("bias", m.bias))
        injected = waveform_sum(
            b, part.currents, "currents", real, part.dt, m.gain, part.log, late=part.late
        )
        if injected is not None:
            x = self._add(x, injected)
        unit = 2.0**-NORMAL_FRACTION_BITS
        if m.additive is not None:
            drawn = b.cast(b.normal("additive"), real)
            x = self._add(x, self._times(drawn, "noise", m.additive * unit))
        if m.multiplicative is not None:
            scaled = m.multiplicative * unit
            drawn = self._times(b.cast(b.normal("multiplicative"), real), "noise_v", scaled)
            origin = np.asarray(m.origin)
            potential = v if m.origin == 0 else self._add(v, self._num("origin", origin))
            x = self._add(x, b.mul(drawn, potential, real))
        return x

    def _arrive(self, x: Value, jump: Value, spike: Value, count: Counter | None) -> Value:
        """Jumps that arrive after the threshold; a refractory neuron loses them."""
        y = self._add(x, jump)
        if count is None:
            return y
        return self.b.select(self.b.logic("or", count.blocked, spike), x, y)

    def _after(
        self, x: Value, spike: Value, fired: Value | None, threshold: Value, down: Value | None
    ) -> Value:
        """V after the effect of the spikes of this step."""
        b, m, real = self.b, self.m, self.real
        several = self._number(x, spike, threshold) if self.target.firing.most > 1 else None
        if m.kind == "none" or self.target.reset.timing == "next_step":
            return x
        if down is None:
            below = self._num("reset", m.reset)
        elif several is not None:
            return b.sub(x, b.mul(several, down, real), real)
        else:
            below = b.sub(x, down, real)
        if fired is None:
            return b.select(spike, below, x)
        # moved up: what was taken off before the comparison is given back, or counts already
        taken = down if down is not None else b.sub(x, below, real)
        back = b.select(spike, x, self._add(x, taken))
        return b.select(fired, back, b.select(spike, below, x))

    def _number(self, x: Value, spike: Value, threshold: Value) -> Value:
        """How many spikes: how often the threshold goes into V."""
        b, m, most = self.b, self.m, self.target.firing.most
        whole = Int(most.bit_length(), False)
        if np.any(m.reset):
            below = self._num("reset", m.reset)
            x, threshold = b.sub(x, below, self.real), b.sub(threshold, below, self.real)
        quotient = b.op("div", self.real, x, threshold)
        number = b.cast(quotient, whole, rounding="floor", overflow="saturate")
        if most < whole.hi:
            number = b.op("min", whole, number, b.const(most, whole))
        number = b.select(spike, number, b.const(0, whole))
        b.name_value(number, "count")
        return b.name_value(b.cast(number, self.real), f"count_{self.real}")


def realised_tau(leak: float, dt: float, method: str) -> float:
    """Time constant that a realised 1 - decay stands for."""
    if leak <= 0:
        return float("inf")
    if leak >= 1:
        return dt if method == "euler" else 0.0
    return dt / float(leak) if method == "euler" else -dt / float(np.log1p(-leak))
