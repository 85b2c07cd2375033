"""Numbers that one lowering arrived at, for another to compute with.

A fixed-point target rounds weights, decays, thresholds and constant currents. Given those numbers,
a float target shows what each of them does to the spikes, apart from the arithmetic.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .report import WeightErrors
from .wires import Wire

if TYPE_CHECKING:
    from .neuron import Membrane

__all__ = ["Numbers"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Numbers:
    """What populations and connections compute with.

    Attributes
    ----------
    values : mapping
        (label, population) -> array: ``decay_v`` and ``decay_u``, the factors of a step;
        ``threshold`` in V; ``bias`` in V per step at the potential ``origin``; ``gain`` in V per
        step and ampere.
    origins : mapping
        Population -> the potential in V at which its bias was taken.
    weights : mapping
        Connection -> its weights, asked for and realised.
    scales : mapping
        Population -> integers per volt, on fixed point.
    """

    values: Mapping[tuple[str, str], Array]
    origins: Mapping[str, float]
    weights: Mapping[str, WeightErrors]
    scales: Mapping[str, float] = field(default_factory=dict)

    def only(self, labels: Collection[str]) -> Numbers:
        """Those of some labels."""
        values = {k: v for k, v in self.values.items() if k[0] in labels}
        return Numbers(values, self.origins, self.weights if "weights" in labels else {})

    def get(self, label: str, name: str, default: Array) -> Array:
        """One number, or ``default`` where there is none."""
        return self.values.get((label, name), default)

    def wire(self, w: Wire) -> Wire:
        """A wire with these weights."""
        errors = self.weights.get(w.where)
        return w if errors is None else dataclasses.replace(w, data=errors.realised)

    def membrane(self, name: str, m: Membrane) -> Membrane:
        """A membrane with these numbers.

        The bias belongs to a potential: ``bias + leak * origin`` is what two origins share.
        """
        if name not in self.origins:
            return m
        apart = m.origin - self.origins[name]
        leak = 1 - self.get("decay_v", name, 1 - m.leak)
        bias = self.get("bias", name, m.bias + m.leak * apart)
        return dataclasses.replace(
            m,
            leak=leak,
            bias=bias - leak * apart,
            threshold=self.get("threshold", name, m.threshold + m.origin) - m.origin,
        )
