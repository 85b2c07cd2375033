"""How far inputs can lift a neuron, and how often it then fires: the rules of one step, solved.

With the step ``u' = d_u u + W``, ``w' = d w + u' + b`` (``w`` is V against V_reset), constant
input W leads to ``u = W / (1 - d_u)``, the *drive*, and lifts w towards ``(u + b) / (1 - d)``,
monotonically. Where a target's record says otherwise (``arrival``, ``firing``, ``reset``,
``refractory``), so does this module; ``rhythm`` has what a spike does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np

from neurohw.lowering import Lowered, Numbers
from neurohw.lowering.neuron import bind, linear
from neurohw.lowering.wires import Wire
from neurohw.network import Relay
from neurohw.network.parts import Population
from neurohw.targets import Target

from .rhythm import Rhythm, rate_of, steps_to_threshold

__all__ = ["Inputs", "Neurons", "inputs_of", "neurons_of"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Neurons:
    """Numbers of one population's step; arrays ``[size]``, potentials in V against V_reset.

    Attributes
    ----------
    keep_v, keep_u : array
        Factors of a step.
    threshold, bias : array
    gain : array
        Volts per step that an ampere makes.
    jump : array
        Volts that a jump of one volt makes.
    down : array
        Volts that a spike subtracts.
    decays : bool
        What arrives at a current decays in the same step.
    rhythm : Rhythm
        What a spike does, and when.
    """

    keep_v: Array
    keep_u: Array
    threshold: Array
    bias: Array
    gain: Array
    jump: Array | float = 1.0
    down: Array | float = 1.0
    decays: bool = False
    rhythm: Rhythm = field(default_factory=Rhythm)

    def settled(self) -> Array:
        """The drive that a current's input of one volt in every step leads to."""
        return (self.keep_u if self.decays else 1.0) / (1 - self.keep_u)

    def highest(self, drive: Array) -> Array:
        """What V compares with the threshold tends to at this drive; may be infinite."""
        total = drive + self.bias
        with np.errstate(divide="ignore", invalid="ignore"):
            level = total / (1 - self.keep_v)
        level = np.where(self.keep_v < 1, level, np.where(total > 0, np.inf, 0.0))
        return level - drive if self.rhythm.late_jump else level

    def steps_to_threshold(self, drive: Array) -> Array:
        """Steps from a reset to V_reset to the threshold at a constant drive; inf: never."""
        late = drive if self.rhythm.late_jump else 0.0
        return steps_to_threshold(self.keep_v, self.threshold + late, drive + self.bias)

    def rate(self, drive: Array, *, jumps: bool = True) -> Array:
        """Spikes per step at a constant drive ``[..., size]``; ``jumps``: made of the synapses'."""
        late = drive if jumps and self.rhythm.late_jump else 0.0
        return rate_of(self.rhythm, self.keep_v, self.threshold, drive + self.bias, late, self.down)


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
    most : int
        Spikes that each of them may have in a step.
    """

    source: str
    target: Array
    weight: Array
    trains: int
    current: bool
    most: int = 1

    def drive(self, neurons: Neurons) -> Array:
        """The drive that each synapse leads to if a spike arrives in every step."""
        i = self.target
        if self.current:
            return self.weight * (neurons.gain * neurons.settled())[i]
        return self.weight * np.broadcast_to(neurons.jump, neurons.gain.shape)[i]


def neurons_of(
    p: Population, numbers: Numbers, record: Target, dt: float, inputs: list[Inputs], most: int,
    seed: int,
) -> Neurons | None:  # fmt: skip
    """A population's numbers, or None where they are not those of a linear neuron.

    ``most``: its spikes in a step.
    """
    labels = ("decay_v", "decay_u", "threshold", "bias", "gain")
    found = [numbers.values.get((label, p.name)) for label in labels]
    if isinstance(p.model, Relay) or any(x is None or np.ndim(x) > 1 for x in found):
        return None
    form = linear(p.model, bind(p.name, p.model, p.mismatch, seed, np.arange(1)))
    if form is None:
        return None
    keep_v, keep_u, threshold, bias, gain, jump, reset, down = (
        np.broadcast_to(np.asarray(x, np.float64), (p.size,))
        for x in (*found, numbers.values.get(("jump", p.name), 1.0), form.reset, form.down)
    )
    currents = any(x.current for x in inputs)
    rhythm = Rhythm.of(form.kind, p.model, record, dt, "current" if currents else "delta", most)
    bias = bias - (1 - keep_v) * (reset - numbers.origins[p.name])
    down = down if form.kind == "subtract" else threshold - reset
    return Neurons(
        keep_v, keep_u, threshold - reset, bias, gain, jump, down, record.arrival.decays, rhythm
    )


def inputs_of(
    wires: Collection[Wire], lowered: Lowered, most: Mapping[str, int]
) -> dict[str, list[Inputs]]:
    """Inputs by population, with the weights that the program holds.

    ``most``: source -> spikes in a step, where that may be more than one.
    """
    out: dict[str, list[Inputs]] = {}
    for w in wires:
        errors = lowered.report.weights.get(w.where)
        if errors is None or w.reversal is not None:
            continue
        target, weight = (x.ravel() for x in np.broadcast_arrays(w.index, errors.realised))
        out.setdefault(w.target, []).append(
            Inputs(w.source, target, weight, w.trains, w.tau is not None, most.get(w.source, 1))
        )
    return out


def strongest(inputs: list[Inputs], neurons: Neurons, active: Collection[str]) -> Array:
    """Drive of each neuron if every active source fires all it can and only excites."""
    total = np.zeros(len(neurons.bias))
    for x in inputs:
        if x.source in active:
            np.add.at(total, x.target, np.maximum(x.drive(neurons), 0) * x.trains * x.most)
    return total


def expected(inputs: list[Inputs], neurons: Neurons, spikes: Mapping[str, float]) -> Array | None:
    """Mean drive, if the sources' spikes per step are known."""
    total = np.zeros(len(neurons.bias))
    for x in inputs:
        if x.source not in spikes:
            return None
        np.add.at(total, x.target, x.drive(neurons) * x.trains * spikes[x.source])
    return total
