"""The classical LIF neuron under constant, additive and multiplicative current: three figures.

Nine variants of one neuron are the nine elements of one population, so all figures share one
program and every claim about two of them has both at hand. Readings (docs/science.md): currents in
nA, C = tau g_L, forward Euler with 0.1 ms, one standard normal per step (not scaled by the step).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.analysis.rates import psth, rates, spiking_fraction
from neurohw.analysis.trains import Trains, trains
from neurohw.network import LIF, AdditiveNoise, MultiplicativeNoise, Network
from neurohw.recording import Recording
from neurohw.run import run
from neurohw.science.claim import find
from neurohw.science.figure import Figure, Progress, quiet

__all__ = ["VARIANTS", "Runs", "Variant", "additive", "deterministic", "multiplicative", "simulate"]

TAU, G_L = 30e-3, 16.7e-9
E_L, V_RESET, V_TH = -70e-3, -70e-3, -50e-3
DT, STEPS = 1e-4, 1000
TRIALS = 100
BIN = 1e-3  # s, a bar of the rate


@dataclass(frozen=True)
class Variant:
    """What differs from panel to panel, in the units of the captions.

    Attributes
    ----------
    current : float
        Constant current, nA.
    additive, multiplicative : float
        Noise per step: nA, and nA per mV of V.
    t_ref, t_ref_sigma : float
        Refractory period, ms; negative draws count as 0.
    """

    current: float
    additive: float = 0.0
    multiplicative: float = 0.0
    t_ref: float = 8.0
    t_ref_sigma: float = 0.0

    @property
    def label(self) -> str:
        """As a caption would write it."""
        noise = f" + {self.additive:g} ξ" if self.additive else ""
        noise += f" + {self.multiplicative:g} V ξ" if self.multiplicative else ""
        jitter = f" + {self.t_ref_sigma:g} ξ" if self.t_ref_sigma else ""
        return f"I = {self.current:g}{noise} nA, t_ref = {self.t_ref:g}{jitter} ms"


VARIANTS: Mapping[str, Variant] = {
    "2 left": Variant(3),
    "2 right": Variant(3, t_ref=0, t_ref_sigma=1),
    "3 left": Variant(6, 2),
    "3 right": Variant(6, 2, t_ref=0, t_ref_sigma=1),
    "3 right, 8 ms": Variant(6, 2, t_ref=8, t_ref_sigma=1),
    "4 left": Variant(6, 2, t_ref=5, t_ref_sigma=1),
    "4 right": Variant(6, 0, 2, t_ref=0, t_ref_sigma=1),
    "4 right, 5 ms": Variant(6, 0, 2, t_ref=5, t_ref_sigma=1),
    "3 left, no noise": Variant(6),
}
"""Panels of the text's figures; the last is not in the text and says what the noise alone does."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What all variants did.

    Attributes
    ----------
    recording : Recording
        Its population "cells" has one element per variant.
    variants : mapping
        Panel -> variant, in the order of the elements.
    v : array
        V after reset, mV, ``[step, trial, variant]``.
    """

    recording: Recording
    variants: Mapping[str, Variant]
    v: np.ndarray

    @property
    def trials(self) -> int:
        """Number of realisations."""
        return self.v.shape[1]

    def index(self, panel: str) -> int:
        """Which element a panel is."""
        return list(self.variants).index(panel)

    def potential(self, panel: str, start: float = 0.0, stop: float = 100.0) -> np.ndarray:
        """V in mV, ``[step, trial]``, for start <= t < stop in ms."""
        window = slice(*(round(t * 1e-3 / DT) for t in (start, stop)))
        return self.v[window, :, self.index(panel)]

    def trains(self, panel: str, start: float = 0.0, stop: float = 100.0) -> Trains:
        """Spikes of one panel, for start <= t < stop in ms."""
        span = {"start": start * 1e-3, "stop": stop * 1e-3}
        return trains(self.recording, "cells", neurons=self.index(panel), **span)


def network(variants: Sequence[Variant]) -> Network:
    """One neuron per variant. Values are arrays, so other values are the same program."""

    def each(field: str, unit: float) -> np.ndarray:
        return np.array([getattr(v, field) for v in variants]) * unit

    net = Network("classical_lif")
    neuron = LIF(
        size=len(variants), tau=TAU, g_L=G_L, E_L=E_L, V_th=V_TH, V_reset=V_RESET,
        I_bias=each("current", 1e-9), t_ref=each("t_ref", 1e-3),
        t_ref_sigma=each("t_ref_sigma", 1e-3),
    )  # fmt: skip
    noise = [
        AdditiveNoise(sigma=each("additive", 1e-9), convention="per_step"),
        MultiplicativeNoise(sigma=each("multiplicative", 1e-6), convention="per_step"),
    ]
    net.population("cells", neuron, noise=noise)
    net.probe("cells", "v")
    return net


def simulate(
    seed: int,
    trials: int,
    progress: Progress = quiet,
    variants: Mapping[str, Variant] = VARIANTS,
) -> Runs:
    """Run all variants for 100 ms."""
    recording = run(
        network(tuple(variants.values())), target="float64", method="euler", dt=DT, steps=STEPS,
        trials=trials, seed=seed, progress=lambda done, total: progress("LIF", done, total),
    )  # fmt: skip
    (probe,) = (p for p in recording.declared if p.value == "v")
    v = recording.raw("cells", "v") * (probe.scale * 1e3)
    v += probe.shift * 1e3
    return Runs(recording, variants, v)


# figures -----------------------------------------------------------------------------------------

_TEXT = (
    "C = τ g_L = {C:.4g} nF (τ = 30 ms, g_L = 16.7 nS), E_L = V_reset = −70 mV, V_th = −50 mV; "
    "Euler, dt = 0.1 ms, 100 ms; ξ: a standard normal per step; seed {seed}, {trials} realisations."
)


def _column(runs: Runs, panel: str, note: str) -> dict[str, Any]:
    """Plain data of one column: the band of V, the raster, the rate."""
    v, spikes = runs.potential(panel), runs.trains(panel)
    variant = runs.variants[panel]
    if variant.multiplicative:
        low, middle, high = np.quantile(v, (0.1, 0.5, 0.9), axis=1)
        band = "median; 10 % to 90 %"
    else:
        middle, sd = v.mean(1), v.std(1, ddof=1)
        low, high, band = middle - sd, middle + sd, "mean ± sd over realisations"
    return {
        "title": f"{variant.label}\n({note})",
        "middle": middle,
        "low": low,
        "high": high,
        "band": band,
        "trial": spikes.trial,
        "time": spikes.step * DT * 1e3,
        "share": spiking_fraction(spikes)[1][:, 0],
        "rate": psth(spikes, bin_width=BIN).rate,
    }


def _numbers(runs: Runs, panel: str) -> dict[str, Any]:
    spikes, v = runs.trains(panel), runs.potential(panel)
    rate = rates(spikes)
    return {
        "spikes": len(spikes),
        "rate_Hz": rate.mean,
        "rate_error_Hz": rate.sem,
        "median_V_mV": float(np.median(v)),
        "mean_V_mV": None if runs.variants[panel].multiplicative else float(v.mean()),
        "largest_share_of_realisations_spiking_in_a_step": float(spiking_fraction(spikes)[1].max()),
    }


def _figure(
    name: str,
    title: str,
    caption: str,
    panels: Mapping[str, str],
    arguments: tuple[int, int | None, Progress],
) -> Figure:
    from neurohw.science.lif_claims import CLAIMS

    seed, trials, progress = arguments
    trials = TRIALS if trials is None else trials
    runs = simulate(seed, trials, progress)
    text = _TEXT.format(C=TAU * G_L * 1e9, seed=seed, trials=trials)
    parameters: dict[str, Any] = {
        "tau_ms": TAU * 1e3, "g_L_nS": G_L * 1e9, "C_nF": TAU * G_L * 1e9, "E_L_mV": E_L * 1e3,
        "V_reset_mV": V_RESET * 1e3, "V_th_mV": V_TH * 1e3, "dt_ms": DT * 1e3,
        "duration_ms": STEPS * DT * 1e3, "method": "euler", "noise": "per_step",
        "rate_bin_ms": BIN * 1e3,
    }  # fmt: skip
    for panel in panels:
        v = runs.variants[panel]
        parameters[panel] = {
            "I_nA": v.current, "sigma_additive_nA": v.additive,
            "sigma_multiplicative_nA_per_mV": v.multiplicative, "t_ref_ms": v.t_ref,
            "t_ref_sigma_ms": v.t_ref_sigma,
        }  # fmt: skip
    return Figure(
        name=name,
        title=title,
        caption=f"{caption} {text}",
        seed=seed,
        trials=trials,
        parameters=parameters,
        numbers={panel: _numbers(runs, panel) for panel in panels},
        findings=find(CLAIMS, runs, name),
        draw="neurohw.plot.lif:panels",
        data={
            "columns": [_column(runs, panel, note) for panel, note in panels.items()],
            "times": np.arange(STEPS) * DT * 1e3,
            "edges": np.arange(round(STEPS * DT / BIN) + 1) * BIN * 1e3,
            "levels": {"V_th": V_TH * 1e3, "V_reset": V_RESET * 1e3},
            "trials": trials,
        },
        size=(4.3 * len(panels) + 1.2, 6.6),
    )


def deterministic(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 2: constant current, with a constant and a random refractory period."""
    return _figure(
        "lif-deterministic",
        "Classical LIF neuron, constant current (Fig. 2)",
        "Membrane potential, spikes of all realisations, and firing rate (bars of 1 ms, left axis; "
        "the same as the share of realisations that spike in one step, dots, right axis).",
        {"2 left": "Fig. 2 left", "2 right": "Fig. 2 right"},
        (seed, trials, progress),
    )


