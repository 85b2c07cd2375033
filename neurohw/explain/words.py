"""Rules of a record in words, to follow the name of who obeys them."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["phrase", "title"]

TITLES = {
    "method": "integration method",
    "number.float_bits": "float precision",
    "number.origin": "where v is zero",
    "neuron.functions": "what a neuron can compute",
    "current.overflow": "overflow of the current",
    "current.input_overflow": "overflow of the sum of weights",
    "threshold.compare": "comparison with the threshold",
    "reset.timing": "reset timing",
    "reset.kinds": "kinds of reset",
    "reset.zero_after_input": "input in the step of a reset",
    "refractory.blocked_offset": "refractory period",
    "refractory.register_min": "shortest refractory period",
    "weight.exponent_on": "where the weight exponent applies",
    "weight.mixed_even": "grid of mixed weights",
    "delay.extra": "input delay",
    "arrival.late": "when input reaches V",
    "arrival.decays": "decay of input in its own step",
    "arrival.current": "shape of a current in a step",
    "arrival.jump": "shape of a jump in a step",
    "firing.most": "spikes per step",
    "firing.readout": "spikes per step of a readout",
    "firing.given": "spikes per step of an input",
    "current.decay": "decay of the current",
    "voltage.decay": "decay of v",
    "voltage.adder": "sums into v",
    "current.one_by_one": "order of weights in a step",
    "firing.floor": "lower limit of V",
    "refractory.first": "first refractory step",
    "number.factors": "format of weights",
    "offers.cells": "kinds of neuron",
    "noise.additive": "additive noise",
}

_PHRASES: dict[str, dict[Any, str]] = {
    "method": {
        "euler": "integrates by forward Euler",
        "exponential": "integrates exactly between steps",
    },
    "number.origin": {
        "zero": "counts v from 0 V",
        "reset": "counts v from the reset potential",
    },
    "threshold.compare": {
        "gt": "spikes only above the threshold (v > threshold)",
        "ge": "spikes at the threshold, too (v >= threshold)",
    },
    "reset.timing": {
        "same_step": "resets in the step of the spike",
        "next_step": "resets one step late",
        "moved_up": "resets in the step of the spike, and once more where V stays above threshold",
    },
    "current.overflow": {
        "wrap": "wraps the current around where it overflows",
        "wrap_once": "wraps the current around once, in 32 bits, where it overflows",
        "saturate": "keeps the current at the end of its range where it overflows",
    },
    "current.input_overflow": {
        "wrap": "wraps the sum of weights around where it overflows",
        "saturate": "keeps the sum of weights at the end of its range where it overflows",
    },
    "current.decay": {
        "fraction": "multiplies the current by a fraction when it decays",
        "shift": "takes the current shifted right, or 1, from the current when it decays",
    },
    "voltage.decay": {
        "fraction": "multiplies v by a fraction when it decays",
        "shift": "takes v shifted right, or 1, from v when it decays",
        "closed_form": "takes v towards its target by the closed form",
    },
    "current.share": {
        True: "lets a current decay within the step in which it arrives",
        False: "adds the whole of a current in the step in which it arrives",
    },
    "refractory.rounding": {
        "nearest": "rounds refractory periods to the nearest step",
        "up": "rounds refractory periods up",
    },
    "voltage.adder": {
        "wide": "sums what drives v and clips once",
        "saturating": "saturates every sum into v",
        "in_turn": "adds current and bias to v in turn and clips each time",
    },
    "current.one_by_one": {
        True: "adds weights to the current one by one",
        False: "adds weights to the current in one sum",
    },
    "current.single": {
        True: "has one synaptic current per neuron",
        False: "has a current for each synaptic time constant",
    },
    "arrival.decays": {
        True: "decays what arrives in the same step",
        False: "adds what arrives after the decay",
    },
    "arrival.current": {
        "held": "holds a current over the step",
        "decaying": "lets a current decay within the step",
    },
    "arrival.jump": {
        "impulse": "takes a jump for an impulse",
        "held": "takes a jump for a current held over the step",
    },
    "refractory.first": {
        "next_step": "counts a refractory period from the step after the spike",
        "spike_step": "counts a refractory period from the step of the spike",
    },
    "number.factors": {
        "same": "holds weights as all other numbers",
        "bfloat16": "holds weights in bfloat16",
    },
    "weight.exponent_on": {
        "weight": "applies the exponent to each weight",
        "sum": "applies the exponent to the sum of weights",
        "current": "applies one exponent to all weights of a current",
    },
    "voltage.low": {
        "symmetric": "clips v at minus its largest value",
        "full": "clips v at the ends of its word",
        "zero": "clips v at zero",
    },
    "threshold.whole": {
        True: "chooses a scale with which the threshold is whole",
        False: "rounds the threshold",
    },
    "weight.to_the_end": {
        True: "uses the most negative weight",
        False: "uses negative weights as far as positive ones",
    },
    "current.one_event": {
        True: "takes a step with each spike that arrives",
        False: "sums the spikes of a step",
    },
    "weight.one_sign_per_source": {
        True: "has one sign for all weights of a source",
        False: "has weights of both signs from one source",
    },
    "bias.sign": {
        "any": "has constant currents of either sign",
        "negative": "has constant currents that take away only",
    },
    "current.input_signed": {
        True: "has a signed sum of weights",
        False: "has a sum of weights without sign",
    },
    "weight.mixed_even": {
        True: "holds weights of mixed sign as multiples of two",
        False: "holds weights of mixed sign in steps of one",
    },
}

_NUMBERS = {
    "number.float_bits": "computes in float{}",
    "current.bits": "holds the current in {} bits",
    "current.input_bits": "sums weights in {} bits",
    "current.align": "shifts the sum of weights left by {}",
    "current.decay_min": "has a smallest decay of the current of {}/4096",
    "current.decay_max": "has a largest decay of the current of {}/4096",
    "voltage.bits": "holds v in {} bits",
    "voltage.decay_max": "has a largest decay of v of {}/4096",
    "voltage.sum_bits": "sums into v in {} bits",
    "voltage.drive_bits": "sums current and bias in {} bits",
    "threshold.mantissa_bits": "has a threshold mantissa of {} bits",
    "threshold.shift": "shifts the threshold's mantissa left by {}",
    "bias.mantissa_bits": "has a bias mantissa of {} bits",
    "bias.exponent_max": "has a bias exponent of at most {}",
    "refractory.register_min": "blocks with a register of at least {}",
    "refractory.register_max": "blocks with a register of at most {}",
    "refractory.blocked_offset": "blocks for {:+d} steps against its register",
    "delay.extra": "delivers each spike {} steps later than asked",
    "firing.most": "has at most {} spikes of a neuron in a step",
    "firing.readout": "has at most {} spikes of a readout neuron in a step (0: as any)",
    "firing.given": "takes at most {} spikes of one input in a step (0: any number)",
    "current.several": "has at most {} synaptic currents per neuron",
    "current.decay_shift": "shifts by at most {} where the current decays",
    "voltage.decay_shift": "shifts by at most {} where v decays",
    "delay.max": "delays by at most {} steps",
}


def title(path: str) -> str:
    """A rule's name as people say it."""
    return TITLES.get(path) or path.replace(".", " ").replace("_", " ")


def phrase(path: str, value: Any) -> str:
    """What somebody with this value does, to follow a name: ``resets one step late``."""
    known = _PHRASES.get(path, {})
    if isinstance(value, str | bool) and value in known:
        return known[value]
    if path == "arrival.late":
        kinds = " and ".join(value) if isinstance(value, tuple) else str(value)
        return (
            f"lets V feel input of {kinds} synapses a step later"
            if value
            else ("lets V feel input in the step in which it arrives")
        )
    if path == "firing.floor" and isinstance(value, float):
        return (
            f"keeps V at {value:g} thresholds or above"
            if math.isfinite(value)
            else "has no lower limit of V"
        )
    if path == "reset.zero_after_input" and isinstance(value, tuple):
        kinds = " and ".join(value)
        return (
            f"discards the input of the step of a late reset ({kinds} synapses)"
            if value
            else "keeps the input of the step of a late reset"
        )
    if path in _NUMBERS:
        text = _NUMBERS[path].format(value)
        return text.replace(" 1 steps", " 1 step").replace("+1 steps", "+1 step")
    shown = ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else value
    return f"has {path} = {shown}"
