"""The step of a leaky integrate-and-fire neuron in the integers of a Loihi-style chip.

The only place where these rules become nodes. ``fixed`` fills the fields from physics; tests fill
them from golden files, or at random::

    a = sum of weights << align
    u' = wrap(u * keep_u >> 12, toward zero, + a)
    v' = clip(v * keep_v >> 12, toward zero, + u' + bias + noise)
    spike = v' > threshold;  v = 0 where it spikes
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Builder, Edge, Int, Population, Value, Watch, Weights
from neurohw.targets import Target

from .common import Counter, Period, decayed, not_blocked

__all__ = ["ChipInput", "ChipLIF", "ChipNoise", "chip_population"]

Array = np.ndarray
I32, WIDE = Int(32), Int(63)


@dataclass(frozen=True)
class ChipInput:
    """One connection: integer weights, and the exponent where it shifts their sum.

    ``value`` is what the source sends, where that is not spikes (see ``Edge``).
    """

    source: str
    weights: Weights
    delay: int
    exponent: int = 0
    value: str = ""


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


@dataclass(frozen=True, kw_only=True)
class ChipLIF:
    """Integers of a population; arrays are ``()``, ``(size,)`` or ``(trials, size)``.

    Attributes
    ----------
    keep_u, keep_v : array
        4096 minus the effective decay, 0..4096.
    threshold : array
        Mantissa << shift.
    bias : array
        Mantissa << exponent.
    v_low, v_high : int or None
        Limits of ``v``; None for those of the target.
    period : Period or None
        Blocked steps (not the register's value).
    """

    name: str
    size: int
    keep_u: Array | int
    keep_v: Array | int
    threshold: Array | int
    bias: Array | int = 0
    v_init: Array | int = 0
    v_low: int | None = None
    v_high: int | None = None
    period: Period | None = None
    inputs: tuple[ChipInput, ...] = ()
    noise: tuple[ChipNoise, ...] = ()


def chip_population(c: ChipLIF, target: Target) -> tuple[Population, list[Edge], list[Watch]]:
    """Population, incoming edges and ledger rows, by the rules of ``target``."""
    s = _Step(c, target)
    s.fire(*s.membrane(s.current(s.arrived())))
    return s.b.build(), s.edges, s.watches


class _Step:
    def __init__(self, c: ChipLIF, target: Target) -> None:
        self.c, self.target, self.b = c, target, Builder(c.name, c.size)
        self.edges: list[Edge] = []
        self.watches: list[Watch] = []

    def _watch(self, value: str, lo: int, hi: int, label: str) -> None:
        self.watches.append(Watch(self.c.name, value, lo, hi, label))

    def arrived(self) -> Value:
        """Sum of weights of this step, aligned."""
        b, rule = self.b, self.target.current
        together = self.target.weight.exponent_on == "weight"
        total = b.port("in", Int(48)) if together else None
        for i, x in enumerate(self.c.inputs):
            # a shift of the sum keeps connections apart; where the exponent belongs to each
            # weight, all of them meet in one accumulator
            port = "in" if together else f"in{i}"
            self.edges.append(Edge(x.source, self.c.name, port, x.weights, x.delay, x.value))
            if not together:
                raw = b.port(port, Int(48))
                part = (
                    b.shl(raw, x.exponent, Int(56))
                    if x.exponent >= 0
                    else b.shr(raw, -x.exponent, Int(48), rounding="floor")
                )
                total = part if total is None else b.add(total, part, Int(60))
        total = b.const(0, I32) if total is None else total
        b.name_value(total, "input")
        edge = 1 << (rule.input_bits - 1)
        self._watch("input", -edge, edge - 1, "sum of weights")
        narrow = b.cast(total, Int(rule.input_bits), overflow=rule.input_overflow)
        if rule.overflow == "wrap_once":  # 32-bit arithmetic throughout
            return b.shl(narrow, rule.align, I32, overflow="wrap")
        return b.shl(narrow, rule.align, Int(rule.input_bits + rule.align))

    def current(self, arrived: Value) -> Value:
        """The new ``u``."""
        b, rule = self.b, self.target.current
        once, half = rule.overflow == "wrap_once", 1 << (rule.bits - 1)
        state = I32 if once else Int(rule.bits)
        kept = decayed(b, b.state("u", state), self.c.keep_u, "keep_u", state)
        if once:
            exact = b.name_value(b.add(kept, arrived, I32, overflow="wrap"), "u_exact")
            self._watch("u_exact", -half + 1, half, "u")
            turn = b.const(2 * half, I32)
            over = b.compare("gt", exact, b.const(half, I32))
            down = b.select(over, b.sub(exact, turn, I32, overflow="wrap"), exact)
            under = b.compare("le", down, b.const(-half, I32))
            u = b.select(under, b.add(exact, turn, I32, overflow="wrap"), down)
        else:
            exact = b.name_value(b.add(kept, arrived, Int(40)), "u_exact")
            self._watch("u_exact", -half, half - 1, "u")
            u = b.cast(exact, state, overflow=rule.overflow)
        b.write("u", u, name="u")
        return u

    def membrane(self, u: Value) -> tuple[Value, Counter | None]:
        """``v`` before the reset, and the refractory counter."""
        b, rule = self.b, self.target.voltage
        state = Int(rule.bits)
        old = b.state("v", state, np.asarray(self.c.v_init))
        count = None if self.c.period is None else Counter(b, self.c.period)
        wraps = rule.sum_bits < 64
        wide, mode = (Int(rule.sum_bits), {"overflow": "wrap"}) if wraps else (WIDE, {})
        x = decayed(b, old, self.c.keep_v, "keep_v", state)
        drives = [u, *self._drives(old)]
        if rule.drive_bits < 64 and len(drives) > 1:
            drive = drives[0]
            for d in drives[1:]:
                drive = b.add(drive, d, WIDE)
            b.name_value(drive, "drive")
            edge = 1 << (rule.drive_bits - 1)
            self._watch("drive", -edge, edge - 1, "u + bias")
            drives = [b.cast(drive, Int(rule.drive_bits), overflow="wrap")]
        for d in drives:
            x = b.add(x, d, wide, **mode)
        b.name_value(x, "v_exact")
        top = (1 << (rule.bits - 1)) - 1
        low = -top if self.c.v_low is None else self.c.v_low
        high = top if self.c.v_high is None else self.c.v_high
        self._watch("v_exact", low, high, "v")
        above = b.op("max", wide, x, b.const(low, state))
        v = b.op("min", state, above, b.const(high, state))
        if count is not None:
            v = b.select(count.blocked, old, v)
        return b.name_value(v, "v_pre"), count

    def _drives(self, old: Value) -> list[Value]:
        """Bias and noise."""
        out = []
        if np.any(self.c.bias):
            out.append(self.b.value_or_param("bias", I32, np.asarray(self.c.bias)))
        for n in self.c.noise:
            out.append(self._uniform8(n.exponent) if n.kind == "uniform8" else self._normal(n, old))
        return out

    def _uniform8(self, exponent: int) -> Value:
        b = self.b
        byte = b.shr(b.word("additive"), 24, Int(9), rounding="floor")
        centred = b.sub(byte, b.const(128, Int(9)), Int(9))
        if exponent >= 7:
            return b.shl(centred, exponent - 7, Int(24))
        return b.shr(centred, 7 - exponent, Int(24), rounding="toward_zero")

    def _normal(self, n: ChipNoise, old: Value) -> Value:
        b = self.b
        z = b.normal(n.kind)
        if n.kind == "multiplicative":
            z = b.mul(z, b.add(old, b.const(n.offset, Int(27)), Int(28)), Int(46))
        product = b.mul(z, b.value_or_param(f"sigma_{n.kind}", Int(17), n.mantissa), WIDE)
        noise = b.shr(product, n.shift, WIDE, rounding="half_even")
        return b.cast(noise, I32, overflow="saturate")

    def fire(self, v: Value, count: Counter | None) -> None:
        """Threshold, reset to zero, counter."""
        b, state = self.b, Int(self.target.voltage.bits)
        level = b.value_or_param("threshold", state, np.asarray(self.c.threshold))
        spike = not_blocked(b, b.compare(self.target.threshold.compare, v, level), count)
        b.write("v", b.select(spike, b.const(0, state), v), name="v")
        b.spike(spike)
        if count is not None:
            count.finish(spike)
