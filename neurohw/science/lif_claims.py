"""What section 2.2 of the first text claims about the classical LIF neuron.

Where a word needs a limit ("similar", "close to"), the reading names the one that we took.
"""

from __future__ import annotations

from neurohw.science import lif_measures as m
from neurohw.science.claim import Claim
from neurohw.science.lif import simulate

__all__ = ["CLAIMS", "simulate"]

FIG2, FIG3, FIG4 = "lif-deterministic", "lif-additive", "lif-multiplicative"


def _claim(
    name: str,
    source: str,
    sentence: str,
    reading: str,
    quantity: str,
    unit: str,
    figures: tuple[str, ...],
    measure: m.Measure,
) -> Claim:
    return Claim(f"lif-{name}", source, sentence, reading, quantity, unit, figures, measure)


_S2, _S3, _S4 = ("sect. 2.2, Fig. 2", "sect. 2.2, Fig. 3", "sect. 2.2, Fig. 4")
_CV = "inter-trial variability as the CV of the intervals"

CLAIMS: tuple[Claim, ...] = (
    _claim(
        "rc", "sect. 2.1, eq. (1)", "the LIF model is equivalent to a model of an RC circuit",
        "V of Fig. 2 left up to its first spike against R I (1 − exp(−t / RC)), within the error "
        "bound of forward Euler", "largest difference to the RC circuit", "mV", (FIG2,),
        m.rc_circuit,
    ),
    _claim(
        "refractory", "sect. 2.1", "there exists a maximum frequency … determined by its "
        "refractory periods", "no interval of Fig. 3 left is as short as t_ref = 8 ms",
        "shortest interval", "ms", (FIG3,), m.refractory,
    ),
    _claim(
        "jitter-similar", _S2, "the behavior of V is similar in the two cases",
        "the mean of V over time and realisations differs by less than 1 mV (5 % of V_th − "
        "V_reset)", "mean V, right minus left", "mV", (FIG2,), m.similar_potential,
    ),
    _claim(
        "jitter-raster", _S2, "fluctuations in the right panel …, no such fluctuations in the "
        "deterministic case", "CV of the intervals: zero left, above zero right",
        "CV of the intervals, right", "", (FIG2,), m.jitter,
    ),
    _claim(
        "jitter-rate", _S2, "the fluctuations occur also in the corresponding firing rate",
        "some spikes are not shared by all realisations; left all are",
        "rate of unshared spikes, right", "Hz", (FIG2,), m.jitter_rate,
    ),
    _claim(
        "steady", _S2, "constant input current makes the LIF model more stable … compared to "
        "random injected current", f"{_CV}, Fig. 3 left minus Fig. 2 left", "difference of CVs",
        "", (FIG2,), m.constant_is_steadier,
    ),
    _claim(
        "slight", _S2, "the random refractory period could cause slight fluctuations",
        "slight: smaller than what the random current of Fig. 3 left causes",
        "ratio of CVs, Fig. 2 right to Fig. 3 left", "", (FIG2,), m.slight_jitter,
    ),
    _claim(
        "fluctuation", _S3, "there is a strong fluctuation in the average time evolution of V "
        "compared to Fig. 2", "standard deviation of V over realisations, eq. (5), above 1 mV "
        "where Fig. 2 left has none", "sd of V", "mV", (FIG3,), m.strong_fluctuation,
    ),
    _claim(
        "level-2", _S2, "V = −62 (mV) in the deterministic case in the time interval [5;10] (ms)",
        "mean over that time, within 0.5 mV", "mean V in 5..10 ms", "mV", (FIG2,),
        m.level("2 left", -62),
    ),
    _claim(
        "level-3", _S3, "decreases with value of V = −66 (mV) in the time interval [5;10] (ms)",
        "mean over that time and the realisations, within 0.5 mV", "mean V in 5..10 ms", "mV",
        (FIG3,), m.level("3 left", -66),
    ),
    _claim(
        "lower", _S3, "the average membrane potential decreases … compared to the deterministic "
        "case", "mean of V in 5..10 ms, Fig. 3 left below Fig. 2 left",
        "mean V in 5..10 ms, Fig. 3 left minus Fig. 2 left", "mV", (FIG3,), m.lower,
    ),
    _claim(
        "after-10", _S3, "after time equal to 10 (ms), the spiking activity is reduced "
        "significantly", "rate after 10 ms less than half of the rate before",
        "rate after 10 ms relative to before", "", (FIG3,), m.less_after("3 left", 10),
    ),
    _claim(
        "near-reset", _S3, "… with the value of V close to the value of Vreset",
        "mean of V after 10 ms within 5 mV of V_reset (a quarter of V_th − V_reset)",
        "mean V − V_reset after 10 ms", "mV", (FIG3,), m.near_reset,
    ),
    _claim(
        "variability", _S3, "a dramatical inter-trial variability when we inject a random input "
        "current in comparison to Fig. 2", f"{_CV}, Fig. 3 left minus Fig. 2 left",
        "difference of CVs", "", (FIG3,), m.more_variable("3 left", "2 left"),
    ),
    _claim(
        "variability-right", _S3, "the raster plots show strong inter-trial variability compared "
        "with Fig. 2", f"{_CV}, Fig. 3 right (µ_ref = 0) minus Fig. 2 right", "difference of CVs",
        "", (FIG3,), m.more_variable("3 right", "2 right"),
    ),
    _claim(
        "slower", _S3, "a significant decrease in the firing rate compared with the bottom left "
        "panel of Fig. 2", "rate after 20 ms, Fig. 3 left below Fig. 2 left",
        "rate, Fig. 3 left minus Fig. 2 left", "Hz", (FIG3,), m.slower,
    ),
    _claim(
        "same-0", _S3, "the random refractory period does not change much … the spiking activity "
        "and the firing rate", "µ_ref = 0: rate within 10 % of the left panel's",
        "change of the rate, µ_ref = 0", "%", (FIG3,),
        m.same_rate("3 right"),
    ),
    _claim(
        "same-8", _S3, "the random refractory period does not change much … the spiking activity "
        "and the firing rate", "µ_ref = 8 ms: rate within 10 % of the left panel's",
        "change of the rate, µ_ref = 8 ms", "%", (FIG3,),
        m.same_rate("3 right, 8 ms"),
    ),
    _claim(
        "silent-20", _S3, "the firing rates in both cases in Fig. 3 are close to 0 after the time "
        "reaches 20 (ms)", "rate after 20 ms below 5 Hz", "rate of Fig. 3 left after 20 ms", "Hz",
        (FIG3,), m.silent_after("3 left", 20),
    ),
    _claim(
        "noise-affects", _S3, "the presence of additive noise affects the spiking activity of "
        "neurons", "mean interval of Fig. 3 left with and without the noise",
        "change of the mean interval", "ms", (FIG3,), m.noise_matters,
    ),
    _claim(
        "noise-reduces", "sect. 4", "random inputs in LIF neurons could reduce the response of the "
        "neuron", "mean interval of Fig. 3 left longer with the noise than without it",
        "change of the mean interval", "ms", (), m.noise_reduces,
    ),
    _claim(
        "reduced", _S4, "the fluctuation is slightly reduced [by µ_ref = 5 ms]",
        "standard deviation of V over realisations, Fig. 4 left below Fig. 3 right (µ_ref = 0)",
        "sd of V, Fig. 4 left minus Fig. 3 right", "mV", (FIG4,), m.less_spread,
    ),
    _claim(
        "silent-10", _S4, "the corresponding firing rate is close to 0 after the time reaches 10 "
        "(ms)", "rate after 10 ms below 5 Hz", "rate of Fig. 4 left after 10 ms", "Hz", (FIG4,),
        m.silent_after("4 left", 10),
    ),
    _claim(
        "below-reset", _S4, "the average membrane potential is reduced with the values smaller "
        "than Vreset", "µ_ref = 0: in most realisations the average of V over time lies below "
        "−70 mV (means over realisations do not converge)",
        "share of realisations whose average is below V_reset", "", (FIG4,),
        m.below_reset("4 right"),
    ),
    _claim(
        "below-reset-5", _S4, "the average membrane potential is reduced with the values smaller "
        "than Vreset", "the same with µ_ref = 5 ms",
        "share of realisations whose average is below V_reset, µ_ref = 5 ms", "", (FIG4,),
        m.below_reset("4 right, 5 ms"),
    ),
    _claim(
        "more-spikes", _S4, "the spiking activity increases significantly compared to the cases "
        "with additive noise", "µ_ref = 0: rate after 20 ms, Fig. 4 right above Fig. 3 right",
        "rate, Fig. 4 right minus Fig. 3 right", "Hz", (FIG4,), m.more_spikes,
    ),
    _claim(
        "0.4", _S4, "the firing rate also increases dramatically from 0 to 0.4 (Hz)",
        "rate as the share of realisations that spike in one step; its largest value, within 0.05",
        "largest share in a step", "", (FIG4,), m.point_four,
    ),
    _claim(
        "more-variable", _S4, "multiplicative noise increases the inter-trial variability compared "
        "with Fig. 3", f"{_CV}, µ_ref = 0, Fig. 4 right minus Fig. 3 right", "difference of CVs",
        "", (FIG4,), m.more_variable("4 right", "3 right"),
    ),
    _claim(
        "less-variable", _S4, "the variability with multiplicative noise is still less than in the "
        "case of additive noise", f"{_CV}, µ_ref = 0, Fig. 3 right minus Fig. 4 right: the "
        "opposite of the sentence before", "difference of CVs", "", (FIG4,),
        m.more_variable("3 right", "4 right"),
    ),
)  # fmt: skip
"""In the order of the text."""
