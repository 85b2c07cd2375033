"""The membrane of a chip's neuron: its integers, and V before the threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program import Builder, Int, Value
from neurohw.targets import Target
from neurohw.targets.registers import Current, Voltage

from .chip_arrival import Arrivals, ChipInput
from .chip_noise import ChipNoise, noise_value
from .chip_words import lost_by_shift
from .common import Counter, Period, decayed

__all__ = ["ChipLIF", "MembraneStep"]

Array = np.ndarray
I32, WIDE = Int(32), Int(63)


@dataclass(frozen=True, kw_only=True)
class ChipLIF:
    """Integers of a population; arrays are ``()``, ``(size,)`` or ``(trials, size)``.

    Attributes
    ----------
    keep_u, keep_v : array
        4096 minus the effective decay, 0..4096; where the record decays by a shift, the share that
        is lost, ``2**(15 - k)``. ``keep_u`` is a tuple where there are several currents.
    threshold : array
        Mantissa << shift.
    kind : str
        What a spike does to ``v``: ``to`` the ``reset``, ``subtract`` the threshold, or ``none``.
    most : int
        Spikes in one step at most, ``2**k - 1``; where above 1, each subtracts.
    bias : array
        Mantissa << exponent.
    v_low, v_high : int or None
        Limits of ``v``; None for those of the target.
    period : Period or None
        Blocked steps (not the register's value).
    signs, shifts, shares : tuple
        Of each current, where the record has them: its sign in the sum, the left shift of its sum
        of weights, and what this is multiplied by.
    rest, resistance : array
        Of the closed form.
    """

    name: str
    size: int
    keep_u: Array | int | tuple[Array | int, ...]
    keep_v: Array | int
    threshold: Array | int
    bias: Array | int = 0
    v_init: Array | int = 0
    v_low: int | None = None
    v_high: int | None = None
    period: Period | None = None
    inputs: tuple[ChipInput, ...] = ()
    noise: tuple[ChipNoise, ...] = ()
    kind: str = "to"
    most: int = 1
    reset: Array | int = 0
    signs: tuple[int, ...] = ()
    shifts: tuple[int, ...] = ()
    shares: tuple[Array | int, ...] = ()
    rest: Array | int = 0
    resistance: Array | int = 0


class MembraneStep(Arrivals):
    """Builds a population's step as far as V before the threshold."""

    def __init__(self, c: ChipLIF, target: Target) -> None:
        super().__init__(Builder(c.name, c.size), target, c.inputs)
        self.c = c
        self.word = Int(target.voltage.bits, target.voltage.low != "zero")
        self.several = isinstance(c.keep_u, tuple) and len(c.keep_u) > 1

    def _faded(self, x: Value, keep: Array | int, label: str, rule: Current | Voltage) -> Value:
        """``x`` after its decay in one step."""
        assert isinstance(x.dtype, Int)
        if rule.decay == "shift":
            return self.b.sub(x, lost_by_shift(self.b, x, keep, label, x.dtype), x.dtype,
                              overflow="wrap")  # fmt: skip
        if isinstance(rule, Voltage):
            return decayed(self.b, x, keep, label, x.dtype)
        return decayed(self.b, x, keep, label, x.dtype, rule.decay_bits, rule.decay_rounding)

    def membrane(self, u: Value) -> tuple[Value, Counter | None]:
        """``v`` before the reset, and the refractory counter."""
        b, rule = self.b, self.target.voltage
        state = self.word
        old = b.state("v", state, np.asarray(self.c.v_init))
        count = None if self.c.period is None else Counter(b, self.c.period)
        if rule.decay == "closed_form":
            v = self._closed_form(old, u)
        else:
            add = {"saturating": self._summed, "in_turn": self._in_turn, "wide": self._clipped}
            v = add[rule.adder](old, u)
        if count is not None:
            v = b.select(count.blocked, old, v)
        return b.name_value(v, "v_pre"), count

    def _summed(self, old: Value, u: Value) -> Value:
        """What changes ``v``, and then ``v``: sums of which each saturates."""
        b, rule = self.b, self.target.voltage
        state = Int(rule.bits)
        if rule.decay == "shift":
            lost = lost_by_shift(b, old, self.c.keep_v, "keep_v", state)
        else:
            lost = b.sub(old, decayed(b, old, self.c.keep_v, "keep_v", state), state)
        change = b.op("neg", state, lost, overflow="wrap")
        for drive in [u, *self._drives(old)]:
            change = b.add(change, drive, state, overflow="saturate")
        x = b.name_value(b.add(old, change, Int(rule.bits + 1)), "v_exact")
        self.watch("v_exact", state.lo, state.hi, "v")
        return b.cast(x, state, overflow="saturate")

    def _in_turn(self, old: Value, u: Value) -> Value:
        """Everything is added to the decayed ``v`` in turn, each sum clipped."""
        b, word = self.b, self.word
        low, high = self._limits()
        x = self._faded(old, self.c.keep_v, "keep_v", self.target.voltage)
        for i, drive in enumerate([*self._drives(old), u]):
            tag = str(i + 1) if i else ""
            exact = b.name_value(b.add(x, drive, WIDE), f"v_exact{tag}")
            self.watch(f"v_exact{tag}", low, high, f"v {tag}".strip())
            above = b.op("max", WIDE, exact, b.const(low, word))
            x = b.op("min", word, above, b.const(high, word))
        return x

    def _limits(self) -> tuple[int, int]:
        """Ends of ``v``."""
        end = self.target.voltage.low
        low = -self.word.hi if end == "symmetric" else self.word.lo
        high = self.word.hi
        return (low if self.c.v_low is None else self.c.v_low,
                high if self.c.v_high is None else self.c.v_high)  # fmt: skip

    def _clipped(self, old: Value, u: Value) -> Value:
        """The decayed ``v`` and what drives it, clipped once."""
        b, rule = self.b, self.target.voltage
        state = self.word
        wraps = rule.sum_bits < 64
        wide, mode = (Int(rule.sum_bits), {"overflow": "wrap"}) if wraps else (WIDE, {})
        x = self._faded(old, self.c.keep_v, "keep_v", rule)
        drives = [u, *self._drives(old)]
        if rule.drive_bits < 64 and len(drives) > 1:
            drive = drives[0]
            for d in drives[1:]:
                drive = b.add(drive, d, WIDE)
            b.name_value(drive, "drive")
            edge = 1 << (rule.drive_bits - 1)
            self.watch("drive", -edge, edge - 1, "u + bias")
            drives = [b.cast(drive, Int(rule.drive_bits), overflow="wrap")]
        for d in drives:
            x = b.add(x, d, wide, **mode)
        b.name_value(x, "v_exact")
        low, high = self._limits()
        self.watch("v_exact", low, high, "v")
        above = b.op("max", wide, x, b.const(low, state))
        return b.op("min", state, above, b.const(high, state))

    def _closed_form(self, old: Value, u: Value) -> Value:
        """``a - e (a - v)`` with ``a = R (u + bias) + rest``."""
        b, c, rule = self.b, self.c, self.target.voltage
        word = Int(rule.bits)
        drive = u
        for d in self._drives(old):
            drive = b.add(drive, d, WIDE)
        if drive is not u:
            b.name_value(drive, "drive")
        self.watch("u" if drive is u else "drive", word.lo, word.hi, "u + bias")
        current = b.cast(drive, word, overflow="wrap")
        target = self._product(current, c.resistance, "resistance")
        rest = b.value_or_param("rest", word, np.asarray(c.rest))
        goal = b.name_value(b.add(target, rest, Int(rule.bits + 1)), "goal_exact")
        self.watch("goal_exact", word.lo, word.hi, "R I + E_L")
        goal = b.cast(goal, word, overflow="wrap")
        away = b.sub(goal, old, word, overflow="wrap")
        x = b.sub(goal, self._product(away, c.keep_v, "keep_v"), Int(rule.bits + 1))
        b.name_value(x, "v_exact")
        self.watch("v_exact", word.lo, word.hi, "v")
        return b.cast(x, word, overflow="wrap")

    def _product(self, x: Value, factor: Array | int, label: str) -> Value:
        """Of two numbers with binary places, to nearest, halves up, saturating."""
        b, rule = self.b, self.target.voltage
        word, places = Int(rule.bits), rule.fraction_bits
        product = b.mul(x, b.value_or_param(label, word, np.asarray(factor)), Int(64))
        half = b.const(1 << (places - 1), word)
        return b.shr(b.add(product, half, Int(64)), places, word, rounding="floor",
                     overflow="saturate")  # fmt: skip

    def _drives(self, old: Value) -> list[Value]:
        """Bias and noise."""
        out = []
        if np.any(self.c.bias):
            out.append(self.b.value_or_param("bias", I32, np.asarray(self.c.bias)))
        return out + [noise_value(self.b, n, old) for n in self.c.noise]
