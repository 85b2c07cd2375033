"""The Hodgkin-Huxley neuron by SciPy and by plain NumPy: oracles, nothing of neurohw.

Units here are those of the papers: mV, ms, uA/cm^2, uF/cm^2, mS/cm^2; one square centimetre of
``neurohw.HodgkinHuxley`` has the same numbers in uA, uF and mS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import integrate, optimize, special

C, G_NA, G_K, G_L, E_NA, E_K, E_L = 1.0, 120.0, 36.0, 0.3, 50.0, -77.0, -54.387
RTOL, ATOL = 1e-10, 1e-12


def rates(v: float) -> tuple[float, float, float, float, float, float]:
    """Opening and closing rates of m, h and n per ms, at V in mV."""
    x, y = (v + 40) / 10, (v + 55) / 10
    return (
        x / -math.expm1(-x) if x else 1.0,
        4 * math.exp(-(v + 65) / 18),
        0.07 * math.exp(-(v + 65) / 20),
        1 / (1 + math.exp(-(v + 35) / 10)),
        0.1 * (y / -math.expm1(-y) if y else 1.0),
        0.125 * math.exp(-(v + 65) / 80),
    )


def steady(v: float) -> tuple[float, float, float]:
    """Steady state of m, h and n."""
    am, bm, ah, bh, an, bn = rates(v)
    return am / (am + bm), ah / (ah + bh), an / (an + bn)


def slope(_: float, x: Sequence[float], current: float) -> list[float]:
    """d(V, m, h, n)/dt per ms."""
    v, m, h, n = x
    am, bm, ah, bh, an, bn = rates(v)
    ionic = G_NA * m**3 * h * (v - E_NA) + G_K * n**4 * (v - E_K) + G_L * (v - E_L)
    return [(current - ionic) / C, am * (1 - m) - bm * m, ah * (1 - h) - bh * h,
            an * (1 - n) - bn * n]  # fmt: skip


def rest(current: float = 0.0) -> float:
    """Potential in mV at which nothing changes, by bracketing (``scipy.optimize.brentq``)."""
    return optimize.brentq(
        lambda v: slope(0, (v, *steady(v)), current)[0], -90, -40, xtol=1e-13, rtol=1e-15
    )


def solve(
    current: float, duration: float, *, start: float = -65.0, method: str = "DOP853",
    times: Any = None, dense: bool = False,
) -> Any:  # fmt: skip
    """``solve_ivp`` from V = ``start`` with the gates at rest there; ``t_events[0]``: spikes (ms).

    A spike is an upward crossing of 0 mV.
    """

    def crossing(t: float, x: Any, current: float) -> float:
        return x[0]

    crossing.direction = 1  # type: ignore[attr-defined]
    return integrate.solve_ivp(
        slope, (0.0, duration), [start, *steady(start)], method=method, rtol=RTOL, atol=ATOL,
        args=(current,), events=crossing, t_eval=times, dense_output=dense,
    )  # fmt: skip


def fires_on(spikes: Any, duration: float = 1000.0, last: float = 50.0) -> bool:
    """Sustained firing: still spikes in the last ``last`` ms of a step of ``duration`` ms."""
    return bool(len(spikes)) and bool(np.max(spikes) > duration - last)


def rheobase(
    low: float = 5.5, high: float = 7.0, width: float = 1e-3, start: float = -65.0
) -> tuple[float, float]:
    """Bracket of the least current (uA/cm^2) whose step from ``start`` keeps it firing for 1 s."""
    while high - low > width:
        middle = (low + high) / 2
        spikes = solve(middle, 1000.0, start=start).t_events[0]
        low, high = (low, middle) if fires_on(spikes) else (middle, high)
    return low, high


def recursion(
    currents: Any, dt: float, steps: int, method: str, *, roundings: int = 0, copies: int = 1,
    seed: int = 0, start: float = -65.0,
    keep: Callable[[int], bool] = lambda k: True, exact_first: bool = False,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """The discrete-time neuron in NumPy: states and spikes.

    Forward Euler, or every variable's own linear equation solved with the others held
    (exponential Euler). With ``roundings`` each new value is multiplied by
    ``1 + (a sum of so many numbers from U(-u, u))``, u = 2^-53: what so many roundings do to it.
    The spread of copies is then how far rounding drives this map apart, spikes included; copy 0 is
    left alone if ``exact_first``.

    Returns
    -------
    states : float64 array [kept steps, 4, currents, copies]
        V, m, h, n.
    spikes : int array
        Rows (step, current, copy).
    """
    rng = np.random.default_rng(seed)
    current = np.asarray(currents, np.float64)[:, None]
    shape = (len(current), copies)
    v = np.full(shape, start)
    m, h, n = (np.full(shape, x) for x in steady(start))
    kept, spikes = [], []
    for k in range(steps):
        am = 1 / special.exprel(-(v + 40) / 10)
        bm = 4 * np.exp(-(v + 65) / 18)
        ah = 0.07 * np.exp(-(v + 65) / 20)
        bh = 1 / (1 + np.exp(-(v + 35) / 10))
        an = 0.1 / special.exprel(-(v + 55) / 10)
        bn = 0.125 * np.exp(-(v + 65) / 80)
        na, kal = G_NA * m**3 * h, G_K * n**4
        pull, total = na * E_NA + kal * E_K + G_L * E_L + current, na + kal + G_L
        pairs = ((v, pull / C, total / C), (m, am, am + bm), (h, ah, ah + bh), (n, an, an + bn))
        before = v
        if method == "euler":
            new = [x + dt * (a - b * x) for x, a, b in pairs]
        else:
            new = [a / b + (x - a / b) * np.exp(-b * dt) for x, a, b in pairs]
        if roundings:
            u = 2.0**-53 * math.sqrt(roundings)  # same variance as the sum
            errors = rng.uniform(-u, u, (4, *shape))
            if exact_first:
                errors[..., 0] = 0
            new = [x * (1 + e) for x, e in zip(new, errors, strict=True)]
        v, m, h, n = new
        for i, j in np.argwhere((v > 0) & (before <= 0)):
            spikes.append((k, i, j))
        if keep(k):
            kept.append(np.stack(new))
    return np.array(kept), np.array(spikes, int).reshape(-1, 3)
