"""Findings in words, and numbers as people write them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .divergence import Divergence

__all__ = ["plain", "quantity", "sentence", "time_text"]

_PREFIX = {0: "", -3: "m", -6: "µ", -9: "n", -12: "p"}


def _prefix(x: float) -> int:
    if not x or not math.isfinite(x):
        return 0
    return min(0, max(-12, 3 * math.floor(math.log10(abs(x) * (1 + 1e-12)) / 3)))


def quantity(x: float | None, unit: str, *, like: float | None = None, fine: float = 0.0) -> str:
    """``-0.05001, V`` -> ``-50.01 mV``.

    Parameters
    ----------
    like : float, optional
        A number whose prefix to use, so that two can be compared.
    fine : float, optional
        A difference that the digits have to show.
    """
    if x is None:
        return "unknown"
    power = _prefix(like if like else x) if unit in ("V", "A", "s") else 0
    scaled = x * 10.0**-power
    digits = 4
    if fine and scaled:
        ratio = abs(scaled) / abs(fine * 10.0**-power)
        digits = min(15, max(4, math.ceil(math.log10(ratio)) + 2)) if ratio > 1 else 4
    text = f"{scaled:.{digits}g}"
    return f"{text} {_PREFIX[power]}{unit}".rstrip()


def time_text(seconds: float) -> str:
    """Seconds as ms, or s from ten on."""
    return f"{seconds:.6g} s" if abs(seconds) >= 10 else f"{seconds * 1e3:.6g} ms"


def sentence(d: Divergence, a: str, b: str) -> str:
    """One sentence: where, when, what each side does, and why.

    >>> # N3[0] first differs at step 878 (87.8 ms), trial 0: lava spikes, loihi1 does not;
    >>> # v = -50.01 mV against threshold -50 mV: rounding
    """
    head = f"{d.population}[{d.neuron}] first differs at step {d.step} ({time_text(d.time)}), "
    head += f"trial {d.trial}: "
    cause = f": {d.cause}" + (f" ({d.why})" if d.why else "")
    if d.variable != "spikes":
        fine = abs(d.value_a - d.value_b) if None not in (d.value_a, d.value_b) else 0.0  # type: ignore[operator]
        x, y = (quantity(v, d.unit, like=d.value_a, fine=fine) for v in (d.value_a, d.value_b))
        return f"{head}{d.variable} = {x} on {a}, {y} on {b}{cause}"
    left = (a, d.value_a, d.threshold_a, d.distance_a)
    right = (b, d.value_b, d.threshold_b, d.distance_b)
    spikes, silent = (left, right) if d.spike_a else (right, left)
    what = f"{spikes[0]} spikes, {silent[0]} does not"
    name, value, level, distance = silent if silent[3] is not None else spikes
    if distance is None:
        return f"{head}{what}{cause}"
    shown = quantity(value, d.unit, fine=distance)
    against = "exactly the threshold" if distance == 0 else "against threshold"
    text = f"on {name} v = {shown} {against} {quantity(level, d.unit, like=value)}"
    return f"{head}{what}; {text}{cause}"


def plain(x: Any) -> Any:
    """Types that JSON has; numbers that are not finite become None."""
    if isinstance(x, Mapping):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x
