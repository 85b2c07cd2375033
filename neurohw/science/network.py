"""The network of the third text: its activity (Fig. 2.1), its synchrony (Fig. 3.1), its table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from neurohw.analysis.connectivity import connectivity
from neurohw.analysis.correlation import pairwise_correlation
from neurohw.analysis.intervals import interval_distribution
from neurohw.analysis.rates import rates
from neurohw.analysis.spectrum import population_rate
from neurohw.analysis.trains import trains
from neurohw.science.claim import find
from neurohw.science.figure import Figure, Progress
from neurohw.science.network_claims import CLAIMS, PRINTED
from neurohw.science.network_experiments import fi, noise_free
from neurohw.science.network_measures import (
    BIN,
    BINS,
    LAG,
    RESOLVE,
    SEGMENT,
    WINDOW,
    Runs,
    each,
    independent,
    recurrent_input,
    simulate,
)
from neurohw.science.network_model import (
    DELAY,
    GAUSS,
    SETS,
    SIZES,
    SPAN,
    V_RESET,
    V_REST,
    V_TH,
    WARM,
    Settings,
    blocks,
    describe,
    simulate_group,
)

__all__ = ["activity", "synchrony", "table"]

DRAW = {
    "network-activity": "neurohw.plot.network:activity",
    "network-synchrony": "neurohw.plot.network:synchrony",
    "network-table": "neurohw.plot.network_table:table",
}
NETWORKS = 20
SHORT, LONG = 0.1, 0.2  # s, of the panels that show time
CURRENTS = np.linspace(0, 2.5e-9, 11)  # A
QUANTITIES = {
    "rate": ("mean firing rate", "Hz", 1),
    "rate_E": ("excitatory rate", "Hz", 1),
    "rate_I": ("inhibitory rate", "Hz", 1),
    "cv": ("ISI CV", "", 3),
    "correlation": ("mean pairwise correlation", "", 4),
}


def constants(s: Settings) -> str:
    """The constants as a sentence."""
    drive = []
    if any(s.bias):
        drive.append("I_bias = {:.4g} nA (E) and {:.4g} nA (I)".format(*(i * 1e9 for i in s.bias)))
    if s.sigma:
        drive.append(f"white noise of {s.sigma * 1e12:g} pA √s")
    if any(s.rate):
        drive.append("a Poisson train of {:g} Hz (E) and {:g} Hz (I)".format(*s.rate)
                     + f" with jumps of {s.kick * 1e3:g} mV")  # fmt: skip
    return (
        f"{s.label}: τ = {s.tau * 1e3:g} ms, C = {s.C * 1e12:g} pF, t_ref = {s.t_ref * 1e3:g} ms; "
        f"{s.k_E} E and {s.k_I} I synapses per neuron with jumps of {s.weight * 1e3:g} and "
        f"−{s.g * s.weight * 1e3:g} mV; {', '.join(drive)}."
    )


def _figure(name: str, title: str, caption: str, runs: Runs, data: dict, numbers: dict) -> Figure:
    common = (
        f"All: {SIZES['E']} E and {SIZES['I']} I neurons, V_rest = V_reset = {V_REST * 1e3:g} mV, "
        f"V_th = {V_TH * 1e3:g} mV, d = {DELAY * 1e3:g} ms; Euler, dt = {GAUSS.dt * 1e3:g} ms, "
        f"{SPAN:g} s after {WARM:g} s that are left out; seed {runs.seed}, {runs.count} networks."
    ).replace("-", "−")
    sets = " ".join(constants(s) for s in SETS.values())
    return Figure(
        name=name,
        title=title,
        caption=f"{caption} {sets} {common}",
        seed=runs.seed,
        trials=runs.count,
        parameters={k: describe(s) for k, s in SETS.items()}
        | {"warm_up_s": WARM, "duration_s": SPAN, "correlation_bin_ms": BIN * 1e3},
        numbers=numbers,
        findings=find(CLAIMS, runs, name),
        draw=DRAW[name],
        data=data,
        size=(13.0, 5.6 if name == "network-table" else 7.6),
    )


def _spread(values: np.ndarray) -> dict[str, float]:
    """Mean and spread over networks."""
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)),
        "least": float(values.min()),
        "most": float(values.max()),
    }


def _all_numbers(runs: Runs, names: Iterable[str]) -> dict[str, Any]:
    return {s: {k: _spread(runs.numbers[s][k]) for k in names} for s in SETS}


def activity(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 2.1: raster, population rate, rate distribution, ISI, cross-correlogram, spectrum."""
    names = ("rates", "irregularity", "synchrony", "spectra", "correlogram")
    runs = simulate(seed, trials or NETWORKS, progress, names=names)
    group = runs.first["gauss"]
    start = group.start
    raster = {k: trains(each(group, k)[0], start=start, stop=start + SHORT) for k in SIZES}
    course = {
        k: population_rate(trains(each(group, k)[0], stop=start + LONG), bin_width=1e-3)[1][0]
        for k in SIZES
    }
    spread = {k: rates(independent(group.trains[k])).per_trial for k in SIZES}
    gaps = {k: interval_distribution(g.trains["all"], bin_width=2e-4, longest=12e-3)
            for k, g in runs.first.items()}  # fmt: skip
    found = runs.numbers
    frequency = np.arange(found["gauss"]["power"].shape[1]) / SEGMENT
    error = math.sqrt(runs.count)
    data = {
        "sets": {k: s.label for k, s in SETS.items()},
        "raster": {k: (1e3 * t.dt * t.step, t.neuron) for k, t in raster.items()},
        "sizes": dict(SIZES),
        "course": course,
        "printed": dict(PRINTED),
        "rates": spread,
        "intervals": {k: (1e3 * h.edges, h.density * 1e-3) for k, h in gaps.items()},
        "mean_interval": {k: 1e3 / found[k]["rate"].mean() for k in SETS},
        "cv": {k: found[k]["cv"].mean() for k in SETS},
        "lag": 1e3 * (np.arange(found["gauss"]["correlogram"].shape[1]) * GAUSS.dt - LAG),
        "correlogram": {k: found[k]["correlogram"].mean(0) for k in SETS},
        "frequency": frequency,
        "power": {k: (found[k]["power"].mean(0), found[k]["power"].std(0, ddof=1) / error)
                  for k in SETS},
        "alone": {k: found[k]["alone"].mean(0) for k in SETS},
    }  # fmt: skip
    return _figure(
        "network-activity",
        "Network activity (Fig. 2.1)",
        "(a) Raster and (b) population rate of one network with Gaussian drive; (c) rates of its "
        "neurons and those of the other networks; (d) intervals, and an exponential of the same "
        "mean; (e) cross-correlogram of E and I, steps of 0.1 ms, mean over networks (positive: I "
        f"follows E); (f) power of the population rate (bins of {RESOLVE * 1e3:g} ms, segments of "
        f"{SEGMENT * 1e3:g} ms; mean ± standard error), and of neurons with the same trains that "
        "know nothing of each other. The text prints no constants; two sets that give its table "
        "are shown, and they differ in what the table does not print.",
        runs,
        data,
        _all_numbers(runs, ("rate", "rate_E", "rate_I", "cv", "fano", "synchrony", "drift")),
    )


