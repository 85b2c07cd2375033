"""The step of an integrate-and-fire neuron in the integers of a chip, by the rules of a record.

The only place where these rules become nodes. ``fixed`` fills the fields from physics; tests fill
them from golden files, or at random. On Loihi 1::

    a = sum of weights << align
    u' = wrap(u * keep_u >> 12, toward zero, + a)
    v' = clip(v * keep_v >> 12, toward zero, + u' + bias + noise)
    spike = v' > threshold;  v = 0 where it spikes

and on Xylo, where every sum saturates and ``lost`` is a shift, or 1 where that is 0::

    u' = (u + a) - lost(u + a)              for each synapse
    v' = v + (-lost(v) + sum of u' + bias)
    count = min(v' / threshold, 31);  v = v' - count * threshold
"""

from __future__ import annotations

import numpy as np

from neurohw.program import Edge, Int, Population, Value, Watch
from neurohw.targets import Target

from .chip_arrival import ChipInput
from .chip_membrane import ChipLIF, MembraneStep
from .chip_noise import ChipNoise
from .chip_words import count_spikes
from .common import Counter, decayed, not_blocked

__all__ = ["ChipInput", "ChipLIF", "ChipNoise", "chip_population"]

Array = np.ndarray
I32, WIDE = Int(32), Int(63)


def chip_population(c: ChipLIF, target: Target) -> tuple[Population, list[Edge], list[Watch]]:
    """Population, incoming edges and ledger rows, by the rules of ``target``."""
    s = _Step(c, target)
    keep = c.keep_u if isinstance(c.keep_u, tuple) else (c.keep_u,)
    total = s.current(0, keep[0])
    for k in range(1, len(keep)):
        minus = bool(c.signs) and c.signs[k] < 0
        total = s.b.op("sub" if minus else "add", WIDE, total, s.current(k, keep[k]))
    if len(keep) > 1:
        s.b.name_value(total, "u")
    s.fire(*s.membrane(total))
    return s.b.build(), s.edges, s.watches


class _Step(MembraneStep):
    def current(self, k: int, keep: Array | int) -> Value:
        """The new ``u``, or one of several."""
        b, rule, tag = self.b, self.target.current, str(k) if self.several else ""
        arrived = self.arrived(k, tag, self.c.shifts[k] if self.c.shifts else 0)
        if rule.share:
            word = Int(rule.bits)
            arrived = decayed(b, arrived, self.c.shares[k], f"share{tag}", word, rule.decay_bits,
                              "floor")  # fmt: skip
        once, half = rule.overflow == "wrap_once", 1 << (rule.bits - 1)
        state = I32 if once else Int(rule.bits)
        name, label = f"u{tag}", f"keep_u{tag}"
        old = b.state(name, state)
        if rule.one_by_one:
            self.by_order(old, tag)
        late = self.target.arrival.decays
        kept = old if late else self._faded(old, keep, label, rule)
        if once:
            exact = b.name_value(b.add(kept, arrived, I32, overflow="wrap"), "u_exact")
            self.watch("u_exact", -half + 1, half, "u")
            turn = b.const(2 * half, I32)
            over = b.compare("gt", exact, b.const(half, I32))
            down = b.select(over, b.sub(exact, turn, I32, overflow="wrap"), exact)
            under = b.compare("le", down, b.const(-half, I32))
            u = b.select(under, b.add(exact, turn, I32, overflow="wrap"), down)
        else:
            exact = b.name_value(b.add(kept, arrived, Int(40)), f"{name}_exact")
            self.watch(f"{name}_exact", -half, half - 1, name)
            u = b.cast(exact, state, overflow=rule.overflow)
        if late:
            u = self._faded(u, keep, label, rule)
        b.write(name, u, name=name)
        return u

    def fire(self, v: Value, count: Counter | None) -> None:
        """Threshold, effect of a spike, counter."""
        b, c, state = self.b, self.c, self.word
        level = b.value_or_param("threshold", state, np.asarray(c.threshold))
        if c.most > 1:
            number, after = count_spikes(b, v, level, c.most, count and count.blocked)
            b.name_value(number, "count")
            spike = b.compare("gt", number, b.const(0, Int(2)))
            if c.kind == "to":
                after = b.select(spike, b.value_or_param("reset", state, np.asarray(c.reset)), v)
        else:
            spike = not_blocked(b, b.compare(self.target.threshold.compare, v, level), count)
            if c.kind == "none":
                down = v
            elif c.kind == "subtract":
                down = b.sub(v, level, state, overflow="wrap")
            else:
                down = b.value_or_param("reset", state, np.asarray(c.reset))
            after = b.select(spike, down, v)
        b.write("v", after, name="v")
        b.spike(spike)
        if count is not None:
            count.finish(spike)
