"""The LIF neuron under synaptic conductances: the model behind Figs. 5 to 8 of the first text.

Fifteen variants of one neuron are the elements of one population, and all of them hear the same 150
Poisson trains. The free membrane potential is the same run with the threshold at 1000 mV: draws
depend on seed, population, element and step, so the noise is the same number by number. Readings
(docs/science.md): currents in pA, white noise, what the text leaves out from the tutorial that it
names, conductances before V in each step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.analysis.trains import Trains, trains
from neurohw.network import (
    LIF,
    AdditiveNoise,
    Conductance,
    MultiplicativeNoise,
    Network,
    Poisson,
)
from neurohw.recording import Recording
from neurohw.run import run
from neurohw.science.figure import Progress, quiet

__all__ = ["VARIANTS", "Runs", "Variant", "network", "record", "simulate"]

TAU, E_L, E_E, E_I = 10e-3, -60e-3, 0.0, -80e-3
V_TH, V_RESET, V_START, V_FREE = -55e-3, -70e-3, -65e-3, 1.0
TAU_E, TAU_I, WEIGHT, STRONGER = 2e-3, 5e-3, 2.4e-9, 3.0e-9
TRAINS = {"E": (100, 10.0), "I": (50, 20.0)}
"""Receptor -> number of presynaptic trains, and the rate of each in Hz."""
DT, STEPS = 1e-4, 10_000
SAMPLE = 1e-3  # s, between two samples of V
SHORT = 5e-3  # s: successive intervals below this are a burst


@dataclass(frozen=True)
class Variant:
    """What differs from panel to panel, in the units of the captions.

    Attributes
    ----------
    current : float
        Constant current, pA.
    additive, multiplicative : float
        Noise: pA, and pA per mV of V.
    t_ref, t_ref_sigma : float
        Refractory period, ms; negative draws count as 0.
    g_L : float
        Leak conductance, nS.
    per_step : bool
        One standard normal per step instead of white noise.
    """

    current: float = 1.0
    additive: float = 0.0
    multiplicative: float = 0.0
    t_ref: float = 8.0
    t_ref_sigma: float = 0.0
    g_L: float = 20.0
    per_step: bool = False

    @property
    def label(self) -> str:
        """As a caption would write it."""
        noise = f" + {self.additive:g} ξ" if self.additive else ""
        noise += f" + {self.multiplicative:g} V ξ" if self.multiplicative else ""
        jitter = f" + {self.t_ref_sigma:g} ξ" if self.t_ref_sigma else ""
        rest = f"t_ref = {self.t_ref:g}{jitter} ms, g_L = {self.g_L:g} nS"
        return f"I = {self.current:g}{noise} pA, {rest}"

    @property
    def white(self) -> tuple[float, float]:
        """Strengths of the white noise, A*s**0.5 and S*s**0.5.

        ``sigma randn / sqrt(dt)``, with dt in s; ``sigma randn`` is the same with a sigma that is
        smaller by sqrt(dt).
        """
        scale = DT**0.5 if self.per_step else 1.0
        return self.additive * 1e-12 * scale, self.multiplicative * 1e-9 * scale


_RANDOM: Mapping[str, Any] = {"t_ref": 1.0, "t_ref_sigma": 2.0}
_LEAKY: Mapping[str, Any] = {"multiplicative": 2.0, "g_L": 200.0}

VARIANTS: Mapping[str, Variant] = {
    "6 left": Variant(8),
    "6 right": Variant(additive=2),
    "7 left": Variant(additive=2, **_RANDOM),
    "7 right": Variant(multiplicative=2, **_RANDOM),
    "8 left": Variant(**_LEAKY),
    "8 left, text": Variant(additive=2, g_L=200),
    "8 right": Variant(**_LEAKY, **_RANDOM),
    "6 right, no noise": Variant(),
    "6 right, 8 + 2 ξ ms": Variant(additive=2, t_ref_sigma=2),
    "7 left, no noise": Variant(**_RANDOM),
    "7 right, 8 ms": Variant(multiplicative=2),
    "7 left, per step": Variant(additive=2, per_step=True, **_RANDOM),
    "7 right, per step": Variant(multiplicative=2, per_step=True, **_RANDOM),
    "8 left, per step": Variant(**_LEAKY, per_step=True),
    "8 right, per step": Variant(**_LEAKY, **_RANDOM, per_step=True),
}
"""Panels of the text's figures; from the eighth on, variants that show what one change does."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What all variants did.

    Attributes
    ----------
    spiking, free : Recording
        With the threshold of the text, and with one that is never reached; V every ms.
    stronger : Recording
        Spikes with the weight of the tutorial's demonstration, 3.0 nS.
    shown, shown_free : array
        V of the first realisation at every step, mV, ``[step, variant]``.
    variants : mapping
        Panel -> variant, in the order of the elements.
    """

    spiking: Recording
    free: Recording
    stronger: Recording
    shown: np.ndarray
    shown_free: np.ndarray
    variants: Mapping[str, Variant]

    @property
    def trials(self) -> int:
        """Number of realisations."""
        return len(self.spiking.probes.trials)

    def index(self, panel: str) -> int:
        """Which element a panel is."""
        return list(self.variants).index(panel)

    def potential(self, panel: str, *, free: bool = False, start: float = 0.0) -> np.ndarray:
        """V in mV, ``[sample, trial]``, one sample per ms from start (ms) on."""
        return _potential(self.free if free else self.spiking, self.index(panel))[round(start) :]

    def trains(self, panel: str, start: float = 0.0, *, stronger: bool = False) -> Trains:
        """Spikes of one panel from start (ms) on."""
        source = self.stronger if stronger else self.spiking
        return trains(source, "cells", neurons=self.index(panel), start=start * 1e-3)


def _potential(recording: Recording, element: Any = slice(None)) -> np.ndarray:
    (probe,) = (p for p in recording.declared if p.value == "v")
    return recording.raw("cells", "v")[..., element] * (probe.scale * 1e3) + probe.shift * 1e3


def network(
    variants: Sequence[Variant],
    *,
    free: bool = False,
    weight: float = WEIGHT,
    every: float = SAMPLE,
    watch: Sequence[str] = ("v",),
) -> Network:
    """One neuron per variant. Values are arrays, so other values are the same program.

    Parameters
    ----------
    variants : sequence of Variant
        One neuron each.
    free : bool
        Put the threshold where it is never reached.
    weight : float
        Conductance that a spike opens, S.
    every : float
        Between two samples of what is watched, s.
    watch : sequence of str
        Variables that are recorded.
    """
    size = len(variants)

    def each(field: str, unit: float) -> np.ndarray:
        return np.array([getattr(v, field) for v in variants]) * unit

    net = Network("conductance_lif")
    neuron = LIF(
        size=size, tau=TAU, g_L=each("g_L", 1e-9), E_L=E_L, V_th=np.full(size, V_FREE if free else
        V_TH), V_reset=V_RESET, V_init=V_START, I_bias=each("current", 1e-12),
        t_ref=each("t_ref", 1e-3), t_ref_sigma=each("t_ref_sigma", 1e-3),
    )  # fmt: skip
    additive, multiplicative = np.array([v.white for v in variants]).T
    noise = [AdditiveNoise(sigma=additive), MultiplicativeNoise(sigma=multiplicative)]
    for name, (count, rate) in TRAINS.items():
        net.driver(name, Poisson(size=count, rate=rate))
    net.population("cells", neuron, noise=noise)
    for name, tau, reversal in (("E", TAU_E, E_E), ("I", TAU_I, E_I)):
        weights = np.full((size, TRAINS[name][0]), weight)
        synapse = Conductance(weight=weights, tau=tau, E_rev=reversal, receptor=name)
        net.connect(name, "cells", synapse)
    net.probe("cells", *watch, every=every)
    return net


def record(net: Network, seed: int, trials: int, progress: Progress, label: str) -> Recording:
    """Run it for 1 s."""
    return run(
        net, target="float64", method="euler", dt=DT, steps=STEPS, trials=trials, seed=seed,
        progress=lambda done, total: progress(label, done, total),
    )  # fmt: skip


def simulate(
    seed: int,
    trials: int,
    progress: Progress = quiet,
    variants: Mapping[str, Variant] = VARIANTS,
) -> Runs:
    """Run all variants for 1 s: with a threshold, without one, and with stronger synapses."""
    cells = tuple(variants.values())

    def go(label: str, count: int, **how: Any) -> Recording:
        return record(network(cells, **how), seed, count, progress, label)

    return Runs(
        go("with a threshold", trials),
        go("free potential", trials, free=True),
        go("stronger synapses", trials, weight=STRONGER, every=STEPS * DT),
        _potential(go("one realisation", 1, every=DT))[:, 0],
        _potential(go("one free realisation", 1, every=DT, free=True))[:, 0],
        variants,
    )
