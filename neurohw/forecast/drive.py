"""How far inputs can lift a neuron, and how often it then fires: closed forms of one step's rule.

With the step ``u' = d_u u + W``, ``w' = d w + u' + b`` (``w`` is V against its origin), constant
input W leads to ``u = W / (1 - d_u)`` and lifts w towards ``(u + b) / (1 - d)``, monotonically.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from neurohw.lowering import Lowered, Numbers
from neurohw.lowering.wires import Wire

__all__ = ["Inputs", "Neurons", "inputs_of", "neurons_of"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Neurons:
    """Numbers of one population's step; arrays ``[size]``, potentials in V against the origin.

    Attributes
    ----------
    keep_v, keep_u : array
        Factors of a step.
    threshold, bias : array
    gain : array
        Volts per step that an ampere makes.
    """

    keep_v: Array
    keep_u: Array
    threshold: Array
    bias: Array
    gain: Array

    def highest(self, arriving: Array) -> Array:
        """Where V tends to if ``arriving`` volts arrive in every step; may be infinite."""
        drive = arriving / (1 - self.keep_u) + self.bias
        with np.errstate(divide="ignore", invalid="ignore"):
            level = drive / (1 - self.keep_v)
        return np.where(self.keep_v < 1, level, np.where(drive > 0, np.inf, 0.0))

    def steps_to_threshold(self, arriving: Array) -> Array:
        """Steps from the reset to the threshold at such a constant input; inf: never."""
        drive = arriving / (1 - self.keep_u) + self.bias
        with np.errstate(divide="ignore", invalid="ignore"):
            left = 1 - self.threshold * (1 - self.keep_v) / drive
            leaky = np.log(left) / np.log(self.keep_v)
            plain = self.threshold / drive
        n = np.where(self.keep_v < 1, np.where(left > 0, leaky, np.inf), plain)
        return np.where(drive > 0, np.maximum(np.ceil(n - 1e-9), 1), np.inf)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What one wire brings to a population.

    Attributes
    ----------
    source : str
    target : int array
        Element of each weight; ``weight`` in volts (or amperes with a time constant).
    trains : int
        Trains of spikes that each source stands for.
    """

    source: str
    target: Array
    weight: Array
    trains: int
    current: bool

    def volts(self, neurons: Neurons) -> Array:
        """Each weight in volts of the step in which it arrives."""
        return self.weight * neurons.gain[self.target] if self.current else self.weight


def neurons_of(name: str, size: int, numbers: Numbers) -> Neurons | None:
    """A population's numbers, or None where they are not those of a linear neuron."""
    labels = ("decay_v", "decay_u", "threshold", "bias", "gain")
    found = [numbers.values.get((label, name)) for label in labels]
    if any(x is None or np.ndim(x) > 1 for x in found):
        return None
    keep_v, keep_u, threshold, bias, gain = (
        np.broadcast_to(np.asarray(x, np.float64), (size,)) for x in found
    )
    return Neurons(keep_v, keep_u, threshold - numbers.origins[name], bias, gain)


def inputs_of(wires: Collection[Wire], lowered: Lowered) -> dict[str, list[Inputs]]:
    """Inputs by population, with the weights that the program holds."""
    out: dict[str, list[Inputs]] = {}
    for w in wires:
        errors = lowered.report.weights.get(w.where)
        if errors is None or w.reversal is not None:
            continue
        target, weight = (x.ravel() for x in np.broadcast_arrays(w.index, errors.realised))
        out.setdefault(w.target, []).append(
            Inputs(w.source, target, weight, w.trains, w.tau is not None)
        )
    return out


def strongest(inputs: list[Inputs], neurons: Neurons, active: Collection[str]) -> Array:
    """Volts that arrive at each neuron if every active source fires and only excites."""
    total = np.zeros(len(neurons.bias))
    for x in inputs:
        if x.source in active:
            np.add.at(total, x.target, np.maximum(x.volts(neurons), 0) * x.trains)
    return total


def expected(inputs: list[Inputs], neurons: Neurons, spikes: Mapping[str, float]) -> Array | None:
    """Mean volts that arrive per step, if the sources' spikes per step are known."""
    total = np.zeros(len(neurons.bias))
    for x in inputs:
        if x.source not in spikes:
            return None
        np.add.at(total, x.target, x.volts(neurons) * x.trains * spikes[x.source])
    return total
