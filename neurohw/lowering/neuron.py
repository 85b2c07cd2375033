"""From the physics of a neuron to the numbers of one step, before any number format.

With the membrane variable w = V - origin, one step is::

    u' = decay_u * u + input            synaptic current, in volts per step
    w' = decay_v * w + u' + bias        (+ noise)

``euler``: decay = 1 - dt/tau, a current I moves V by I dt/C. ``exponential``: decay =
exp(-dt/tau), a current held over the step moves V by I R (1 - decay): the exact solution for a
piecewise constant current, with the exact variance of the Ornstein-Uhlenbeck process for white
noise (Gillespie, Phys. Rev. E 54:2084, 1996).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.errors import LoweringError
from neurohw.network import LIF, AdditiveNoise, Mismatch
from neurohw.program.philox import NORMAL_FRACTION_BITS, normals, site_hash
from neurohw.targets import Target

__all__ = ["Membrane", "current_decay", "membrane"]

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
    additive, multiplicative : array or None
        Standard deviation of the noise, in volts per step, and per step and volt.
    blocked, jitter : array
        Mean and standard deviation of the refractory period in steps.
    """

    origin: float
    leak: Array
    gain: Array
    bias: Array
    threshold: Array
    reset: Array
    init: Array
    additive: Array | None
    multiplicative: Array | None
    blocked: Array
    jitter: Array
    tau: Array


def _decay(tau: Array, dt: float, method: str) -> tuple[Array, Array]:
    """(decay, 1 - decay); for Euler 1 - dt/tau is rounded once, then taken as the decay."""
    if method == "euler":
        leak = dt / tau
        return 1 - leak, leak
    return np.exp(-dt / tau), -np.expm1(-dt / tau)


def current_decay(tau: float | None, dt: float, method: str, where: str) -> float:
    """1 - decay of a synaptic current; 1 for a synapse without a time constant."""
    if not tau:
        return 1.0
    decay, leak = _decay(np.asarray(tau), dt, method)
    _stable(float(decay), where, tau, dt)
    return float(leak)


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


def membrane(
    name: str,
    neuron: LIF,
    noise: tuple[Any, ...],
    mismatch: tuple[Mismatch, ...],
    *,
    target: Target,
    dt: float,
    method: str,
    seed: int,
    devices: Array,
) -> Membrane:
    """Numbers of one step for a population of LIF neurons.

    ``devices`` are the trial numbers that mismatch is drawn for: one for a single device, all
    trials for a device each.
    """
    p: dict[str, Array] = {
        k: np.asarray(getattr(neuron, k), np.float64)
        for k in (
            "C",
            "g_L",
            "tau",
            "V_th",
            "V_reset",
            "E_L",
            "V_init",
            "I_bias",
            "t_ref",
            "t_ref_sigma",
        )
    }
    for m in mismatch:
        f = _factor(m, name, neuron.size, seed, devices)
        if m.parameter in ("V_th", "V_reset"):
            p[m.parameter] = p["E_L"] + f * (p[m.parameter] - p["E_L"])
        else:
            p[m.parameter] = p[m.parameter] * f
            with np.errstate(divide="ignore"):
                if m.parameter in ("C", "g_L"):
                    p["tau"] = p["C"] / p["g_L"]
                elif m.parameter == "tau":
                    p["g_L"] = p["C"] / p["tau"]

    decay, leak = _decay(p["tau"], dt, method)
    _stable(float(decay.min()), f"{name}.tau", float(p["tau"].min()), dt)
    if method == "euler":
        gain = dt / p["C"]
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            gain = np.where(p["g_L"] > 0, leak / p["g_L"], dt / p["C"])
            # leak / g_L loses the last bit of the common case C = dt, R = tau / C
            gain = np.where(np.isclose(gain, dt / p["C"], rtol=1e-15, atol=0), dt / p["C"], gain)

    origin = 0.0
    if target.number.origin == "reset":
        origin = float(p["V_reset"].flat[0])
        if np.any(p["V_reset"] != origin):
            raise LoweringError(
                f"{target.name} resets every neuron to the same value",
                where=f"{name}.V_reset",
                got=p["V_reset"].tolist(),
                allowed="one V_reset per population",
                origin=_origin(neuron),
            )
    additive = multiplicative = None
    for n in noise:
        strength = np.asarray(n.sigma, np.float64) * _strength(n.convention, p, dt, method, gain)
        if isinstance(n, AdditiveNoise):
            additive = strength if additive is None else np.hypot(additive, strength)
        else:
            multiplicative = (
                strength if multiplicative is None else np.hypot(multiplicative, strength)
            )
    return Membrane(
        origin=origin,
        leak=leak,
        gain=gain,
        bias=leak * (p["E_L"] - origin) + gain * p["I_bias"],
        threshold=p["V_th"] - origin,
        reset=p["V_reset"] - origin,
        init=p["V_init"] - origin,
        additive=additive,
        multiplicative=multiplicative,
        blocked=p["t_ref"] / dt,
        jitter=p["t_ref_sigma"] / dt,
        tau=p["tau"],
    )


def _strength(convention: str, p: dict[str, Array], dt: float, method: str, gain: Array) -> Array:
    """Volts per step that a unit of the noise's sigma stands for."""
    if convention == "per_step":
        return gain
    if method == "euler":
        return np.sqrt(dt) / p["C"]
    with np.errstate(invalid="ignore"):
        exact = np.sqrt(p["tau"] / 2 * -np.expm1(-2 * dt / p["tau"])) / p["C"]
    return np.where(np.isfinite(p["tau"]), exact, np.sqrt(dt) / p["C"])


def _origin(neuron: LIF) -> str:
    return neuron.origin.place
