"""Any model whose equations are polynomials, in the integers of a chip with programmable neurons.

The step is that of ``dynamics``; here it is read in words (``programmable_words``)::

    u' = saturate(u * (4096 - decay) >> 12, toward zero, + sum of weights)      synaptic states
    y' = saturate(y + dt f_y(y, u') + jumps + noise)                            states of the model

Every state is a word in units of a power of two, the finest for which it has room: V for twice the
largest voltage that its population knows (the parameters in volts and the reversal potentials), so
that an overshoot as large as all that is no overflow, and for eight times it under multiplicative
noise, which feeds on itself; other states for the ``span`` of the model.
A synaptic state has the unit of ``scale.synapse_unit``. Only states and sums of weights can
overflow, and they saturate; the ledger has a row for each.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from neurohw.errors import LoweringError, TargetError
from neurohw.network import MultiplicativeNoise
from neurohw.program import Edge, Int, Value, Watch
from neurohw.program.philox import NORMAL_FRACTION_BITS

from .algebra import Const, Expr, Leaf, constant, leaf
from .common import decayed
from .dynamics import ModelStep, node_of
from .fixed import report_weights
from .floating import realised_tau
from .neuron import current_decay
from .part import Outcome, Part
from .programmable_words import Words
from .refusal import refuse_equations
from .report import Row, worst
from .scale import decay_field, synapse_unit, weight_field
from .wires import Wire, single

__all__ = ["lower_programmable"]

HEADROOM, MULTIPLIED = 2.0, 8.0
"""Room for V in largest voltages: commonly, and under noise in proportion to V."""
_NOISE_UNITS = {"additive_noise": "V/step", "multiplicative_noise": "1/step"}


def lower_programmable(part: Part) -> Outcome:
    """Lower a population whose equations are polynomials to the integers of a chip."""
    refuse_equations(part)
    target = part.target
    if target.current.overflow == "wrap_once":
        raise TargetError(
            "no rule of programmable neurons",
            where=f"{target.name}.current.overflow",
            got="wrap_once",
            allowed="wrap, saturate",
        )
    step = _Step(part)
    ports = step.all()
    return step.b.build(), step.edges(ports), step.probes, step.watches


class _Step(ModelStep):
    """The step in integers."""

    def __init__(self, part: Part) -> None:
        wires, neuron, noise = part.wires, part.neuron, part.noise
        self.wires = wires
        multiplied = any(isinstance(n, MultiplicativeNoise) for n in noise)
        self._headroom = MULTIPLIED if multiplied else HEADROOM
        self.watches: list[Watch] = []
        self._bound = part.p
        self._spans = dict(neuron.span(SimpleNamespace(**part.p)))
        self._exponents: dict[str, int] = {}
        super().__init__(part)
        units = {k: d.unit for k, d in neuron.parameters.items()} | _NOISE_UNITS
        units |= {f"E_rev of {w.variable}": "V" for w in wires}
        self._words = Words(self.b, part.target.neuron, part.log, units)

    # states of the model -------------------------------------------------------------------------

    def begin(self, state: str, start: Any) -> Leaf:
        word, unit = self._type(state), self.neuron.states[state]
        most = self._most(state)
        exponent = math.frexp(most)[1] - (word.bits - 1)
        if most > math.ldexp(word.hi, exponent):  # between the largest word and a power of two
            exponent += 1
        self._exponents[state] = exponent
        grain = self._grain(state)
        self._check(state, f"{state} at time 0", start)
        whole = np.rint(np.ldexp(np.asarray(start, np.float64), -exponent)).astype(np.int64)
        rows, name = self.log.rows, f"{self.name}.{state}"
        note = f"{word.bits} bits in units of 2**{exponent}, saturates at {word.hi * grain:.4g}"
        rows.append(Row(f"{name} resolution", grain, grain, unit, note))
        rows.append(worst(f"{name} at time 0", start, whole * grain, unit))
        node = node_of(state)
        self.unit[node] = grain
        return leaf(state, self.b.state(node, word, whole), grain)

    def _check(self, state: str, key: str, value: Any) -> None:
        """Refuse a constant that a state has no room for."""
        most = math.ldexp(1, self._exponents[state] + self._type(state).bits - 1)
        if np.max(np.abs(value)) > most - self._grain(state):
            unit = self.neuron.states[state]
            raise LoweringError(
                f"{state} has no room for this value",
                where=f"{self.name}.{key}",
                got=f"{float(np.max(np.abs(value))):g} {unit}".rstrip(),
                allowed=f"below {most:g} {unit}".rstrip(),
                fix="widen the span of the model",
                origin=self.neuron.origin.place,
            )

    def _grain(self, state: str) -> float:
        return math.ldexp(1, self._exponents[state])

    def _type(self, state: str) -> Int:
        return Int(self.target.voltage.bits if state == "V" else self.target.neuron.bits)

    def _most(self, state: str) -> float:
        """Largest magnitude that a state has room for."""
        if state in self._spans:
            return max(float(np.max(np.abs(x))) for x in self._spans[state])
        declared = self.neuron.parameters
        known = [self._bound[k] for k, d in declared.items() if d.unit == "V"]
        known += [w.reversal for w in self.wires if w.reversal is not None]
        largest = max((float(np.max(np.abs(x))) for x in known), default=0.0)
        if state == "V" and largest:
            return self._headroom * largest
        raise LoweringError(
            f"{self.target.name} has to know how large {state} can be",
            where=f"{self.name}.{state}",
            got=f"{type(self.neuron).__name__} without a span of {state}",
            fix=f"give the model a static method span(p) that returns {{'{state}': (low, high)}}",
            origin=self.neuron.origin.place,
        )

    def held(self, state: str, e: Any) -> Value:
        e, exponent, word = constant(e), self._exponents[state], self._type(state)
        if isinstance(e, Leaf) and e.value is not None and e.unit == self._grain(state):
            if e.value.dtype == word:
                return e.value
        if isinstance(e, Const):
            self._check(state, e.text or state, e.data)
            return self._words.number(e, exponent, word)[0]
        exact, _ = self._words.total(e, exponent)
        return self._limited(exact, word, node_of(state))

    def _limited(self, exact: Value, word: Int, name: str, overflow: str = "saturate") -> Value:
        """A value brought into the range of a state, with a row in the ledger."""
        again = sum(w.label.partition(" ")[0] == name for w in self.watches)
        suffix = f" {again + 1}" if again else ""
        self.b.name_value(exact, f"{name}_exact{suffix.strip()}")
        row = Watch(self.name, f"{name}_exact{suffix.strip()}", word.lo, word.hi, name + suffix)
        self.watches.append(row)
        return self.b.cast(exact, word, overflow=overflow)

    def call(self, e: Expr, name: str) -> None:
        x = self._words.word(e)
        settled, minus = self._words.settle(x, x.exponent)
        assert not minus
        self.b.name_value(settled[0], name)
        self.unit[name] = math.ldexp(1, x.exponent)

    def drawn(self, site: str) -> tuple[float, Expr]:
        return 1.0, leaf(site, self.b.normal(site), 2.0**-NORMAL_FRACTION_BITS)

    def _over_step(self, rate: Expr) -> Expr:
        if self.method == "exponential" and not isinstance(rate, Const):
            raise LoweringError(
                f"method exponential takes exp of a state here, which {self.target.name} lacks",
                where=self.name,
                got=type(self.neuron).__name__,
                allowed="equations that relax at a constant rate",
                fix="use method='euler'",
                origin=self.neuron.origin.place,
            )
        return super()._over_step(rate)

    # synapses ------------------------------------------------------------------------------------

    def arriving(self, port: str, alike: list[Wire]) -> Expr:
        unit = synapse_unit(alike, None, self.target)
        self.unit[port] = unit
        return leaf(port, self._arrived(port), unit)

    def _arrived(self, port: str) -> Value:
        """Sum of weights of the step."""
        b, rule = self.b, self.target.current
        narrow = Int(rule.input_bits)
        raw = b.name_value(b.port(port, Int(48)), port)
        label = f"sum of weights of {port.removeprefix('in_')}"
        self.watches.append(Watch(self.name, port, narrow.lo, narrow.hi, label))
        x = b.cast(raw, narrow, overflow=rule.input_overflow)
        return b.shl(x, rule.align, Int(rule.input_bits + rule.align)) if rule.align else x

    def decaying(self, state: str, port: str, tau: float, alike: list[Wire]) -> Expr:
        b, rule, name = self.b, self.target.current, f"{self.name}.tau_{state}"
        unit = synapse_unit(alike, tau, self.target)
        leak = current_decay(tau, self.dt, self.method, name)
        decay = int(decay_field(np.float64(leak), rule.decay_min, rule.decay_max))
        word = Int(rule.bits)
        kept = decayed(b, b.state(state, word), 4096 - decay, f"keep_{state}", word)
        wide = Int(max(rule.bits, rule.input_bits + rule.align) + 1)
        exact = b.add(kept, self._arrived(port), wide)
        new = self._limited(exact, word, state, rule.overflow)
        b.write(state, new, name=state)
        self.unit[state] = self.unit[port] = unit
        realised = realised_tau(decay / 4096, self.dt, self.method)
        self.log.rows.append(Row(name, tau, realised, "s", f"decay {decay}/4096"))
        note = f"{rule.bits} bits, saturates at {word.hi * unit:.4g}"
        self.log.rows.append(
            Row(f"{self.name}.{state} resolution", unit, unit, alike[0].unit, note)
        )
        if not decay:
            self.log.warnings.append(f"{self.name}: {state} never decays")
        return leaf(state, new, unit)

    def edges(self, ports: list[str]) -> list[Edge]:
        """Incoming edges, with weights in units of their state."""
        out = []
        for i, (w, port) in enumerate(zip(self.wires, ports, strict=True)):
            f = weight_field(single(w.data), 1 / self.unit[port], self.target)
            report_weights(w, f, f.realised, self.log)
            weights = w.build(Int(self.target.current.input_bits), f.effective)
            value = w.carries(Int(48))
            out.append(Edge(w.source, self.name, port, weights, self.part.delays[i], value))
        return out
