"""A target: what a chip or a simulator can represent, as data.

A record is one TOML file. The loader checks it field by field; lowering reads it and holds no
chip by name. A new target needs no code where it only recombines rules that exist.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from neurohw.errors import TargetError

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
    "load_target",
    "target_names",
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


@dataclass(frozen=True, kw_only=True)
class Voltage:
    """The membrane variable ``v``: clipped to +-(2**(bits-1) - 1) on fixed-point targets.

    On those with ``products`` it saturates at the ends of its word, as every state does.

    ``drive_bits``: current plus bias plus noise wraps (two's complement) in so many bits before
    it is added to the decayed ``v``; ``sum_bits``: the sums wrap in so many bits. 64: no limit.
    """

    bits: int = 24
    decay_max: int = 4096
    sum_bits: int = 64
    drive_bits: int = 64


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A spike is ``v compare threshold``; on fixed point the threshold is mantissa << shift."""

    compare: Literal["gt", "ge"] = "ge"
    mantissa_bits: int = 17
    shift: int = 6


@dataclass(frozen=True, kw_only=True)
class Reset:
    """``timing = next_step`` resets at the start of the step after the spike.

    ``zero_after_input`` lists the kinds of neuron (``delta`` or ``current``, by their synapses)
    whose reset to zero also discards the input of that step.
    """

    kinds: tuple[str, ...] = ("to", "subtract", "none")
    timing: Literal["same_step", "next_step"] = "same_step"
    zero_after_input: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bias:
    """Constant current: mantissa (signed) << exponent."""

    mantissa_bits: int = 13
    exponent_max: int = 7


@dataclass(frozen=True, kw_only=True)
class Refractory:
    """A register value R blocks ``R + blocked_offset`` steps; register_max 0 means none exists."""

    register_min: int = 0
    register_max: int = 2**20
    blocked_offset: int = 0


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
    current: Current = field(default_factory=Current)
    voltage: Voltage = field(default_factory=Voltage)
    threshold: Threshold = field(default_factory=Threshold)
    reset: Reset = field(default_factory=Reset)
    bias: Bias = field(default_factory=Bias)
    refractory: Refractory = field(default_factory=Refractory)
    weight: Weight = field(default_factory=Weight)
    delay: Delay = field(default_factory=Delay)
    noise: Noise = field(default_factory=Noise)

    @property
    def fixed(self) -> bool:
        """Whether the arithmetic is fixed point."""
        return self.number.arithmetic == "fixed"


def _read(cls: type, table: Mapping[str, Any], where: str, origin: str) -> Any:
    """Build dataclass ``cls`` from a TOML table, checking every field."""
    hints = get_type_hints(cls)
    for key in table:
        if key not in hints:
            near = difflib.get_close_matches(key, hints, n=1)
            raise TargetError(
                "unknown field",
                origin=origin,
                where=where,
                got=key,
                allowed=", ".join(hints),
                fix=f"did you mean {near[0]}?" if near else "",
            )
    values: dict[str, Any] = {}
    for f in dataclasses.fields(cls):
        if f.name not in table:
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
                raise TargetError("missing field", origin=origin, where=f"{where}.{f.name}")
            continue
        values[f.name] = _value(hints[f.name], table[f.name], f"{where}.{f.name}", origin)
    return cls(**values)


def _value(hint: Any, value: Any, where: str, origin: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise TargetError("table expected", origin=origin, where=where, got=value)
        return _read(hint, value, where, origin)  # type: ignore[arg-type]
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise TargetError(
                "unknown rule",
                origin=origin,
                where=where,
                got=value,
                allowed=", ".join(map(str, get_args(hint))),
            )
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise TargetError("list of strings expected", origin=origin, where=where, got=value)
        return tuple(value)
    plain = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain):
        raise TargetError(
            "wrong type",
            origin=origin,
            where=where,
            got=value,
            allowed=" or ".join(p.__name__ for p in plain),
        )
    return value


def target_names() -> list[str]:
    """Names of the built-in records."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in files("neurohw.targets").iterdir()
        if p.name.endswith(".toml")
    )


@lru_cache(maxsize=64)
def load_target(name: str | os.PathLike[str]) -> Target:
    """A built-in record by name, or one's own by the path of its ``.toml`` file.

    Raises
    ------
    TargetError
        For an unknown name, or a record that breaks a rule, naming the field.
    """
    text = str(name)
    if text.endswith(".toml"):
        path = Path(text)
        origin = text
    else:
        if text not in target_names():
            near = difflib.get_close_matches(text, target_names(), n=1)
            raise TargetError(
                "unknown target",
                got=text,
                allowed=", ".join(target_names()),
                fix=f"did you mean {near[0]}?" if near else "",
            )
        path = Path(str(files("neurohw.targets") / f"{text}.toml"))
        origin = path.name
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TargetError("cannot read the record", origin=origin, got=str(error)) from error
    return _read(Target, table, "target", origin)
