"""Parts of a neuron's step that are the same in float and in fixed point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.errors import LoweringError
from neurohw.program import Builder, Int, Value
from neurohw.program.philox import NORMAL_FRACTION_BITS
from neurohw.targets import Target

from .neuron import Membrane
from .part import Part
from .report import Log, worst

__all__ = [
    "Counter",
    "Period",
    "decayed",
    "not_blocked",
    "refractory_period",
    "refuse_cell",
    "refuse_reset",
]

Array = np.ndarray
_STEPS = Int(22)
SIGMA_BITS = 10
"""Fraction bits of the jitter's standard deviation, in steps."""


@dataclass(frozen=True)
class Period:
    """How many steps a neuron is blocked after a spike.

    The number is an integer recipe on every target, so jitter gives the same periods in float and
    in fixed point: ``(mean * 2**23 + sigma * 2**10 * N) >> 23``, rounded half to even, where N is a
    normal draw with 13 fraction bits; then limited to ``low..high``.

    Attributes
    ----------
    mean : int64 array
        Steps, times 2**23 if there is jitter.
    sigma : int64 array or None
        Steps times 2**10; None without jitter.
    """

    mean: Array | np.integer | int
    sigma: Array | np.integer | int | None
    low: int
    high: int


def refractory_period(
    name: str, blocked: Array, jitter: Array, target: Target, dt: float, log: Log
) -> Period | None:
    """The period a population asks for, within the target's limits; None for no refractoriness.

    ``blocked`` and ``jitter`` are the mean and standard deviation in steps. Where the target counts
    the step of the spike, one step less is blocked.
    """
    if not (np.any(blocked) or np.any(jitter)):
        return None
    rule, where = target.refractory, f"{name}.t_ref"
    low, high = (min(steps, _STEPS.hi) for steps in rule.limits)
    if rule.register_max == 0:
        raise LoweringError(
            f"{target.name} has no refractory period",
            where=where,
            got=f"{float(np.max(blocked)) * dt:g} s",
            allowed="0 s",
        )
    asked, note = blocked, ""
    if rule.first == "spike_step":
        note = "counted from the step of the spike"
    if rule.rounding == "up":
        note = "rounded up"
    blocked = rule.blocked(blocked)
    mean = rule.whole(blocked)
    if np.any(mean > high):
        raise LoweringError(
            "refractory period too long",
            where=where,
            got=f"{int(mean.max())} steps",
            allowed=f"{low}..{high} steps",
            fix="use a longer step",
        )
    held = np.clip(mean, low, high).astype(np.int64)
    if rule.blocked_offset:
        note = f"register {int(held.max()) - rule.blocked_offset} blocks {int(held.max())} steps"
    if not np.any(jitter):
        log.rows.append(worst(where, asked * dt, held * dt, "s", note))
        return Period(held, None, low, high)
    if target.noise.jitter == "none":
        raise LoweringError(
            f"{target.name} has no refractory jitter",
            where=f"{name}.t_ref_sigma",
            got=f"{float(np.max(jitter)) * dt:g} s",
            allowed="0 s",
        )
    sigma = np.rint(jitter * 2**SIGMA_BITS).astype(np.int64)
    if np.any(sigma >= 2**30):
        raise LoweringError(
            "refractory jitter too large",
            where=f"{name}.t_ref_sigma",
            got=f"{float(np.max(jitter)):g} steps",
            allowed="< 2**20 steps",
        )
    fraction = 2.0 ** (SIGMA_BITS + NORMAL_FRACTION_BITS)
    fine = np.rint(blocked * fraction).astype(np.int64)
    log.rows.append(worst(where, asked * dt, fine / fraction * dt, "s", note))
    log.rows.append(worst(f"{name}.t_ref_sigma", jitter * dt, sigma * 2.0**-SIGMA_BITS * dt, "s"))
    if float(np.max(blocked + 4 * jitter)) > high:
        log.warnings.append(f"{name}: refractory jitter is cut off at {high} steps")
    return Period(fine, sigma, low, high)


def refuse_reset(part: Part, kind: str) -> None:
    """Refuse what a spike does where the target cannot do it."""
    if kind not in part.target.reset.kinds:
        raise LoweringError(
            f"{part.target.name} cannot reset so",
            where=f"{part.name}.reset",
            got=kind,
            allowed=", ".join(part.target.reset.kinds),
            origin=part.neuron.origin.place,
        )


def refuse_cell(part: Part, m: Membrane) -> None:
    """Refuse a neuron that the target has not."""
    cells = [set(cell.split()) for cell in part.target.offers.cells]
    asked = {m.kind, "leaky" if np.any(m.rate) else "leakless"}
    asked |= {"delta" if w.tau is None else "current" for w in part.wires} or {"delta"}
    asked |= {"bias"} if m.driven else set()
    asked |= {"rest"} if m.rests else set()
    asked |= {"refractory"} if np.any(m.blocked) or np.any(m.jitter) else set()
    if cells and not any(asked <= cell for cell in cells):
        nearest = min(cells, key=lambda cell: len(asked - cell))
        raise LoweringError(
            f"{part.target.name} has no such neuron",
            where=part.name,
            got=f"{' '.join(sorted(asked))}: no neuron has {' '.join(sorted(asked - nearest))} too",
            allowed="; ".join(part.target.offers.cells),
            origin=part.neuron.origin.place,
        )


class Counter:
    """The refractory counter of one population."""

    def __init__(self, b: Builder, period: Period) -> None:
        self._b = b
        self._left = b.state("refractory", _STEPS, 0)
        self._period = self._draw(period)
        self.blocked = b.compare("gt", self._left, b.const(0, _STEPS))

    def _draw(self, p: Period) -> Value:
        b = self._b
        if p.sigma is None:
            return b.value_or_param("period", _STEPS, p.mean)
        shift = SIGMA_BITS + NORMAL_FRACTION_BITS
        mean = b.value_or_param("t_ref", Int(48), p.mean)
        spread = b.mul(
            b.normal("jitter"), b.value_or_param("t_ref_sigma", Int(31), p.sigma), Int(48)
        )
        steps = b.shr(b.add(mean, spread, Int(49)), shift, Int(27), rounding="half_even")
        least = b.op("max", Int(27), steps, b.const(p.low, _STEPS))
        return b.op("min", _STEPS, least, b.const(p.high, _STEPS))

    def finish(self, spike: Value) -> None:
        """Start anew at a spike, else count down to zero."""
        b = self._b
        down = b.sub(self._left, b.const(1, Int(2)), Int(23))
        floor = b.op("max", _STEPS, down, b.const(0, _STEPS))
        b.write("refractory", b.select(spike, self._period, floor), name="refractory")


def decayed(
    b: Builder, x: Value, keep: Array | int, label: str, dtype: Int, bits: int = 12,
    rounding: str = "toward_zero",
) -> Value:  # fmt: skip
    """``x * keep >> bits``, rounded towards zero; ``keep`` is ``2**bits`` minus the decay."""
    kept = b.value_or_param(label, Int(bits + 2), np.asarray(keep))
    wide = Int(48) if bits <= 12 else Int(64)
    return b.shr(b.mul(x, kept, wide), bits, dtype, rounding=rounding)


def not_blocked(b: Builder, spike: Value, count: Counter | None) -> Value:
    """A blocked neuron does not spike."""
    if count is None:
        return spike
    return b.logic("and", spike, b.logic("not", count.blocked))
