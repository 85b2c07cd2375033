"""Known firing patterns of AdEx and Izhikevich neurons: two models added by our own page.

All AdEx neurons are one population and all Izhikevich neurons another; a pattern is an element with
its own parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from neurohw.network import AdEx, Izhikevich, Network, Step
from neurohw.recording import Recording
from neurohw.run import run
from neurohw.science.claim import Claim, Measured, find
from neurohw.science.figure import Figure, Progress

__all__ = ["ADEX", "CLAIMS", "IZHIKEVICH", "firing_patterns"]

DT, ON, STOP = 1e-4, 50e-3, 650e-3

ADEX = {
    # C pF, g_L nS, E_L mV, a nS, tau_w ms, b pA, V_reset mV, I pA; V_T -50 mV, Delta_T 2 mV
    "tonic": (200, 10, -70, 2, 30, 0, -58, 500),
    "adapting": (200, 12, -70, 2, 300, 60, -58, 500),
    "initial burst": (130, 18, -58, 4, 150, 120, -50, 400),
    "regular bursting": (200, 10, -58, 2, 120, 100, -46, 210),
    "delayed, accelerating": (200, 12, -70, -10, 300, 0, -58, 300),
    "delayed, regular bursting": (100, 10, -65, -10, 90, 30, -47, 110),
    "transient": (100, 10, -65, 10, 90, 100, -47, 180),
    "irregular": (100, 12, -60, -11, 130, 30, -48, 160),
}
"""Naud, Marcille, Clopath and Gerstner, Biol. Cybern. 99:335 (2008), Table 1."""
IZHIKEVICH = {
    # C pF, k nS/mV, V_r mV, V_t mV, V_peak mV, a 1/s, b nS, V_reset mV, d pA, I pA
    "regular spiking": (100, 0.7, -60, -40, 35, 30, -2, -50, 100, 100),
    "intrinsically bursting": (150, 1.2, -75, -45, 50, 10, 5, -56, 130, 500),
    "chattering": (50, 1.5, -60, -40, 25, 30, 1, -40, 150, 400),
}
"""Izhikevich, Dynamical Systems in Neuroscience (2007), figs. 8.12, 8.19, 8.23."""


def network() -> Network:
    """One population per model, one element per pattern, a current step for all."""
    C, g_L, E_L, a, tau_w, b, reset, current = np.array(list(ADEX.values()), float).T
    net = Network("firing_patterns")
    adex = AdEx(size=len(C), C=C * 1e-12, g_L=g_L * 1e-9, E_L=E_L * 1e-3, V_T="-50 mV",
                a=a * 1e-9, tau_w=tau_w * 1e-3, b=b * 1e-12, V_reset=reset * 1e-3)  # fmt: skip
    net.population("adex", adex, currents=[Step(amplitude=current * 1e-12, start=ON)])
    C, k, V_r, V_t, peak, a, b, reset, d, current = np.array(list(IZHIKEVICH.values()), float).T
    cells = Izhikevich(size=len(C), C=C * 1e-12, k=k * 1e-6, V_r=V_r * 1e-3, V_t=V_t * 1e-3,
                       V_peak=peak * 1e-3, a=a, b=b * 1e-9, V_reset=reset * 1e-3,
                       d=d * 1e-12)  # fmt: skip
    net.population("izhikevich", cells, currents=[Step(amplitude=current * 1e-12, start=ON)])
    for name in ("adex", "izhikevich"):
        net.probe(name, "v", "w")
    return net


@dataclass(frozen=True, eq=False)
class Runs:
    """What all neurons did."""

    recording: Recording

    def times(self, population: str, index: int) -> np.ndarray:
        """Spike times in ms after the current is switched on."""
        found = self.recording.spikes(population)
        return (found.step[found.element == index] * DT - ON) * 1e3


def simulate(seed: int, trials: int, progress: Progress) -> Runs:
    """Run both populations; nothing is random, so one trial says all."""
    return Runs(run(network(), dt=DT, duration=STOP, seed=seed,
                    progress=lambda done, total: progress("patterns", done, total)))  # fmt: skip


def _last_to_first(t: np.ndarray) -> float:
    gaps = np.diff(t)
    return float(gaps[-1] / gaps[0]) if len(gaps) > 1 else float("nan")


def _late_spread(t: np.ndarray) -> float:
    """Longest over shortest interval of the second half."""
    gaps = np.diff(t[t > (STOP - ON) * 500])
    return float(gaps.max() / gaps.min()) if len(gaps) > 1 else float("nan")


def _late_cv(t: np.ndarray) -> float:
    gaps = np.diff(t[t > 100])
    return float(gaps.std() / gaps.mean()) if len(gaps) > 1 else float("nan")


def _late_count(t: np.ndarray) -> float:
    return float(np.count_nonzero(t > 300)) if len(t) else float("nan")


_RATIO, _SPREAD = "last interval / first interval", "longest / shortest interval after 300 ms"
_WHAT: Mapping[str, tuple[str, Callable[[np.ndarray], float], Callable[[float], bool], str]] = {
    "tonic": (_SPREAD, _late_spread, lambda x: x < 1.05, "below 1.05"),
    "adapting": (_RATIO, _last_to_first, lambda x: x > 1.5, "above 1.5"),
    "initial burst": (_RATIO, _last_to_first, lambda x: x > 3, "above 3"),
    "regular bursting": (_SPREAD, _late_spread, lambda x: x > 3, "above 3"),
    "delayed, accelerating": (_RATIO, _last_to_first, lambda x: x < 0.8, "below 0.8"),
    "delayed, regular bursting": (_SPREAD, _late_spread, lambda x: x > 3, "above 3"),
    "transient": ("spikes after 300 ms", _late_count, lambda x: x == 0, "none, after some"),
    "irregular": ("CV of the intervals after 100 ms", _late_cv, lambda x: x > 0.2, "above 0.2"),
    "regular spiking": (_RATIO, _last_to_first, lambda x: x > 1, "above 1: it adapts"),
    "intrinsically bursting": (_RATIO, _last_to_first, lambda x: x > 3, "above 3: burst, then not"),
    "chattering": (_SPREAD, _late_spread, lambda x: x > 3, "above 3: burst after burst"),
}


def _claim(population: str, index: int, pattern: str) -> Claim:
    quantity, statistic, holds, reading = _WHAT[pattern]
    texts = {
        "adex": "Naud et al. 2008, Table 1",
        "izhikevich": "Izhikevich 2007, figs. 8.12, 8.19, 8.23",
    }

    def measure(runs: Runs) -> Measured:
        value = statistic(runs.times(population, index))
        return Measured(value, 0.0, 1, "holds" if holds(value) else "does not hold")

    return Claim(f"{population}-{index + 1}", texts[population], pattern,
                 f"{quantity} {reading}", quantity, "", ("firing-patterns",), measure)  # fmt: skip


CLAIMS = tuple(
    _claim(population, k, pattern)
    for population, patterns in (("adex", ADEX), ("izhikevich", IZHIKEVICH))
    for k, pattern in enumerate(patterns)
)


def firing_patterns(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Eight AdEx and three Izhikevich neurons under a step of current."""
    runs = simulate(seed, 1, progress)
    panels = []
    for population, patterns in (("adex", ADEX), ("izhikevich", IZHIKEVICH)):
        v, w = (runs.recording.trace(population, x).values[:, 0] for x in ("v", "w"))
        for k, name in enumerate(patterns):
            panels.append({
                "title": f"{'AdEx' if population == 'adex' else 'Izhikevich'}: {name}",
                "v": v[:, k] * 1e3,
                "w": w[:, k] * 1e12,
                "spikes": runs.times(population, k) + ON * 1e3,
                "foot": list(patterns.values())[k][-2 if population == "adex" else -3],
                "peak": 0.0 if population == "adex" else list(IZHIKEVICH.values())[k][4],
                "current": list(patterns.values())[k][-1],
            })  # fmt: skip
    return Figure(
        name="firing-patterns",
        title="Firing patterns of the AdEx and the Izhikevich neuron",
        caption=(
            "A step of current from 50 ms on; V in mV (spikes drawn up to V_peak) and, thin, the "
            "adaptation current w in pA. Parameters of AdEx: Naud et al. 2008, Table 1; of "
            "Izhikevich: his book of 2007, figs. 8.12, 8.19, 8.23. Euler, dt = 0.1 ms. Nothing is "
            f"random (seed {seed})."
        ),
        seed=seed,
        trials=1,
        parameters={
            "AdEx: C pF, g_L nS, E_L mV, a nS, tau_w ms, b pA, V_reset mV, I pA": ADEX,
            "Izhikevich: C pF, k nS/mV, V_r mV, V_t mV, V_peak mV, a 1/s, b nS, V_reset mV, d pA, "
            "I pA": IZHIKEVICH,
        },
        numbers={"spike times ms": {p["title"]: p["spikes"].tolist() for p in panels}},
        findings=find(CLAIMS, runs, "firing-patterns"),
        draw="neurohw.plot.patterns:patterns",
        data={"panels": panels, "time": np.arange(1, round(STOP / DT) + 1) * DT * 1e3},
        size=(11.0, 7.6),
    )
