"""Figs. 6 to 8 of the first text: an LIF neuron under synaptic conductances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurohw.analysis.intervals import bursts, intervals
from neurohw.analysis.rates import rates
from neurohw.science.claim import find
from neurohw.science.conductance import (
    DT,
    E_E,
    E_I,
    E_L,
    SHORT,
    STEPS,
    TAU,
    TAU_E,
    TAU_I,
    TRAINS,
    V_RESET,
    V_START,
    V_TH,
    WEIGHT,
    Runs,
    simulate,
)
from neurohw.science.figure import Figure, Progress

__all__ = ["PARAMETERS", "TEXT", "TRIALS", "fig6", "fig7", "fig8"]

TRIALS = 200
ZOOM = (400.0, 500.0)  # ms

TEXT = (
    "τ_m = 10 ms, C = τ_m g_L, E_L = −60 mV, V_th = −55 mV, V_reset = −70 mV, V(0) = −65 mV; 100 "
    "excitatory trains of 10 Hz (0 mV, 2 ms) and 50 inhibitory ones of 20 Hz (−80 mV, 5 ms), "
    "ḡ = 2.4 nS each; Euler, dt = 0.1 ms; seed {seed}, {trials} realisations."
)
PARAMETERS: Mapping[str, Any] = {
    "tau_m_ms": TAU * 1e3, "E_L_mV": E_L * 1e3, "E_E_mV": E_E * 1e3, "E_I_mV": E_I * 1e3,
    "V_th_mV": V_TH * 1e3, "V_reset_mV": V_RESET * 1e3, "V_start_mV": V_START * 1e3,
    "tau_E_ms": TAU_E * 1e3, "tau_I_ms": TAU_I * 1e3, "g_bar_nS": WEIGHT * 1e9,
    "n_E": TRAINS["E"][0], "r_E_Hz": TRAINS["E"][1], "n_I": TRAINS["I"][0],
    "r_I_Hz": TRAINS["I"][1], "dt_ms": DT * 1e3, "duration_ms": STEPS * DT * 1e3,
    "method": "euler",
}  # fmt: skip


def _edges() -> np.ndarray:
    """Eight bins of the intervals per decade, in ms, between whole steps."""
    decades = np.arange(-1.375, 3.01, 0.125)
    return np.unique(np.rint(10**decades * 1e-3 / DT) + 0.5) * DT * 1e3


def _per_decade(intervals: np.ndarray) -> np.ndarray:
    """Share of the intervals (ms) in a bin, in %, over its width in decades."""
    count, edges = np.histogram(intervals, _edges())
    return 100 * count / max(len(intervals), 1) / np.diff(np.log10(edges))


def _column(runs: Runs, panel: str, note: str) -> dict[str, Any]:
    """Plain data of one column: V with and without threshold, the raster, the intervals."""
    spikes, k = runs.trains(panel), runs.index(panel)
    rate, found = rates(spikes), bursts(spikes, limit=SHORT)
    gaps = intervals(spikes).value * 1e3
    text = f"{rate.mean:.3g} ± {rate.sem:.2g} Hz"
    return {
        "title": f"{runs.variants[panel].label}\n({note})",
        "v": runs.shown[:, k],
        "free": runs.shown_free[:, k],
        "trial": spikes.trial,
        "time": spikes.step * DT * 1e3,
        "share": _per_decade(gaps),
        "text": [text, f"{100 * found.fraction:.2g} % of the spikes in bursts"]
        if len(spikes) else [f"no spike in {runs.trials} realisations"],
    }  # fmt: skip


def _numbers(runs: Runs, panel: str) -> dict[str, Any]:
    spikes, free = runs.trains(panel), runs.potential(panel, free=True)
    rate, found = rates(spikes), bursts(spikes, limit=SHORT)
    some = len(spikes) > 0
    return {
        "spikes": len(spikes), "rate_Hz": rate.mean, "rate_error_Hz": rate.sem,
        "spikes_in_bursts": found.fraction if some else None,
        "spikes_in_bursts_error": found.fraction_sem if some else None,
        "mean_V_mV": float(runs.potential(panel).mean()), "mean_free_V_mV": float(free.mean()),
        "sd_free_V_mV": float(free.std()),
    }  # fmt: skip


def _figure(
    name: str,
    title: str,
    caption: str,
    panels: Mapping[str, str],
    arguments: tuple[int, int | None, Progress],
) -> Figure:
    from neurohw.science.conductance_claims import CLAIMS

    seed, trials, progress = arguments
    trials = TRIALS if trials is None else trials
    runs = simulate(seed, trials, progress)
    parameters: dict[str, Any] = {**PARAMETERS, "noise": "white", "burst_below_ms": SHORT * 1e3}
    for panel in panels:
        v = runs.variants[panel]
        parameters[panel] = {
            "I_pA": v.current, "sigma_additive_pA": v.additive,
            "sigma_multiplicative_pA_per_mV": v.multiplicative, "t_ref_ms": v.t_ref,
            "t_ref_sigma_ms": v.t_ref_sigma, "g_L_nS": v.g_L,
        }  # fmt: skip
    return Figure(
        name=name,
        title=title,
        caption=f"{caption} {TEXT.format(seed=seed, trials=trials)}",
        seed=seed,
        trials=trials,
        parameters=parameters,
        numbers={panel: _numbers(runs, panel) for panel in panels},
        findings=find(CLAIMS, runs, name),
        draw="neurohw.plot.conductance:panels",
        data={
            "columns": [_column(runs, panel, note) for panel, note in panels.items()],
            "times": np.arange(STEPS) * DT * 1e3,
            "zoom": ZOOM,
            "edges": _edges(),
            "short": SHORT * 1e3,
            "levels": {"V_th": V_TH * 1e3, "V_reset": V_RESET * 1e3},
            "trials": trials,
        },
        size=(4.3 * len(panels) + 1.2, 8.2),
    )


def fig6(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 6: conductance LIF neuron, constant current and additive noise."""
    return _figure(
        "cond-lif-1",
        "LIF neuron under synaptic conductances: constant current, additive noise (Fig. 6)",
        "V of one realisation with its spikes (ticks) and, over it, the free membrane potential: "
        "the same neuron and the same random numbers with the threshold at 1000 mV. Below, the "
        "grey part of it; spikes of all realisations; intervals between spikes, of which those "
        "below 5 ms make a burst. White noise: ξ = randn / √dt, dt in s.",
        {"6 left": "Fig. 6 left", "6 right": "Fig. 6 right"},
        (seed, trials, progress),
    )


def fig7(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 7: conductance LIF neuron, random refractory period, multiplicative noise."""
    return _figure(
        "cond-lif-2",
        "LIF neuron under synaptic conductances: multiplicative noise (Fig. 7)",
        "As Fig. 6. Both panels have the same refractory period, so that only the noise differs. "
        "Noise in proportion to V (in mV) vanishes at 0 mV and grows without limit below it.",
        {"7 left": "Fig. 7 left", "7 right": "Fig. 7 right"},
        (seed, trials, progress),
    )


def fig8(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 8: conductance LIF neuron, ten times the leak; its caption and text differ."""
    return _figure(
        "cond-lif-3",
        "LIF neuron under synaptic conductances: ten times the leak (Fig. 8)",
        "As Fig. 6, with g_L = 200 nS. For the left panel the caption says multiplicative noise "
        "and the text additive noise; with additive noise the neuron never fires.",
        {
            "8 left": "Fig. 8 left, by its caption",
            "8 left, text": "Fig. 8 left, by the text",
            "8 right": "Fig. 8 right",
        },
        (seed, trials, progress),
    )
