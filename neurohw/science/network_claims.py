"""What the third text says about its network: the numbers of its table and its conclusions.

Each sentence is measured on both sets of constants: where they disagree, the table does not say
which one is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from neurohw.science.claim import (
    Claim,
    Measured,
    above,
    below,
    jackknife,
    mean_error,
    within,
)
from neurohw.science.network_experiments import at_density, pulses, runaway
from neurohw.science.network_measures import BIN, LAG, RESOLVE, SEGMENT, Runs, simulate
from neurohw.science.network_model import DELAY, SETS, V_REST, V_TH, Settings

__all__ = ["CLAIMS", "PRINTED", "difference", "oscillation", "simulate"]

PRINTED = {"rate": 368.2, "rate_E": 367.4, "rate_I": 371.1, "cv": 0.61, "correlation": 0.030}
"""Table 4.1: Hz, Hz, Hz, and pure numbers."""

LOW, BAND = (10.0, 50.0), (50.0, 500.0)  # Hz: the level, and where a peak is looked for
Measure = Callable[[Runs, Settings], Measured]


def _mean(runs: Runs, s: Settings, name: str) -> tuple[float, float]:
    return mean_error(runs.numbers[s.name][name])


def _printed(name: str, digits: int, unit: str = "") -> Measure:
    def measure(runs: Runs, s: Settings) -> Measured:
        value, error = _mean(runs, s, name)
        sd = float(np.std(runs.numbers[s.name][name], ddof=1))
        want = PRINTED[name]
        note = f"sd over networks {sd:.{digits}f}{unit}"
        return Measured(
            value, error, runs.count, within(value, error, want - 2 * sd, want + 2 * sd), note
        )

    return measure


def difference(runs: Runs, s: Settings) -> Measured:
    """The printed difference of the rates in standard deviations of that of a network."""
    found = runs.numbers[s.name]["rate_I"] - runs.numbers[s.name]["rate_E"]
    sd = float(np.std(found, ddof=1))
    value = (PRINTED["rate_I"] - PRINTED["rate_E"]) / sd
    error = value / math.sqrt(2 * (len(found) - 1))
    note = f"sd of the difference {sd:.1f} Hz; its mean here {found.mean():.1f} Hz"
    return Measured(value, error, runs.count, above(value, error, 2.0), note)


def _balanced(runs: Runs, s: Settings) -> Measured:
    found = runs.numbers[s.name]
    value, error = mean_error(found["net_input"] / (V_TH - V_REST))
    ratio = float(found["recurrent_ratio"].mean())
    inhibition = float((found["all_excitation"] - found["net_input"]).mean())
    whole = float(found["all_excitation"].mean()) / inhibition
    note = (
        f"recurrent excitation over inhibition {ratio:.2f}, with the external drive {whole:.2f}; "
        f"correlation of the two recurrent inputs {found['input_correlation'].mean():.2f}"
    )
    return Measured(value, error, runs.count, below(value, error, 1.0), note)


def _stable(runs: Runs, s: Settings) -> Measured:
    value, error = _mean(runs, s, "drift")
    limit = 0.02 * float(runs.numbers[s.name]["rate"].mean())
    return Measured(value, error, runs.count, within(value, error, -limit, limit))


def _maintains(runs: Runs, s: Settings) -> Measured:
    base = float(runs.numbers[s.name]["rate"].mean())
    value, error = mean_error(runaway(s, runs.seed, runs.count) / base)
    note = f"{value * base:.0f} Hz" + ("" if s.t_ref else "; without t_ref, dt alone bounds it")
    return Measured(value, error, runs.count, above(value, error, 2.0), note)


def _asynchronous(runs: Runs, s: Settings) -> Measured:
    value, error = _mean(runs, s, "synchrony")
    return Measured(value, error, runs.count, below(value, error, 2.0))


def _irregular(runs: Runs, s: Settings) -> Measured:
    value, error = _mean(runs, s, "cv")
    return Measured(value, error, runs.count, within(value, error, 0.9, 1.1))


def _poisson_like(runs: Runs, s: Settings) -> Measured:
    value, error = _mean(runs, s, "fano")
    return Measured(value, error, runs.count, within(value, error, 0.9, 1.1))


def _sparse(runs: Runs, s: Settings) -> Measured:
    base = runs.numbers[s.name]["correlation"]
    dense, thin = (at_density(s, runs.seed, runs.count, f) for f in (4.0, 0.25))
    value, error = mean_error(dense - base)
    share = s.k_E / 160
    note = (
        f"{thin.mean():.4f}, {base.mean():.4f}, {dense.mean():.4f} with {share / 4:.1%}, "
        f"{share:.0%}, {share * 4:.0%} of the synapses"
    )
    return Measured(value, error, runs.count, above(value, error), note)


def oscillation(runs: Runs, s: Settings) -> Measured:
    """Highest point of the power in :data:`BAND` over its level in :data:`LOW`.

    Power is that of the population rate over that of independent trains. The place of the peak is
    chosen on every other network, its height measured on the rest.
    """
    found = runs.numbers[s.name]
    power, alone = found["power"], found["alone"].mean(0)
    frequency = np.arange(power.shape[1]) / SEGMENT
    inside = np.flatnonzero((frequency >= BAND[0]) & (frequency <= BAND[1]))
    relative = power / alone
    level = relative[:, (frequency >= LOW[0]) & (frequency < LOW[1])].mean(1)
    mean = relative[::2].mean(0)
    peak = inside[np.argmax(mean[inside])]
    high = relative[1::2, peak - 1 : peak + 2].mean(1)
    value, error = jackknife(lambda x: x[0] / x[1], np.stack([high, level[1::2]]))
    note = (
        f"at {frequency[peak]:.0f} Hz, where the power is {high.mean():.1f} times that of "
        f"independent neurons"
    )
    return Measured(value, error, len(high), above(value, error, 1.5), note)


def _delayed(runs: Runs, s: Settings) -> Measured:
    mean = runs.numbers[s.name]["correlogram"].mean(0)
    lag = (int(np.argmin(mean)) - round(LAG / s.dt)) * s.dt * 1e3
    want = DELAY * 1e3
    verdict = within(lag, 0.0, -want - 0.5e3 * s.dt, -want + 0.5e3 * s.dt)
    return Measured(lag, 0.0, runs.count, verdict, f"coefficient {mean.min():.2f} there")


def _pulses(runs: Runs, s: Settings):
    rate = float(runs.numbers[s.name]["rate_I"].mean())
    return runs.once(
        f"pulses {s.name}", lambda: pulses(s, runs.seed, runs.count, rate, runs.progress)
    )


def _echo(runs: Runs, s: Settings) -> Measured:
    p = _pulses(runs, s)
    value, error = mean_error(p.timed["echo"] - p.untimed["echo"])
    note = f"{p.timed['echo'].mean():.3f} against {p.untimed['echo'].mean():.3f}"
    return Measured(value, error, runs.count, below(value, error), note)


def _jitter(runs: Runs, s: Settings) -> Measured:
    p = _pulses(runs, s)
    value, error = mean_error(1e3 * (p.timed["jitter"] - p.untimed["jitter"]))
    one, two = (1e3 * float(x["jitter"].mean()) for x in (p.timed, p.untimed))
    note = f"{one:.2f} against {two:.2f} ms"
    return Measured(value, error, runs.count, below(value, error), note)


def _cortical(runs: Runs, s: Settings) -> Measured:
    value, error = _mean(runs, s, "rate")
    drive = s.drive[0] / (V_TH - V_REST)
    note = f"it takes an external drive R I of {drive:.1f} times the distance to threshold"
    return Measured(value, error, runs.count, below(value, error, 100.0), note)


def _both(
    name: str,
    source: str,
    sentence: str,
    reading: str,
    quantity: str,
    unit: str,
    figures: tuple[str, ...],
    measure: Measure,
) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            f"network-{name}-{s.name}", source, sentence, reading, f"{quantity} ({s.label})", unit,
            figures, lambda runs, s=s: measure(runs, s),
        )
        for s in SETS.values()
    )  # fmt: skip


ACTIVITY, SYNCHRONY, TABLE = ("network-activity",), ("network-synchrony",), ("network-table",)
_TWO = "within two standard deviations over networks (a run of one network prints one of them)"
_ONE = "balanced E/I maintains stable asynchronous activity"
_CV = "ISI CV near 1 indicates irregular Poisson-like firing"
_INHIBITION = "inhibition shapes temporal precision of excitation"
_LISTENERS = (
    "neurons that do not feed back get a pulse with the network, and hear either its inhibition or "
    "Poisson trains of the same rate and weight; "
)

CLAIMS: tuple[Claim, ...] = (
    *_both(
        "rate", "Table 4.1", "mean firing rate 368.2 Hz", _TWO, "mean rate", "Hz", TABLE,
        _printed("rate", 1, " Hz"),
    ),
    *_both(
        "rate-E", "Table 4.1", "excitatory rate 367.4 Hz", _TWO, "rate of E", "Hz", TABLE,
        _printed("rate_E", 1, " Hz"),
    ),
    *_both(
        "rate-I", "Table 4.1", "inhibitory rate 371.1 Hz", _TWO, "rate of I", "Hz", TABLE,
        _printed("rate_I", 1, " Hz"),
    ),
    *_both(
        "table-cv", "Table 4.1", "ISI CV 0.61", f"{_TWO}; mean over neurons", "CV of the intervals",
        "", TABLE, _printed("cv", 4),
    ),
    *_both(
        "table-correlation", "Table 4.1", "mean pairwise correlation 0.030",
        f"{_TWO}; spike counts in bins of {BIN * 1e3:g} ms, all pairs", "mean correlation", "",
        TABLE, _printed("correlation", 4),
    ),
    *_both(
        "difference", "Table 4.1", "excitatory rate 367.4 Hz, inhibitory rate 371.1 Hz",
        "the printed difference is more than two standard deviations of the difference between "
        "networks: one run tells E from I", "printed difference over its sd", "", TABLE, difference,
    ),
    *_both(
        "delay", "eq. (1.2)", "each spike of j arrives after the delay d",
        f"E is least likely to fire d = {DELAY * 1e3:g} ms after I: deepest trough of the "
        "correlogram of E with I", "lag of the trough", "ms", ACTIVITY, _delayed,
    ),
    *_both(
        "balanced", "conclusion 1", _ONE,
        "balanced: inhibition leaves a mean input R I below threshold, so that fluctuations make "
        "the spikes", "mean input over V_th − V_rest", "", SYNCHRONY, _balanced,
    ),
    *_both(
        "stable", "conclusion 1", _ONE, "stable: the rate changes by less than 2 % from the first "
        "half of a second to the second", "rate, second half minus first", "Hz", ACTIVITY, _stable,
    ),
    *_both(
        "maintains", "conclusion 1", _ONE,
        "maintains: without inhibitory synapses the rate more than doubles within 20 ms",
        "rate without inhibition over rate with it", "", SYNCHRONY, _maintains,
    ),
    *_both(
        "asynchronous", "conclusion 1", _ONE,
        "asynchronous: the variance of the population's count in 1 ms is less than twice that of "
        "independent neurons", "variance over that of independent neurons", "", ACTIVITY,
        _asynchronous,
    ),
    *_both(
        "cv", "conclusion 2", _CV, "CV within 0.1 of 1", "CV of the intervals", "", ACTIVITY,
        _irregular,
    ),
    *_both(
        "poisson-like", "conclusion 2", _CV, "Poisson-like: Fano factor of the counts in 100 ms "
        "within 0.1 of 1", "Fano factor", "", SYNCHRONY, _poisson_like,
    ),
    *_both(
        "sparse", "conclusion 3", "sparse connectivity produces weak correlations",
        "four times the synapses, weights halved (the same recurrent noise), give a larger mean "
        f"correlation (bins of {BIN * 1e3:g} ms)", "mean correlation, denser minus as it is", "",
        SYNCHRONY, _sparse,
    ),
    *_both(
        "oscillation", "conclusion 4", "population oscillations emerge from network interactions",
        "the power of the population rate relative to independent neurons peaks within 50..500 Hz "
        "at more than 1.5 times its level below 50 Hz (peak chosen on half of the networks, "
        f"measured on the others; bins of {RESOLVE * 1e3:g} ms)", "peak over level", "", ACTIVITY,
        oscillation,
    ),
    *_both(
        "echo", "conclusion 5", _INHIBITION,
        f"{_LISTENERS}fewer of the spikes that a pulse evokes come 1 to 10 ms late with the former",
        "late spikes per pulse, with minus without timing", "", (), _echo,
    ),
    *_both(
        "jitter", "conclusion 5", _INHIBITION,
        f"{_LISTENERS}the time to the first spike varies less with the former",
        "sd of the first spike, with minus without timing", "ms", (), _jitter,
    ),
    *_both(
        "cortical", "conclusion 6", "LIF networks capture essential cortical dynamics",
        "the sentence names no quantity; as far as a mean rate below 100 Hz is essential, does "
        "this network have it", "mean rate", "Hz", TABLE, _cortical,
    ),
)  # fmt: skip
"""In the order of the text; each for both sets of constants."""
