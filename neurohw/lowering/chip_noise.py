"""Device noise in a chip's step: random words or normal draws in the membrane's integer units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Builder, Int, Value

__all__ = ["ChipNoise", "noise_value"]

Array = np.ndarray


@dataclass(frozen=True)
class ChipNoise:
    """``uniform8``: (r - 128) * 2**(exponent - 7), r of 8 random bits.

    ``additive``: (mantissa * N) >> shift, half to even. ``multiplicative``: (mantissa * N *
    (v + offset)) >> shift. N is a normal draw with 13 fraction bits.
    """

    kind: str
    mantissa: Array | np.integer | int = 0
    shift: int = 0
    exponent: int = 0
    offset: int = 0


def noise_value(b: Builder, n: ChipNoise, v: Value) -> Value:
    """What noise adds in this step; ``v`` is the membrane before it."""
    return _uniform8(b, n.exponent) if n.kind == "uniform8" else _normal(b, n, v)


def _uniform8(b: Builder, exponent: int) -> Value:
    byte = b.shr(b.word("additive"), 24, Int(9), rounding="floor")
    centred = b.sub(byte, b.const(128, Int(9)), Int(9))
    if exponent >= 7:
        return b.shl(centred, exponent - 7, Int(24))
    return b.shr(centred, 7 - exponent, Int(24), rounding="toward_zero")


def _normal(b: Builder, n: ChipNoise, v: Value) -> Value:
    z = b.normal(n.kind)
    if n.kind == "multiplicative":
        z = b.mul(z, b.add(v, b.const(n.offset, Int(27)), Int(28)), Int(46))
    product = b.mul(z, b.value_or_param(f"sigma_{n.kind}", Int(17), n.mantissa), Int(63))
    noise = b.shr(product, n.shift, Int(63), rounding="half_even")
    return b.cast(noise, Int(32), overflow="saturate")
