"""What the notes on neural models say about a capacitor, an RC circuit, and the squid axon."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from neurohw.analysis.trains import trains
from neurohw.science.claim import Claim, Measured, above, below, within
from neurohw.science.models import (
    CURRENTS,
    DELAYS,
    DT,
    EVERY,
    G_L,
    KICKS,
    NEAR,
    ON,
    PULSE,
    REST,
    RHEOBASE,
    SECOND,
    STEP,
    STEPS,
    TAU,
    V_TH,
    C,
    Runs,
    simulate,
)

__all__ = ["CLAIMS", "simulate"]

FIGURE = ("neuron-models",)
SWING = (V_TH - REST) * 1e3
_AFTER = ON + 1.5  # ms: the first pulse is over
_BEFORE = SECOND - 0.5
CONDUCTANCE = {"Na": 120.0, "K": 36.0, "L": G_L * 1e3}  # mS
BATTERY = {"Na": 50.0, "K": -77.0, "L": -54.387}  # mV


def _exact(value: float, verdict: bool, note: str = "") -> Measured:
    return Measured(value, 0.0, 1, "holds" if verdict else "does not hold", note)


def _at(runs: Runs, time: float) -> int:
    return round(time * 1e-3 / EVERY)


def _left(runs: Runs, model: str) -> float:
    """What is left of the first pulse just before the second, as a share."""
    v = runs.trace(model, "pulses")
    return float((v[_at(runs, _BEFORE)] - REST * 1e3) / (v[_at(runs, _AFTER)] - REST * 1e3))


def _charge(runs: Runs) -> Measured:
    v = runs.trace("IF", "pulses")
    held = C * (v[_at(runs, _AFTER)] - v[_at(runs, ON - 1)]) * 1e-3
    value = held / (PULSE * 1e-6 * 1e-3)
    note = f"{PULSE:g} nC on 1 µF: {v[_at(runs, _AFTER)] - REST * 1e3:.4g} mV"
    return Measured(value, 0.0, 1, within(value, 0.0, 1 - 1e-9, 1 + 1e-9), note)


def _battery(runs: Runs) -> Measured:
    m, h, n = (float(runs.trace("HH", "none", gate)[-1]) for gate in "mhn")
    open_share = {"Na": m**3 * h, "K": n**4, "L": 1.0}
    g = {ion: CONDUCTANCE[ion] * open_share[ion] for ion in CONDUCTANCE}
    mean = sum(g[ion] * BATTERY[ion] for ion in g) / sum(g.values())
    rest = float(runs.trace("HH", "none")[-1])
    value = rest - mean
    note = f"rest at {rest:.3f} mV; conductances Na {g['Na']:.3f}, K {g['K']:.3f}, leak 0.3 mS"
    return Measured(value, 0.0, 1, within(value, 0.0, -0.01, 0.01), note.replace("-", "−"))


def _charging(model: str, closed: Callable[[np.ndarray], np.ndarray]) -> Callable[[Runs], Measured]:
    """Under the step, up to the first spike, against a closed form of time in ms."""

    def measure(runs: Runs) -> Measured:
        first = float(runs.spikes(model, "step")[0])
        inside = (runs.time >= ON) & (runs.time < first)
        t = runs.time[inside] - ON + DT * 1e3  # a sample is the end of its step
        worst = float(np.abs(runs.trace(model, "step")[inside] - closed(t)).max())
        bound = 4 * STEPS * np.finfo(float).eps * abs(REST) * 1e3
        note = f"up to the first spike, {first:.2f} ms; rounding allows {bound:.1g}"
        return Measured(worst, 0.0, 1, below(worst, 0.0, bound), note.replace("-", "−"))

    return measure


def _keeps(runs: Runs) -> Measured:
    share, when = _left(runs, "IF"), runs.spikes("IF", "pulses")
    fires = len(when) == 1 and SECOND <= when[0] < SECOND + 1
    note = "the second pulse makes it fire" if fires else "it does not fire at the second pulse"
    return _exact(share, fires and share > 1 - 1e-9, note)


def _resets(runs: Runs) -> Measured:
    step = int(runs.trains("IF", "pulses").step[0])
    rest_of_pulse = round((SECOND + 1) * 1e-3 / DT) - 1 - step
    after = float(runs.trace("IF", "pulses")[-1])
    value = after - PULSE * 1e-6 * rest_of_pulse * DT / C * 1e3
    note = "the potential later, less the charge of what was left of the pulse"
    return Measured(value, 0.0, 1, within(value, 0.0, REST * 1e3 - 1e-9, REST * 1e3 + 1e-9), note)


def _forgets(runs: Runs) -> Measured:
    share = _left(runs, "LIF")
    expected = np.exp(-(_BEFORE - _AFTER) / (TAU * 1e3))
    fires = len(runs.spikes("LIF", "pulses"))
    note = f"exp(−{_BEFORE - _AFTER:g} ms / {TAU * 1e3:.3g} ms) = {expected:.2g}; IF keeps " \
           f"{_left(runs, 'IF'):.3g}; LIF fires {fires} times"  # fmt: skip
    return Measured(share, 0.0, 1, below(share, 0.0, 0.01), note.replace("-", "−"))


def firing(runs: Runs, model: str) -> Mapping[float, float]:
    """Current in µA -> mean interval in ms (of HH from 100 ms on); infinite if it is silent."""
    found = {}
    for current in sorted(CURRENTS + NEAR):
        index = runs.index(f"current {current:g}")
        start = 0.1 if model == "HH" else 0.0
        t = trains(runs.recording, model, neurons=index, start=start)
        found[current] = float(np.diff(t.step).mean() * DT * 1e3) if len(t) > 1 else np.inf
    return found


def _rheobase(runs: Runs) -> Measured:
    fires = {x: len(runs.spikes("LIF", f"current {x:g}")) > 0 for x in CURRENTS + NEAR}
    least = min(x for x in fires if fires[x]) / RHEOBASE
    most = max(x for x in fires if not fires[x]) / RHEOBASE
    always = min(x for x in CURRENTS if len(runs.spikes("IF", f"current {x:g}"))) == min(CURRENTS)
    note = f"silent up to {most:.4g} I_th = {RHEOBASE:g} µA"
    note += f"; IF fires at all, down to {min(CURRENTS):g} µA" if always else ""
    return _exact(least, 0.998 < most < 1 < least < 1.002, note)


def _rate(model: str, interval: Callable[[float], float]) -> Callable[[Runs], Measured]:
    def measure(runs: Runs) -> Measured:
        found = {x: t for x, t in firing(runs, model).items() if np.isfinite(t)}
        late = [(t - interval(x)) / (DT * 1e3) for x, t in found.items()]
        worst = max(late, key=abs)
        note = f"{len(found)} currents, {1e3 / max(found.values()):.0f} to "
        note += f"{1e3 / min(found.values()):.0f} Hz; a spike waits for the end of its step"
        return Measured(worst, 0.0, 1, within(worst, 0.0, -1e-6, 1 + 1e-6), note)

    return measure


def lif_interval(current: float) -> float:
    """Closed form ``tau ln(I / (I - I_th))`` in ms, current in µA above the rheobase."""
    return float(TAU * 1e3 * np.log(current / (current - RHEOBASE)))


def if_interval(current: float) -> float:
    """Closed form ``C (V_th - V_rest) / I`` in ms, current in µA."""
    return C * 1e6 * SWING / current


def _all_or_none(runs: Runs) -> Measured:
    peaks = np.array([runs.trace("HH", f"kick {x:g}").max() for x in KICKS])
    fires = np.array([len(runs.spikes("HH", f"kick {x:g}")) > 0 for x in KICKS])
    gap = float(peaks[fires].min() - peaks[~fires].max())
    note = f"pulses of 0.5 ms, 2 to 40 µA: peaks up to {peaks[~fires].max():.1f} mV without a " \
           f"spike, from {peaks[fires].min():.1f} mV with one"  # fmt: skip
    return Measured(gap, 0.0, 1, above(gap, 0.0, 50.0), note.replace("-", "−"))


def recovered(runs: Runs, times: int) -> float:
    """Shortest delay in ms at which the second pulse fires the axon again."""
    return next(d for d in DELAYS if len(runs.spikes("HH", f"{times} x after {d:g}")) > 1)


def _refractory(runs: Runs) -> Measured:
    one, two = recovered(runs, 1), recovered(runs, 2)
    note = f"a pulse twice as strong: {two:g} ms; delays from {DELAYS[0]:g} ms in steps of 1 ms"
    return _exact(one, one > DELAYS[0] and two < one, note)


def _gates(runs: Runs) -> Measured:
    end = _at(runs, float(runs.spikes("HH", "step")[1]) - 5)
    m, h, n = (runs.trace("HH", "step", gate)[:end] for gate in "mhn")
    top, low, late = (float(runs.time[k]) for k in (m.argmax(), h.argmin(), n.argmax()))
    note = f"largest m {m.max():.2f}, then largest n {n.max():.2f}; smallest h, " \
           f"{h.min():.2f}, {low - top:.1f} ms after m"  # fmt: skip
    return _exact(late - top, late > top and low > top, note)


def _undershoot(runs: Runs) -> Measured:
    spikes = runs.spikes("HH", "kick 20")
    late = runs.time > spikes[0]
    value = float(runs.trace("HH", "kick 20")[late].min() - runs.trace("HH", "none")[-1])
    return Measured(value, 0.0, 1, below(value, 0.0), "after one spike, without any current")


def _claim(
    name: str, source: str, sentence: str, reading: str, quantity: str, unit: str,
    measure: Callable[[Runs], Measured],
) -> Claim:  # fmt: skip
    return Claim(f"models-{name}", source, sentence, reading, quantity, unit, FIGURE, measure)


_IF, _LIF, _HH = "Integrate and Fire", "Leaky Integrate and Fire", "last heading"
_AXON = "Hodgkin-Huxley Model"

CLAIMS: tuple[Claim, ...] = (
    _claim(
        "charge", "introduction", "if a neuron had no ion channels, its behavior could be "
        "described by [Q = V C]", "IF, one pulse: the change of V times C is the charge of the "
        "pulse", "charge on the membrane over charge of the pulse", "", _charge,
    ),
    _claim(
        "battery", "introduction", "the voltage difference caused by the concentration differences "
        "can be modeled as a battery that sets the membrane potential", "HH without current: the "
        "mean of the batteries, weighted by their conductances, within 0.01 mV",
        "rest minus weighted mean", "mV", _battery,
    ),
    _claim(
        "integrates", _IF, "the input is integrated over time into the membrane potential",
        f"IF under {STEP:g} µA: V_rest + I t / C", "largest difference", "mV",
        _charging("IF", lambda t: REST * 1e3 + STEP * t / (C * 1e6)),
    ),
    _claim(
        "keeps", _IF, "inputs provided a long time ago are also integrated until the voltage "
        "reaches a threshold", f"IF, two pulses of {PULSE:g} nC 40 ms apart, each too weak to fire "
        "it", "share of the first that is left at the second", "", _keeps,
    ),
    _claim(
        "resets", _IF, "… at which point the voltage is set back to the resting voltage",
        "V after the spike of the second pulse", "V after the spike", "mV", _resets,
    ),
    _claim(
        "if-rate", _IF, "C_m dV/dt = I(t)", "constant current: an interval lasts C (V_th − V_rest) "
        "/ I, rounded up to a step", "largest difference of an interval, in steps", "",
        _rate("IF", if_interval),
    ),
    _claim(
        "forgets", _LIF, "it adds a “leak term” … so that inputs provided a long time ago are not "
        "integrated", "LIF, the same two pulses: less than 1 % of the first is left",
        "share of the first that is left at the second", "", _forgets,
    ),
    _claim(
        "rc", _LIF, "C_m dV/dt = I(t) − V_m / R_m", f"V counted from rest; LIF under {STEP:g} µA: "
        "the RC circuit R I (1 − exp(−t / R C))", "largest difference", "mV",
        _charging("LIF", lambda t: REST * 1e3 - STEP / (G_L * 1e3) * np.expm1(-t / (TAU * 1e3))),
    ),
    _claim(
        "rheobase", _LIF, "the input current has to reach the threshold of I_th = V_th / R_m for "
        "the neuron to spike", "V_th counted from rest; constant currents of 0.3 s",
        "lowest current that fires it over I_th", "", _rheobase,
    ),
    _claim(
        "lif-rate", _LIF, "C_m dV/dt = I(t) − V_m / R_m", "constant current: an interval lasts "
        "τ ln(I / (I − I_th)), rounded up to a step",
        "largest difference of an interval, in steps", "", _rate("LIF", lif_interval),
    ),
    _claim(
        "axon-spike", _HH, _AXON, "a spike is all or nothing: no peak lies between those with and "
        "those without one, over 50 mV", "gap between the peaks", "mV", _all_or_none,
    ),
    _claim(
        "axon-gates", _HH, _AXON, "sodium (m) opens first, then potassium (n) opens and sodium "
        "closes (h)", "largest n after largest m", "ms", _gates,
    ),
    _claim(
        "axon-undershoot", _HH, _AXON, "open potassium channels leave V below rest after a spike",
        "lowest V after a spike, minus rest", "mV", _undershoot,
    ),
    _claim(
        "axon-refractory", _HH, _AXON, "refractory without a rule for it: a second pulse fires the "
        "axon only after a delay, a shorter one if it is stronger",
        "shortest delay of an equal pulse that fires it again", "ms", _refractory,
    ),
)  # fmt: skip
"""In the order of the text."""
