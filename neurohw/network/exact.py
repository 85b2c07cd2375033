"""Exact factors of unit expressions, and the small grammar in which they are written.

An expression is a product of unit names with rational exponents, such as ``pA*ms**0.5`` or
``mV/ms``. Only the names are looked up in pint; the arithmetic is decimal, done here. The names
that a network is mostly written in stand in a table, which the tests compare with pint: a program
that uses no others does not spend its first half second on reading pint's definitions.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

__all__ = ["Refused", "Terms", "factor_between", "parse_unit"]

Terms: TypeAlias = list[tuple[str, Fraction]]
_TERM = re.compile(
    r"(?P<op>\s*[*/·]\s*|\s+)?(?P<name>[^\W\d]\w*|%)"
    r"(?:\s*(?:\*\*|\^)\s*(?P<power>-?[0-9]+(?:\.[0-9]+)?|\(\s*-?[0-9]+\s*/\s*[1-9][0-9]*\s*\)))?"
)


_PREFIXES = {
    "f": -15, "p": -12, "n": -9, "u": -6, "\N{MICRO SIGN}": -6, "\N{GREEK SMALL LETTER MU}": -6,
    "m": -3, "": 0, "k": 3, "M": 6, "G": 9,
}  # fmt: skip
_AXES = ("kilogram", "meter", "second", "ampere")
_UNITS = {
    "V": (1, 2, -3, -1), "A": (0, 0, 0, 1), "F": (-1, -2, 4, 2), "S": (-1, -2, 3, 2),
    "ohm": (1, 2, -3, -2), "Hz": (0, 0, -1, 0), "s": (0, 0, 1, 0),
}  # fmt: skip
KNOWN = {
    prefix + unit: (
        Decimal((0, (1,), power)),
        tuple((axis, Fraction(k)) for axis, k in zip(_AXES, powers, strict=True) if k),
    )
    for unit, powers in _UNITS.items()
    for prefix, power in _PREFIXES.items()
}
"""Factor and base dimensions of common units, as pint gives them."""


class Refused(Exception):
    """Carries what and got to the one place that raises UnitError."""

    def __init__(self, what: str, got: str) -> None:
        super().__init__(what)
        self.what, self.got = what, got


@lru_cache(maxsize=1)
def _exact_registry() -> Any:
    import pint

    return pint.UnitRegistry(non_int_type=Decimal)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _named(name: str) -> tuple[Decimal, tuple[tuple[str, Fraction], ...]]:
    """Exact SI factor and base dimensions of one unit name."""
    return KNOWN[name] if name in KNOWN else looked_up(name)


def looked_up(name: str) -> tuple[Decimal, tuple[tuple[str, Fraction], ...]]:
    """The same, from pint."""
    registry = _exact_registry()
    try:
        factor, base = registry.get_base_units("percent" if name == "%" else name)
    except Exception as error:  # pint raises many kinds; all mean that it does not know the name
        raise Refused(f"unknown unit {name!r}", "") from error
    dims = tuple((str(unit), Fraction(power)) for unit, power in base._units.items())
    return Decimal(factor), dims


def parse_unit(text: str) -> Terms:
    """``"pA*ms**0.5"`` to ``[("pA", 1), ("ms", 1/2)]``; a tiny grammar, evaluated by nobody."""
    rest, found = text.strip(), list[tuple[str, Fraction]]()
    if re.match(r"1\s*/", rest):
        rest = rest[1:].lstrip()
    elif rest.startswith("/"):
        raise Refused("malformed unit", repr(text))
    position = 0
    while position < len(rest):
        match = _TERM.match(rest, position)
        operator = (match["op"] or "").strip() if match else ""
        joined = bool(match and match["op"]) or position == 0
        if match is None or not joined or (position == 0 and operator in ("*", "·")):
            raise Refused("malformed unit", repr(text))
        power = Fraction(re.sub(r"[()\s]", "", match["power"] or "1"))
        if abs(power) > 10 or power.denominator > 10:
            raise Refused("malformed unit: exponent out of range", repr(text))
        found.append((match["name"], -power if operator == "/" else power))
        position = match.end()
    return found


def _power(base: Decimal, exponent: Fraction) -> Decimal:
    whole = base**exponent.numerator
    if exponent.denominator == 1:
        return whole
    if exponent.denominator == 2:
        return whole.sqrt()
    return whole ** (Decimal(1) / exponent.denominator)


@lru_cache(maxsize=1024)
def _scale(terms: tuple[tuple[str, Fraction], ...]) -> tuple[Decimal, dict[str, Fraction]]:
    factor, dims = Decimal(1), dict[str, Fraction]()
    for name, power in terms:
        one, base = _named(name)
        factor *= _power(one, power)
        for unit, exponent in base:
            dims[unit] = dims.get(unit, Fraction(0)) + exponent * power
    return factor, {unit: exponent for unit, exponent in dims.items() if exponent}


def factor_between(terms: Terms, unit: str, got: str) -> Decimal:
    """Exact factor from ``terms`` to ``unit``; refuses when the dimensions differ."""
    factor, dims = _scale(tuple(terms))
    target, wanted = _scale(tuple(parse_unit(unit)))
    if dims != wanted:
        raise Refused("wrong unit" if terms else "unit is missing", got)
    return factor / target
