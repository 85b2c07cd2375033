"""A target: what a chip or a simulator can represent, as data.

A record is one TOML file. The loader checks it field by field; lowering reads it and holds no
chip by name. A new target needs no code where it only recombines rules that exist. A record that
differs from another in a few rules names that one as its ``base`` and holds only those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from neurohw.errors import TargetError

from .registers import Bias, Current, Threshold, Voltage, Weight
from .simulator import CELL_WORDS, Arrival, Firing, Offers
from .size import Energy, Limits

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

    @property
    def shifted(self) -> bool:
        """Whether a membrane variable is another number than V that synapses multiply."""
        return self.origin != "zero" or self.bfloat16


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
class Refractory:
    """A register value R blocks ``R + blocked_offset`` steps; register_max 0 means none exists.

    ``first``: whether a period of k steps blocks the k steps after the spike (``next_step``), or
    counts the step of the spike and blocks k - 1 (``spike_step``). ``rounding``: of a period to
    whole steps, to the ``nearest`` or ``up``.
    """

    register_min: int = 0
    register_max: int = 2**20
    blocked_offset: int = 0
    first: Literal["next_step", "spike_step"] = "next_step"
    rounding: Literal["nearest", "up"] = "nearest"

    @property
    def limits(self) -> tuple[int, int]:
        """Least and most steps that the register can block."""
        low, high = self.register_min + self.blocked_offset, self.register_max + self.blocked_offset
        return max(low, 0), max(high, 0)

    def blocked(self, period: np.ndarray) -> np.ndarray:
        """Of a period in steps, those after the step of the spike."""
        return np.maximum(period - 1, 0) if self.first == "spike_step" else period

    def whole(self, steps: np.ndarray) -> np.ndarray:
        """Rounded to whole steps; up: of what 15 binary fractions hold.

        20 steps may come as 20.000000000001.
        """
        if self.rounding == "up":
            return np.ceil(np.rint(steps * 2**15) / 2**15)
        return np.rint(steps)


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
    limits: Limits = field(default_factory=Limits)
    energy: Energy = field(default_factory=Energy)

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
    sizes = (t.limits.neurons, t.limits.inputs, t.limits.fan_in)
    yield "limits", sizes, "numbers of at least 0", min(sizes) >= 0
    costs = (t.energy.synapse, t.energy.update)
    yield "energy", costs, "joules, at least 0", min(costs) >= 0
    whole = (t.firing.most + 1).bit_count() == 1
    yield "firing.most", t.firing.most, "2**k - 1 on fixed point", whole or not t.fixed
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
    units = (t.voltage.unit > 0, t.current.unit > 0, t.weight.exponent_on == "current")
    yield (
        "voltage.decay",
        t.voltage.decay,
        "closed_form, with units of voltage and current",
        (units == (t.voltage.decay == "closed_form",) * 3),
    )
    closed = t.voltage.decay == "closed_form"
    for name, value, plain in (
        ("share", t.current.share, False),
        ("input_signed", t.current.input_signed, True),
    ):
        yield f"current.{name}", value, f"{plain}, or voltage.decay closed_form", (
            value == plain or closed
        )  # fmt: skip
    products = t.fixed and t.neuron.functions == "products"
    yield (
        "neuron.functions",
        "products",
        "linear, for rules of arrival and firing",
        (not products or (t.arrival, t.firing) == (Arrival(), Firing())),
    )
