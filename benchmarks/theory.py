"""Closed forms and quadratures that a simulation must meet; NumPy and SciPy, nothing of neurohw.

Potentials in V, times in s, rates in Hz. The noisy membrane is
``dV = (mu - V)/tau dt + b dW`` with ``b = sigma / C`` in V/s**0.5 (sigma in A*s**0.5).
Two numbers are called sigma in the literature: the stationary deviation ``b sqrt(tau / 2)``, and
``b sqrt(tau)``, in which Siegert's formula is usually written. Here it is always b that is given.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import integrate, special, stats

BETA = 1.4603545088095868 / math.sqrt(2 * math.pi)  # -zeta(1/2) / sqrt(2 pi) = 0.5826
"""Mean overshoot of a Gaussian random walk over a distant barrier, in steps' deviations."""


def lif_interval(push: float, gap: float, tau: float, t_ref: float) -> float:
    """Interval of a LIF neuron reset to rest: ``t_ref + tau ln(RI / (RI - gap))``; inf below.

    ``push`` is R I, ``gap`` V_th - E_L (Gerstner et al., Neuronal Dynamics, section 1.3).
    """
    return t_ref + tau * math.log(push / (push - gap)) if push > gap else math.inf


def lif_steps(push: float, gap: float, ratio: float, method: str) -> float:
    """Steps from reset to threshold as a real number; the neuron takes the next whole one.

    V after n steps is R I (1 - a^n), with a = 1 - dt/tau (euler) or exp(-dt/tau); ``ratio`` is
    dt/tau.
    """
    log_a = math.log1p(-ratio) if method == "euler" else -ratio
    return math.log1p(-gap / push) / log_a


def siegert(
    mu: float, b: float, *, threshold: float, reset: float, tau: float, t_ref: float
) -> float:
    """Firing rate under white noise (Siegert, Phys. Rev. 81:617, 1951; Brunel, J. Comput.
    Neurosci. 8:183, 2000): ``1/r = t_ref + tau sqrt(pi) int exp(x^2) (1 + erf x) dx`` from
    (reset - mu)/s to (threshold - mu)/s with s = b sqrt(tau).
    """
    s = b * math.sqrt(tau)
    low, high = (reset - mu) / s, (threshold - mu) / s
    area, _ = integrate.quad(lambda x: special.erfcx(-x), low, high, epsabs=0, epsrel=1e-12)
    return 1 / (t_ref + tau * math.sqrt(math.pi) * area)


def discrete_shift(b: float, dt: float) -> float:
    """How much higher a threshold looks that is checked once per dt: ``BETA b sqrt(dt)``.

    In Siegert's convention s = b sqrt(tau) this is 0.5826 s sqrt(dt/tau); in the stationary one
    there is another factor sqrt(2). The reset is not shifted. Chernoff (1965), Siegmund (1979);
    Broadie, Glasserman and Kou, Math. Finance 7:325 (1997).
    """
    return BETA * b * math.sqrt(dt)