def additive(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 3: current with additive noise; µ_ref of the right panels is open."""
    return _figure(
        "lif-additive",
        "Classical LIF neuron, additive noise (Fig. 3)",
        "As Fig. 2, with noise in the current. The caption leaves µ_ref and σ_ref of the right "
        "panels open; shown are µ_ref = 0 and the 8 ms of the left panels, both with σ_ref = 1 ms.",
        {
            "3 left": "Fig. 3 left",
            "3 right": "Fig. 3 right, µ_ref = 0",
            "3 right, 8 ms": "Fig. 3 right, µ_ref = 8 ms",
        },
        (seed, trials, progress),
    )


def multiplicative(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 4: additive and multiplicative noise; µ_ref of the right panels is open."""
    return _figure(
        "lif-multiplicative",
        "Classical LIF neuron, additive against multiplicative noise (Fig. 4)",
        "With multiplicative noise (V in mV) the variance of V is infinite and sample means do not "
        "converge: median and quantiles are shown instead. The caption leaves µ_ref and σ_ref of "
        "the right panels open; shown are µ_ref = 0 and the 5 ms of the left panels, both with "
        "σ_ref = 1 ms.",
        {
            "4 left": "Fig. 4 left",
            "4 right": "Fig. 4 right, µ_ref = 0",
            "4 right, 5 ms": "Fig. 4 right, µ_ref = 5 ms",
        },
        (seed, trials, progress),
    )
