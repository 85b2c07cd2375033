"""Brings the fields of a NIR node into one form, or says what is wrong with them.

What is repaired on the way is said in a note; what cannot be is a :class:`FormatError`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.schema import GRAPH, KINDS, MAX_COUNT, MAX_RANK, Field, Kind
from neurohw.network.common import nearest
from neurohw.network.units import Shown

__all__ = ["check"]


# rule -> fewest and most axes, and how that is said
_AXES = {
    "matrix": (2, MAX_RANK, "(out, in), or more axes before these"),
    "kernel1d": (3, 3, "(out, in, x)"),
    "kernel2d": (4, 4, "(out, in, x, y)"),
}


@dataclass
class _Checker:
    """Brings the fields of one node into one form; ``where`` is its path, for errors and notes."""

    where: str
    notes: list[str]

    def fail(self, field: str, what: str, **details: Any) -> FormatError:
        return FormatError(what, where=self.path(field), **details)

    def note(self, field: str, text: str) -> None:
        self.notes.append(f"{self.path(field)}: {text}")

    def path(self, field: str) -> str:
        return f"{self.where}{'' if self.where.endswith('/') else '.'}{field}"

    def array(self, f: Field, value: Any) -> np.ndarray:
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError, TypeError):
            raise self.fail(f.name, "not an array", got=type(value).__name__) from None
        if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
            wanted = "integers or floats of at most 64 bits"
            got = value if isinstance(value, str) else Shown(f"an array of {array.dtype}")
            raise self.fail(f.name, "not numbers", got=got, allowed=wanted)
        if array.ndim > MAX_RANK:
            raise self.fail(f.name, "too many axes", got=array.ndim, allowed=f"up to {MAX_RANK}")
        return array

    def bounded(self, f: Field, array: np.ndarray) -> None:
        for bad, what in (
            (~np.isfinite(array), "finite numbers"),
            (array < f.least if f.least is not None else None, f"at least {f.least}"),
            (array <= f.above if f.above is not None else None, f"greater than {f.above}"),
        ):
            if bad is None or not np.any(bad):
                continue
            flat = int(np.argmax(bad))
            index = np.unravel_index(flat, array.shape)
            at = f" at index {tuple(map(int, index))}" if array.ndim else ""
            raise self.fail(
                f.name, f"out of range{at}", got=array.reshape(-1)[flat].item(), allowed=what
            )

    def real(self, f: Field, value: Any) -> np.ndarray:
        array = self.array(f, value)
        if not array.size:
            raise self.fail(
                f.name, "empty", got=Shown(f"shape {array.shape}"), allowed="some elements"
            )
        exact = array.astype(np.float64, copy=False)
        if array.dtype.kind in "iu" and np.abs(exact).max() >= 2.0**53:
            allowed = "integers below 2**53"
            raise self.fail(f.name, "too large", got=Shown(str(array.dtype)), allowed=allowed)
        self.bounded(f, exact)
        return _frozen(exact)

    def ints(self, f: Field, value: Any) -> tuple[int, ...]:
        array = self.array(f, value)
        if array.size > MAX_RANK or array.ndim > 1:
            got = Shown(f"shape {array.shape}")
            raise self.fail(f.name, "wrong shape", got=got, allowed="an integer or a row of them")
        if array.size and array.dtype.kind not in "iu":
            raise self.fail(f.name, "not integers", got=Shown(f"an array of {array.dtype}"))
        if array.size:
            self.bounded(f, array)
        numbers = tuple(int(x) for x in array.reshape(-1))
        if any(abs(x) > MAX_COUNT for x in numbers):
            got = max(numbers, key=abs)
            raise self.fail(f.name, "too large", got=got, allowed=f"up to {MAX_COUNT}")
        return numbers

    def some(self, f: Field, value: Any, count: int) -> tuple[int, ...]:
        """`count` integers; one integer stands for all of them."""
        numbers = self.ints(f, value)
        if len(numbers) not in (1, count):
            wanted = "one integer" if count == 1 else f"one integer, or {count}"
            raise self.fail(
                f.name, "wrong shape", got=Shown(f"{len(numbers)} integers"), allowed=wanted
            )
        return numbers * count if len(numbers) == 1 else numbers

    def value(self, f: Field, value: Any) -> Any:
        axes = 1 if f.rule == "1d" else 2
        if f.value == "real":
            return self.real(f, value)
        if f.value == "count":
            return self.some(f, value, 1)[0]
        if f.value == "pair":
            return self.some(f, value, 2)
        if f.value == "padding":
            if isinstance(value, str):
                if value in ("same", "valid"):
                    return value
                wanted = "'same', 'valid' or integers"
                raise self.fail(f.name, "unknown padding", got=value, allowed=wanted)
            found = self.some(f, value, axes)
            return found[0] if axes == 1 else found
        if not f.required and not np.all(value):
            self.note(f.name, f"{value} read as unknown")
            return None
        found = self.some(f, value, axes) if f.rule else self.ints(f, value)
        if (size := math.prod(found)) > MAX_COUNT:
            wanted = f"up to {MAX_COUNT} in all"
            raise self.fail(f.name, "too many elements", got=size, allowed=wanted)
        return found

    def shapes(self, kind: Kind, out: dict[str, Any]) -> None:
        """Hold the shapes of a node's arrays against each other; see `Field.rule`."""
        given = [f for f in kind.fields if f.name in out]
        shapes = [out[f.name].shape for f in given if f.rule == "unit"]
        shape = max(shapes, key=math.prod, default=())
        for f in given:
            array = out[f.name]
            if f.rule == "unit":
                out[f.name] = self.fit(f, array, shape, spread=True)
            elif f.rule == "rows":
                out[f.name] = self.fit(f, array, out["weight"].shape[:-1])
            elif f.rule == "channels":
                out[f.name] = self.fit(f, array, out["weight"].shape[:1])
            elif f.rule in _AXES:
                least, most, wanted = _AXES[f.rule]
                if not least <= array.ndim <= most:
                    got = Shown(f"shape {array.shape}")
                    raise self.fail(f.name, "wrong shape", got=got, allowed=wanted)
        if "groups" in out and (channels := out["weight"].shape[0]) % out["groups"]:
            raise self.fail(
                "groups", "does not divide", got=out["groups"], allowed=f"a divisor of {channels}"
            )

    def fit(self, f: Field, array: Any, shape: tuple[int, ...], *, spread: bool = False) -> Any:
        """`array` in this shape, if only axes of length one differ, or one value is spread."""
        if array.shape == shape:
            return array
        bare = tuple(n for n in shape if n != 1)
        if tuple(n for n in array.shape if n != 1) == bare:
            self.note(f.name, f"shape {array.shape} read as {shape}")
            return _frozen(array.reshape(shape))
        if spread and array.size == 1:
            self.note(f.name, f"one value for shape {shape}")
            return _frozen(np.full(shape, array.reshape(()).item()))
        wanted = f"shape {shape}, as the node has" + (", or one value" if spread else "")
        raise self.fail(f.name, "wrong shape", got=Shown(f"shape {array.shape}"), allowed=wanted)


