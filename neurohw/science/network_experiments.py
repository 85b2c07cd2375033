"""What is done to the network to find out what its parts are for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurohw.analysis.rates import rates
from neurohw.analysis.trains import Trains
from neurohw.network import Delta, Poisson, SpikeArray
from neurohw.network.connectivity import fixed_in_degree
from neurohw.science.figure import Progress, quiet
from neurohw.science.network_measures import simulate
from neurohw.science.network_model import (
    BLOCK,
    DELAY,
    SIZES,
    SPAN,
    V_RESET,
    V_REST,
    V_TH,
    WARM,
    Group,
    Settings,
    block_diagonal,
    blocks,
    execute,
    groups,
    key,
    populate,
    simulate_group,
)  # fmt: skip

__all__ = ["JUMP", "LISTENERS", "PERIOD", "Pulses", "at_density", "fi", "noise_free", "pulses",
           "runaway"]  # fmt: skip

JUMP = 5e-3  # V, a third of the way from reset to threshold
PERIOD = 50e-3  # s between pulses
LISTENERS = 40  # in each half
ECHO = (1e-3, 10e-3)  # s after a pulse: what comes later than the synaptic delay
REST = 20e-3  # s after a pulse, from when on the rate counts as the spontaneous one
EARLY = 10e-3  # s, twice: a start, and the time in which the rate is taken


def runaway(s: Settings, seed: int, count: int) -> np.ndarray:
    """Rate (Hz) of each network 10 to 20 ms after a start without inhibitory synapses."""
    free = replace(s, g=0.0)
    found = [rates(g.trains["all"]).per_trial
             for g in groups(free, seed, count, warm=EARLY, span=EARLY)]  # fmt: skip
    return np.concatenate(found)


def at_density(s: Settings, seed: int, count: int, factor: float) -> np.ndarray:
    """Mean pairwise correlation of each network with `factor` times the synapses.

    Weights are divided by the root of the factor: each neuron then gets the same recurrent noise.
    """
    other = replace(
        s, k_E=round(s.k_E * factor), k_I=round(s.k_I * factor), weight=s.weight / math.sqrt(factor)
    )
    return simulate(seed, count, names=("correlation",), sets={"": other}).numbers[""][
        "correlation"
    ]


def noise_free(s: Settings, bias: np.ndarray) -> np.ndarray:
    """Rate (Hz) without noise and synapses: ``1 / (t_ref + tau ln(...))``, 0 below rheobase."""
    push = s.R * np.asarray(bias, np.float64) + V_REST
    with np.errstate(divide="ignore", invalid="ignore"):
        interval = s.t_ref + s.tau * np.log((push - V_RESET) / (push - V_TH))
        return np.where(push > V_TH, 1 / interval, 0.0)


def fi(s: Settings, seed: int, bias: Sequence[float]) -> np.ndarray:
    """Rate of a network against the constant current of its E neurons, ``[current, neurons]``.

    I neurons keep their share more (or less) than E neurons have.
    """
    share = s.bias[1] / s.bias[0]
    found = [simulate_group(replace(s, bias=(i, i * share)), seed, [0], span=0.5) for i in bias]
    return np.array([rates(g.trains["all"]).per_neuron for g in found])


@dataclass(frozen=True, eq=False)
class Pulses:
    """How listeners answer a pulse, each array ``[network]`` or ``[network, step]``.

    ``timed`` heard the inhibition of their network, ``untimed`` Poisson trains of the same rate.

    Attributes
    ----------
    timed, untimed : dict
        ``rate`` (Hz, ``[network, step]`` after a pulse), ``echo`` (spikes per neuron and pulse
        beyond the spontaneous ones, 1 to 10 ms after it), ``jitter`` (s, standard deviation of
        the time to the first spike).
    """

    timed: dict[str, np.ndarray]
    untimed: dict[str, np.ndarray]


def pulses(s: Settings, seed: int, count: int, rate_I: float, progress: Progress = quiet) -> Pulses:
    """All neurons are pushed by :data:`JUMP` every :data:`PERIOD`; listeners do not feed back.

    Listeners have the constants, drive and in-degree of E neurons, so the network goes on as it is
    while one half of them hears inhibition that has lost its timing.

    Parameters
    ----------
    rate_I : float
        Rate of an I neuron in Hz.
    """
    halves: tuple[list, list] = ([], [])
    for first in range(0, count, BLOCK):
        numbers = range(first, min(first + BLOCK, count))
        t = _listen(s, seed, numbers, rate_I).split("T", 2 * LISTENERS)
        for half, found in enumerate(halves):
            found.append(_answer(t, half))
        progress(f"{s.label}, pulses", numbers[-1] + 1, count)
    one, two = ({k: np.concatenate([p[k] for p in parts]) for k in parts[0]} for parts in halves)
    return Pulses(one, two)


def _listen(s: Settings, seed: int, numbers: Sequence[int], rate_I: float) -> Group:
    """Networks with listeners T: the first half hears I, the second half Poisson trains S."""
    net, wiring = blocks(s, seed, numbers)
    populate(net, s, "T", 2 * LISTENERS, 0, seed, numbers)
    steps = np.arange(round(WARM / s.dt), round((WARM + SPAN) / s.dt), round(PERIOD / s.dt))
    net.driver("P", SpikeArray(events=(steps, np.zeros_like(steps))))
    for name in (*SIZES, "T"):
        net.connect("P", name, Delta(weight=JUMP))
    upper = np.arange(2 * LISTENERS)[:, None] < LISTENERS
    for at, source in enumerate(SIZES):
        k, weight = s.synapses(source)
        heard = weight if source == "E" else np.where(upper, weight, 0.0)
        parts = [
            fixed_in_degree(
                2 * LISTENERS, SIZES[source], k, weight=heard, seed=key(seed, number, 200 + at)
            )
            for number in numbers
        ]
        net.connect(source, "T", Delta(weight=block_diagonal(parts)), delay=DELAY)
    k, weight = s.synapses("I")
    size = 2 * LISTENERS * len(numbers)
    net.driver("S", Poisson(size=size, rate=k * rate_I))
    lost = np.tile(np.where(upper[:, 0], 0.0, weight), len(numbers))
    net.connect("S", "T", Delta(weight=lost), connectivity="one_to_one", delay=DELAY)
    seed = key(seed, numbers[0] // BLOCK)
    return Group(s, numbers, wiring, execute(net, s.dt, WARM + SPAN, seed), WARM)


def _answer(t: Trains, half: int) -> dict[str, np.ndarray]:
    """Rate after a pulse, echo and jitter of one half of the listeners, by network."""
    networks, period = t.shape[0], round(PERIOD / t.dt)
    number = t.steps // period
    mine = t.neuron // LISTENERS == half
    trial, neuron, step = t.trial[mine], t.neuron[mine] % LISTENERS, t.step[mine]
    pulse, after = np.divmod(step, period)
    size = networks * period
    count = np.bincount(trial * period + after, minlength=size).reshape(networks, period)
    rate = count / (number * LISTENERS * t.dt)
    spontaneous = rate[:, round(REST / t.dt) :].mean(axis=1)
    late = rate[:, slice(*(round(x / t.dt) for x in ECHO))] - spontaneous[:, None]
    of = (trial * LISTENERS + neuron) * number + pulse
    first = np.full(networks * LISTENERS * number, np.nan)
    begins = np.flatnonzero(np.diff(of, prepend=-1))
    first[of[begins]] = after[begins] * t.dt
    spread = np.nanstd(first.reshape(networks, -1), axis=1, ddof=1)
    return {"rate": rate, "echo": late.sum(axis=1) * t.dt, "jitter": spread}
