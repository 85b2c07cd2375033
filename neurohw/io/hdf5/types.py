"""Types and shapes: which elements a dataset has, and how many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neurohw.io.hdf5.source import Broken, Cursor

__all__ = ["Type", "read_shape", "read_type"]

_CLASSES = (
    "integers", "floats", "times", "text", "bit fields", "opaque bytes", "compounds",
    "references", "enumerations", "sequences of variable length", "arrays", "complex numbers",
)  # fmt: skip
# byte size -> (exponent location, exponent size, mantissa location, mantissa size, bias)
_IEEE = {
    2: (10, 5, 0, 10, 15),
    4: (23, 8, 0, 23, 127),
    8: (52, 11, 0, 52, 1023),
}
_ALLOWED = "integers, IEEE floats, booleans and text"


@dataclass(frozen=True)
class Type:
    """Type of an element.

    Attributes
    ----------
    kind : {"number", "bool", "text", "vlen text"}
        "vlen text" is stored as a reference into a global heap.
    size : int
        Bytes of an element as stored.
    dtype : numpy.dtype
        Of the stored bytes; for text ``S<size>``, for vlen text plain bytes.
    """

    kind: Literal["number", "bool", "text", "vlen text"]
    size: int
    dtype: np.dtype


def _order(bits: int) -> str:
    return ">" if bits & 1 else "<"


def _integer(c: Cursor, bits: int, size: int) -> Type:
    offset, precision = c.take(2, 2)
    if size not in (1, 2, 4, 8) or offset or precision != 8 * size or bits & ~0b1001:
        got = f"{precision} bits in {size} bytes"
        raise Broken("unusual integers", got=got, allowed="8, 16, 32 or 64 bits")
    sign = "i" if bits & 8 else "u"
    return Type("number", size, np.dtype(f"{_order(bits)}{sign}{size}"))


def _float(c: Cursor, bits: int, size: int) -> Type:
    offset, precision, *layout, bias = c.take(2, 2, 1, 1, 1, 1, 4)
    plain = not offset and precision == 8 * size and _IEEE.get(size) == (*layout, bias)
    # byte 0: order, padding, and mantissa with an implied leading 1; byte 1: where the sign is
    if not plain or bits & 0xFE != 0x20 or bits >> 8 != 8 * size - 1:
        got = f"{precision} bits in {size} bytes"
        raise Broken("not IEEE floats", got=got, allowed="16, 32 or 64 bits")
    return Type("number", size, np.dtype(f"{_order(bits)}f{size}"))


def _boolean(c: Cursor, bits: int, size: int, version: int, depth: int) -> Type:
    """What h5py makes of bool: an enumeration of FALSE = 0 and TRUE = 1 in one byte."""
    base = read_type(c, depth + 1)
    if bits & 0xFFFF == 2 and base.kind == "number" and base.size == size == 1:
        names = b"FALSE\0TRUE\0" if version >= 3 else b"FALSE\0\0\0TRUE\0\0\0\0"
        if c.raw(len(names)) == names and c.raw(2) == b"\0\1":
            return Type("bool", 1, np.dtype(np.uint8))
    raise Broken("cannot read enumerations", allowed=_ALLOWED)


def read_type(c: Cursor, depth: int = 0) -> Type:
    """The datatype message at the cursor."""
    first, bits, size = c.take(1, 3, 4)
    version, kind = first >> 4, first & 15
    if version not in (1, 2, 3, 4, 5):
        raise Broken("unknown version of a datatype", got=version, allowed="1 to 5")
    if not size:
        raise Broken("elements of no bytes")
    if kind == 0:
        return _integer(c, bits, size)
    if kind == 1:
        return _float(c, bits, size)
    if kind == 3:
        if size >= 2**24:
            raise Broken("text too long", got=f"{size} bytes", allowed="less than 2**24")
        return Type("text", size, np.dtype(f"S{size}"))
    if kind == 8 and not depth:
        return _boolean(c, bits, size, version, depth)
    if kind == 9 and bits & 15 == 1 and size == 16:
        return Type("vlen text", 16, np.dtype("V16"))
    got = _CLASSES[kind] if kind < len(_CLASSES) else f"class {kind}"
    raise Broken(f"cannot read {got}", allowed=_ALLOWED)


def read_shape(c: Cursor) -> tuple[int, ...]:
    """The dataspace message at the cursor; the product of the axes is below 2**63."""
    version, rank, flags = c.take(1, 1, 1)
    if version == 1:
        c.raw(5)
    elif version == 2:
        if c.uint(1) == 2:
            raise Broken("holds nothing (a null dataspace)", allowed="a value or an array")
    else:
        raise Broken("unknown version of a dataspace", got=version, allowed="1 or 2")
    if rank > 32 or flags & ~1:
        raise Broken("unusual dataspace", got=f"{rank} axes, flags {flags}")
    shape = c.take(*[8] * rank)
    if math.prod(shape) >= 2**63:
        raise Broken("too large", got=f"shape {shape}", allowed="less than 2**63 elements")
    return shape
