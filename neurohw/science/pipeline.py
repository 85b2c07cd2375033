"""The spiking network of Fig. 1 of the first text, and what section 2.1 says about its steps.

Two Poisson drivers with weights w1 and w2 reach three neurons N3: the first hears only w1, the
second only w2, the third both, as in the figure. D3 repeats the spikes of N3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from neurohw.analysis.rates import counts
from neurohw.analysis.trains import trains
from neurohw.network import LIF, Exponential, Network, Poisson
from neurohw.recording import Recording
from neurohw.run import run
from neurohw.science.claim import Claim, Measured, above, below, mean_error, within
from neurohw.science.figure import Progress, quiet
from neurohw.science.lif import DT, E_L, G_L, TAU, V_RESET, V_TH

__all__ = ["CLAIMS", "Runs", "network", "simulate"]

W1, W2 = 0.6e-9, 0.3e-9  # A
TAU_SYN = 5e-3
RATE = 200.0
STEPS = 5000


@dataclass(frozen=True, eq=False)
class Runs:
    """A recording, with V and the synaptic current (mV, nA) as ``[step, trial, neuron]``."""

    recording: Recording
    v: np.ndarray
    current: np.ndarray


def network(w1: float = W1, w2: float = W2) -> Network:
    """Drivers, synapses with a decaying current, N3, D3."""
    net = Network("snn")
    for name in ("N1", "N2"):
        net.driver(name, Poisson(rate=RATE))
    neuron = LIF(size=3, tau=TAU, g_L=G_L, E_L=E_L, V_th=V_TH, V_reset=V_RESET)
    net.population("N3", neuron)
    net.connect("N1", "N3", Exponential(weight=np.array([[w1], [0], [w1]]), tau=TAU_SYN))
    net.connect("N2", "N3", Exponential(weight=np.array([[0], [w2], [w2]]), tau=TAU_SYN))
    net.spike_driver("D3", "N3")
    net.probe("N3", "v", "u")
    return net


def simulate(seed: int, trials: int, progress: Progress = quiet) -> Runs:
    """Run it for 0.5 s."""
    recording = run(
        network(), method="euler", dt=DT, steps=STEPS, trials=trials, seed=seed,
        progress=lambda done, total: progress("Fig. 1", done, total),
    )  # fmt: skip
    v, u = (recording.trace("N3", name).values for name in ("v", "u"))
    return Runs(recording, v * 1e3, u * 1e9)


def _gentle(runs: Runs) -> Measured:
    one = runs.current[:, :, 0]
    fall = float(np.max((one[:-1] - one[1:])[one[:-1] > 0] / one[:-1][one[:-1] > 0]))
    note = f"but it rises at once, by w1 = {W1 * 1e9:g} nA"
    limit = DT / TAU_SYN * (1 + 1e-9)
    return Measured(fall, 0.0, one.shape[1], below(fall, 0.0, limit), note)


def _proportional(runs: Runs) -> Measured:
    heard = [counts(runs.recording, name)[:, 0] for name in ("N1", "N2")]
    charge = runs.current[:, :, :2].mean(0).T / np.array(heard)
    value, error = mean_error(charge[0] / charge[1])
    want = W1 / W2
    note = f"w1 / w2 = {want:g}"
    return Measured(
        value, error, len(charge[0]), within(value, error, 0.98 * want, 1.02 * want), note
    )


def _summed(runs: Runs) -> Measured:
    one, two, both = np.moveaxis(runs.current, 2, 0)
    worst = float(np.abs(both - one - two).max())
    bound = 8 * np.finfo(float).eps * float(both.max()) * TAU_SYN / DT
    note = f"the rounding of the sum over a time constant allows {bound:.1g}"
    return Measured(worst, 0.0, runs.v.shape[1], within(worst, 0.0, -bound, bound), note)


def _resets(runs: Runs) -> Measured:
    t = trains(runs.recording, "N3")
    at = runs.v[t.step, t.trial, t.neuron]
    share = float(np.mean(np.isclose(at, V_RESET * 1e3, rtol=0, atol=1e-9)))
    return Measured(
        share, 0.0, len(at), within(share, 0.0, 1 - 1e-12, 1 + 1e-12), "all spikes of N3"
    )


def _repeats(runs: Runs) -> Measured:
    a, b = (trains(runs.recording, name) for name in ("N3", "D3"))
    same = len(a) == len(b) and all(
        np.array_equal(getattr(a, k), getattr(b, k)) for k in ("trial", "neuron", "step")
    )
    value = len(b) / max(len(a), 1)
    verdict = above(value, 0.0, 0.0) if same else "does not hold"
    return Measured(value, 0.0, len(a), verdict, "the same spikes, one by one" if same else "")


def _claim(
    name: str, sentence: str, reading: str, quantity: str, unit: str,
    measure: Callable[[Runs], Measured],
) -> Claim:  # fmt: skip
    source = "sect. 2.1, Fig. 1"
    return Claim(f"snn-{name}", source, sentence, reading, quantity, unit, (), measure)


CLAIMS: tuple[Claim, ...] = (
    _claim(
        "gentle", "we convert the input driver for spikes to a gently varying current signal",
        "the current falls by no more than dt / tau_syn = 2 % of itself in a step",
        "largest fall in a step, relative to the current", "", _gentle,
    ),
    _claim(
        "proportional", "… proportional to the synaptic weights w1 and w2",
        "charge per input spike, w1 alone over w2 alone, within 2 % of w1 / w2 (a run cuts off "
        "the current of its last spikes)", "ratio of the charges", "", _proportional,
    ),
    _claim(
        "summed", "the synaptic current response is summed into the input of LIF neuron N3",
        "the current with both drivers is the sum of those with one", "largest difference", "nA",
        _summed,
    ),
    _claim(
        "resets", "N3 resets immediately … once the potential reaches/exceeds a threshold",
        "V is V_reset at the end of every step with a spike", "share of the spikes", "", _resets,
    ),
    _claim(
        "repeats", "every time N3 reaches the threshold, a driver neuron D3 produces a spike",
        "the spikes of D3 are those of N3 (connected without delay)",
        "spikes of D3 per spike of N3", "", _repeats,
    ),
)  # fmt: skip
