"""Neurons that do not reset, on chips that have no such neuron."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from neurohw.program import Int, Watch

from .neuron import Membrane
from .part import Outcome, Part

__all__ = ["as_readout"]


def as_readout(
    part: Part, m: Membrane, lowering: Callable[[Part, Membrane], Outcome]
) -> Outcome:  # fmt: skip
    """Lower a population; one whose V alone is of interest becomes neurons that never spike.

    That holds as long as V stays below the threshold: the ledger counts where it does not, and the
    neuron is reset.
    """
    target, name = part.target, part.name
    if m.kind != "none" or part.heard or "none" in target.reset.kinds:
        return lowering(part, m)
    kind = target.reset.kinds[0]
    down = m.threshold - m.reset if kind == "subtract" else m.down
    population, edges, probes, watches = lowering(part, replace(m, kind=kind, down=down))
    scale = part.log.scales.get(name) or 1 / target.voltage.unit
    level = (part.log.numbers["threshold", name] - part.log.origins[name]) * scale
    highest = int(np.rint(np.min(level))) - (target.threshold.compare == "ge")
    watches = [*watches, Watch(name, "v_pre", Int(target.voltage.bits).lo, highest, "threshold")]
    part.log.notes.append(f"{name} is read out: it spikes nowhere while V stays below V_th")
    return population, edges, probes, watches
