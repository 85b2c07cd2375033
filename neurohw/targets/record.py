"""A target: what a chip or a simulator can represent, as data.

A record is one TOML file. The loader checks it field by field; lowering reads it and holds no
chip by name. A new target needs no code where it only recombines rules that exist. A record that
differs from another in a few rules names that one as its ``base`` and holds only those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from neurohw.errors import TargetError

from .simulator import CELL_WORDS, Arrival, Firing, Offers

__all__ = [
    "Bias",
    "Current",
    "Delay",
    "Noise",
    "Number",
    "Refractory",
    "Reset",
    "Target",
    "Threshold",
    "Voltage",
    "Weight",
]


@dataclass(frozen=True, kw_only=True)
class Number:
    """Arithmetic.

    Attributes
    ----------
    origin : str
        Where the membrane variable is zero: at 0 V or at V_reset.
    factors : str
        How weights, and the numbers that they are multiplied by, are held: ``same``, as all other
        numbers; ``bfloat16``: float32 numbers rounded to 8 bits of significand, to nearest, halves
        to even. Sums have ``float_bits``, which must be 32.
    """

    arithmetic: Literal["float", "fixed"]
    float_bits: int = 64
    origin: Literal["zero", "reset"] = "zero"
    factors: Literal["same", "bfloat16"] = "same"

    def __post_init__(self) -> None:
        if self.factors == "bfloat16" and (self.arithmetic, self.float_bits) != ("float", 32):
            raise TargetError(
                "bfloat16 factors are summed in single precision",
                where="target.number.factors",
                got=f"arithmetic = {self.arithmetic!r}, float_bits = {self.float_bits}",
                allowed="arithmetic = 'float', float_bits = 32",
            )

    @property
    def bfloat16(self) -> bool:
        """Whether synapses multiply bfloat16 numbers."""
        return self.factors == "bfloat16"


@dataclass(frozen=True, kw_only=True)
class Functions:
    """What a neuron's step can compute.

    Attributes
    ----------
    functions : str
        ``linear``: a weighted sum of its states; ``products``: also products of states;
        ``all``: also division, exponentials and the like.
    bits : int
        Of a word on fixed-point targets with ``products``: every intermediate result, and every
        state but the membrane and the synapses. A product is exact in twice as many bits.
    rounding : str
        How a result that is too long is shifted back into a word.
    """

    functions: Literal["linear", "products", "all"] = "linear"
    bits: int = 24
    rounding: Literal["floor", "toward_zero", "half_even", "half_away"] = "half_away"


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
        On fixed-point targets: ``fraction``: u becomes ``u * (4096 - D) >> 12``, towards zero;
        ``shift``: u loses ``u >> k`` (floor) in a step, k a whole number up to ``decay_shift``, and
        one unit where that is 0.
    several : int
        Currents (time constants) that a neuron has at most, on fixed-point targets.
    one_by_one : bool
        The chip adds the weights of a step to u one after the other, each sum with the overflow of
        u. Here they are summed first; the ledger counts the steps in which their order may matter:
        some prefix of the weights might leave the range of u and others of opposite sign arrive.
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
    decay_shift: int = 15
    several: int = 1
    one_by_one: bool = False


@dataclass(frozen=True, kw_only=True)
class Voltage:
    """The membrane variable ``v``: clipped to +-(2**(bits-1) - 1) on fixed-point targets.

    On those with ``products`` it saturates at the ends of its word, as every state does.

    ``drive_bits``: current plus bias plus noise wraps (two's complement) in so many bits before
    it is added to the decayed ``v``; ``sum_bits``: the sums wrap in so many bits. 64: no limit.

    ``decay``: as for the current. ``adder``: ``wide``, as above; ``saturating``: what the decay
    takes away, the currents, the bias and the noise are added up in this order, and the result to
    ``v``, each sum saturating at the ends of ``bits``, two's complement.
    """

    bits: int = 24
    decay_max: int = 4096
    sum_bits: int = 64
    drive_bits: int = 64
    decay: Literal["fraction", "shift"] = "fraction"
    decay_shift: int = 15
    adder: Literal["wide", "saturating"] = "wide"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A spike is ``v compare threshold``; on fixed point the threshold is mantissa << shift."""

    compare: Literal["gt", "ge"] = "ge"
    mantissa_bits: int = 17
    shift: int = 6


@dataclass(frozen=True, kw_only=True)
class Reset:
    """``timing = next_step`` resets at the start of the step after the spike; ``moved_up`` is the
    same, done already in the step of the spike: V is compared with a threshold's worth taken off
    where it stood above the threshold at the start, and is then reset only for what is new.

    ``zero_after_input`` lists the kinds of neuron (``delta`` or ``current``, by their synapses)
    whose reset to zero also discards the input of that step.
    """

    kinds: tuple[str, ...] = ("to", "subtract", "none")
    timing: Literal["same_step", "next_step", "moved_up"] = "same_step"
    zero_after_input: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bias:
    """Constant current: mantissa (signed) << exponent."""

    mantissa_bits: int = 13
    exponent_max: int = 7


@dataclass(frozen=True, kw_only=True)
class Refractory:
    """A register value R blocks ``R + blocked_offset`` steps; register_max 0 means none exists.

    ``first``: whether a period of k steps blocks the k steps after the spike (``next_step``), or
    counts the step of the spike and blocks k - 1 (``spike_step``).
    """

    register_min: int = 0
    register_max: int = 2**20
    blocked_offset: int = 0
    first: Literal["next_step", "spike_step"] = "next_step"


@dataclass(frozen=True, kw_only=True)
class Weight:
    """Integer mantissas and a shared exponent.

    ``exponent_on = weight``: each weight is floor(mantissa * 2**exponent) and then aligned.
    ``exponent_on = sum``: the exponent shifts the sum of mantissas (floor).
    ``mixed_even``: where signs are mixed, mantissas are multiples of two.
    """

    exponent_min: int = -8
    exponent_max: int = 7
    exponent_on: Literal["weight", "sum"] = "weight"
    mixed_even: bool = True
    positive_max: int = 255
    mixed_max: int = 254
    mixed_min: int = -256


@dataclass(frozen=True, kw_only=True)
class Delay:
    """A spike of step t is used in step t + delay; ``extra`` steps are added to what is asked."""

    extra: int = 0
    max: int = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Which rule carries each kind of device noise (``none``: refused)."""

    additive: Literal["normal", "uniform8", "none"] = "normal"
    multiplicative: Literal["normal", "none"] = "normal"
    jitter: Literal["normal", "none"] = "normal"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A target record; every field is described in ``docs/numerics.md``."""

    name: str
    title: str
    kind: Literal["float", "chip", "simulator"]
    fidelity: str
    sources: tuple[str, ...]
    checked_against: tuple[str, ...]
    number: Number
    neuron: Functions = field(default_factory=Functions)
    methods: tuple[str, ...] = ("euler", "exponential")
    offers: Offers = field(default_factory=Offers)
    arrival: Arrival = field(default_factory=Arrival)
    current: Current = field(default_factory=Current)
    voltage: Voltage = field(default_factory=Voltage)
    threshold: Threshold = field(default_factory=Threshold)
    firing: Firing = field(default_factory=Firing)
    reset: Reset = field(default_factory=Reset)
    bias: Bias = field(default_factory=Bias)
    refractory: Refractory = field(default_factory=Refractory)
    weight: Weight = field(default_factory=Weight)
    delay: Delay = field(default_factory=Delay)
    noise: Noise = field(default_factory=Noise)

    def __post_init__(self) -> None:
        for where, got, allowed, fine in _dependent(self):
            if not fine:
                raise TargetError(
                    "this rule does not go with the others",
                    origin=self.name,
                    where=f"target.{where}",
                    got=got,
                    allowed=allowed,
                )

    @property
    def fixed(self) -> bool:
        """Whether the arithmetic is fixed point."""
        return self.number.arithmetic == "fixed"


def _dependent(t: Target) -> Iterator[tuple[str, Any, str, bool]]:
    """(field, value, what is allowed, whether it is) of rules that depend on others."""
    kinds = {"delta", "current"}
    yield "arrival.late", t.arrival.late, "delta, current", kinds.issuperset(t.arrival.late)
    for cell in t.offers.cells:
        fine = CELL_WORDS.issuperset(cell.split())
        yield "offers.cells", cell, "words among " + ", ".join(sorted(CELL_WORDS)), fine
    yield "firing.most", t.firing.most, "1..2**20", 1 <= t.firing.most <= 2**20
    yield "firing.floor", t.firing.floor, "-inf..0", t.firing.floor <= 0
    several = t.firing.most > 1
    plain = (t.threshold.compare, t.reset.timing) == ("ge", "same_step")
    yield (
        "firing.most",
        t.firing.most,
        "1, or compare ge and reset in the same step",
        (plain or not several),
    )
    only = Arrival(decays=t.arrival.decays)
    integers = t.arrival == only and t.reset.timing == "same_step"
    yield (
        "number.arithmetic",
        "fixed",
        "float, for rules of arrival other than decays, or a later reset",
        (integers or not t.fixed),
    )
    once = t.current.overflow == "wrap_once"
    yield (
        "current.overflow",
        "wrap_once",
        "wrap, saturate with arrival.decays or several",
        (not once or (not t.arrival.decays and t.current.several == 1)),
    )
    products = t.fixed and t.neuron.functions == "products"
    yield (
        "neuron.functions",
        "products",
        "linear, for rules of arrival and firing",
        (not products or (t.arrival, t.firing) == (Arrival(), Firing())),
    )
