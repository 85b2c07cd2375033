"""What section 3.2 and the conclusion of the first text claim about the conductance LIF neuron.

Where a word needs a limit ("similar", "long", "strongly"), the reading names the one that we took.
"""

from __future__ import annotations

from neurohw.science import conductance_measures as m
from neurohw.science.claim import Claim
from neurohw.science.conductance import simulate

__all__ = ["CLAIMS", "simulate"]

FIG6, FIG7, FIG8 = "cond-lif-1", "cond-lif-2", "cond-lif-3"
_S6, _S7, _S8 = (f"sect. 3.2, Fig. {k}" for k in (6, 7, 8))
_END, _LAST = "sect. 3.2, end", "sect. 4"
_DISTANCE = "distance between spikes, as time over spikes"
_BURST = "spikes in bursts, that is, less than 5 ms apart"


def _claim(
    name: str, source: str, sentence: str, reading: str, quantity: str, unit: str,
    figures: tuple[str, ...], measure: m.Measure,
) -> Claim:  # fmt: skip
    return Claim(f"cond-{name}", source, sentence, reading, quantity, unit, figures, measure)


_CAUSES = "the presence of multiplicative noise … causes bursting moods in the membrane potential"
_REMOVES = "when we increase the leak conductance from 20 to 200 (nS), the burst discharges are " \
    "neglected"  # fmt: skip
_LEFT8 = "[Fig. 8 left] looks quite similar to the case in the left panel of Fig. 6"
_SIMILAR = "the free membrane and the membrane potential look similar in the two cases"
_RANDOM = "the presence of random refractory period increases the distance … between two nearest " \
    "neighbor spikes"  # fmt: skip
_STRONG = "the random inputs strongly effect the spiking activities of neurons in both LIF models"
_INFLUENCE = "the random external current and random refractory period influence the spiking " \
    "activity"  # fmt: skip
_PER_STEP = "control: one standard normal per step, as in section 2"

