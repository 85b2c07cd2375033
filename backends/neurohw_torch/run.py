"""The torch backend: what is prepared once for a program, and the run of it.

A run is a loop over steps of tensor instructions on ``[T, size]`` values
(:mod:`neurohw_torch.call`). What does not depend on the state of a step is computed for a block
of steps at once: draws, external inputs, and everything made of them (:mod:`neurohw_torch.plan`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from neurohw.errors import BackendError
from neurohw.program import (
    IR_VERSION,
    Int,
    Population,
    Port,
    Probes,
    Program,
    RunState,
    check_inputs,
    check_traps,
    verify,
)
from neurohw_torch import ops
from neurohw_torch.call import Call
from neurohw_torch.deliver import Deliver, Fired, make_delivery, weight_bound
from neurohw_torch.plan import make_plan

__all__ = ["InPort", "TorchBackend", "TorchRun"]


class TorchBackend:
    """Runs every legal program; see :func:`neurohw_torch.backend` for the arguments."""

    name = "torch"
    ir_version = IR_VERSION

    def __init__(self, device: str | None = None, *, event_driven: bool | None = None) -> None:
        text = (
            device
            or os.environ.get("NEUROHW_TORCH_DEVICE")
            or ("cuda" if torch.cuda.is_available() else "cpu")
        )
        try:
            self.device = torch.empty(0, device=text).device
        except (RuntimeError, AssertionError) as error:
            raise BackendError(
                "no such torch device",
                where="NEUROHW_TORCH_DEVICE" if not device else "device",
                got=text,
                allowed="cpu, cuda, cuda:N, ...",
                fix=str(error).splitlines()[0],
            ) from error
        self.event_driven = self.device.type == "cpu" if event_driven is None else event_driven

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        if self.device.type == "mps":
            return [("device", "mps has no float64; use NEUROHW_TORCH_DEVICE=cpu")]
        return [(e.where, "the edge carries values") for e in program.edges if e.value]

    def compile(self, program: Program) -> TorchRun:
        return TorchRun(program, self.device, self.event_driven)


class InPort:
    """A port and the edges that lead to it."""

    def __init__(
        self, program: Program, q: Population, port: Port, device: torch.device, event_driven: bool
    ) -> None:
        edges = [e for e in program.edges if e.target == q.name and e.port == port.name]
        self.name, self.size, self.device = port.name, q.size, device
        self.dtype = self.total = ops.tensor_type(port.dtype)
        self.fit: ops.Fn | None = None
        if isinstance(port.dtype, Int):
            bound = math.ceil(sum(weight_bound(e.weights) for e in edges))
            self.total = ops.width([(port.dtype.lo, port.dtype.hi), (-bound, bound)])
            if port.overflow != "exact":
                self.fit = ops.fit(port.dtype, port.overflow, (-bound, bound), self.total)
        self.edges: list[tuple[str, int, Deliver]] = [
            (e.source, e.delay, make_delivery(e, self.total, device, event_driven)) for e in edges
        ]

    def gather(
        self, trials: int, history: Mapping[str, Sequence[Fired]], now: Mapping[str, Fired]
    ) -> tuple[Tensor, Tensor]:
        """What arrives in a step, ``[T, size]``: the exact sum, and that in the port's type."""
        total = torch.zeros((trials, self.size), dtype=self.total, device=self.device)
        for source, delay, deliver in self.edges:
            deliver(total, history[source][delay - 1] if delay else now[source])
        value = self.fit(total) if self.fit else total
        return total, value if self.dtype == self.total else value.to(self.dtype)


class TorchRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function.

    Attributes
    ----------
    program : Program
    device : torch.device
    """

    def __init__(self, program: Program, device: torch.device, event_driven: bool) -> None:
        spans = verify(program)
        self.program, self.device = program, device
        wanted: dict[str, set[int]] = {q.name: set() for q in program.populations}
        for item in (*program.probes, *program.watches):
            if item.value != "spikes":
                wanted[item.population].add(program.population(item.population).value(item.value))
        with torch.inference_mode():
            self.plans = [
                make_plan(q, spans[q.name], wanted[q.name])
                for q in map(program.population, program.order)
            ]
            self.ports = {
                (q.name, x.name): InPort(program, q, x, device, event_driven)
                for q in program.populations
                for x in q.ports
            }

    @torch.inference_mode()
    def __call__(
        self, state: RunState, inputs: Mapping[str, np.ndarray] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        external = check_inputs(self.program, inputs, state.trials, t0, steps)
        call = Call(self.program, self.plans, self.ports, self.device, state, external, t0, steps)
        probes = call.run()
        check_traps(self.program, probes.ledger)
        return call.state(), probes