def _poisson(mean: float, most: int) -> np.ndarray:
    k = np.arange(most + 1)
    return np.exp(k * math.log(mean) - mean - np.array([math.lgamma(i + 1.0) for i in k]))


def synchrony(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 3.1: spike counts, membrane traces, E/I balance, F-I curve, correlations, wiring."""
    names = ("rates", "irregularity", "correlation", "balance")
    runs = simulate(seed, trials or NETWORKS, progress, names=names)
    windows = {k: population_rate(independent(g.trains["all"]), bin_width=WINDOW)[1] * WINDOW
               for k, g in runs.first.items()}  # fmt: skip
    counts = {k: np.bincount(np.rint(x).astype(int).ravel(), minlength=70)
              for k, x in windows.items()}  # fmt: skip
    close = simulate_group(GAUSS, seed, [0], span=SHORT, sample=GAUSS.dt)
    begin = round(WARM / GAUSS.dt)
    traces = []
    for name, at in (("E", 0), ("E", 1), ("I", 0)):
        v = close.recording.trace(name, "v").values[begin:, 0, at]
        t = close.trains[name]
        traces.append((f"{name} {at}", v * 1e3, 1e3 * t.dt * t.step[t.neuron == at]))
    inputs = recurrent_input(runs.first["gauss"], 0, 2e-3)[:, 1 : round(LONG / 2e-3), 0] * 1e3
    curves = {
        "network": fi(GAUSS, seed, CURRENTS.tolist()),
        "synapses cut": fi(replace(GAUSS, weight=0.0), seed, CURRENTS.tolist()),
    }
    fine = np.linspace(CURRENTS[0], CURRENTS[-1], 400)
    pairs = {
        k: np.concatenate(
            [pairwise_correlation(t, bin_width=BIN, matrix=True).values for t in each(g)]
        )
        for k, g in runs.first.items()
    }
    net, _ = blocks(GAUSS, seed, [0])
    wires = {(a, b): connectivity(net, a, b) for a in SIZES for b in SIZES}
    data = {
        "sets": {k: s.label for k, s in SETS.items()},
        "counts": {k: x / x.sum() for k, x in counts.items()},
        "poisson": _poisson(windows["gauss"].mean(), 69),
        "fano": {k: runs.numbers[k]["fano"].mean() for k in SETS},
        "window": WINDOW * 1e3,
        "traces": traces,
        "levels": {"V_th": V_TH * 1e3, "V_reset": V_RESET * 1e3},
        "dt": GAUSS.dt * 1e3,
        "input_time": 2.0 * np.arange(1, inputs.shape[1] + 1),
        "inputs": {"E": inputs[0], "I": inputs[1]},
        "drive": GAUSS.drive[0] * 1e3,
        "threshold": (V_TH - V_REST) * 1e3,
        "current": CURRENTS * 1e9,
        "curves": {k: x.mean(1) for k, x in curves.items()},
        "noise_free": (fine * 1e9, noise_free(GAUSS, fine)),
        "operating": (GAUSS.bias[0] * 1e9, PRINTED["rate"]),
        "correlations": pairs,
        "correlation_means": {k: runs.numbers[k]["correlation"].mean() for k in SETS},
        "chance": 1 / math.sqrt(SPAN / BIN - 1),
        "printed": dict(PRINTED),
        "wires": {k: (c.source, c.target) for k, c in wires.items()},
        "sizes": dict(SIZES),
    }
    more = ("rate", "cv", "fano", "correlation", "recurrent_ratio", "input_correlation",
            "net_input", "all_excitation")  # fmt: skip
    return _figure(
        "network-synchrony",
        "Synchrony (Fig. 3.1)",
        f"(a) Spike counts in {WINDOW * 1e3:g} ms, all neurons and networks, and a Poisson "
        "distribution of the same mean; (b) V of three neurons of one network with Gaussian drive; "
        "(c) recurrent input of its first neuron as R I (bins of 2 ms), the external one, and "
        "their sum; (d) mean rate against I_bias, Gaussian drive; (e) correlation of the counts in "
        f"{BIN * 1e3:g} ms of all pairs of neurons; dashed: what independent neurons would give "
        "in a run as short; (f) who hears whom in that network.",
        runs,
        data,
        _all_numbers(runs, more),
    )


def table(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Table 4.1: the five numbers of two sets of constants, and their spread over networks."""
    count = trials or NETWORKS
    names = ("rates", "irregularity", "correlation", "bins")
    runs = simulate(seed, count, progress, names=names)
    finer = {k: replace(s, dt=s.dt / 2, label=f"{s.label}, dt / 2") for k, s in SETS.items()}
    half = simulate(seed, count, progress, names=names[:3], sets=finer)
    numbers = _all_numbers(runs, QUANTITIES)
    numbers["printed"] = dict(PRINTED)
    numbers["half_dt"] = {s: {k: _spread(half.numbers[s][k]) for k in QUANTITIES} for s in SETS}
    numbers["correlation_by_bin"] = {
        s: {f"{b * 1e3:g} ms": _spread(runs.numbers[s]["correlation_by_bin"][:, i])
            for i, b in enumerate(BINS)} for s in SETS
    }  # fmt: skip
    data = {
        "sets": {k: s.label for k, s in SETS.items()},
        "quantities": QUANTITIES,
        "printed": dict(PRINTED),
        "values": {s: {k: runs.numbers[s][k] for k in QUANTITIES} for s in SETS},
        "half": {s: {k: half.numbers[s][k] for k in QUANTITIES} for s in SETS},
        "bins": np.array(BINS) * 1e3,
        "by_bin": {s: runs.numbers[s]["correlation_by_bin"] for s in SETS},
        "neurons": sum(SIZES.values()),
    }
    drives = " and ".join(f"{s.drive[0] * 1e3:.1f}" for s in SETS.values())
    return _figure(
        "network-table",
        "Numerical results (Table 4.1)",
        f"Each dot is a network with its own wiring and noise; bars: mean ± standard deviation "
        f"over networks. Correlation: spike counts in bins of {BIN * 1e3:g} ms, all pairs. The "
        "five numbers do not identify the network: the two sets differ in drive, density, "
        f"strength of inhibition, t_ref and τ. The external drives R I of {drives} mV against "
        f"{(V_TH - V_REST) * 1e3:g} mV from rest to threshold are far outside the physiological "
        "range, and a CV of 0.61 is not the “near 1” of conclusion 2. The constants belong to "
        "their dt, as the last columns show.",
        runs,
        data,
        numbers,
    )
