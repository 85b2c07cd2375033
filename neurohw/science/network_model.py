"""The network of the third text: 200 LIF neurons, and two sets of constants that give its table.

``tau dV/dt = -(V - V_rest) + R I(t)``, a spike and V := V_reset above V_th, and a jump of V by w_ij
at target i a time d after each spike of source j (eq. 1.2: the delta function is a current pulse).
160 neurons excite and 40 inhibit; every neuron hears k_E of the former and k_I of the latter, drawn
once per network. The text prints results but no constants.

Networks are disjoint blocks of one sparse program, so that many run at once. Network number k of a
seed is the same however many are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from neurohw.analysis.trains import Trains, trains
from neurohw.lowering import lower
from neurohw.network import LIF, AdditiveNoise, Delta, Network, Poisson
from neurohw.network.common import frozen
from neurohw.network.connectivity import fixed_in_degree
from neurohw.network.synapses import CSR
from neurohw.recording import Recording
from neurohw.run import run_program

__all__ = [
    "BLOCK", "DELAY", "GAUSS", "POISSON", "SETS", "SIZES", "SPAN", "V_RESET", "V_REST",
    "V_TH", "WARM", "Group", "Settings", "block_diagonal", "blocks", "describe", "execute",
    "groups", "key", "merged", "populate", "simulate_group", "wire",
]  # fmt: skip

SIZES: Mapping[str, int] = {"E": 160, "I": 40}
V_REST, V_RESET, V_TH = -65e-3, -65e-3, -50e-3
DELAY = 1e-3
WARM, SPAN = 0.2, 1.0
BLOCK = 20
"""Networks in one program."""


@dataclass(frozen=True)
class Settings:
    """Constants of a network, in SI units.

    Attributes
    ----------
    name, label : str
        Short, and for legends.
    tau, C, t_ref : float
        Membrane time constant, capacitance, refractory period.
    weight : float
        Jump of V at an excitatory synapse; at an inhibitory one it is ``-g`` times that.
    g : float
        Relative strength of inhibition.
    k_E, k_I : int
        Synapses that each neuron has from E and from I.
    bias : (float, float)
        Constant current of E and of I neurons, A.
    sigma : float
        White noise current, A s**0.5, independent for each neuron.
    rate : (float, float)
        External Poisson train of each E and each I neuron, Hz; zeros for none.
    kick : float
        Jump of V per external spike.
    dt : float
        Step, s. It belongs to the constants: a threshold that is checked more often is met more
        often.
    """

    name: str
    label: str
    tau: float
    C: float
    t_ref: float
    weight: float
    g: float
    k_E: int
    k_I: int
    bias: tuple[float, float] = (0.0, 0.0)
    sigma: float = 0.0
    rate: tuple[float, float] = (0.0, 0.0)
    kick: float = 0.0
    dt: float = 1e-4

    @property
    def R(self) -> float:
        """Membrane resistance, ohm."""
        return self.tau / self.C

    @property
    def drive(self) -> tuple[float, float]:
        """Mean external input of E and I neurons as R I, in V."""
        one, two = (
            self.R * i + self.tau * r * self.kick for i, r in zip(self.bias, self.rate, strict=True)
        )
        return one, two

    def synapses(self, source: str) -> tuple[int, float]:
        """In-degree and weight (V) of the synapses from a population."""
        return (self.k_E, self.weight) if source == "E" else (self.k_I, -self.g * self.weight)


GAUSS = Settings(
    "gauss", "Gaussian drive", tau=20e-3, C=200e-12, t_ref=0.0, weight=1.13e-3, g=4.0, k_E=16,
    k_I=4, bias=(1.255e-9, 1.268e-9), sigma=31e-12,
)  # fmt: skip
POISSON = Settings(
    "poisson", "Poisson drive", tau=10e-3, C=100e-12, t_ref=0.5e-3, weight=0.88e-3, g=6.0, k_E=32,
    k_I=8, rate=(3010.0, 3035.0), kick=4.2e-3,
)  # fmt: skip
SETS: Mapping[str, Settings] = {s.name: s for s in (GAUSS, POISSON)}


def describe(s: Settings) -> dict[str, Any]:
    """The constants as plain data, in the units of their names."""
    return {
        "tau_ms": s.tau * 1e3, "C_pF": s.C * 1e12, "R_Mohm": s.R * 1e-6,
        "V_rest_mV": V_REST * 1e3, "V_reset_mV": V_RESET * 1e3, "V_th_mV": V_TH * 1e3,
        "t_ref_ms": s.t_ref * 1e3, "delay_ms": DELAY * 1e3, "weight_mV": s.weight * 1e3, "g": s.g,
        "in_degree_E": s.k_E, "in_degree_I": s.k_I, "I_bias_nA": [i * 1e9 for i in s.bias],
        "sigma_pA_sqrt_s": s.sigma * 1e12, "external_rate_Hz": list(s.rate),
        "external_spikes_per_step": [r * s.dt for r in s.rate],
        "external_jump_mV": s.kick * 1e3, "external_R_I_mV": [u * 1e3 for u in s.drive],
        "neurons_E": SIZES["E"], "neurons_I": SIZES["I"], "dt_ms": s.dt * 1e3, "method": "euler",
    }  # fmt: skip


def key(*numbers: int) -> int:
    """A seed below 2**63 from other numbers; the same on every machine."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def block_diagonal(parts: Sequence[CSR]) -> CSR:
    """One matrix with these on its diagonal."""
    rows, columns = (np.cumsum([0] + [p.shape[axis] for p in parts]) for axis in (0, 1))
    entries = np.cumsum([0] + [len(p.data) for p in parts])
    ends = [p.indptr[1:] + at for p, at in zip(parts, entries, strict=False)]
    indices = [p.indices + at for p, at in zip(parts, columns, strict=False)]
    return CSR(
        (int(rows[-1]), int(columns[-1])),
        frozen(np.concatenate([[0], *ends]), np.int64),
        frozen(np.concatenate(indices), np.int64),
        frozen(np.concatenate([p.data for p in parts])),
    )


