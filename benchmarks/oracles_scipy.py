"""The Hodgkin-Huxley neuron of neurohw against SciPy's solvers (``hh_scipy.py``).

A method of first order has an error proportional to dt, so numbers at a finite dt are not compared
with SciPy's directly: the order is measured, and values are extrapolated to dt = 0.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import neurohw as nh

sys.path.append(str(Path(__file__).parent))
import hh_scipy
from table import Row

METHODS = ("euler", "exponential")


def axon(
    current: np.ndarray, dt: float, milliseconds: float, method: str, *variables: str
) -> nh.Recording:
    """neurohw's neurons, one for each current in uA; dt in ms; recorded: ``variables``."""
    net = nh.Network("axon")
    net.population("N", nh.HodgkinHuxley(size=len(current), I_bias=np.asarray(current) * 1e-6))
    if variables:
        net.probe("N", *variables)
    return nh.run(net, dt=dt * 1e-3, steps=round(milliseconds / dt), method=method)


def crossings(v: np.ndarray, dt: float) -> np.ndarray:
    """Times in ms of upward crossings of 0; ``v[k]`` is V at (k + 1) dt; linear in between."""
    k = np.flatnonzero((v[1:] > 0) & (v[:-1] <= 0))
    return (k + 1 + v[k] / (v[k] - v[k + 1])) * dt


def to_zero(values: list[float]) -> tuple[float, float]:
    """Limit and bound of its error, from values at 4 dt, 2 dt and dt with an error a dt + b dt^2.

    Linear extrapolation from either pair leaves errors 8 b dt^2 and 2 b dt^2: they differ by three
    times the error of the better one. That difference is the bound.
    """
    coarse, fine = 2 * values[1] - values[0], 2 * values[2] - values[1]
    return fine, abs(fine - coarse)


def resting() -> Iterator[Row]:
    """Where V comes to rest without current; a fixed point is the same for any dt and method.

    Deviations decay within about 10 ms, so nothing but rounding is left after 500 ms: 16 errors of
    u |V| per step, kept for 10 ms = 400 steps, are 5e-14 V.
    """
    want = hh_scipy.rest() * 1e-3
    for method in METHODS:
        v = axon(np.zeros(1), 0.025, 500, method, "v").raw("N", "v")[-1, 0, 0]
        yield Row(f"resting potential (V), {method}", v, want, 5e-14, "bound")


def waveform(
    current: float = 10.0, steps: tuple[float, ...] = (0.02, 0.01, 0.005, 0.0025)
) -> Iterator[Row]:
    """Order in dt of V before the first spike and of that spike's time: 1 for both methods."""
    solution = hh_scipy.solve(current, 5.0, dense=True)
    want = solution.t_events[0][0]
    early = np.arange(0.1, 0.75 * want, 0.1)
    exact = solution.sol(early)[0]
    for method in METHODS:
        far, late = [], []
        for dt in steps:
            v = axon(np.array([current]), dt, 5.0, method, "v").raw("N", "v")[:, 0, 0] * 1e3
            far.append(float(np.abs(v[np.rint(early / dt).astype(int) - 1] - exact).max()))
            late.append(float(crossings(v, dt)[0]))
        for what, errors in (
            ("V before the first spike", far),
            ("time of the first spike", [abs(t - want) for t in late]),
        ):
            got = math.log2(errors[-2] / errors[-1])
            # the next term is smaller by dt over the fastest time, 0.1 ms: by 0.05 at the last pair
            yield Row(f"order in dt, {what}, {method}", got, 1.0, 0.05, "bound")
        limit, bound = to_zero(late[-3:])
        yield Row(f"first spike at dt = 0 (ms), {method}", limit, want, bound, "bound")
        yield Row(f"  at dt = {steps[1]} ms", late[1], want, bound, "shown")


def frequency(
    currents: tuple[float, ...] = (7.0, 8.0, 10.0, 15.0, 20.0), steps: float = 0.005
) -> Iterator[Row]:
    """Firing frequency on the cycle: intervals from 100 to 300 ms, at five currents."""
    want = []
    for current in currents:
        t = hh_scipy.solve(current, 300.0).t_events[0]
        t = t[t > 100]
        want.append(1e3 * (len(t) - 1) / (t[-1] - t[0]))
    for method in METHODS:
        got: list[list[float]] = [[] for _ in currents]
        for dt in (4 * steps, 2 * steps, steps):
            v = axon(np.array(currents), dt, 300.0, method, "v").raw("N", "v")[:, 0]
            for i in range(len(currents)):
                t = crossings(v[:, i], dt)
                t = t[t > 100]
                got[i].append(1e3 * (len(t) - 1) / (t[-1] - t[0]))
        for current, values, exact in zip(currents, got, want, strict=True):
            limit, bound = to_zero(values)
            label = f"{method}, {current:g} uA/cm2"
            yield Row(f"frequency at dt = 0 (Hz), {label}", limit, exact, bound, "bound")
            yield Row(f"  at dt = {2 * steps} ms", values[1], exact, bound, "shown")


def own_rheobase(dt: float, method: str, start: tuple[float, float] = (5.5, 7.0)) -> float:
    """Least current (uA/cm^2) that keeps neurohw's neuron firing for 1 s from V = -65 mV."""
    low, high = start
    for _ in range(2):
        grid = np.linspace(low, high, 33)
        events = axon(grid, dt, 1000.0, method).spikes("N")
        last = np.zeros(len(grid))
        np.maximum.at(last, events.element, events.step * dt)
        on = [hh_scipy.fires_on([t] if t else []) for t in last]
        first = on.index(True)
        low, high = grid[first - 1], grid[first]
    return (low + high) / 2


def rheobase(steps: float = 0.01) -> Iterator[Row]:
    """Rheobase of sustained firing, extrapolated to dt = 0, against bisection with DOP853."""
    width = 2e-3
    low, high = hh_scipy.rheobase(start=-65.0, width=width)
    for method in METHODS:
        values = [own_rheobase(dt, method) for dt in (4 * steps, 2 * steps, steps)]
        limit, bound = to_zero(values)
        slack = bound + width / 2 + 3 * 1.5 / 32**2 / 2  # and the brackets, of either side
        yield Row(f"rheobase at dt = 0 (uA/cm2), {method}", limit, (low + high) / 2, slack,
                  "bound")  # fmt: skip
        yield Row(f"  at dt = {steps} ms", values[-1], (low + high) / 2, slack, "shown")


ALL = (resting, waveform, frequency, rheobase)
