"""The snnTorch and torch modules of one population of a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from snntorch import Leaky, RLeaky, Synaptic
from snntorch._neurons.neurons import SpikingNeuron
from torch import Tensor, nn

from neurohw.program import Conv, Edge, OneToOne, Population, Program, Sparse
from neurohw_torch.cells import Cell

__all__ = ["Layer", "Synapses"]

Array = np.ndarray


@dataclass(frozen=True)
class Synapses:
    """An edge: spikes of ``source``, ``delay`` steps ago, through a linear map."""

    source: str
    delay: int
    linear: nn.Module


def _linear(edge: Edge, bias: Array | None, device: torch.device) -> nn.Linear:
    w = edge.weights.to_sparse() if isinstance(edge.weights, Conv) else edge.weights
    targets, sources = w.shape
    if isinstance(w, OneToOne):
        weight = np.diag(w.data)
    elif isinstance(w, Sparse):
        weight = np.zeros((targets, sources), np.float32)
        weight[w.indices, np.repeat(np.arange(sources), np.diff(w.indptr))] = w.data
    else:
        weight = w.data
    empty = nn.Linear(sources, targets, bias is not None, device="meta")
    linear = empty.to_empty(device=device)  # no random numbers are drawn
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.array(weight)))
        if bias is not None:
            linear.bias.copy_(torch.from_numpy(np.array(np.broadcast_to(bias, (targets,)))))
    return linear


class _Deaf(RLeaky):
    """An RLeaky that does not hear itself: its recurrent edge is one of the layer's synapses."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, V=0.0, all_to_all=False)

    def forward(self, input_: Tensor, mem: Tensor) -> Any:
        return super().forward(input_, torch.zeros_like(mem), mem)


class Layer:
    """A population as modules; the bias goes to the last Linear unless it varies over trials."""

    def __init__(self, program: Program, q: Population, cell: Cell, device: torch.device) -> None:
        self.size, self.cell, self.device = q.size, cell, device
        edges = [e for e in program.edges if e.target == q.name]
        bias = cell.numbers.get("bias")
        inside = bias if bias is not None and bias.ndim < 2 and edges else None
        self.outside = bias if inside is None else None
        self.synapses = [
            Synapses(e.source, e.delay, _linear(e, inside if e is edges[-1] else None, device))
            for e in edges
        ]

    def pick(self, number: Array, trials: Array) -> Tensor:
        """A number for these trials."""
        data = number[trials] if number.ndim == 2 else number
        return torch.from_numpy(np.array(data)).to(self.device)

    def neuron(self, trials: Array) -> nn.Module:
        """The module for these trials."""
        given: dict[str, Any] = {
            k: self.pick(self.cell.numbers[k], trials)
            for k in ("alpha", "beta", "threshold") if k in self.cell.numbers
        }  # fmt: skip
        made = {"Leaky": Leaky, "RLeaky": _Deaf, "Synaptic": Synaptic}[self.cell.kind](
            **given, reset_mechanism=self.cell.reset
        )
        if SpikingNeuron.instances and SpikingNeuron.instances[-1] is made:
            SpikingNeuron.instances.pop()  # snnTorch would keep every module for ever
        return made.to(self.device)

    def constant(self, trials: Array) -> Tensor | None:
        """Input beside that of the Linears, ``[T, size]``; None where there is none."""
        if self.outside is None and self.synapses:
            return None
        zeros = torch.zeros((len(trials), self.size), device=self.device)
        return zeros if self.outside is None else zeros + self.pick(self.outside, trials)