def wire(s: Settings, seed: int, number: int) -> dict[tuple[str, str], CSR]:
    """Weights (V) of network `number` by (source, target); no neuron hears itself."""
    found = {}
    for at, (source, target) in enumerate((a, b) for b in SIZES for a in SIZES):
        k, weight = s.synapses(source)
        found[source, target] = fixed_in_degree(
            SIZES[target], SIZES[source], k, weight=weight, seed=key(seed, number, at),
            self_connections=source != target,
        )  # fmt: skip
    return found


def blocks(
    s: Settings, seed: int, numbers: Sequence[int], *, sample: float = 1e6
) -> tuple[Network, list[dict[tuple[str, str], CSR]]]:
    """Networks `numbers` as one circuit, and the weights of each.

    Parameters
    ----------
    sample : float
        Interval in s at which V is recorded; the default records it once.
    """
    net = Network("ei")
    wiring = [wire(s, seed, number) for number in numbers]
    for at, name in enumerate(SIZES):
        populate(net, s, name, SIZES[name], at, seed, numbers)
        net.probe(name, "v", every=sample)
    for source, target in wiring[0]:
        w = block_diagonal([one[source, target] for one in wiring])
        net.connect(source, target, Delta(weight=w), delay=DELAY)
    return net, wiring


def populate(
    net: Network, s: Settings, name: str, size: int, at: int, seed: int, numbers: Sequence[int]
) -> None:
    """Add neurons of each network, `size` in each, with the drive of E (`at` 0) or I (1)."""
    start = [np.random.Generator(np.random.Philox(key(seed, number, ord(name[0])))).random(size)
             for number in numbers]  # fmt: skip
    neuron = LIF(
        size=size * len(numbers), C=s.C, tau=s.tau, E_L=V_REST, V_th=V_TH, V_reset=V_RESET,
        t_ref=s.t_ref, I_bias=s.bias[at],
        V_init=V_RESET + (V_TH - V_RESET) * np.concatenate(start),
    )  # fmt: skip
    net.population(name, neuron, noise=[AdditiveNoise(sigma=s.sigma)] if s.sigma else [])
    net.probe(name, "spikes")
    if any(s.rate):
        net.driver(f"X_{name}", Poisson(size=neuron.size, rate=s.rate[at]))
        kicks = Delta(weight=np.full(neuron.size, s.kick))
        net.connect(f"X_{name}", name, kicks, connectivity="one_to_one")


@dataclass(frozen=True, eq=False)
class Group:
    """Some networks after their run; what a trial is elsewhere is a network here.

    Attributes
    ----------
    settings : Settings
        Their constants.
    numbers : sequence of int
        Which networks they are.
    wiring : list of mapping
        Of each network, weights (V) by (source, target).
    recording : Recording
        Of all of them together.
    start : float
        Spikes before that time (s) are left out.
    """

    settings: Settings
    numbers: Sequence[int]
    wiring: list[dict[tuple[str, str], CSR]]
    recording: Recording
    start: float

    @cached_property
    def trains(self) -> dict[str, Trains]:
        """Trains of E, of I, and of "all" (I after E), one trial per network."""
        found = {name: self.split(name, n) for name, n in SIZES.items()}
        return {**found, "all": merged(found["E"], found["I"])}

    def split(self, name: str, size: int) -> Trains:
        """Trains of a population with `size` neurons per network, one trial per network."""
        t = trains(self.recording, name, start=self.start)
        trial, neuron = np.divmod(t.neuron, size)
        return replace(
            t, trials=np.asarray(self.numbers), neurons=np.arange(size), trial=trial, neuron=neuron
        )


def merged(first: Trains, second: Trains) -> Trains:
    """Trains of two populations as one, the second's neurons after the first's."""
    n = len(first.neurons)
    neurons = n + len(second.neurons)
    trial, neuron, step = (
        np.concatenate(pair)
        for pair in (
            (first.trial, second.trial),
            (first.neuron, second.neuron + n),
            (first.step, second.step),
        )
    )
    order = np.argsort(trial * neurons + neuron, kind="stable")  # steps ascend already
    return replace(
        first, population="all", neurons=np.arange(neurons), trial=trial[order],
        neuron=neuron[order], step=step[order],
    )  # fmt: skip


def simulate_group(
    s: Settings,
    seed: int,
    numbers: Sequence[int],
    *,
    warm: float = WARM,
    span: float = SPAN,
    sample: float = 1e6,
) -> Group:
    """Run networks for ``warm + span`` seconds and keep the last ``span``."""
    net, wiring = blocks(s, seed, numbers, sample=sample)
    return Group(
        s, numbers, wiring, execute(net, s.dt, warm + span, key(seed, numbers[0] // BLOCK)), warm
    )


def execute(net: Network, dt: float, duration: float, seed: int) -> Recording:
    """Run a network, recording what it probes and no more: drivers spike by the million."""
    lowered = lower(net, "float64", dt=dt, method="euler", seed=seed)
    return run_program(lowered.program, "native", round(duration / dt))


def groups(s: Settings, seed: int, count: int, **options: Any) -> Iterator[Group]:
    """Networks ``0 .. count - 1``, some at a time."""
    for first in range(0, count, BLOCK):
        yield simulate_group(s, seed, range(first, min(first + BLOCK, count)), **options)
