"""Integers for polynomials: the arithmetic of a chip whose neurons are programmed.

A word is an integer n that stands for ``n * 2**exponent * factor``. The exponent is known when a
step is lowered and costs nothing. The factor is a product of constants of the model, such as
``dt / C``, that is still to be multiplied: several in a row are one. Four rules make a program of
a polynomial, with ``bits`` the width of a word:

============ =======================================================================================
product      the exact product of two words, shifted back into a word
factor       ``n * mantissa >> shift``, the mantissa a word; a power of two is a shift alone
sum          both words are brought to the finer of their two exponents, or to a coarser one where
             that is needed for each to stay a word; the exact sum is shifted back into a word
constant     in a sum: the nearest whole number of units of its partner
============ =======================================================================================

Every shift to the right rounds as the target's record says. The interval of each value is known
(it is the one ``verify`` finds), and the shifts follow from it: no intermediate result overflows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurohw.errors import LoweringError
from neurohw.program import Builder, Int, Node, Value
from neurohw.program.intervals import Interval, exact_interval
from neurohw.targets.record import Functions

from .algebra import COMPARE, Const, Expr, Leaf, Op, show
from .programmable_numbers import (
    ONE,
    Word,
    largest,
    mantissa_of,
    shown,
    terms,
    times,
    width,
)
from .report import Log, worst

__all__ = ["Words"]

Known = tuple[Value, Interval]


class Words:
    """Turns expressions into integer nodes of one population, each once.

    ``units`` maps what reports call a constant to its unit.
    """

    def __init__(self, b: Builder, rule: Functions, log: Log, units: Mapping[str, str]) -> None:
        self.b, self.log, self.units = b, log, units
        self.bits, self.rounding = rule.bits, rule.rounding
        self._words: dict[int, tuple[Expr, Word]] = {}
        self._settled: dict[tuple[int, int], tuple[Word, Known, bool]] = {}
        self._numbers: dict[tuple[Any, ...], Known] = {}

    # expressions ---------------------------------------------------------------------------------

    def word(self, e: Expr) -> Word:
        """The word of an expression that is not constant."""
        if id(e) not in self._words:
            self._words[id(e)] = (e, self._word(e))  # keeping e keeps its id
        return self._words[id(e)][1]

    def _word(self, e: Expr) -> Word:
        if isinstance(e, Leaf):
            assert e.value is not None and isinstance(e.value.dtype, Int)
            m, exponent = math.frexp(e.unit)
            factor = ONE if m == 0.5 else Const(np.float64(2 * m), f"unit of {e.name}")
            return Word(e.value, (e.value.dtype.lo, e.value.dtype.hi), exponent - 1, factor, e.name)
        assert isinstance(e, Op)
        a, b = e.args[0], e.args[-1]
        if e.op == "neg" or (e.op == "sub" and isinstance(a, Const) and not np.any(a.data)):
            x = self.word(b)
            return replace(x, text=show(e), minus=not x.minus)
        if e.op == "mul":
            if isinstance(a, Const):
                return replace(times(a, self.word(b)), text=show(e))
            x, y = self.word(a), self.word(b)
            exact = self._op("mul", (x.node, x.span), (y.node, y.span))
            out = self._short(exact, x.exponent + y.exponent, e, x.minus != y.minus)
            return times(x.factor, times(y.factor, out))
        if e.op in ("add", "sub"):
            return self._sum(e)
        exponent, parts = self._meet(*e.args[-2:])
        both = [self._op("neg", p) if minus else p for p, minus in parts]
        if e.op == "select":
            span = min(s[0] for _, s in both), max(s[1] for _, s in both)
            wide = [self.b.cast(v, Int(width(span))) for v, _ in both]
            exact = self.b.select(self.truth(a), *wide), span
        else:
            exact = self._op(e.op, *both)  # min, max
        return self._short(exact, exponent, e)

    def truth(self, e: Expr) -> Value:
        """The bool of a comparison."""
        if not (isinstance(e, Op) and e.op in COMPARE):
            raise ValueError("a condition that differs from neuron to neuron is not constant")
        _, parts = self._meet(*e.args)
        return self.b.compare(e.op, *((self._op("neg", p) if m else p)[0] for p, m in parts))

    def total(self, e: Expr, exponent: int) -> Known:
        """The exact sum, in units of ``2**exponent``, of the terms of an expression.

        Each term is rounded to a whole number of units first.
        """
        parts = sorted(terms(e), key=lambda t: t[1])  # begin with one that is not subtracted
        out: Known | None = None
        for x, minus in parts:
            if isinstance(x, Const):
                part, flip = self.number(x, exponent), False
            else:
                part, flip = self.settle(self.word(x), exponent)
            if out is None:
                out = self._op("neg", part) if minus != flip else part
            else:
                out = self._op("sub" if minus != flip else "add", out, part)
        assert out is not None
        if len(parts) == 1:  # a node of its own, which can be given a name
            out = self.b.cast(out[0], Int(width(out[1]))), out[1]
        return out

    # rules ---------------------------------------------------------------------------------------

    def _sum(self, e: Op) -> Word:
        exponent, ((a, minus_a), (b, minus_b)) = self._meet(*e.args)
        minus_b ^= e.op == "sub"
        if minus_a == minus_b:
            exact = self._op("add", a, b)
        else:
            exact = self._op("sub", b, a) if minus_a else self._op("sub", a, b)
        return self._short(exact, exponent, e, minus_a and minus_b)

    def _meet(self, *parts: Expr) -> tuple[int, list[tuple[Known, bool]]]:
        """Two expressions in one exponent; the bools say which of them has the other sign."""
        words = [None if isinstance(x, Const) else self.word(x) for x in parts]
        exponent = min(w.finest for w in words if w is not None)
        for x, w in zip(parts, words, strict=True):
            size = w.magnitude if w else largest(x.data)  # type: ignore[attr-defined]
            while size > math.ldexp(1, exponent + self.bits - 1):
                exponent += 1
        return exponent, [
            (self.number(x, exponent), False) if w is None else self.settle(w, exponent)  # type: ignore[arg-type]
            for x, w in zip(parts, words, strict=True)
        ]

    def settle(self, x: Word, exponent: int) -> tuple[Known, bool]:
        """The word in units of ``2**exponent``; True if that has the other sign."""
        key = id(x), exponent
        if key not in self._settled:
            self._settled[key] = (x, *self._settle(x, exponent))
        return self._settled[key][1:]

    def _settle(self, x: Word, exponent: int) -> tuple[Known, bool]:
        f = np.asarray(x.factor.data)
        minus = f.ndim == 0 and float(f) < 0
        mantissa, shift = mantissa_of(-f if minus else f, self.bits)
        by = shift + exponent - x.exponent
        out: Known = x.node, x.span
        if np.any(mantissa != 1):
            out = self._op("mul", out, self._integers(mantissa))
        if by > 62:  # nothing is left of a product of two words
            out = self.b.const(0, Int(2)), (0, 0)
        elif by:
            out = self._shift(out, by) if by > 0 else self._op("shl", out, by=-by)
        if np.any(np.abs(f) != 1):
            realised = mantissa * 2.0**-shift * (-1 if minus else 1)
            to = f">> {by}" if by >= 0 else f"<< {-by}"
            self._row(x.factor, f, realised, f"mantissa {shown(mantissa)} {to}")
        had, has = width(x.span), width(out[1])
        if 2 * has < had:
            kept = f"keeps at most {has} of {had} bits" if any(out[1]) else "rounds to zero"
            self._warn(f"{x.text} {kept} in units of {math.ldexp(1, exponent):.3g}")
        if np.any((mantissa == 0) & (f != 0)):
            self._warn(f"{show(x.factor)} rounds to zero in some neurons")
        return out, minus != x.minus

    def number(self, c: Const, exponent: int, dtype: Int | None = None) -> Known:
        """A constant in units of ``2**exponent``; in its narrowest type, or in a given one."""
        asked = np.asarray(c.data, np.float64)
        self._checked((0, math.ceil(math.ldexp(largest(asked), -exponent))))
        whole = np.rint(np.ldexp(asked, -exponent)).astype(np.int64)
        realised = np.ldexp(whole.astype(np.float64), exponent)
        self._row(c, asked, realised, f"{shown(whole)} units of 2**{exponent}")
        error = np.abs(realised - asked) / np.where(asked == 0, 1, np.abs(asked))
        if np.any((whole == 0) & (asked != 0)):
            self._warn(f"{show(c)} rounds to zero")
        elif error.max() > 2.0 ** -(self.bits // 2):
            self._warn(f"{show(c)} is held with an error of {100 * error.max():.2g} %")
        return self._integers(whole, dtype)

    # nodes ---------------------------------------------------------------------------------------

    def _op(self, op: str, *parts: Known, **attrs: Any) -> Known:
        """A node that holds its exact result."""
        span = exact_interval(
            Node(op, Int(64), (), attrs), [v.dtype for v, _ in parts], [s for _, s in parts]
        )
        return self.b.op(op, Int(self._checked(span)), *(v for v, _ in parts), **attrs), span

    def _checked(self, span: Interval) -> int:
        if (bits := width(span)) > 62:
            raise LoweringError(
                "a term of its equations is too large for the sum it is in",
                where=self.b.name,
                got=f"{bits} bits",
                allowed="62 bits",
                fix="use a shorter step, or give the model a narrower span",
            )
        return bits

    def _shift(self, x: Known, by: int) -> Known:
        return self._op("shr", x, by=by, rounding=self.rounding)

    def _short(self, exact: Known, exponent: int, e: Expr, minus: bool = False) -> Word:
        """The word of an exact result, shifted back where it is too long."""
        by = max(width(exact[1]) - self.bits, 0)
        if by:
            attrs = {"by": by, "rounding": self.rounding}
            short = exact_interval(Node("shr", Int(64), (), attrs), [exact[0].dtype], [exact[1]])
            by += width(short) > self.bits  # the end of its interval is rounded up
            exact = self._shift(exact, by)
        return Word(*exact, exponent + by, ONE, show(e), minus)

    def _integers(self, data: np.ndarray, dtype: Int | None = None) -> Known:
        span = int(data.min()), int(data.max())
        dtype = dtype or Int(width(span))
        key = dtype, data.shape, data.tobytes()
        if key not in self._numbers:
            name = f"k{len(self._numbers)}"
            self._numbers[key] = self.b.value_or_param(name, dtype, data), span
        return self._numbers[key]

    # reports -------------------------------------------------------------------------------------

    def _row(self, c: Const, asked: Any, realised: Any, note: str) -> None:
        where = f"{self.b.name}.{show(c)}"
        row = worst(where, asked, realised, self.units.get(c.text, ""), note)
        if row not in self.log.rows:
            self.log.rows.append(row)

    def _warn(self, text: str) -> None:
        text = f"{self.b.name}: {text}"
        if text not in self.log.warnings:
            self.log.warnings.append(text)
