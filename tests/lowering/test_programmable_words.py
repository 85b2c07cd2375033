"""Words against numbers: random expressions in integers, within the bound of their rounding."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from neurohw.backend import compile_program, simulate
from neurohw.errors import LoweringError
from neurohw.lowering.algebra import Const, Expr, leaf
from neurohw.lowering.programmable_numbers import mantissa_of
from neurohw.lowering.programmable_words import Words
from neurohw.lowering.report import Log
from neurohw.network import maths
from neurohw.program import Builder, Int, Probe, Program, verify
from neurohw.reference import ReferenceBackend
from neurohw.targets.record import Functions

LEAVES = {"x": 2.0**-20, "y": 3.7e-9, "z": 1.1}  # what one unit stands for
KINDS = ("plus", "minus", "times", "times", "scaled", "scaled each", "negative", "minimum",
         "maximum", "offset")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tracked:
    """An expression, its value in binary64, and what integers of ``bits`` bits may miss it by.

    ``most`` bounds its magnitude and ``error`` the distance. They follow the rules of the module in
    real numbers, with no integer computed: a result of magnitude M is held in units of at most
    2 M / 2**(bits - 1), and rounding misses by less than one unit.
    """

    e: Expr
    value: np.ndarray
    most: float
    error: float
    bits: int

    def _unit(self, most: float) -> float:
        return 2 * most / 2 ** (self.bits - 1)

    def plus(self, o: Tracked, sign: int) -> Tracked:
        # factors are multiplied (relative 2**-(bits - 1)) and rounded, then the sum is
        largest = max(self.most, o.most)
        scaled = (self.most + o.most) * 2.0 ** -(self.bits - 1)
        error = self.error + o.error + scaled + 4 * self._unit(largest)
        e = self.e + o.e if sign > 0 else self.e - o.e
        value = self.value + sign * o.value
        return Tracked(e, value, self.most + o.most, error, self.bits)

    def times(self, o: Tracked) -> Tracked:
        most = self.most * o.most
        crossed = self.error * o.most + o.error * self.most + self.error * o.error
        error = crossed + 2 * self._unit(most)
        return Tracked(self.e * o.e, self.value * o.value, most, error, self.bits)

    def scaled(self, c: np.ndarray) -> Tracked:
        k = float(np.max(np.abs(c)))
        return Tracked(c * self.e, c * self.value, k * self.most, k * self.error, self.bits)

    def chosen(self, o: Tracked, name: str) -> Tracked:
        largest = max(self.most, o.most)
        scaled = (self.most + o.most) * 2.0 ** -(self.bits - 1)
        error = max(self.error, o.error) + scaled + 4 * self._unit(largest)
        f: Callable[..., Any] = getattr(maths, name)
        return Tracked(f(self.e, o.e), f(self.value, o.value), largest, error, self.bits)


def expression(rng: np.random.Generator, leaves: dict[str, Tracked], depth: int = 4) -> Tracked:
    """A random tree of every rule."""
    if depth == 0 or rng.random() < 0.15:
        return leaves[rng.choice(sorted(leaves))]
    a = expression(rng, leaves, depth - 1)
    kind = rng.choice(KINDS)
    if kind == "scaled":
        return a.scaled(np.asarray(rng.choice([-1, 1]) * rng.lognormal(0, 3)))
    if kind == "scaled each":
        return a.scaled(rng.normal(0, 3, a.value.shape))
    if kind == "negative":
        return Tracked(-a.e, -a.value, a.most, a.error, a.bits)
    if kind == "offset":  # a constant in a sum is a whole number of units
        c = a.most * rng.uniform(-2, 2)
        return a.plus(Tracked(Const(np.float64(c)), np.float64(c), abs(c), 0.0, a.bits), 1)
    b = expression(rng, leaves, depth - 1)
    if kind == "times":
        return a.times(b)
    if kind in ("minimum", "maximum"):
        return a.chosen(b, kind)
    return a.plus(b, 1 if kind == "plus" else -1)


def computed(b: Builder, words: Words, e: Expr) -> np.ndarray:
    """The value of an expression by a step of the reference; ``verify`` accepts the program."""
    w = words.word(e)
    (node, _), minus = words.settle(w, w.finest)
    b.name_value(b.cast(node, node.dtype), "out")
    program = Program("p", populations=(b.build(),), probes=(Probe("N", "out"),))
    verify(program)
    _, probes = simulate(compile_program(ReferenceBackend(), program), program, 1)
    return probes.traces["N.out"][0, 0] * (-1 if minus else 1) * math.ldexp(1, w.finest)


@pytest.mark.parametrize("rounding", get_args(get_type_hints(Functions)["rounding"]))
@pytest.mark.parametrize("bits", [12, 16, 24, 31])
def test_random_expressions_stay_within_their_rounding(bits: int, rounding: Any) -> None:
    size, word, rng = 7, Int(bits), np.random.default_rng(bits)
    near = []
    for _ in range(60):
        b, leaves = Builder("N", size), {}
        for name, unit in LEAVES.items():
            whole = rng.integers(word.lo, word.hi, size, endpoint=True)
            whole[:2] = word.lo, word.hi
            e = leaf(name, b.state(name, word, whole), unit)
            leaves[name] = Tracked(e, whole * unit, -word.lo * unit, 0.0, bits)
        found = expression(rng, leaves)
        words = Words(b, Functions(functions="products", bits=bits, rounding=rounding), Log(), {})
        got = computed(b, words, found.e)
        # the factor that is left is multiplied at last: one more mantissa and one more rounding
        slack = found.most * 2.0 ** -(bits - 1) + found._unit(found.most) * 2
        near.append(np.max(np.abs(got - found.value)) / (found.error + slack))
    assert 0.03 < max(near) <= 1, "the bound is kept, and is not a hundred times too wide"


def test_no_word_is_longer_than_a_word() -> None:
    """Operands of a multiplication have at most ``bits`` bits, its product at most twice those."""
    for bits in (8, 16, 24):
        b = Builder("N", 1)
        x, y = (leaf(n, b.state(n, Int(bits)), 0.3) for n in "xy")
        words = Words(b, Functions(functions="products", bits=bits), Log(), {})
        z = leaf("z", b.state("z", Int(bits)))
        odd = z + 2.0 ** (bits - 1)  # up to 2**bits - 1, whose half is rounded up
        e = (0.3 * x - y) * (x + 7.0) * (y - 2.0 * x) + x**4 + odd * odd
        b.name_value(words.settle(words.word(e), words.word(e).exponent)[0][0], "out")
        q = b.build()
        for node in q.nodes:
            width = getattr(node.dtype, "bits", 0)
            if node.op == "mul":
                assert width <= 2 * bits and all(q.nodes[a].dtype.bits <= bits for a in node.args)
            assert width <= bits + 1 or node.op == "mul"


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_mantissas_are_as_near_as_a_word_can_be(bits: int) -> None:
    rng = np.random.default_rng(bits)
    for _ in range(200):
        f = rng.lognormal(0, 8, rng.integers(1, 4)) * rng.choice([-1, 1])
        mantissa, shift = mantissa_of(f, bits)
        assert np.abs(mantissa).max() < 2 ** (bits - 1)
        assert np.all(np.abs(mantissa * 2.0**-shift - f) <= np.abs(f).max() * 2.0 ** (1 - bits))
    assert mantissa_of(np.array(0.125), bits) == (1, 3)
    assert mantissa_of(np.array(3.0), bits) == (3, 0)
    # the nearest mantissa would have one bit too many
    assert mantissa_of(np.array(1 - 2.0**-40), bits) == (1, 0)


def test_what_is_lost_is_told() -> None:
    b, log = Builder("N", 1), Log()
    x = leaf("x", b.state("x", Int(24)), 2.0**-20)
    y = leaf("y", b.state("y", Int(24)), 2.0**-35)
    words = Words(b, Functions(functions="products", bits=24), log, {"k": "S"})
    words.word(x + y)
    words.word(x + Const(np.float64(1e-8), "tiny"))
    words.word(x + Const(np.float64(20.3e-6), "small"))
    # y: -2**23 >> 15 = -256 and (2**23 - 1) >> 15, rounded, = 256; small: 21 units for 21.29
    assert log.warnings == [
        "N: y keeps at most 10 of 24 bits in units of 9.54e-07",
        "N: tiny rounds to zero",
        "N: small is held with an error of 1.3 %",
    ]
    words.settle(words.word(Const(np.float64(0.3), "k") * x), -20)
    row = log.rows[-1]
    assert (row.where, row.unit, row.note) == ("N.k", "S", "mantissa 5033165 >> 24")
    assert abs(row.error) < 2.0**-23


def test_a_sum_that_no_integer_holds_is_refused() -> None:
    b = Builder("N", 1)
    x = leaf("x", b.state("x", Int(24)), 1.0)
    words = Words(b, Functions(functions="products", bits=24), Log(), {})
    with pytest.raises(LoweringError, match=r"too large for the sum it is in; got '7. bits'"):
        words.total(1e12 * x + x, -10)
