"""From the physics of a neuron to the numbers of one step, before any number format.

A model whose membrane equation is linear in V and in the current, ``dV/dt = a + J V + G I`` with
constant J and G, becomes, with the membrane variable w = V - origin::

    u' = decay_u * u + input            synaptic current, in volts per step
    w' = decay_v * w + u' + bias        (+ noise)

``euler``: decay = 1 + J dt, a current I moves V by G I dt. ``exponential``: decay = exp(J dt), a
current held over the step moves V by G I (decay - 1) / J: the exact solution for a piecewise
constant current, with the exact variance of the Ornstein-Uhlenbeck process for white noise
(Gillespie, Phys. Rev. E 54:2084, 1996). Models that are not linear are the matter of ``dynamics``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import AdditiveNoise, Mismatch, Neuron
from neurohw.program.philox import NORMAL_FRACTION_BITS, normals, site_hash

from .algebra import Const, constant, leaf, slope
from .part import Part

__all__ = ["Linear", "Membrane", "bind", "current_decay", "linear", "membrane"]

Array = np.ndarray


@dataclass(frozen=True)
class Membrane:
    """One population's numbers; arrays of shape ``()``, ``(size,)`` or ``(trials, size)``.

    Attributes
    ----------
    leak : array
        1 - decay of the membrane, in 0..1.
    gain : array
        Volts per step and ampere.
    bias : array
        Volts per step, of E_L and I_bias.
    threshold, reset, init : array
        In volts against ``origin``.
    kind : str
        What a spike does: ``to`` (V := reset), ``subtract`` (V -= down), ``none``.
    down : array
        Volts that a spike subtracts.
    additive, multiplicative : array or None
        Standard deviation of the noise, in volts per step, and per step and volt.
    blocked, jitter : array
        Mean and standard deviation of the refractory period in steps.
    rate, pull : array
        As ``Linear`` has them: of relaxation in 1/s, and in V/s per ampere.
    driven, rests : bool
        A constant current flows; V rests away from its reset potential.
    """

    origin: float
    leak: Array
    gain: Array
    bias: Array
    threshold: Array
    reset: Array
    init: Array
    kind: str
    down: Array
    additive: Array | None
    multiplicative: Array | None
    blocked: Array
    jitter: Array
    tau: Array
    rate: Array
    pull: Array
    driven: bool
    rests: bool

    def decaying_gain(self, tau: float, dt: float) -> Array:
        """Volts per ampere that a current adds in a step in which it decays with ``tau``.

        The integral of ``exp(rate (dt - s)) pull exp(-s / tau)`` over the step (Rotter and
        Diesmann, Biol. Cybern. 81:381, 1999).
        """
        apart = self.rate + 1 / tau
        with np.errstate(invalid="ignore", divide="ignore"):
            over = np.where(apart != 0, -np.expm1(-apart * dt) / apart, dt)
        return self.pull * np.exp(self.rate * dt) * over

    def held_jump(self, dt: float) -> Array:
        """What is left of a jump that flows in as a current held over the step."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.rate != 0, self.leak / (-self.rate * dt), 1.0)

    @property
    def per_volt(self) -> float:
        """Amperes that a volt per step of synaptic current stands for; 0 where none is heard."""
        gain = float(np.asarray(self.gain).flat[0])
        return 1 / gain if gain else 0.0


def _decay(rate: Array, dt: float, method: str) -> tuple[Array, Array]:
    """(decay, 1 - decay) of a relaxation at ``rate`` (1/s, negative)."""
    if method == "euler":
        leak = 0.0 - dt * rate  # not -0
        return 1 - leak, leak
    return np.exp(dt * rate), 0.0 - np.expm1(dt * rate)


def current_decay(tau: float | None, dt: float, method: str, where: str) -> float:
    """1 - decay of a synaptic current; 1 for a synapse without a time constant."""
    if not tau:
        return 1.0
    if method == "euler":
        _stable(1 - dt / tau, where, tau, dt)
        return dt / tau
    return float(-np.expm1(-dt / tau))


def _stable(decay: float, where: str, tau: float, dt: float) -> None:
    if decay < 0:
        raise LoweringError(
            "the step is longer than the time constant",
            where=where,
            got=f"dt = {dt:g} s, tau = {tau:g} s",
            allowed="dt <= tau",
            fix="use a shorter step or method='exponential'",
        )


def _factor(m: Mismatch, where: str, size: int, seed: int, devices: Array) -> Array:
    """Relative factors ``[devices, size]`` or ``[size]``, fixed per device (docs/numerics.md)."""
    from neurohw.network.noise import MIN_FACTOR

    site = site_hash(f"{where}.mismatch.{m.parameter}")
    z = normals(seed, site, devices, np.arange(size), 0) / 2.0**NORMAL_FRACTION_BITS
    if m.distribution == "normal":
        f = np.maximum(1 + m.cv * z, MIN_FACTOR)
    else:
        f = np.exp(m.log_sigma * z - m.log_sigma**2 / 2)
    return f[0] if len(devices) == 1 else f


@dataclass(frozen=True)
class Linear:
    """A linear model: ``dV/dt = rate V + gain I + ...``, and what a spike does to V.

    Attributes
    ----------
    rate : array
        Of relaxation, in 1/s, at most 0 in a model that leaks.
    gain : array
        In V/s per ampere.
    threshold, reset, down : array
        In volts; ``kind`` says which of ``reset`` and ``down`` holds.
    """

    rate: Array
    gain: Array
    threshold: Array
    kind: str
    reset: Array
    down: Array


