"""Firing rate of the noisy LIF neuron against Siegert's formula, for both methods.

V is looked at once per step, so it may cross the threshold and come back unseen: rates are low by
a term in sqrt(dt), as if the threshold were 0.5826 b sqrt(dt) higher. That holds for the
exponential method as well, whose V is exact *on the grid*; it is no better than Euler in this, only
its error of order dt is smaller. The reset is not shifted. Three comparisons:

* with the mean first-passage time of the recursion itself (``theory.chain_interval``): no
  asymptotics, so the measured rate must agree within its standard error;
* that number with Siegert's formula, plain and with the shifted threshold, as dt shrinks: the plain
  error falls like sqrt(dt), the shifted one like dt. No random numbers;
* rates measured at several dt, extrapolated to dt = 0 in powers of sqrt(dt), with Siegert's.

``python benchmarks/siegert.py`` prints all three.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import neurohw as nh

sys.path.append(str(Path(__file__).parent))
import theory
from closed_forms import METHODS
from table import Row, show

C, TAU, REST, TH, RESET, T_REF = 250e-12, 20e-3, -0.070, -0.050, -0.060, 2e-3
LEVELS = dict(threshold=TH, reset=RESET, tau=TAU)
POINTS = ((-0.046, 3e-3), (-0.050, 4e-3), (-0.052, 5e-3), (-0.055, 5e-3), (-0.058, 6e-3))
"""(mu, s) in V, s = b sqrt(tau): from driven by the mean to driven by the noise."""


def siegert(mu: float, s: float, dt: float = 0.0, *, both: bool = False) -> float:
    """The formula; threshold (with ``both`` the reset too, wrongly) raised by the shift for dt."""
    up = theory.discrete_shift(strength(s), dt)
    levels = LEVELS | dict(threshold=TH + up, reset=RESET + up * both)
    return theory.siegert(mu, strength(s), t_ref=T_REF, **levels)


def chain(mu: float, s: float, dt: float, method: str) -> tuple[float, float]:
    """Rate and coefficient of variation of the recursion."""
    return theory.chain_rate(mu, strength(s), t_ref=T_REF, dt=dt, method=method, **LEVELS)


def strength(s: float) -> float:
    """b in V/s**0.5 from s in V."""
    return s / math.sqrt(TAU)


def measure(
    dt: float, method: str, trials: int, seconds: float, settle: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Rates of the five points after ``settle`` s, and the spikes counted."""
    mu, s = np.array(POINTS).T
    net = nh.Network("siegert")
    lif = nh.LIF(size=len(mu), C=C, tau=TAU, E_L=REST, V_th=TH, V_reset=RESET, t_ref=T_REF,
                 I_bias=(mu - REST) * C / TAU)  # fmt: skip
    net.population("N", lif, noise=[nh.AdditiveNoise(sigma=s / math.sqrt(TAU) * C)])
    events = nh.run(net, dt=dt, duration=settle + seconds, trials=trials, method=method,
                    seed=1).spikes("N")  # fmt: skip
    counts = np.bincount(events.element[events.step * dt >= settle], minlength=len(mu))
    return counts / (seconds * trials), counts


def label(mu: float, s: float) -> str:
    """A point in words."""
    return f"mu {mu * 1e3:g} mV, s {s * 1e3:g} mV"


def against_chain(
    dt: float = 1e-4, trials: int = 2000, seconds: float = 5.0, methods: tuple[str, ...] = METHODS
) -> Iterator[Row]:
    """Measured rates against those of the recursion, and beside them Siegert's.

    Spikes of a stationary renewal process in a window of W: mean r W, variance r W CV^2 but for a
    constant below 1, negligible here. The neuron starts at rest and settles for a second (several
    intervals) first.
    """
    for method in methods:
        rates, counts = measure(dt, method, trials, seconds)
        for (mu, s), rate, count in zip(POINTS, rates, counts, strict=True):
            want, cv = chain(mu, s, dt, method)
            error = cv * want / math.sqrt(count)
            yield Row(f"rate (Hz), {method}, {label(mu, s)}", rate, want, error)
            for name, formula in (
                ("Siegert, threshold raised by 0.5826 b sqrt(dt)", siegert(mu, s, dt)),
                ("Siegert, threshold and reset raised", siegert(mu, s, dt, both=True)),
                ("Siegert, as it stands", siegert(mu, s)),
            ):
                yield Row(f"  {name}", rate, formula, error, "shown")


def orders(
    wide: float = 1e-4, fine: float = 2.5e-5, points: tuple[tuple[float, float], ...] = POINTS
) -> Iterator[Row]:
    """Order in dt of the recursion's distance from Siegert's rate, without and with the shift.

    Orders come in halves here, so the bound of a quarter says which one it is.
    """
    for mu, s in points:
        for method in METHODS:
            plain, shifted = [], []
            for dt in (wide, fine):
                rate, _ = chain(mu, s, dt, method)
                plain.append(abs(rate / siegert(mu, s) - 1))
                shifted.append(abs(rate / siegert(mu, s, dt) - 1))
            for name, (far, near), order in (("plain", plain, 0.5), ("shifted", shifted, 1.0)):
                got = math.log(far / near) / math.log(wide / fine)
                yield Row(f"order in dt, {name}, {method}, {label(mu, s)}", got, order, 0.25,
                          "bound")  # fmt: skip


def extrapolated(
    steps: tuple[float, ...] = (4e-4, 2e-4, 1e-4, 5e-5, 2.5e-5), trials: int = 2000,
    seconds: float = 5.0,
) -> Iterator[Row]:  # fmt: skip
    """Siegert's rate from rates measured at several dt, extrapolated to dt = 0 by least squares.

    Twice: the mean interval in powers 0, 1, 2 of sqrt(dt), which assumes nothing; and, with a
    tenth of the error, the rate times Siegert's own ratio for the shifted threshold, linear in dt.
    What a fit leaves out is found by the same fit on the recursion's own rates, which carry no
    noise, and is part of the error.
    """
    x = np.array(steps) / TAU
    for method in METHODS:
        runs = [measure(dt, method, trials, seconds) for dt in steps]
        for i, (mu, s) in enumerate(POINTS):
            want = siegert(mu, s)
            rate = np.array([r[i] for r, _ in runs])
            exact, cv = np.array([chain(mu, s, dt, method) for dt in steps]).T
            sd = cv / np.sqrt([c[i] for _, c in runs])  # relative
            ratio = np.array([want / siegert(mu, s, dt) for dt in steps])
            for name, basis, unit in (
                ("powers of sqrt(dt)", np.vander(np.sqrt(x), 3, increasing=True), 1 / want),
                ("shift removed, linear", np.vander(x, 2, increasing=True), 1 / want),
            ):
                free = name.startswith("powers")
                y, noiseless = (1 / (unit * r) if free else unit * r * ratio for r in (rate, exact))
                fit = np.linalg.pinv(basis / sd[:, None])[0] / sd
                error = want * math.hypot(math.sqrt(fit**2 @ sd**2), fit @ noiseless - 1)
                got = want / (fit @ y) if free else want * (fit @ y)
                yield Row(f"rate at dt = 0 (Hz), {name}, {method}, {label(mu, s)}", got, want,
                          error)  # fmt: skip


ALL = (against_chain, orders, extrapolated)

if __name__ == "__main__":
    sys.exit(show(ALL) > 0)
