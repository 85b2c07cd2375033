"""Choose the integers of a chip for the physics of a population.

One factor, ``scale``, turns volts into the membrane's integer units; a synaptic current is already
in volts per step (see ``neuron``). The factor is as large as the chip allows, so that rounding is
as small as it can be: the threshold, the largest weight and the bias must fit their fields, and the
strongest inputs of a neuron firing together must fit the current. Then the threshold's mantissa is
made whole, so that a threshold shared by the population is realised exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurohw.errors import LoweringError
from neurohw.targets import Target
from neurohw.targets.registers import Current, Voltage

from .chip_words import SHIFT_BITS
from .neuron import Membrane
from .report import Choice
from .wires import Wire

__all__ = [
    "NOISE_EXPONENT_MAX",
    "Mantissas",
    "bias_field",
    "choose_scale",
    "decay_field",
    "decay_of",
    "fan_in",
    "least_exponent",
    "synapse_unit",
    "weight_field",
]

Array = np.ndarray
NOISE_EXPONENT_MAX = 15
ALL_OF, SYNCHRONOUS = 16, 0.25
"""How many of a neuron's strongest inputs, and what share of the rest, may fire together."""
RATE, DEVIATIONS = 200.0, 6.0
"""A decaying synaptic state has room for all its inputs at this rate in Hz, Poisson trains: their
mean and so many standard deviations (shot noise: mean w r tau, variance w^2 r tau / 2 each)."""


@dataclass(frozen=True)
class Mantissas:
    """Weights of one connection as a chip holds them.

    ``mantissa`` as programmed; ``effective`` the integers that are summed (after the exponent
    where the target applies it to each weight); ``realised`` what they stand for, in volts.
    """

    exponent: int
    sign: str
    mantissa: Array
    effective: Array
    realised: Array


def _sign(data: Array) -> str:
    if data.size == 0 or data.min() >= 0:
        return "excitatory"
    return "inhibitory" if data.max() <= 0 else "mixed"


def _limit(target: Target, sign: str) -> int:
    return target.weight.mixed_max if sign == "mixed" else target.weight.positive_max


def choose_scale(
    name: str, m: Membrane, target: Target, wires: list[Wire], volts: list[Array]
) -> Choice:
    """Units per volt, and what each field would allow."""
    field = target.threshold
    highest = (2**field.mantissa_bits - 1) << field.shift
    top = float(np.max(m.threshold))
    if top <= 0:
        raise LoweringError(
            "threshold must lie above the reset potential",
            where=f"{name}.V_th",
            got=f"{top:g} V above",
            allowed="> 0 V",
        )
    # twice the threshold fits the membrane, so that an overshoot is not an overflow
    room = 2 ** (target.voltage.bits - (1 if target.voltage.low == "zero" else 2))
    limits = {"threshold": min(highest, room) / top}
    if np.any(m.init):
        most = 2 ** (target.voltage.bits - 1) - 1
        limits["initial v"] = most / float(np.max(np.abs(m.init)))
    bias = float(np.max(np.abs(m.bias)))
    if bias:
        most = (2 ** (target.bias.mantissa_bits - 1) - 1) << target.bias.exponent_max
        limits["bias"] = most / bias
    for w, v in zip(wires, volts, strict=True):
        if v.size and np.any(v):
            shift = target.weight.exponent_max + target.current.align
            limits[f"weight of {w.where}"] = _largest_scale(target, v) * 2**shift
    together = fan_in(wires, volts)
    if together:
        width = min(target.current.bits, target.current.input_bits + target.current.align)
        limits["sum of weights"] = (2 ** (width - 1) - 2**target.current.align) / together
    noisy = target.noise.additive == "uniform8" and m.additive is not None and np.any(m.additive)
    loudest = float(np.max(m.additive)) * np.sqrt(3) if noisy and m.additive is not None else 0.0
    if noisy:
        limits["noise"] = 2.0**NOISE_EXPONENT_MAX / loudest
    cause = min(limits, key=lambda k: limits[k])
    scale = limits[cause]
    if noisy and cause != "noise":
        # the chip's noise comes in powers of two: shrink the scale by less than a factor of two
        scale *= 2.0 ** np.floor(np.log2(loudest * scale)) / (loudest * scale)
        cause += ", noise"
    mantissa = np.floor(top * scale / 2**field.shift)
    if not field.whole and top * scale >= 0.5:
        return Choice(float(scale), cause, limits)
    if mantissa < 1:
        raise LoweringError(
            "the threshold rounds to zero",
            where=f"{name}.V_th",
            got=f"{cause} limits the scale to {scale:.3g} units per volt",
            allowed=f"at least {2**field.shift} units at the threshold",
            fix="make that value smaller against the threshold",
        )
    return Choice(float(mantissa * 2**field.shift / top), cause, limits)


def _largest_scale(target: Target, volts: Array) -> float:
    """Units per volt with which weights fill their mantissas."""
    if not target.weight.to_the_end:
        return _limit(target, _sign(volts)) / float(np.max(np.abs(volts)))
    up, down = float(np.max(volts)), float(np.min(volts))
    ends = (target.weight.positive_max, up), (target.weight.mixed_min, down)
    return min(end / x for end, x in ends if end * x > 0)


def fan_in(wires: list[Wire], volts: list[Array]) -> float:
    """Volts that arrive at one neuron in one step when its inputs fire together."""
    target, size, trains = _strengths(wires, volts)
    if not size.size:
        return 0.0
    order = np.lexsort((-size, target))
    target, size, trains = target[order], size[order], trains[order]
    stronger = np.cumsum(trains) - trains  # trains of all stronger inputs, of every target
    stronger -= stronger[np.searchsorted(target, target)]
    full = np.clip(ALL_OF - stronger, 0, trains)
    share = full + SYNCHRONOUS * (trains - full)
    return float(np.bincount(target, share * size).max())


