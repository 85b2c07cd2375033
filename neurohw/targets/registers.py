"""Rules of a record about its numbers: currents, the membrane, thresholds, biases, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Bias", "Current", "Threshold", "Voltage", "Weight"]


@dataclass(frozen=True, kw_only=True)
class Current:
    """The synaptic current ``u``; used before its next decay (``v`` sees the new ``u``).

    Attributes
    ----------
    overflow : str
        ``wrap``: two's complement in ``bits``; ``saturate``: the nearer end. ``wrap_once``: in
        32-bit arithmetic, values above 2**(bits-1) have 2**bits subtracted, values at or below
        -2**(bits-1) have it added, once; not where neurons have ``products``.
    input_bits, input_overflow
        Width of the sum of weights of one step, before it is aligned.
    align : int
        Left shift of the sum of weights.
    decay_max : int
        Largest effective decay in 1/4096; ``decay_min`` the smallest.
    single : bool
        One current (one time constant) for all synapses of a neuron.
    state_always : bool
        The current is a state even where synapses have no time constant (its decay is then 1).
    decay : str
        On fixed-point targets: ``fraction``: u becomes ``u * (2**n - D) >> n`` with n
        ``decay_bits``, rounded by ``decay_rounding``; ``shift``: u loses ``u >> k`` (floor) in a
        step, k a whole number up to ``decay_shift``, and one unit where that is 0.
    share : bool
        What arrives is multiplied by its mean while it decays in the step,
        ``tau / dt (1 - exp(-dt / tau))``, in ``decay_bits``, rounded down.
    unit : float
        Amperes that one unit of u stands for, where a chip's numbers have units; excitation and
        inhibition then have a current each, which holds magnitudes. 0: units of the membrane, which
        are chosen for each population.
    input_signed : bool
        Whether the sum of weights has a sign.
    several : int
        Currents (time constants) that a neuron has at most, on fixed-point targets.
    one_by_one : bool
        The chip adds the weights of a step to u one after the other, each sum with the overflow of
        u. Here they are summed first; the ledger counts the steps in which their order may matter:
        some prefix of the weights might leave the range of u and others of opposite sign arrive.
    one_event : bool
        The chip takes a step with every spike that arrives. Here those of a step are summed first;
        the ledger counts where more than one arrived.
    """

    bits: int = 24
    overflow: Literal["wrap", "saturate", "wrap_once"] = "wrap"
    input_bits: int = 32
    input_overflow: Literal["wrap", "saturate"] = "wrap"
    align: int = 6
    decay_min: int = 0
    decay_max: int = 4096
    single: bool = False
    state_always: bool = False
    decay: Literal["fraction", "shift"] = "fraction"
    decay_bits: int = 12
    decay_rounding: Literal["toward_zero", "floor"] = "toward_zero"
    decay_shift: int = 15
    share: bool = False
    unit: float = 0.0
    input_signed: bool = True
    several: int = 1
    one_by_one: bool = False
    one_event: bool = False


@dataclass(frozen=True, kw_only=True)
class Voltage:
    """The membrane variable ``v``: clipped to +-(2**(bits-1) - 1) on fixed-point targets.

    On those with ``products`` it saturates at the ends of its word, as every state does.

    ``drive_bits``: current plus bias plus noise wraps (two's complement) in so many bits before
    it is added to the decayed ``v``; ``sum_bits``: the sums wrap in so many bits. 64: no limit.

    ``decay``: as for the current; or ``closed_form``: V becomes ``a - e (a - V)`` with
    ``a = R I + E_L``, both products with ``fraction_bits`` binary places, rounded to nearest,
    halves up, and saturating, the sums wrapping; ``unit`` is then one unit of V in volts.

    ``adder``: ``wide``, as above; ``saturating``: what the decay takes away, the currents, the bias
    and the noise are added up in this order, and the result to ``v``, each sum saturating at the
    ends of ``bits``, two's complement; ``in_turn``: to the decayed ``v`` are added the bias, the
    noise and the current in this order, each sum clipped. ``low`` is where ``v`` is clipped:
    ``symmetric``, as above; ``full``, two's complement; ``zero``, ``bits`` without sign.
    """

    bits: int = 24
    decay_max: int = 4096
    sum_bits: int = 64
    drive_bits: int = 64
    decay: Literal["fraction", "shift", "closed_form"] = "fraction"
    decay_shift: int = 15
    fraction_bits: int = 15
    unit: float = 0.0
    adder: Literal["wide", "saturating", "in_turn"] = "wide"
    low: Literal["symmetric", "full", "zero"] = "symmetric"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A spike is ``v compare threshold``; on fixed point the threshold is mantissa << shift.

    ``whole``: the scale is made smaller until the largest threshold is a whole mantissa; else the
    mantissa is rounded.
    """

    compare: Literal["gt", "ge"] = "ge"
    whole: bool = True
    mantissa_bits: int = 17
    shift: int = 6


@dataclass(frozen=True, kw_only=True)
class Bias:
    """Constant current: mantissa (signed) << exponent; ``sign``: whether it may excite."""

    mantissa_bits: int = 13
    exponent_max: int = 7
    sign: Literal["any", "negative"] = "any"


@dataclass(frozen=True, kw_only=True)
class Weight:
    """Integer mantissas and a shared exponent.

    ``exponent_on = weight``: each weight is floor(mantissa * 2**exponent) and then aligned.
    ``exponent_on = sum``: the exponent shifts the sum of mantissas of a connection (floor).
    ``exponent_on = current``: the connections of one current share an exponent, which shifts the
    sum of their mantissas after it was brought into the width of the input.
    ``distinct``: different weights of one neuron at most, but for 0; 0: any number.
    ``one_sign_per_source``: all weights of one source have one sign.
    ``to_the_end``: negative weights may use ``mixed_min``, whatever the sign of the others, also
    when the scale is chosen. ``mixed_even``: where signs are mixed, mantissas are multiples of two.
    """

    exponent_min: int = -8
    exponent_max: int = 7
    exponent_on: Literal["weight", "sum", "current"] = "weight"
    mixed_even: bool = True
    to_the_end: bool = False
    distinct: int = 0
    one_sign_per_source: bool = False
    positive_max: int = 255
    mixed_max: int = 254
    mixed_min: int = -256
