"""How often a neuron fires at a constant drive, by the rules of a record for spike and reset.

Where a spike sets V to V_reset, the interval is a closed form. Where it subtracts, or nothing
happens, what is left above the threshold goes on, and the recursion itself is computed for
``SPAN`` steps: one number per neuron, no network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.targets import Target

__all__ = ["Rhythm", "rate_of", "steps_to_threshold"]

Array = np.ndarray
SPAN = 4000
"""Steps of the recursion; the error of a rate is at most about 1 / SPAN per step."""


@dataclass(frozen=True, eq=False)
class Rhythm:
    """What a spike does.

    Attributes
    ----------
    kind : str
        ``to``, ``subtract`` or ``none``.
    timing : str
        Of the reset, as in a record.
    most : int
        Spikes in a step.
    blocked : array or number
        Steps of the refractory period.
    late_jump : bool
        A jump enters V after the comparison with the threshold.
    lost : bool
        The reset to V_reset, one step late, discards the input of its step.
    """

    kind: str = "to"
    timing: str = "same_step"
    most: int = 1
    blocked: Array | float = 0.0
    late_jump: bool = False
    lost: bool = False

    @staticmethod
    def of(kind: str, model: Any, record: Target, dt: float, synapses: str, most: int) -> Rhythm:
        """By the kind of reset, the model's period and the record.

        ``synapses``: ``delta`` or ``current``.
        """
        rule = record.refractory
        period = np.asarray(getattr(model, "t_ref", 0.0), np.float64) / dt
        blocked = np.zeros_like(period)  # a record without a period blocks nothing
        if np.any(period):
            blocked = np.clip(rule.whole(rule.blocked(period)), *rule.limits)
        late = record.reset.timing == "next_step"
        return Rhythm(
            kind=kind,
            timing=record.reset.timing,
            most=most,
            blocked=blocked,
            late_jump=synapses == "delta" and synapses in record.arrival.late,
            lost=late and synapses in record.reset.zero_after_input,
        )


def steps_to_threshold(keep: Array, threshold: Array, drive: Array) -> Array:
    """Steps from 0 to the threshold with ``w' = keep w + drive``; inf: never."""
    with np.errstate(divide="ignore", invalid="ignore"):
        left = 1 - threshold * (1 - keep) / drive
        leaky = np.log(left) / np.log(keep)
        plain = threshold / drive
    n = np.where(keep < 1, np.where(left > 0, leaky, np.inf), plain)
    return np.where(drive > 0, np.maximum(np.ceil(n - 1e-9), 1), np.inf)


def rate_of(
    r: Rhythm, keep: Array, threshold: Array, drive: Array, late: Array | float, down: Array | float
) -> Array:
    """Spikes per step at a constant drive; all broadcast.

    Parameters
    ----------
    drive : array
        All that flows in, the bias too, in volts per step.
    late : array
        The part of it that enters V after the comparison.
    down : array
        Volts that a spike subtracts.
    """
    if r.kind == "to":
        n = steps_to_threshold(keep, threshold + late, drive)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            steps = np.where(np.isfinite(n), n, 1.0)
            reached = np.where(keep < 1, (1 - keep**steps) / (1 - keep), steps) * drive - late
            several = np.clip(np.floor(reached / threshold + 1e-9), 1, r.most)
        return several / (n + r.blocked + r.lost)
    return _recursion(r, *np.broadcast_arrays(keep, threshold, drive, late, down))


def _recursion(
    r: Rhythm, keep: Array, threshold: Array, drive: Array, late: Array, down: Array
) -> Array:
    """The step of ``neurohw.lowering.step``, with a constant for all that flows in."""
    zero = np.zeros(keep.shape)
    w, wait, count, first, last = zero, zero, zero, zero, zero
    for t in range(1, SPAN + 1):
        fired = (w >= threshold) & (r.timing != "same_step")
        y = keep * w + drive
        if r.kind == "subtract":
            y = y - np.where(fired, down, 0.0)
        y = np.where(wait > 0, w, y)
        x = y - late
        spike = (x >= threshold) & (wait == 0)
        number = np.where(spike, np.clip(np.floor(x / threshold), 1, r.most), 0)
        if r.kind == "subtract" and r.timing == "same_step":
            y = y - number * down
        elif r.kind == "subtract" and r.timing == "moved_up":
            back = np.where(spike, y, y + down)
            y = np.where(fired, back, np.where(spike, y - down, y))
        w = y
        wait = np.where(spike, r.blocked, np.maximum(wait - 1, 0))
        count = count + np.where(last > 0, number, 0)  # those of the first spike start the clock
        first = np.where(spike & (first == 0), t, first)
        last = np.where(spike, t, last)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(last > first, count / (last - first), np.where(last > 0, 1 / SPAN, 0.0))