def _strengths(wires: list[Wire], weights: list[Array]) -> tuple[Array, Array, Array]:
    """Target neuron, magnitude and number of trains of every weight."""
    if not wires:
        return np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64)
    pairs = list(zip(wires, weights, strict=True))
    spread = [np.broadcast_arrays(w.index, np.abs(v), w.data)[:2] for w, v in pairs]
    target, size = (np.concatenate([x[k].ravel() for x in spread]) for k in (0, 1))
    trains = [np.broadcast_to(w.trains, x[0].size) for (w, _), x in zip(pairs, spread, strict=True)]
    return target, size, np.concatenate(trains)


def synapse_unit(wires: list[Wire], tau: float | None, target: Target) -> float:
    """What one unit of a synaptic state stands for, in the unit of its weights.

    As little as leaves room, in the state's word, for the inputs that ``ALL_OF`` and
    ``SYNCHRONOUS`` let arrive in one step, and for all inputs at ``RATE``. The largest weight then
    has the largest mantissa of its field, exactly.
    """
    weights = [np.asarray(w.data) for w in wires]
    neuron, size, trains = _strengths(wires, weights)
    largest = float(size.max(initial=0.0))
    if not largest:
        return 1.0
    most = fan_in(wires, weights)
    if tau:
        mean = RATE * tau * np.bincount(neuron, trains * size)
        deviation = np.sqrt(RATE * tau / 2 * np.bincount(neuron, trains * size**2))
        most = max(most, float(np.max(mean + DEVIATIONS * deviation)))
    strongest = next(w for w in weights if w.size and np.abs(w).max() == largest)
    limit = _limit(target, _sign(strongest)) << target.current.align
    width = min(target.current.bits, target.current.input_bits + target.current.align)
    room = (2 ** (width - 1) - 2**target.current.align) * (largest / most)
    exponent = int(np.floor(np.log2(room / limit)))
    if exponent < 0:  # so many inputs that a weight has to be a smaller integer
        return largest / (np.floor(room) if room >= 1 else room)
    return largest / (limit << min(exponent, target.weight.exponent_max))


def decay_field(leak: Array | np.floating, low: int, high: int) -> Array:
    """Effective decay in 1/4096, an integer in low..high."""
    return np.clip(np.rint(4096 * np.asarray(leak)), low, high).astype(np.int64)


def decay_of(
    leak: Array, rule: Current | Voltage, low: int
) -> tuple[Array, Array, Callable[[int], str]]:
    """(what the step holds, share that is lost in a step, a note on one element) of a decay."""
    if rule.decay == "shift":
        with np.errstate(divide="ignore"):
            wanted = np.rint(-np.log2(leak))
        shift = np.clip(wanted, 0, rule.decay_shift).astype(np.int64)
        note = "x - (x >> {}), at least 1, linear below 2**{}"
        lost = np.ldexp(1.0, -shift)
        return 2**SHIFT_BITS >> shift, lost, lambda i: note.format(*[shift.flat[i]] * 2)
    held = decay_field(leak, low, rule.decay_max)
    return 4096 - held, held / 4096, lambda i: f"decay {int(held.flat[i])}/4096"


def bias_field(bias: Array, scale: float, target: Target) -> tuple[Array, Array, int]:
    """(integers, mantissas, exponent) of a constant current, with one exponent."""
    units = np.asarray(bias) * scale
    limit = 2 ** (target.bias.mantissa_bits - 1) - 1
    for exponent in range(target.bias.exponent_max + 1):
        mantissa = np.rint(units / 2**exponent).astype(np.int64)
        if np.all(np.abs(mantissa) <= limit):
            break
    mantissa = np.clip(mantissa, -limit - 1, limit)
    return mantissa << exponent, mantissa, exponent


def least_exponent(target: Target) -> int:
    """Of weights: where each weight is shifted by it, a negative one would only lose bits."""
    return target.weight.exponent_min if target.weight.exponent_on == "sum" else 0


def weight_field(
    volts: Array, scale: float, target: Target, exponent: int | None = None
) -> Mantissas:
    """Mantissas and exponent of one connection's weights (in volts).

    The exponent is the smallest with which the largest weight fits, or the one that is given.
    """
    rule, align = target.weight, target.current.align
    sign = _sign(volts)
    units = volts * scale / 2**align
    limit, grid = _limit(target, sign), 2 if sign == "mixed" and rule.mixed_even else 1
    largest = float(np.max(np.abs(units))) if units.size else 0.0
    if exponent is None:
        exponent = least_exponent(target)
        while exponent < rule.exponent_max and largest > (limit + grid / 2) * 2.0**exponent:
            exponent += 1
    mantissa = np.rint(units / 2.0**exponent / grid).astype(np.int64) * grid
    least = {"mixed": rule.mixed_min, "inhibitory": -rule.positive_max}.get(sign, 0)
    least = rule.mixed_min if rule.to_the_end else least
    mantissa = np.clip(mantissa, least, limit)
    if rule.exponent_on == "weight":
        edge = 2 ** (target.current.input_bits - 1) - 1
        effective = np.clip((mantissa << exponent), -edge, edge)
        realised = effective * 2.0**align / scale
    else:
        effective = mantissa
        realised = mantissa * 2.0 ** (exponent + align) / scale
    return Mantissas(exponent, sign, mantissa, effective, realised)
