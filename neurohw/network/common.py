"""What every part of a network shares: where it was made, how it is validated, when it is equal."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn, Self

import numpy as np

from neurohw.errors import NetworkError, NeurohwError, UnitError
from neurohw.network.units import Quantity, Shown, Value, brief, format_si, to_si

__all__ = ["Ask", "Origin", "Part", "any_weight", "frozen", "here", "nearest", "same"]


@dataclass(frozen=True)
class Origin:
    """Where an object was made, so that an error found later can still point there.

    Attributes
    ----------
    place : str
        ``file:line`` of the Python call or of the TOML table.
    keys : Mapping[str, str]
        For TOML: ``file:line`` of each key of the table.
    owner : str
        Qualified name of the object if it was known when it was made, else empty.
    """

    place: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""

    def at(self, key: str) -> str:
        """``file:line`` of one key, or of the object if the key has no line of its own."""
        return self.keys.get(key, self.place)


def here() -> Origin:
    """Origin of the nearest calling frame outside neurohw."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != "neurohw":
            break
        frame = frame.f_back
    return Origin(f"{frame.f_code.co_filename}:{frame.f_lineno}")


def nearest(name: str, options: Iterable[str]) -> str:
    """``"did you mean 'x'?"`` for a misspelt name, or an empty string."""
    found = difflib.get_close_matches(name, list(options), n=1, cutoff=0.5)
    return f"did you mean {found[0]!r}?" if found else ""


def same(left: object, right: object) -> bool:
    """Equality that treats a scalar and an array of that scalar as the same quantity."""
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        if not all(isinstance(x, np.ndarray | float | int) for x in (left, right)):
            return False
        a, b = np.asarray(left), np.asarray(right)
        return (a.shape == b.shape or not a.ndim or not b.ndim) and bool(np.all(a == b))
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


@dataclass(frozen=True)
class Ask:
    """Reads the fields of one object; every refusal names owner, field and origin."""

    owner: str
    origin: Origin

    def error(self, key: str, what: str, **details: Any) -> NoReturn:
        """Raise the NetworkError for one field; ``details`` as for NeurohwError."""
        kind: type[NeurohwError] = details.pop("kind", NetworkError)
        where = ".".join(filter(None, (self.owner, key)))
        raise kind(what, where=where, origin=self.origin.at(key), **details)

    def si(
        self,
        key: str,
        value: Quantity,
        unit: str,
        *,
        size: int | None = None,
        above: float | None = None,
        least: float | None = None,
    ) -> Value:
        """A quantity in SI: a float, or an array of length ``size`` where that is given."""
        number = to_si(value, unit, where=f"{self.owner}.{key}", origin=self.origin.at(key))
        if isinstance(number, np.ndarray):
            if size is None:
                self.error(key, "must be one value", got=Shown(f"shape {number.shape}"))
            if number.shape != (size,):
                self.error(
                    key,
                    "wrong shape",
                    got=Shown(f"shape {number.shape}"),
                    allowed=f"one value, or one per neuron: shape ({size},)",
                )
        for limit, bad, text in (
            (above, np.less_equal, "greater than"),
            (least, np.less, "at least"),
        ):
            if limit is not None and (out := np.atleast_1d(bad(number, limit))).any():
                index = int(np.argmax(out))
                self.error(
                    key,
                    "out of range" + (f" at index {index}" if np.ndim(number) else ""),
                    got=Shown(format_si(float(np.atleast_1d(number)[index]), unit)),
                    allowed=f"{text} {format_si(limit, unit)}",
                )
        return number

    def one(self, key: str, value: Quantity, unit: str, **limits: Any) -> float:
        """Like :meth:`si`, one value only."""
        number = self.si(key, value, unit, **limits)
        return float(number)

    def count(self, key: str, value: Any, *, least: int = 0, most: int | None = None) -> int:
        """An integer within bounds."""
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            self.error(key, "must be an integer", got=Shown(brief(value)))
        if value < least or (most is not None and value > most):
            upper = f" and at most {most}" if most is not None else ""
            self.error(key, "out of range", got=int(value), allowed=f"at least {least}{upper}")
        return int(value)

    def choice(self, key: str, value: Any, options: Iterable[str]) -> str:
        """One of a few words."""
        allowed = list(options)
        if not isinstance(value, str) or value not in allowed:
            self.error(
                key,
                "unknown value",
                got=Shown(brief(value)),
                allowed=" | ".join(allowed),
                fix=nearest(value, allowed) if isinstance(value, str) else "",
            )
        return value

    def integers(self, key: str, value: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
        """A read-only int64 array of any shape, every element at least 0."""
        try:
            array = np.asarray(value)
        except (ValueError, OverflowError):
            self.error(key, "must be a list of integers", got=Shown(brief(value)))
        if array.size and array.dtype.kind not in "iu":
            self.error(key, "must be integers", got=Shown(f"an array of {array.dtype}"))
        if array.size and (array.min() < 0 or array.max() > 2**62):
            self.error(key, "out of range", got=int(array.min()), allowed="integers, at least 0")
        array = array.astype(np.int64)
        array.flags.writeable = False
        return array


class Part:
    """Base of the frozen descriptions; holds equality and how to build an equal object again."""

    origin: Origin

    def _ask(self, origin: Origin | None) -> Ask:
        found = origin or here()
        object.__setattr__(self, "origin", found)
        return Ask(found.owner or type(self).__name__, found)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def arguments(self) -> dict[str, Any]:
        """Constructor keywords, SI values, that build an equal object."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # type: ignore[arg-type]

    def replace(self, **changes: Any) -> Self:
        """A copy with some constructor arguments changed."""
        return type(self)(**{**self.arguments(), "origin": here(), **changes})

    def __eq__(self, other: object) -> bool:
        """Whether both describe the same thing; origins do not count."""
        if type(self) is not type(other):
            return NotImplemented
        names = [f.name for f in fields(self) if f.compare]  # type: ignore[arg-type]
        return all(same(getattr(self, n), getattr(other, n)) for n in names)

    __hash__ = None  # type: ignore[assignment]


def _fixed(array: np.ndarray) -> bool:
    """Whether neither the array nor what it is a view of can be written to."""
    base: Any = array
    while isinstance(base, np.ndarray):
        if base.flags.writeable:
            return False
        base = base.base
    return base is None


def frozen(array: Any, dtype: Any = np.float64) -> Any:
    """A read-only copy, or the array itself where nothing can write to it."""
    if isinstance(array, np.ndarray):
        if array.size > 1 and not any(array.strides):  # one value, repeated
            return np.broadcast_to(frozen(array.flat[0], dtype), array.shape)
        if array.dtype == dtype and _fixed(array):
            return array
    copy = np.array(array, dtype=dtype)
    copy.flags.writeable = False
    return copy


def any_weight(ask: Ask, key: str, weight: Quantity) -> tuple[Value, str]:
    """A weight of any synapse in SI, and its unit: V, A, S, or "" for bare numbers."""
    where, place = f"{ask.owner}.{key}", ask.origin.at(key)
    for unit in ("", "V", "A", "S"):
        try:
            return to_si(weight, unit, where=where, origin=place), unit
        except UnitError:
            pass
    ask.error(key, "not a weight", got=Shown(brief(weight)), kind=UnitError,
              allowed="a finite quantity in V, A or S, such as '0.1 mV', or a bare SI number",
              )  # fmt: skip