def chain_interval(
    mu: float, b: float, *, threshold: float, reset: float, tau: float, dt: float, method: str,
    nodes: int = 6,
) -> tuple[float, float]:  # fmt: skip
    """Mean and deviation of the steps from reset to the first V >= threshold, of the *recursion*.

    V' = m(V) + s N, a Markov chain that is killed at the threshold. The mean T(V) solves
    ``T = 1 + K T`` and the mean square ``M = 2 T - 1 + K M``, where K is the transition density
    below threshold: Fredholm equations of the second kind, solved by Nystrom's method on panels of
    Gauss-Legendre nodes no wider than s. So this is what a simulation with step dt must give,
    with no asymptotics in dt.

    Parameters
    ----------
    method : {"euler", "exponential"}
        m = V + (mu - V) dt/tau, s = b sqrt(dt); or the exact transition of the process.
    nodes : int
        Per panel.
    """
    if method == "euler":
        decay, s = 1 - dt / tau, b * math.sqrt(dt)
    else:
        decay, s = math.exp(-dt / tau), b * math.sqrt(tau / 2 * -math.expm1(-2 * dt / tau))
    spread = b * math.sqrt(tau / 2)
    bottom = min(mu, reset) - 8 * spread
    panels = max(math.ceil((threshold - bottom) / s), 8)
    x, w = np.polynomial.legendre.leggauss(nodes)
    edges = np.linspace(bottom, threshold, panels + 1)
    half = np.diff(edges)[:, None] / 2
    v = (edges[:-1, None] + half * (1 + x)).ravel()
    weight = (half * w).ravel()

    def kernel(start: np.ndarray) -> np.ndarray:
        z = (v - (mu + decay * (start[:, None] - mu))) / s
        return np.exp(-z * z / 2) / (s * math.sqrt(2 * math.pi)) * weight

    matrix = np.eye(len(v)) - kernel(v)
    first = np.linalg.solve(matrix, np.ones(len(v)))
    second = np.linalg.solve(matrix, 2 * first - 1)
    row = kernel(np.array([reset]))[0]
    mean = 1 + row @ first
    square = 2 * mean - 1 + row @ second
    return float(mean), math.sqrt(square - mean * mean)


def chain_rate(
    mu: float, b: float, *, threshold: float, reset: float, tau: float, t_ref: float, dt: float,
    method: str,
) -> tuple[float, float]:  # fmt: skip
    """Rate of the discrete-time neuron and the coefficient of variation of its intervals."""
    mean, sd = chain_interval(mu, b, threshold=threshold, reset=reset, tau=tau, dt=dt,
                              method=method)  # fmt: skip
    steps = mean + round(t_ref / dt)
    return 1 / (steps * dt), sd / steps


def ornstein_uhlenbeck(t: float, push: float, b: float, tau: float) -> tuple[float, float]:
    """Mean and variance at t of ``dX = (push - X)/tau dt + b dW`` from X(0) = 0."""
    return push * -math.expm1(-t / tau), b * b * tau / 2 * -math.expm1(-2 * t / tau)


def autoregression(n: int, push: float, b: float, ratio: float, dt: float) -> tuple[float, float]:
    """Mean and variance of Euler's recursion after n steps; ``ratio`` is dt/tau."""
    a = 1 - ratio
    return push * (1 - a**n), b * b * dt * (1 - a ** (2 * n)) / (1 - a * a)


def shot_noise(weight: float, rate: float, tau: float) -> tuple[float, float]:
    """Stationary mean and deviation of an exponential shot noise (Campbell's theorem; Rice 1944).

    ``rate`` is that of all trains together.
    """
    return weight * rate * tau, weight * math.sqrt(rate * tau / 2)


def shot_chain(
    weight: float, trains: int, rate: float, tau: float, dt: float, method: str
) -> tuple[float, float]:
    """The same of g' = decay g + weight Binomial(trains, rate dt), read after the arrivals."""
    p = rate * dt
    decay = 1 - dt / tau if method == "euler" else math.exp(-dt / tau)
    variance = weight**2 * trains * p * (1 - p) / (1 - decay * decay)
    return weight * trains * p / (1 - decay), math.sqrt(variance)


def rounded_normal(mean: float, sd: float) -> tuple[float, float, float]:
    """Mean, deviation and fourth central moment of max(0, round(N(mean, sd^2)))."""
    k = np.arange(max(0, math.floor(mean - 9 * sd)), math.ceil(mean + 9 * sd) + 1)
    upper = stats.norm.cdf((k + 0.5 - mean) / sd)
    lower = np.where(k == 0, 0.0, stats.norm.cdf((k - 0.5 - mean) / sd))
    p = upper - lower
    average = float(p @ k)
    central = k - average
    return average, math.sqrt(p @ central**2), float(p @ central**4)