CLAIMS: tuple[Claim, ...] = (
    _claim(
        "free", "sect. 3.2", "the free membrane potential means the membrane potential of the "
        "neuron when its spike threshold is removed", "V_th = 1000 mV with the same random "
        "numbers: the same V up to the first spike, and no spike", "largest difference", "mV",
        (FIG6,), m.removed_threshold,
    ),
    _claim(
        "current", "sect. 3.2", _INFLUENCE, "the noise in the current of Fig. 6 right changes the "
        "rate by more than 1 %", "change of the rate", "%", (),
        m.matters("6 right", "6 right, no noise", 1.0),
    ),
    _claim(
        "jitter", "sect. 3.2", _INFLUENCE, "t_ref = 8 + 2 ξ ms instead of 8 ms changes the rate "
        "of Fig. 6 right by more than 1 %", "change of the rate", "%", (),
        m.matters("6 right, 8 + 2 ξ ms", "6 right", 1.0),
    ),
    _claim(
        "similar-free", _S6, _SIMILAR, "mean free V within 0.75 mV (5 % of V_th − V_reset)",
        "mean free V, right minus left", "mV", (FIG6,), m.same_mean("6 right", "6 left", free=True),
    ),
    _claim(
        "similar-spread", _S6, _SIMILAR, "standard deviation of the free V in time within 10 %",
        "change of the sd of the free V, right to left", "%", (FIG6,),
        m.same_spread("6 right", "6 left"),
    ),
    _claim(
        "similar", _S6, _SIMILAR, "mean V within 0.75 mV", "mean V, right minus left", "mV",
        (FIG6,), m.same_mean("6 right", "6 left"),
    ),
    _claim(
        "slight", _S6, "there is a slight increase in the distance between each spike in the case "
        "with random input current", f"{_DISTANCE}: longer right than left",
        "distance, right minus left", "ms", (FIG6,),
        m.longer("6 right", "6 left", "the mean current falls from 8 to 1 pA as well"),
    ),
    _claim(
        "slight-noise", _S6, "there is a slight increase in the distance between each spike in the "
        "case with random input current", f"the noise alone, at 1 pA: {_DISTANCE}",
        "distance with the noise, minus without", "ms", (FIG6,),
        m.longer("6 right", "6 right, no noise"),
    ),
    _claim(
        "silence", _S7, "there is a long period of silence … from the time equal to 400 (ms)",
        "rate from 400 ms on less than half of the rate before",
        "rate from 400 ms on, relative to before", "", (FIG7,), m.quieter("7 left", 400),
    ),
    _claim(
        "silence-more", _S7, "a long period of silence … compared to the cases presented in Fig. 6",
        "silence of 200 ms or more after 400 ms: in 5 % more of the realisations than in Fig. 6 "
        "right",         "realisations with 200 ms of silence, minus Fig. 6 right", "%", (FIG7,),
        m.more_silence("7 left", "6 right", 400, 200),
    ),
    _claim(
        "bursts", f"{_S7}; {_LAST}", _CAUSES, f"{_BURST}: right minus left (only the noise "
        "differs) above 5 %", "spikes in bursts, right minus left", "%", (FIG7,),
        m.causes_bursts("7 right", "7 left"),
    ),
    _claim(
        "bursts-3nS", f"{_S7}; {_LAST}", _CAUSES, "the same with ḡ = 3.0 nS, as in the "
        "tutorial's demonstration", "spikes in bursts, right minus left, ḡ = 3 nS", "%", (),
        m.causes_bursts("7 right", "7 left", stronger=True),
    ),
    _claim(
        "bursts-cluster", f"{_S7}; {_LAST}", _CAUSES, "the bursts are more than a high rate: CV of "
        "the intervals above that of a Poisson process of this rate with this refractory period",
        "CV of the intervals minus that of chance", "", (FIG7,), m.clusters("7 right"),
    ),
    _claim(
        "bursts-free", _S7, "… and also in the free membrane potential case", "standard deviation "
        "of the free V in time, right more than twice that of the left",
        "sd of the free V, right over left", "", (FIG7,), m.free_bursts("7 right", "7 left"),
    ),
    _claim(
        "bursts-per-step", f"{_S7}; {_LAST}", _CAUSES, _PER_STEP,
        "spikes in bursts, right minus left, noise per step", "%", (FIG7,),
        m.causes_bursts("7 right, per step", "7 left, per step"),
    ),
    _claim(
        "removed", f"{_S8}; {_LAST}", _REMOVES, f"{_BURST}: Fig. 8 right below 5 %",
        "spikes in bursts, Fig. 8 right", "%", (FIG8,), m.no_bursts("8 right", to="7 right"),
    ),
    _claim(
        "removed-3nS", f"{_S8}; {_LAST}", _REMOVES, "the same with ḡ = 3.0 nS",
        "spikes in bursts, Fig. 8 right, ḡ = 3 nS", "%", (),
        m.no_bursts("8 right", stronger=True, to="7 right"),
    ),
    _claim(
        "removed-left", f"{_S8}; {_LAST}", _REMOVES, "Fig. 8 left against the same neuron with "
        "g_L = 20 nS: t_ref = 8 ms leaves no interval below 5 ms, so its rate has to stand for its "
        "bursts, and falls to less than half",
        "rate, Fig. 8 left, relative to g_L = 20 nS", "", (FIG8,),
        m.rate_below("8 left", "7 right, 8 ms"),
    ),
    _claim(
        "removed-per-step", f"{_S8}; {_LAST}", _REMOVES, f"{_PER_STEP}: with g_L = 20 nS there are "
        "bursts to remove, above 5 % of the spikes",
        "spikes in bursts, g_L = 20 nS, noise per step", "%", (FIG8,),
        m.bursts_to_remove("7 right, per step", "8 right, per step"),
    ),
    _claim(
        "left-caption", _S8, _LEFT8, "by the caption, multiplicative noise: mean V within 0.75 mV",
        "mean V, by the caption, minus Fig. 6 left", "mV", (FIG8,), m.same_mean("8 left", "6 left"),
    ),
    _claim(
        "left-text", _S8, _LEFT8, "by the text, additive noise: mean V within 0.75 mV",
        "mean V, by the text, minus Fig. 6 left", "mV", (FIG8,),
        m.same_mean("8 left, text", "6 left"),
    ),
    _claim(
        "rough-caption", _S8, "however, we observe fluctuations in the membrane potential and also "
        "in the free membrane potential case", "by the caption: root mean square change of the "
        "free V in 1 ms, above that of Fig. 6 left",
        "change of V in 1 ms, by the caption, minus Fig. 6 left", "mV", (FIG8,),
        m.rougher("8 left", "6 left"),
    ),
    _claim(
        "rough-text", _S8, "however, we observe fluctuations in the membrane potential and also "
        "in the free membrane potential case", "the same by the text",
        "change of V in 1 ms, by the text, minus Fig. 6 left", "mV", (FIG8,),
        m.rougher("8 left, text", "6 left"),
    ),
    _claim(
        "longer-8", _S8, "in the right plot of Fig. 8 … there is an increase in the time interval "
        "between two nearest neighbor spikes", f"{_DISTANCE}: longer right than left",
        "distance, right minus left", "ms", (FIG8,), m.longer("8 right", "8 left"),
    ),
    _claim(
        "rough-right", _S8, "we also observe fluctuations in the case in the right plot of Fig. 8",
        "as in the left plot", "change of V in 1 ms, right, minus Fig. 6 left", "mV", (FIG8,),
        m.rougher("8 right", "6 left"),
    ),
    _claim(
        "random-7", _END, _RANDOM, f"{_DISTANCE}: Fig. 7 left (1 + 2 ξ ms) longer than Fig. 6 "
        "right (8 ms)", "distance, 7 left minus 6 right", "ms", (FIG7,),
        m.longer("7 left", "6 right", "the mean t_ref falls from 8 to 1.4 ms"),
    ),
    _claim(
        "random-8", _END, _RANDOM, "at an equal mean, t_ref = 8 + 2 ξ against 8 ms, else Fig. 6 "
        "right: longer by more than 1 %", "change of the distance", "%", (),
        m.longer_by("6 right, 8 + 2 ξ ms", "6 right", 1.0),
    ),
    _claim(
        "strong-additive", _LAST, _STRONG, "the noise of Fig. 6 right changes the rate by more "
        "than 10 %", "change of the rate", "%", (), m.matters("6 right", "6 right, no noise", 10.0),
    ),
    _claim(
        "strong-multiplicative", _LAST, _STRONG, "the noise of Fig. 7 right changes the rate by "
        "more than 10 %", "change of the rate", "%", (),
        m.matters("7 right", "7 left, no noise", 10.0),
    ),
    _claim(
        "response", _LAST, "random inputs in LIF neurons could reduce the response of the neuron "
        "to each stimulus", "rate of Fig. 6 right lower with the noise than without it",
        "change of the rate", "%", (), m.weaker("6 right", "6 right, no noise"),
    ),
    _claim(
        "response-multiplicative", _LAST, "random inputs in LIF neurons could reduce the response "
        "of the neuron to each stimulus", "the same for Fig. 7 right", "change of the rate", "%",
        (), m.weaker("7 right", "7 left, no noise"),
    ),
)  # fmt: skip
"""In the order of the text."""
