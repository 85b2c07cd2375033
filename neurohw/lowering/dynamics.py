"""Any model in floating point: its equations, discretised by the method, as nodes.

With f_y the derivative of a state y and J_y = df_y/dy (the other states standing still)::

    euler:        y' = y + dt f_y
    exponential:  y' = y + dt phi(J_y dt) f_y,      phi(z) = (exp(z) - 1) / z

The second is exact where f_y is linear in y and the rest stands still over the step: it is the
exponential Euler method for gates and conductances (Rush and Larsen, IEEE Trans. Biomed. Eng.
25:389, 1978), and for a state that enters otherwise the exponential Rosenbrock-Euler method
(Hochbruck and Ostermann, Acta Numerica 19:209, 2010) taken state by state. Where J_y is not a
constant, J_y dt counts as 1 at most.

Order within a step: synaptic currents and conductances first (decay, then what arrived), then all
states of the neuron from their old values and the new synapses, then threshold and reset. White
noise has the variance of an Ornstein-Uhlenbeck process with rate J_V over the step
(``exponential``), or sigma^2 dt (``euler``: Euler-Maruyama).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import AdditiveNoise, maths
from neurohw.program import Builder, Float, Value
from neurohw.program.bfloat16 import rounded
from neurohw.program.philox import NORMAL_FRACTION_BITS

from .algebra import Const, Expr, Leaf, constant, leaf, named, slope
from .common import Counter, not_blocked, refractory_period
from .emitter import Emitter
from .floating import connect_float, realised_tau
from .neuron import current_decay
from .part import Outcome, Part, ProbeMap
from .refusal import refuse_equations
from .report import Row
from .waveforms import waveform_sum
from .wires import Wire

__all__ = ["ModelStep", "lower_dynamics", "node_of"]


def lower_dynamics(part: Part) -> Outcome:
    """Lower a population of any model to floats."""
    refuse_equations(part)
    step = ModelStep(part)
    ports = step.all()
    gains = [np.float64(1.0)] * len(part.wires)
    return step.b.build(), connect_float(part, ports, step.real, gains), step.probes, []


class ModelStep:
    """Collects the nodes of one population's step.

    This class reads a model in floats. What depends on the number format is in the methods
    ``begin``, ``arriving``, ``decaying``, ``drawn``, ``call`` and ``held``, and in ``unit``: what
    one unit of a value stands for in SI, by its name; 1 for those that are not there.
    """

    def __init__(self, part: Part) -> None:
        name, neuron, target, p = part.name, part.neuron, part.target, part.p
        self.part, self.name, self.neuron, self.target = part, name, neuron, target
        self.dt, self.method, self.log = part.dt, part.method, part.log
        self.real = Float(target.number.float_bits)
        self.b = Builder(name, neuron.size)
        self.emit = Emitter(self.b, self.real)
        self.p = SimpleNamespace(
            **{k: constant(v, k) if isinstance(v, np.ndarray) else v for k, v in p.items()}
        )
        start = neuron.start(p)
        self.unit: dict[str, float] = {}
        self.old = {s: self.begin(s, start[s]) for s in neuron.states}
        self.new: dict[str, Expr] = {}
        self.current = constant(self.p.I_bias)
        self.jump: Expr = constant(0.0)
        self.probes: ProbeMap = {}
        self._ports: dict[tuple[float | None, float | None, str], str] = {}
        self._currents: list[Expr] = []

    def all(self) -> list[str]:
        """The whole step; the ports of the part's wires, in order."""
        ports = [self.synapse(w, self.part.wires) for w in self.part.wires]
        self.inject()
        self.advance()
        self.fire()
        return ports

    def begin(self, state: str, start: Any) -> Leaf:
        """A state of the model, as it was before the step."""
        return leaf(state, self.b.state(node_of(state), self.real, start))

    def arriving(self, port: str, alike: list[Wire]) -> Expr:
        """What arrives at a port by these wires."""
        return leaf(port, self.b.port(port, self.real))

    def drawn(self, site: str) -> tuple[float, Expr]:
        """(unit, standard normal numbers in that unit)."""
        return 2.0**-NORMAL_FRACTION_BITS, leaf(site, self.b.cast(self.b.normal(site), self.real))

    def call(self, e: Expr, name: str) -> None:
        """Compute a value of the step under a name."""
        self.b.name_value(self.emit.value(e), name)

    def held(self, state: str, e: Any) -> Value:
        """An expression as the state would hold it."""
        return self.emit.value(e)

    def _state(self, **now: Any) -> SimpleNamespace:
        return SimpleNamespace(**{**self.old, **now})

    def _probe(self, variable: str, node: str, unit: str) -> None:
        self.probes[variable] = (node, self.unit.get(node, 1.0), 0.0, unit)

    def synapse(self, w: Wire, wires: list[Wire]) -> str:
        """Port of a wire; its current, conductance or jump is made when it is first met."""
        key = (w.tau, w.reversal, w.variable)
        if key in self._ports:
            return self._ports[key]
        alike = [x for x in wires if (x.tau, x.reversal, x.variable) == key]
        if w.tau is None:
            port = "jump"
            self.jump = self.arriving(port, alike)
        elif w.reversal is None:
            taus = sorted({x.tau for x in wires if x.unit == "A" and x.tau})
            suffix = "" if len(taus) == 1 else str(taus.index(w.tau))
            port = f"current{suffix}"
            u = self.decaying(f"u{suffix}", port, w.tau, alike)
            self._currents.append(u)
            self.current = self.current + u
            self._probe("u", f"u{suffix}", "A")
        else:
            kinds = {(x.tau, x.reversal) for x in wires if x.variable == w.variable}
            if len(kinds) > 1:
                raise LoweringError(
                    "one name for two conductances",
                    where=f"{w.where}.receptor",
                    got=w.variable,
                    allowed="one tau and one E_rev for each name",
                    fix='give receptor="E", receptor="I"',
                    origin=w.origin,
                )
            port = f"in_{w.variable}"
            g = self.decaying(w.variable, port, w.tau, alike)
            towards = constant(w.reversal, f"E_rev of {w.variable}")
            self.current = self.current + g * (towards - self.old["V"])
            self._probe(w.variable, w.variable, "S")
        self._ports[key] = port
        return port

    def decaying(self, state: str, port: str, tau: float, alike: list[Wire]) -> Expr:
        """``y' = decay y + what arrived``, recorded under the state's name."""
        leak = current_decay(tau, self.dt, self.method, f"{self.name}.tau_{state}")
        b, real = self.b, self.real
        kept = b.mul(b.state(state, real), b.const(1 - leak, real), real)
        total = b.add(kept, b.port(port, real), real)
        b.write(state, total, name=state)
        realised = realised_tau(1 - float(real.storage.type(1 - leak)), self.dt, self.method)
        self.log.rows.append(Row(f"{self.name}.tau_{state}", tau, realised, "s"))
        return leaf(state, total)

    def inject(self) -> None:
        """Currents that change in time."""
        total = waveform_sum(
            self.b, self.part.currents, "currents", self.real, self.dt, 1.0, self.log,
            late=self.part.late,
        )  # fmt: skip
        if total is not None:
            self.current = self.current + leaf("currents", total)

    def advance(self) -> None:
        """All states by one step, noise on V."""
        if len(self._currents) > 1:
            total = self._currents[0]
            for u in self._currents[1:]:
                total = total + u
            self.call(total, "u")
            self._probe("u", "u", "A")
        change = self.neuron.derivatives(self._state(I=self.current), self.p)
        rate = {s: slope(constant(f), self.old[s]) for s, f in change.items()}
        for s, old in self.old.items():
            self.new[s] = old + self._over_step(rate[s]) * constant(change[s])
        self.new["V"] = self.new["V"] + self.jump
        symbol = leaf("I")
        gain = slope(constant(self.neuron.derivatives(self._state(I=symbol), self.p)["V"]), symbol)
        for kind in ("additive", "multiplicative"):
            additive = kind == "additive"
            alike = [n for n in self.part.noise if isinstance(n, AdditiveNoise) == additive]
            if alike:
                self.new["V"] = self.new["V"] + self._noise(kind, alike, rate["V"], gain)

    def _over_step(self, rate: Expr) -> Expr:
        """The integral of exp(J t) over the step: dt, for Euler."""
        if self.method == "euler":
            return constant(self.dt, "dt")
        return named(self.dt * maths.exprel(_resolved(rate * self.dt)), "dt phi")

    def _noise(self, kind: str, alike: list[Any], rate: Expr, gain: Expr) -> Expr:
        """Noise of one kind: one draw, whose variance is the sum of the variances."""
        sizes = [self._strength(n.convention, rate, gain) * np.asarray(n.sigma) for n in alike]
        total = sizes[0]
        if len(sizes) > 1:
            total = maths.sqrt(sum((s * s for s in sizes[1:]), sizes[0] * sizes[0]))
        unit, drawn = self.drawn(kind)
        volts = named(total * unit, f"{kind}_noise") * drawn
        return volts if kind == "additive" else volts * self.old["V"]

    def _strength(self, convention: str, rate: Expr, gain: Expr) -> Expr:
        """Volts per step that a unit of sigma stands for."""
        if convention == "per_step":
            return gain * self._over_step(rate)
        if self.method == "euler":
            return gain * np.sqrt(self.dt)
        twice = maths.exprel(_resolved(rate * (2 * self.dt)))
        return gain * maths.sqrt(self.dt * twice)

    def fire(self) -> None:
        """Threshold, reset, refractory period."""
        b, compare = self.b, self.target.threshold.compare
        count = self._counter()
        now = {s: self.held(s, x) for s, x in self.new.items()}
        before = self.held("V", self.old["V"])
        if count is not None:
            now["V"] = b.select(count.blocked, before, now["V"])
        units = {s: self.unit.get(node_of(s), 1.0) for s in now}
        x = self._state(**{s: leaf(s, v, units[s]) for s, v in now.items()}, I=self.current)
        threshold = self.held("V", self.neuron.threshold(x, self.p))
        spike = b.compare(compare, now["V"], threshold)
        if self.neuron.crossing:
            above = b.compare(compare, before, threshold)
            spike = b.logic("and", spike, b.logic("not", above))
        spike = not_blocked(b, spike, count)
        after = self.neuron.after_spike(x, self.p)
        for s, value in now.items():
            kept: Value = value
            if s in after:
                kept = b.select(spike, self.held(s, after[s]), value)
            b.write(node_of(s), kept, name=node_of(s))
            if s == "V":
                pre = "v"
                if kept.index != value.index:
                    pre = "v_pre"
                    b.name_value(value, pre)
                self.probes["v_pre"] = (pre, units[s], 0.0, "V")
                if self.part.followed and self.target.number.bfloat16:
                    b.name_value(rounded(b, kept), "v_sent")
            self._probe(node_of(s), node_of(s), self.neuron.states[s])
        b.spike(spike)
        if count is not None:
            count.finish(spike)
            self.probes["refractory"] = ("refractory", self.dt, 0.0, "s")

    def _counter(self) -> Counter | None:
        if not self.neuron.refractory:
            return None
        blocked, jitter = (
            np.asarray(self._number(key)) / self.dt for key in ("t_ref", "t_ref_sigma")
        )
        period = refractory_period(self.name, blocked, jitter, self.target, self.dt, self.log)
        return None if period is None else Counter(self.b, period)

    def _number(self, key: str) -> Any:
        return getattr(self.p, key).data


def _resolved(z: Expr) -> Expr:
    """Growth per step, at most e: the upstroke of a spike leaves the range of a float otherwise."""
    return z if isinstance(z, Const) else maths.minimum(z, 1.0)


def node_of(state: str) -> str:
    """Name of a state in the program: the membrane potential is ``v``."""
    return "v" if state == "V" else state
