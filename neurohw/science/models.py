"""Three neurons under the same currents: a capacitor, an RC circuit, and the squid axon.

IF, LIF and Hodgkin-Huxley neurons of one square centimetre, each a population; a protocol (a step,
two pulses, a row of currents...) is an element, the same in all three. Nothing is random. Readings
(docs/science.md): the second text gives no numbers; capacitance and leak are those of the squid
axon, so that the three differ in nothing but their channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neurohw.analysis.trains import Trains, trains
from neurohw.network import IF, LIF, HodgkinHuxley, Network, Step
from neurohw.recording import Recording
from neurohw.run import run
from neurohw.science.claim import find
from neurohw.science.figure import Figure, Progress, quiet

__all__ = ["MODELS", "PROTOCOLS", "Protocol", "Runs", "models", "network", "simulate"]

C, G_L = 1e-6, 0.3e-3  # F and S: one square centimetre
REST, V_TH = -65e-3, -45e-3
TAU = C / G_L
RHEOBASE = G_L * (V_TH - REST) * 1e6  # µA
DT, STEPS, EVERY = 1e-5, 30_000, 5e-5
MODELS = ("IF", "LIF", "HH")
ON, OFF = 10.0, 70.0  # ms
STEP, PULSE = 7.0, 12.0  # µA
SECOND = 50.0  # ms
CURRENTS = tuple(k / 2 for k in range(1, 31) if k != 12)
NEAR = tuple(RHEOBASE * x for x in (0.99, 0.999, 1.001, 1.01))
KICKS = tuple(2.0 * k for k in range(1, 21))  # µA for 0.5 ms
DELAYS = tuple(float(k) for k in range(2, 25))  # ms
STRONG = 20.0  # µA for 1 ms


@dataclass(frozen=True)
class Protocol:
    """Two pulses of current.

    Attributes
    ----------
    first, second : (float, float, float)
        Amplitude in µA, start and stop in ms.
    """

    first: tuple[float, float, float] = (0.0, 0.0, 1.0)
    second: tuple[float, float, float] = (0.0, 0.0, 1.0)


def _protocols() -> dict[str, Protocol]:
    found = {
        "none": Protocol(),
        "step": Protocol((STEP, ON, OFF)),
        "pulses": Protocol((PULSE, ON, ON + 1), (PULSE, SECOND, SECOND + 1)),
    }
    found |= {f"current {x:g}": Protocol((x, 0, STEPS * DT * 1e3)) for x in CURRENTS + NEAR}
    found |= {f"kick {x:g}": Protocol((x, ON, ON + 0.5)) for x in KICKS}
    for times in (1, 2):
        for d in DELAYS:
            second = (times * STRONG, ON + d, ON + d + 1)
            found[f"{times} x after {d:g}"] = Protocol((STRONG, ON, ON + 1), second)
    return found


PROTOCOLS: Mapping[str, Protocol] = _protocols()
"""Name -> currents, in the order of the elements."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What the three did under every protocol.

    Attributes
    ----------
    recording : Recording
        Populations "IF", "LIF", "HH", one element per protocol.
    protocols : mapping
        Name -> protocol.
    time : array
        Of the samples, ms: V is that at the end of the step that begins then.
    """

    recording: Recording
    protocols: Mapping[str, Protocol]
    time: np.ndarray
    _traces: dict[tuple[str, str], np.ndarray] = field(repr=False)

    def index(self, protocol: str) -> int:
        """Which element a protocol is."""
        return list(self.protocols).index(protocol)

    def trace(self, model: str, protocol: str, variable: str = "v") -> np.ndarray:
        """V in mV, or a gate, ``[sample]``."""
        return self._traces[model, variable][:, self.index(protocol)]

    def trains(self, model: str, protocol: str) -> Trains:
        """Spikes."""
        return trains(self.recording, model, neurons=self.index(protocol))

    def spikes(self, model: str, protocol: str) -> np.ndarray:
        """When it spikes, ms: the beginning of the step."""
        return self.trains(model, protocol).step * DT * 1e3


def network(protocols: Sequence[Protocol]) -> Network:
    """Three populations, one neuron per protocol."""
    size = len(protocols)

    def currents() -> list[Step]:
        pulses = np.array([(p.first, p.second) for p in protocols])
        return [
            Step(amplitude=a * 1e-6, start=start * 1e-3, stop=stop * 1e-3)
            for a, start, stop in pulses.transpose(1, 2, 0)
        ]

    net = Network("neuron_models")
    capacitor = IF(size=size, C=C, V_th=V_TH, V_reset=REST)
    circuit = LIF(size=size, C=C, g_L=G_L, E_L=REST, V_th=V_TH, V_reset=REST)
    for name, neuron in zip(MODELS, (capacitor, circuit, HodgkinHuxley(size=size)), strict=True):
        net.population(name, neuron, currents=currents())
    for name in MODELS:
        net.probe(name, "v", *("mhn" if name == "HH" else ()), every=EVERY)
    return net


def simulate(
    seed: int,
    trials: int = 1,
    progress: Progress = quiet,
    protocols: Mapping[str, Protocol] = PROTOCOLS,
) -> Runs:
    """Run all protocols for 0.3 s; nothing is random, so `trials` repetitions would be equal."""
    recording = run(
        network(tuple(protocols.values())), target="float64", method="exponential", dt=DT,
        steps=STEPS, seed=seed, progress=lambda done, total: progress("three neurons", done, total),
    )  # fmt: skip
    traces: dict[tuple[str, str], Any] = {}
    for p in recording.declared:
        if p.value != "spikes":
            unit = 1e-3 if p.unit == "V" else 1.0
            raw = recording.raw(p.population, p.value)[:, 0]
            traces[p.population, p.value] = (raw * p.scale + p.shift) / unit
    samples = len(traces["IF", "v"])
    time = np.arange(samples) * EVERY * 1e3
    return Runs(recording, protocols, time, traces)


def models(seed: int, trials: int | None, progress: Progress) -> Figure:
    """IF, LIF and Hodgkin-Huxley neurons under the same currents, and the gates of the last."""
    from neurohw.science.models_claims import CLAIMS, firing, if_interval, lif_interval, recovered

    runs = simulate(seed, 1, progress)
    rates = {m: {x: 1e3 / t for x, t in firing(runs, m).items()} for m in MODELS}
    dense = np.linspace(RHEOBASE * 1.0001, max(CURRENTS), 400)
    shown = tuple(d for d in DELAYS if d in (4, 8, 10, 11, 12, 14, 18))
    return Figure(
        name="neuron-models",
        title="A capacitor, an RC circuit, a squid axon: IF, LIF and Hodgkin-Huxley neurons",
        caption="A membrane holds the charge Q = C V. Without channels a current can only charge "
        "it: C dV/dt = I, the integrate-and-fire neuron. A resistor R beside the capacitor, in "
        "series with a battery of V_rest, makes an RC circuit, C dV/dt = I − (V − V_rest) / R, "
        "that forgets within τ = R C. Channels that open and close with V make the axon, which "
        "needs no threshold and no reset. All have 1 cm² with C = 1 µF; IF and LIF: "
        "V_rest = −65 mV, V_th = −45 mV; LIF: "
        f"R = 1 / (0.3 mS), τ = 3.3 ms, I_th = {RHEOBASE:g} µA. Exponential Euler, dt = 0.01 ms; "
        f"nothing is random (seed {seed}).",
        seed=seed,
        trials=1,
        parameters={
            "C_uF": C * 1e6, "g_L_mS": G_L * 1e3, "V_rest_mV": REST * 1e3, "V_th_mV": V_TH * 1e3,
            "tau_ms": TAU * 1e3, "rheobase_uA": RHEOBASE, "dt_ms": DT * 1e3,
            "duration_ms": STEPS * DT * 1e3, "method": "exponential", "step_uA": [STEP, ON, OFF],
            "pulses_uA": [PULSE, ON, SECOND], "refractory_pulse_uA": STRONG,
        },
        numbers={
            "rate_Hz": {m: {f"{x:g}": r for x, r in rates[m].items()} for m in MODELS},
            "spikes_under_the_step": {m: len(runs.spikes(m, "step")) for m in MODELS},
            "recovered_ms": [recovered(runs, k) for k in (1, 2)],
        },
        findings=find(CLAIMS, runs, "neuron-models"),
        draw="neurohw.plot.models:models",
        data={
            "time": runs.time,
            "step": (STEP, ON, OFF),
            "levels": {"V_th": V_TH * 1e3, "V_rest": REST * 1e3},
            "v": {m: runs.trace(m, "step") for m in MODELS},
            "spikes": {m: runs.spikes(m, "step") for m in MODELS},
            "pulses": {m: runs.trace(m, "pulses") for m in ("IF", "LIF")},
            "pulse_times": (ON, SECOND),
            "gates": {gate: runs.trace("HH", "step", gate) for gate in "mhn"},
            "again": {d: runs.trace("HH", f"1 x after {d:g}") for d in shown},
            "fired": {d: len(runs.spikes("HH", f"1 x after {d:g}")) > 1 for d in shown},
            "rates": {m: (list(rates[m]), list(rates[m].values())) for m in MODELS},
            "closed": {
                "IF": (dense, [1e3 / if_interval(x) for x in dense]),
                "LIF": (dense, [1e3 / lif_interval(x) for x in dense]),
            },
            "rheobase": RHEOBASE,
        },
        size=(11.0, 9.0),
    )  # fmt: skip
