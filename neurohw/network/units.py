"""Physical units: one door from what a user writes to SI floats, and back.

``from neurohw.network.units import ms, mV, nS`` gives pint units; pint itself is imported on first
use only. Conversion is decimal-exact: a number is read as the decimal it was written as, scaled by
the exact factor of its unit and rounded once, so ``"0.1 ms"`` is exactly ``0.0001`` (the float
product ``0.1 * 0.001`` is not).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neurohw.errors import UnitError
from neurohw.network.exact import Refused, Terms, factor_between, parse_unit

__all__ = ["FloatArray", "Quantity", "Scaled", "Shown", "Value", "brief", "format_si", "to_si"]

FloatArray: TypeAlias = NDArray[np.float64]
Quantity: TypeAlias = Any
"""What a user may write: a pint quantity, ``"30 ms"``, a number or array in SI, or a list."""
Value: TypeAlias = float | FloatArray
"""What is stored: an SI float, or a read-only float64 array of them."""

_DIGITS = Context(prec=80)
_LONGEST = 200
_NUMBER = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(.*)", re.S)
_EXAMPLES = {
    "s": "30 ms",
    "V": "-70 mV",
    "A": "10 pA",
    "F": "500 pF",
    "S": "16.7 nS",
    "ohm": "60 Mohm",
    "Hz": "50 Hz",
    "A*s**0.5": "0.2 pA*ms**0.5",
    "S*s**0.5": "0.1 nS*ms**0.5",
}
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def __getattr__(name: str) -> Any:
    """Units by name, such as ``ms`` or ``Mohm``, from pint's application registry."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pint

    unit = getattr(pint.get_application_registry(), name)  # an AttributeError for unknown names
    if not isinstance(unit, pint.Unit):
        raise AttributeError(f"{name!r} is not a unit")
    return unit


@dataclass(frozen=True)
class Scaled:
    """Numbers with the text of their unit; :func:`to_si` reads it like a pint quantity."""

    magnitude: Any
    unit: str

    def unit_items(self) -> Terms:
        """Names and exponents of the unit."""
        if not isinstance(self.unit, str):
            raise Refused("not a unit", brief(self.unit))
        return parse_unit(self.unit)

    def __str__(self) -> str:
        return f"numbers in {self.unit}"


class Shown(str):
    """Text that an error message shows as it is, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _times(number: Any, factor: Decimal) -> float:
    if isinstance(number, Fraction):
        exact = Decimal(number.numerator) / Decimal(number.denominator)
    elif isinstance(number, Decimal | int):
        exact = Decimal(number)
    else:
        exact = Decimal(repr(float(number)))
    return float(exact * factor)


def _numbers(value: Any, factor: Decimal) -> Value:
    """Scale a bare number or numeric array, rounding each element once."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.dtype.kind not in "iuf":
            raise Refused(f"not a number: an array of {value.dtype}", f"shape {value.shape}")
        array = value.astype(np.float64)
        if factor == 1:
            return array
        distinct, inverse = np.unique(array, return_inverse=True)
        scaled = np.array([_times(x, factor) for x in distinct.tolist()], dtype=np.float64)
        return scaled[inverse].reshape(array.shape)
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        raise Refused("not a quantity", brief(value))
    return _times(value, factor)


def _plain(value: Any) -> bool:
    """Whether a (nested) list holds bare numbers only."""
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _list(value: Iterable[Any], convert: Callable[[Any], Value]) -> FloatArray:
    try:
        if _plain(value):
            return np.array(value, dtype=np.float64)
        return np.array([convert(item) for item in value], dtype=np.float64)
    except (ValueError, OverflowError) as error:
        raise Refused("rows of unequal length", brief(value)) from error


def _convert(value: Any, unit: str) -> Value:
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value) if len(value) <= _LONGEST else None
        if match is None:
            raise Refused("not a quantity", brief(value))
        return _times(Decimal(match[1]), factor_between(parse_unit(match[2]), unit, repr(value)))
    if hasattr(value, "magnitude") and hasattr(value, "unit_items"):
        terms = [(str(name), Fraction(str(power))) for name, power in value.unit_items()]
        magnitude = value.magnitude
        if isinstance(magnitude, list | tuple):
            magnitude = np.array(magnitude)
        return _numbers(magnitude, factor_between(terms, unit, brief(value)))
    if isinstance(value, list | tuple):
        return _list(value, lambda item: _convert(item, unit))
    if isinstance(value, np.ndarray) and value.dtype.kind in "OU":
        return _convert(value.tolist(), unit)
    if hasattr(value, "__array__") and not isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value)
    return _numbers(value, Decimal(1))


