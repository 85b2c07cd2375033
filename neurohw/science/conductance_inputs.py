"""The Poisson trains and conductances of Fig. 5, and what section 3.1 of the text says about them.

One neuron without a threshold listens to the 150 trains of all other figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.analysis.rates import counts, fano_factor
from neurohw.analysis.trains import trains
from neurohw.recording import Recording
from neurohw.science.claim import Claim, Measured, above, below, find, mean_error, within
from neurohw.science.conductance import (
    DT,
    STEPS,
    TAU_E,
    TAU_I,
    TRAINS,
    VARIANTS,
    WEIGHT,
    network,
    record,
)
from neurohw.science.conductance_figures import PARAMETERS, TRIALS
from neurohw.science.figure import Figure, Progress, quiet

__all__ = ["CLAIMS", "Runs", "inputs", "shot_noise", "simulate"]

SETTLED = 50  # ms: ten time constants of the slower conductance
DECAY = {"E": TAU_E, "I": TAU_I}
NAMES = {"E": "excitatory", "I": "inhibitory"}


@dataclass(frozen=True, eq=False)
class Runs:
    """Conductances in nS and the free V in mV.

    Attributes
    ----------
    recording : Recording
        Spikes of the drivers "E" and "I".
    g : dict of arrays
        "E", "I" -> conductance, one sample per ms, ``[sample, trial]``.
    v : array
        Free membrane potential of Fig. 6 left, as ``g``.
    shown : dict of arrays
        "E", "I" -> conductance of the first realisation at every step, ``[step]``.
    """

    recording: Recording
    g: dict[str, np.ndarray]
    v: np.ndarray
    shown: dict[str, np.ndarray]

    @property
    def trials(self) -> int:
        """Number of realisations."""
        return self.v.shape[1]


def shot_noise(name: str) -> tuple[float, float]:
    """Mean and standard deviation of a conductance that has settled, nS: closed forms.

    Of ``g' = (1 - dt / tau) g + weight k`` with k binomial(n, p = r dt): the mean is
    ``weight n r tau``, the variance ``weight^2 n p (1 - p) / (1 - (1 - dt / tau)^2)``; with dt -> 0
    Campbell's theorem for shot noise (Papoulis, Probability, section 10-2).
    """
    count, rate = TRAINS[name]
    p, kept, weight = rate * DT, 1 - DT / DECAY[name], WEIGHT * 1e9
    variance = weight**2 * count * p * (1 - p) / (1 - kept**2)
    return weight * count * rate * DECAY[name], math.sqrt(variance)


def simulate(seed: int, trials: int, progress: Progress = quiet) -> Runs:
    """Run it for 1 s."""
    watch = ("v", "g_E", "g_I")
    cell = (VARIANTS["6 left"],)
    every = record(network(cell, free=True, watch=watch), seed, trials, progress, "conductances")
    fine = network(cell, free=True, watch=watch, every=DT)
    one = record(fine, seed, 1, progress, "one realisation")

    def get(source: Recording, variable: str, unit: float) -> np.ndarray:
        (p,) = (p for p in source.declared if p.value == variable)
        return (source.raw("cells", variable)[:, :, 0] * p.scale + p.shift) / unit

    return Runs(
        every,
        {name: get(every, f"g_{name}", 1e-9) for name in TRAINS},
        get(every, "v", 1e-3),
        {name: get(one, f"g_{name}", 1e-9)[:, 0] for name in TRAINS},
    )


# claims ------------------------------------------------------------------------------------------


def _sign(runs: Runs) -> Measured:
    value, error = mean_error(-runs.g["E"][SETTLED:].mean(0))
    note = "the equation is linear: with the printed sign g_E is the negative of ours"
    return Measured(value, error, runs.trials, above(value, error), note)


def _jumps(runs: Runs) -> Measured:
    spikes = trains(runs.recording, "E")
    heard = np.bincount(spikes.step[spikes.trial == 0], minlength=STEPS)
    g = runs.shown["E"]
    jump = g[1:] - (1 - DT / TAU_E) * g[:-1]
    worst = float(np.abs(jump - heard[1:] * WEIGHT * 1e9).max())
    bound = 8 * np.finfo(float).eps * float(g.max())
    note = f"rounding allows {bound:.1g} nS; the largest step is {jump.max():.3g} nS: spikes add up"
    return Measured(worst, 0.0, 1, below(worst, 0.0, bound), note)


def _pushes(name: str) -> Callable[[Runs], Measured]:
    def measure(runs: Runs) -> Measured:
        g, v = (x[SETTLED:] - x[SETTLED:].mean(0) for x in (runs.g[name], runs.v))
        each = (g * v).mean(0) / (g.std(0) * v.std(0))
        value, error = mean_error(each)
        verdict = above(value, error) if name == "E" else below(value, error)
        return Measured(value, error, runs.trials, verdict)

    return measure


def _rate(name: str) -> Callable[[Runs], Measured]:
    def measure(runs: Runs) -> Measured:
        want = TRAINS[name][1]
        each = counts(runs.recording, name).mean(1) / (STEPS * DT)
        value, error = mean_error(each)
        return Measured(value, error, runs.trials, within(value, error, 0.99 * want, 1.01 * want))

    return measure


def _poisson(name: str) -> Callable[[Runs], Measured]:
    def measure(runs: Runs) -> Measured:
        found = fano_factor(runs.recording, name).factor[0]
        value, error = mean_error(found)
        note = f"one draw per step gives 1 − r Δt = {1 - TRAINS[name][1] * DT:g}"
        return Measured(value, error, runs.trials, within(value, error, 0.9, 1.1), note)

    return measure


def _claim(
    name: str, source: str, sentence: str, reading: str, quantity: str, unit: str,
    measure: Callable[[Runs], Measured],
) -> Claim:  # fmt: skip
    where = f"sect. 3.1, {source}".rstrip(", ")
    figures = ("conductances",)
    return Claim(f"input-{name}", where, sentence, reading, quantity, unit, figures, measure)


_EQ10 = "P(1 spike during Δt) = r_j Δt … j = e, i … to generate a Poisson spike train"

CLAIMS: tuple[Claim, ...] = (
    _claim(
        "sign", "eq. (6)", "such conductance transients can be generated by [eq. (6), whose spikes "
        "lower g]", "a conductance is not negative: with the sign as printed the mean of g_E is "
        "above 0", "mean g_E, sign as printed", "nS", _sign,
    ),
    _claim(
        "jump", "eq. (6)", "ḡ_syn is the maximum conductance elicited by each incoming spike",
        "with the sign put right: g_E rises by ḡ = 2.4 nS for each spike that arrives in a step, "
        "and else decays", "largest difference in a step", "nS", _jumps,
    ),
    _claim(
        "excites", "", "[excitatory] neurotransmitters depolarize the cell and drive it towards "
        "the spike threshold", "the free V is correlated with g_E in each realisation",
        "correlation of V with g_E", "", _pushes("E"),
    ),
    _claim(
        "inhibits", "", "inhibitory neurotransmitters hyperpolarize it and drive it away from the "
        "spike threshold", "… and with g_I, negatively", "correlation of V with g_I", "",
        _pushes("I"),
    ),
    _claim(
        "rate-E", "eq. (10)", _EQ10, "r_e = 10 is in Hz: the rate of an excitatory train, within "
        "1 %", "rate of an excitatory train", "Hz", _rate("E"),
    ),
    _claim(
        "rate-I", "eq. (10)", _EQ10, "r_i = 20 is in Hz: the rate of an inhibitory train, within "
        "1 %", "rate of an inhibitory train", "Hz", _rate("I"),
    ),
    _claim(
        "poisson-E", "eq. (10)", _EQ10, "variance over mean of the spike counts in 1 s, over "
        "realisations: 1 within 10 %", "Fano factor of the excitatory trains", "", _poisson("E"),
    ),
    _claim(
        "poisson-I", "eq. (10)", _EQ10, "the same for the inhibitory trains",
        "Fano factor of the inhibitory trains", "", _poisson("I"),
    ),
)  # fmt: skip


# figure ------------------------------------------------------------------------------------------


def _column(runs: Runs, name: str) -> dict[str, Any]:
    spikes = trains(runs.recording, name)
    first, g = spikes.trial == 0, runs.g[name]
    count, rate = TRAINS[name]
    mean, sd = shot_noise(name)
    kept = 1 - DT / DECAY[name]
    return {
        "title": f"g_{name}: {count} {NAMES[name]} trains of {rate:g} Hz, "
        f"τ = {DECAY[name] * 1e3:g} ms",
        "train": spikes.neuron[first],
        "time": spikes.step[first] * DT * 1e3,
        "trains": count,
        "shown": runs.shown[name],
        "mean": g.mean(1),
        "sd": g.std(1, ddof=1),
        "expected": mean * (1 - kept ** (1 + np.arange(len(g)) * round(1e-3 / DT))),
        "settled": (mean, sd),
    }


def inputs(seed: int, trials: int | None, progress: Progress) -> Figure:
    """Fig. 5: the excitatory and inhibitory conductances that all neurons hear."""
    trials = TRIALS if trials is None else trials
    runs = simulate(seed, trials, progress)
    numbers: dict[str, Any] = {}
    for name in TRAINS:
        settled, (mean, sd) = runs.g[name][SETTLED:], shot_noise(name)
        numbers[f"g_{name}_nS"] = {
            "mean": float(settled.mean()), "mean_error": mean_error(settled.mean(0))[1],
            "sd": float(settled.std()), "mean_closed_form": mean, "sd_closed_form": sd,
        }  # fmt: skip
    return Figure(
        name="conductances",
        title="Excitatory and inhibitory conductances (Fig. 5)",
        caption="Input spikes and conductance of one realisation; mean and standard deviation over "
        "all of them, with the closed form for shot noise (dashed). Every spike adds "
        f"ḡ = {WEIGHT * 1e9:g} nS; Euler, dt = 0.1 ms; seed {seed}, {trials} realisations.",
        seed=seed,
        trials=trials,
        parameters=dict(PARAMETERS),
        numbers=numbers,
        findings=find(CLAIMS, runs, "conductances"),
        draw="neurohw.plot.conductance:inputs",
        data={
            "columns": [_column(runs, name) for name in TRAINS],
            "fine": np.arange(STEPS) * DT * 1e3,
            "times": np.arange(len(runs.v)) * 1.0,
        },
        size=(9.8, 6.4),
    )