def _frozen(array: np.ndarray) -> np.ndarray:
    """Read-only, row-major, and nobody else's."""
    if array.flags.writeable or array.base is not None or not array.flags.c_contiguous:
        array = np.array(array, order="C")
        array.flags.writeable = False
    return array


def check(
    kind: str, given: Mapping[str, Any], *, where: str = ""
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The fields of a node in their one form, and notes on what was repaired.

    Parameters
    ----------
    kind : str
        Name of the node type, a key of :data:`KINDS`.
    given : mapping
        Field -> value, in any form of the table above. None means left out.
    where : str, optional
        Path of the node, for errors and notes; default: the kind. One that ends with a slash is
        joined to a field as it is, others by a dot.

    Returns
    -------
    fields : mapping
        Read-only, in the order of the row; optional shapes that are unknown are None, other
        optional fields hold their default.
    notes : tuple of str

    Raises
    ------
    FormatError
        If the kind or a field is unknown, or a field is missing, has the wrong type or shape, or
        is out of range.
    """
    where = where or kind
    row = KINDS.get(kind)
    if row is None:
        kinds = (*KINDS, GRAPH)
        alike = {k.lower(): k for k in kinds}
        raise FormatError(
            "unknown node type",
            where=where.rstrip("/"),
            got=kind,
            allowed=", ".join(kinds),
            fix=nearest(alike.get(kind.lower(), kind), kinds),
        )
    checker = _Checker(where, [])
    names = [f.name for f in row.fields]
    for name in given:
        if name not in names:
            raise checker.fail(
                name, f"not a field of {kind}", allowed=", ".join(names), fix=nearest(name, names)
            )
    out: dict[str, Any] = {}
    for f in row.fields:
        value = given.get(f.name)
        if value is not None:
            out[f.name] = checker.value(f, value)
        elif f.required:
            raise checker.fail(f.name, "missing", allowed=f"{kind} has {', '.join(names)}")
    checker.shapes(row, out)
    for f in row.fields:
        if out.get(f.name) is not None:
            continue
        if f.absent and given.get(f.name) is None:
            checker.note(f.name, f"not given: {f.absent}")
        if f.rule == "unit":
            shape = next(out[g.name].shape for g in row.fields if g.rule == "unit" and g.required)
            out[f.name] = _frozen(np.full(shape, float(f.default or 0.0)))
        else:
            out[f.name] = f.default
    return MappingProxyType({name: out[name] for name in names}), tuple(checker.notes)