def bind(
    name: str, neuron: Neuron, mismatch: tuple[Mismatch, ...], seed: int, devices: Array
) -> dict[str, Any]:
    """Parameters as float64 arrays (other fields as they are), with mismatch applied.

    ``devices`` are the trial numbers that mismatch is drawn for: one for a single device, all
    trials for a device each.
    """
    p: dict[str, Any] = {
        k: np.asarray(v, np.float64) if isinstance(v, float | int | np.ndarray) else v
        for k, v in neuron.values.items()
    }
    for m in mismatch:
        p = neuron.spread(p, m.parameter, _factor(m, name, neuron.size, seed, devices))
    return p


def linear(neuron: Neuron, p: Mapping[str, Any]) -> Linear | None:
    """The linear form of a model, or None if it has none."""
    if tuple(neuron.states) != ("V",) or neuron.crossing:
        return None
    v, current, space = leaf("V"), leaf("I"), SimpleNamespace(**p)
    x = SimpleNamespace(V=v, I=current)
    change = neuron.derivatives(x, space)["V"]
    rate, gain = slope(constant(change), v), slope(constant(change), current)
    threshold = constant(neuron.threshold(x, space))
    if not all(isinstance(e, Const) for e in (rate, gain, threshold)):
        return None
    after = neuron.after_spike(x, space)
    zero = np.float64(0)
    kind, reset, down = "none", np.asarray(p.get("V_reset", zero)), zero
    if "V" in after:
        to = constant(after["V"])
        if isinstance(to, Const):
            kind, reset = "to", to.data
        else:
            rest = constant(v - to)  # what a spike takes away
            at_zero = neuron.after_spike(SimpleNamespace(V=np.float64(0), I=zero), space)["V"]
            if not (isinstance(s := slope(rest, v), Const) and np.all(s.data == 0)):
                return None
            kind, down = "subtract", -np.asarray(at_zero)
    return Linear(rate.data, gain.data, threshold.data, kind, reset, down)  # type: ignore[attr-defined]


def membrane(part: Part, form: Linear) -> Membrane:
    """Numbers of one step for a population of linear neurons."""
    name, neuron, p, target = part.name, part.neuron, part.p, part.target
    dt, method = part.dt, part.method
    with np.errstate(divide="ignore"):
        tau = np.asarray(p["tau"] if "tau" in p else -1 / form.rate)
    decay, leak = _decay(form.rate, dt, method)
    _stable(float(np.min(decay)), f"{name}.tau", float(np.min(tau)), dt)
    over = np.float64(dt)  # the integral of exp(rate t) over the step: dt, for Euler
    if method == "exponential":
        with np.errstate(invalid="ignore", divide="ignore"):
            exact = np.where(form.rate != 0, leak / -form.rate, dt)
            # the quotient loses the last bit of the common case of a rate that dt hardly feels
            over = np.where(np.isclose(exact, dt, rtol=1e-15, atol=0), dt, exact)
    gain = over * form.gain

    origin = 0.0
    if target.number.origin == "reset":
        origin = float(np.asarray(form.reset).flat[0])
        if np.any(form.reset != origin):
            raise LoweringError(
                f"{target.name} resets every neuron to the same value",
                where=f"{name}.V_reset",
                got=np.asarray(form.reset).tolist(),
                allowed="one V_reset per population",
                origin=neuron.origin.place,
            )
    space = SimpleNamespace(**p)
    held = SimpleNamespace(V=np.float64(origin), I=p["I_bias"])
    start = SimpleNamespace(V=np.asarray(form.reset), I=np.float64(0))
    drift = np.asarray(neuron.derivatives(held, space)["V"])
    additive = multiplicative = None
    for n in part.noise:
        strength = np.asarray(n.sigma, np.float64) * noise_strength(
            n.convention, form.rate, form.gain, dt, method, gain
        )
        if isinstance(n, AdditiveNoise):
            additive = strength if additive is None else np.hypot(additive, strength)
        else:
            multiplicative = (
                strength if multiplicative is None else np.hypot(multiplicative, strength)
            )
    rest = np.float64(0)
    return Membrane(
        origin=origin,
        leak=leak,
        gain=gain,
        bias=over * drift,
        threshold=form.threshold - origin,
        reset=form.reset - origin,
        init=np.asarray(neuron.start(p)["V"]) - origin,
        kind=form.kind,
        down=form.down,
        additive=additive,
        multiplicative=multiplicative,
        blocked=np.asarray(p.get("t_ref", rest)) / dt,
        jitter=np.asarray(p.get("t_ref_sigma", rest)) / dt,
        tau=tau,
        rate=form.rate,
        pull=form.gain,
        driven=bool(np.any(p["I_bias"])),
        rests=bool(np.any(neuron.derivatives(start, space)["V"])),
    )


def noise_strength(
    convention: str, rate: Array, gain: Array, dt: float, method: str, per_step: Array
) -> Array:
    """Volts per step that a unit of the noise's sigma stands for."""
    if convention == "per_step":
        return per_step
    if method == "euler":
        return np.sqrt(dt) * gain
    with np.errstate(invalid="ignore", divide="ignore"):
        exact = gain * np.sqrt(np.expm1(2 * dt * rate) / (2 * rate))
    return np.where(rate != 0, exact, np.sqrt(dt) * gain)
