"""What the lowered neuron does against closed forms; measured, expected, error, standard error.

Deterministic rate of a leaky integrate-and-fire neuron; mean and variance of the
Ornstein-Uhlenbeck process; rate and coefficient of variation of a Poisson driver; refractory
jitter.
"""

from __future__ import annotations

import math

import numpy as np

import neurohw as nh

DT, C, TAU, REST, TH = 1e-4, 0.5e-9, 30e-3, -0.070, -0.050
TRIALS = 100_000


def row(name: str, measured: float, expected: float, error: float) -> None:
    """Print one line; ``error`` is the standard error, or the grid of a deterministic number."""
    z = (measured - expected) / error
    print(f"{name:52s} {measured:12.6g} {expected:12.6g} {measured / expected - 1:+10.2e} "
          f"{error:10.2e} {z:+6.2f}")  # fmt: skip


def rates() -> None:
    """Interspike interval against t_ref + tau ln(RI / (RI - (V_th - E_L)))."""
    for method in ("exponential", "euler"):
        for current in (0.4e-9, 0.6e-9, 1e-9, 2e-9, 4e-9):
            net = nh.Network("rate")
            lif = nh.LIF(C=C, tau=TAU, E_L=REST, V_th=TH, t_ref=3e-3, I_bias=current)
            net.population("N", lif)
            run = nh.run(net, dt=1e-5, duration=1.0, method=method)
            interval = np.diff(run.spikes("N").step).mean() * 1e-5
            push = current * TAU / C
            want = 3e-3 + TAU * math.log(push / (push - (TH - REST)))
            row(f"interval (s), {method}, dt 10 us, I {current * 1e9:g} nA", interval, want, 1e-5)


def ornstein_uhlenbeck() -> None:
    """V without threshold: mean RI (1 - e), variance sigma^2 tau / (2 C^2) (1 - e^2)."""
    sigma, current = 4e-12, 0.2e-9
    for method in ("exponential", "euler"):
        net = nh.Network("ou")
        lif = nh.LIF(C=C, tau=TAU, E_L=REST, V_th=1.0, reset="none", I_bias=current)
        net.population("N", lif, noise=[nh.AdditiveNoise(sigma=sigma)])
        net.probe("N", "v", reduce="moments")
        run = nh.run(net, dt=DT, steps=1500, trials=TRIALS, method=method, seed=2)
        moments = run.probes.moments["N.v:moments"]
        for steps in (50, 300, 1500):
            t = steps * DT
            mean = REST + current * TAU / C * -math.expm1(-t / TAU)
            variance = (sigma / C) ** 2 * TAU / 2 * -math.expm1(-2 * t / TAU)
            if method == "euler":  # the recursion's own mean and variance
                a = 1 - DT / TAU
                mean = REST + current * TAU / C * (1 - a**steps)
                variance = (sigma / C) ** 2 * DT * (1 - a ** (2 * steps)) / (1 - a**2)
            got = moments.m2[steps - 1, 0] / (TRIALS - 1)
            row(f"OU mean (V), {method}, t {t * 1e3:g} ms", moments.mean[steps - 1, 0], mean,
                math.sqrt(variance / TRIALS))  # fmt: skip
            row(f"OU variance (V^2), {method}, t {t * 1e3:g} ms", got, variance,
                variance * math.sqrt(2 / TRIALS))  # fmt: skip


def poisson() -> None:
    """Bernoulli-Poisson train: rate r, CV sqrt(1 - r dt)."""
    net = nh.Network("poisson")
    net.driver("P", nh.Poisson(size=200, rate=80.0))
    net.population("N", nh.LIF(C=C, tau=TAU, E_L=REST, V_th=TH))
    net.connect("P", "N", nh.Delta(weight=0.0))
    events = nh.run(net, dt=DT, duration=10.0, trials=20, seed=3).spikes("P")
    seconds = 10.0 * 200 * 20
    row("Poisson rate (Hz)", len(events) / seconds, 80.0, math.sqrt(80 / seconds))
    order = np.lexsort((events.step, events.element, events.trial))
    step, unit = events.step[order], (events.trial * 200 + events.element)[order]
    gaps = np.diff(step)[np.diff(unit) == 0]
    row("Poisson CV", gaps.std() / gaps.mean(), math.sqrt(1 - 80 * DT), 1 / math.sqrt(len(gaps)))


def jitter() -> None:
    """Blocked steps of a strongly driven neuron: N(t_ref, sigma^2), rounded (variance + 1/12)."""
    net = nh.Network("jitter")
    lif = nh.LIF(C=C, tau=TAU, E_L=REST, V_th=TH, t_ref=4e-3, t_ref_sigma=0.5e-3, I_bias=40e-9)
    net.population("N", lif)
    net.probe("N", "spikes", "refractory")
    run = nh.run(net, dt=DT, duration=0.5, trials=500, seed=4)
    events = run.spikes("N")
    drawn = run.raw("N", "refractory")[events.step, events.trial, events.element]
    n = len(drawn)
    row("refractory period (steps)", drawn.mean(), 40, 5 / math.sqrt(n))
    row("its deviation (steps)", drawn.std(), math.sqrt(25 + 1 / 12), 5 / math.sqrt(2 * n))


if __name__ == "__main__":
    print(f"{'':52s} {'measured':>12s} {'expected':>12s} {'rel. error':>10s} {'std. error':>10s}"
          f" {'z':>6s}")  # fmt: skip
    rates()
    ornstein_uhlenbeck()
    poisson()
    jitter()
