"""Whether a contender's spikes are those of the workload.

Every bound is derived here, from the number of spikes and from what is known of the peer's rules.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import theory
import workloads as w

__all__ = ["w1_count", "within"]

LIMIT = 5.0
"""Standard errors; one of 10^6 honest numbers is further away."""


@functools.cache
def w1_count(
    size: int, steps: int, *, method: str, t_ref: float, jitter: float
) -> tuple[float, float]:
    """(expected spikes, their standard deviation) of W1.

    A renewal process that starts at a reset, but for the first refractory period: mean
    (T + t_ref)/m + (CV^2 - 1)/2 and variance CV^2 T/m per trial, with m and CV of the recursion
    itself (``theory.chain_interval``), to which the refractory period adds its own.
    """
    p = w.W1
    levels = dict(threshold=p["V_th"], reset=p["V_reset"], tau=p["tau"], dt=w.DT, method=method)
    mean, sd = theory.chain_interval(p["E_L"] + p["mu"], w.w1_strength(), **levels)
    mean, sd = mean * w.DT + t_ref, math.hypot(sd * w.DT, jitter)
    cv, whole = sd / mean, steps * w.DT
    count = (whole + t_ref) / mean + (cv * cv - 1) / 2
    return size * count, math.sqrt(size * cv * cv * whole / mean)


def within(
    case: str, size: int, steps: int, count: float, about: Mapping[str, Any], ours: float | None
) -> tuple[bool, str]:
    """Whether ``count`` spikes are right, and the bound in words.

    Parameters
    ----------
    about : mapping
        What the worker says of itself: ``method``, ``t_ref``, ``jitter`` in W1.
    ours : float or None
        neurohw's count, the standard where there is no closed form.
    """
    if case == "W1":
        rules = {"method": "exponential", "t_ref": w.W1["t_ref"], "jitter": w.W1["t_ref_sigma"]}
        rules |= {k: about[k] for k in rules if k in about}
        mean, sd = w1_count(size, steps, **rules)
        # simulators differ by a step in where a refractory period ends: a step per interval
        step = mean * w.DT * mean / size / (steps * w.DT)
        return abs(count - mean) <= LIMIT * sd + step, f"{mean:.0f} +- {LIMIT * sd + step:.0f}"
    if ours is None:
        return True, "nothing to compare with"
    bound = BOUNDS[case](ours, size)
    return abs(count - ours) <= bound, f"{ours:.0f} +- {bound:.0f}"


def _independent(ours: float, size: int) -> float:
    """Two counts of W2: trains more regular than Poisson's, and 2 % for the step.

    Half the step changes our rate by less than 1 %; the scheme is of first order.
    """
    return LIMIT * math.sqrt(2 * ours) + 0.02 * ours


def _network(ours: float, size: int) -> float:
    """Two networks of W3 drawn independently: their rates vary from network to network."""
    return LIMIT * math.sqrt(2) * W3_SPREAD[size] * ours


W3_SPREAD = {4_000: 0.035, 20_000: 0.017}
"""Relative deviation of the rate from network to network (``scaling.py --spread 24``)."""

BOUNDS = {
    "W2-pooled": _independent,
    "W2-explicit": _independent,
    "W3": _network,
    # float sums in another order move v by 10^-6 or so, and few neurons are that close
    "W4": lambda ours, size: 1e-3 * ours,
    "W4-binary": lambda ours, size: 1e-3 * ours,
    "W5": lambda ours, size: 0.0,
    # half the step changes our count by 0.16 %; the scheme is of first order
    "W6": lambda ours, size: 0.004 * ours,
}