def brief(value: Any) -> str:
    """One line that shows a value."""
    if isinstance(value, str):
        return repr(value)
    return " ".join(str(value).split()) or type(value).__name__


def to_si(value: Quantity, unit: str, *, where: str = "", origin: str = "") -> Value:
    """Convert anything a user may write to SI.

    Parameters
    ----------
    value : Quantity
        A pint quantity of any registry, a string such as ``"30 ms"`` or ``"0.2 pA*ms**0.5"``, a
        bare number or array (already SI), or a (nested) list of these.
    unit : str
        The SI unit wanted: ``"V"``, ``"A"``, ``"F"``, ``"S"``, ``"ohm"``, ``"s"``, ``"Hz"``,
        ``"A*s**0.5"``, ``"S*s**0.5"``, or ``""`` for a pure number.
    where : str, optional
        ``population.field``, for the error.
    origin : str, optional
        ``file:line``, for the error.

    Returns
    -------
    float or numpy.ndarray
        A float for one number, else a read-only float64 array; correctly rounded.

    Raises
    ------
    UnitError
        The dimension is wrong, the unit is unknown or missing, or a number is NaN or infinite.
    """
    try:
        with localcontext(_DIGITS):
            number = _convert(value, unit)
    except (Refused, ArithmeticError, RecursionError) as error:
        known = isinstance(error, Refused)
        what, got = (error.what, error.got) if known else ("not a quantity", "")
        allowed = f"{unit or 'a pure number'}"
        if unit in _EXAMPLES:
            allowed = f"a quantity in {unit}, such as {_EXAMPLES[unit]!r}, or a bare SI number"
        shown = Shown(got or brief(value))
        raise UnitError(what, where=where, got=shown, allowed=allowed, origin=origin) from None
    if not isinstance(number, np.ndarray):
        if not np.isfinite(number):
            raise UnitError(
                "not finite", where=where, got=Shown(brief(value)), origin=origin,
                allowed=f"a finite quantity in {unit or '1'}",
            )  # fmt: skip
        return number
    bad = ~np.isfinite(number)
    if bad.any():
        index: tuple[int, ...] = tuple(np.argwhere(bad)[0].tolist())
        raise UnitError(
            f"not finite at index {index if number.ndim > 1 else index[-1]}", where=where,
            got=float(number[index]), allowed=f"finite quantities in {unit or '1'}",
            origin=origin,
        )  # fmt: skip
    number.flags.writeable = False
    return number


def format_si(value: Value, unit: str) -> str:
    """Write an SI value with an engineering prefix: ``format_si(0.03, "s") == "30 ms"``.

    The text converts back to exactly the same float. An array is written as its range.

    Parameters
    ----------
    value : float or numpy.ndarray
        SI value.
    unit : str
        SI unit, as in :func:`to_si`; the prefix goes to its first factor.

    Returns
    -------
    str
        For example ``"16.7 nS"``, ``"0 V"`` or ``"10 ms .. 20 ms (5 values)"``.
    """
    if isinstance(value, np.ndarray) and value.ndim:
        if not value.size:
            return "no values"
        low, high = format_si(float(value.min()), unit), format_si(float(value.max()), unit)
        return f"{low} .. {high} ({value.size} values)"
    number = Decimal(repr(float(value)))
    if not unit or not number.is_finite() or not number:
        return f"{float(value):g} {unit}".strip() if not number else f"{value!r} {unit}".strip()
    exponent = 3 * (number.adjusted() // 3)
    exponent = max(-15, min(0 if unit == "s" else 9, exponent))
    mantissa = number.scaleb(-exponent).normalize()
    text = format(mantissa, "f") if -6 < mantissa.adjusted() < 6 else str(mantissa)
    return f"{text} {_PREFIXES[exponent]}{unit}"
