"""Number types of a program: ``bool``, integers of an enforced width, IEEE floats.

An integer type is a *range*; how an operation behaves when its exact result leaves the range
(wrap, saturate, trap) is a mode of the operation and not of the type.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from neurohw.errors import ProgramError

__all__ = ["BOOL", "F32", "F64", "Bool", "DType", "Float", "Int", "parse_dtype"]


@dataclass(frozen=True, slots=True)
class Bool:
    """One bit: a spike, or the outcome of a comparison."""

    def __str__(self) -> str:
        return "bool"

    @property
    def lo(self) -> int:
        return 0

    @property
    def hi(self) -> int:
        return 1

    @property
    def storage(self) -> np.dtype:
        """NumPy type of such values at every boundary of the system."""
        return np.dtype(np.bool_)


@dataclass(frozen=True, slots=True)
class Int:
    """Integer of ``bits`` bits, 1..64 signed (two's complement range) or 1..63 unsigned."""

    bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        top = 64 if self.signed else 63
        if not 1 <= self.bits <= top:
            raise ProgramError(
                "integer width out of range", got=self.bits, allowed=f"1..{top} bits"
            )

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"

    @property
    def lo(self) -> int:
        """Smallest value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest value."""
        return (1 << (self.bits - int(self.signed))) - 1

    @property
    def storage(self) -> np.dtype:
        """``int32`` where every value fits, else ``int64``."""
        narrow = self.lo >= -(2**31) and self.hi < 2**31
        return np.dtype(np.int32 if narrow else np.int64)


@dataclass(frozen=True, slots=True)
class Float:
    """IEEE 754 binary32 or binary64, round to nearest even, never contracted."""

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in (32, 64):
            raise ProgramError("float width", got=self.bits, allowed="32 or 64")

    def __str__(self) -> str:
        return f"f{self.bits}"

    @property
    def storage(self) -> np.dtype:
        return np.dtype(np.float32 if self.bits == 32 else np.float64)


DType = Bool | Int | Float
BOOL, F32, F64 = Bool(), Float(32), Float(64)
_PATTERN = re.compile(r"([iuf])(\d{1,2})")


@lru_cache(maxsize=256)
def parse_dtype(text: str) -> DType:
    """Read a type as printed: ``bool``, ``i24``, ``u12``, ``f32``.

    Raises
    ------
    ProgramError
        For any other text.
    """
    if text == "bool":
        return BOOL
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ProgramError("unknown type", got=text, allowed="bool, iN, uN, f32, f64")
    kind, bits = match[1], int(match[2])
    return Float(bits) if kind == "f" else Int(bits, kind == "i")
