"""The torch backend: what is prepared once for a program, and the run of it.

A run is a loop over steps of tensor instructions on ``[T, size]`` values
(:mod:`neurohw_torch.call`). What does not depend on the state of a step is computed for a block
of steps at once: draws, external inputs, and everything made of them (:mod:`neurohw_torch.plan`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from neurohw.errors import BackendError
from neurohw.program import (
    IR_VERSION,
    Edge,
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
from neurohw.program.bfloat16 import exact_products
from neurohw_torch import ops
from neurohw_torch.call import Call
from neurohw_torch.deliver import Deliver, Fired, make_delivery, weight_bound
from neurohw_torch.plan import BLOCK, make_plan
from neurohw_torch.values import Carry, full_precision, make_carry

if TYPE_CHECKING:
    from neurohw_torch.fused_run import FusedRun

__all__ = ["InPort", "TorchBackend", "TorchRun"]


class TorchBackend:
    """Runs every legal program; see :func:`neurohw_torch.backend` for the arguments."""

    name = "torch"
    ir_version = IR_VERSION

    def __init__(
        self,
        device: str | None = None,
        *,
        event_driven: bool | None = None,
        fused: bool | None = None,
    ) -> None:
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
        self.fused = self._wanted(fused)

    def _wanted(self, fused: bool | None) -> bool:
        given = os.environ.get("NEUROHW_TORCH_FUSED", "")
        if given not in ("", "0", "1", "interpret"):
            raise BackendError("unknown value", where="NEUROHW_TORCH_FUSED", got=given,
                               allowed="0, 1, interpret, or nothing")  # fmt: skip
        if fused is None:
            fused = self.device.type == "cuda" if not given else given != "0"
            if given in ("", "1") and self.device.type == "cpu":
                fused = False  # the interpreter is for tests
        if fused and self.device.type not in ("cpu", "cuda"):
            fused = False
        return fused and find_spec("triton") is not None

    def not_fused(self, program: Program) -> str:
        """Why ``program`` is run eagerly, operation by operation; "" if by fused kernels."""
        if not self.fused:
            return "fused kernels are off" if find_spec("triton") else "triton is not installed"
        from neurohw_torch.fused_load import problem
        from neurohw_torch.fused_plan import why_not

        reason = why_not(program)
        if reason:
            return f"unsupported by fused: {reason}"
        return problem() if self.device.type == "cuda" else ""

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        if self.device.type == "mps":
            return [("device", "mps has no float64; use NEUROHW_TORCH_DEVICE=cpu")]
        return []

    def compile(self, program: Program) -> TorchRun | FusedRun:
        if reason := self.not_fused(program):
            return TorchRun(program, self.device, self.event_driven, f"eager: {reason}")
        from neurohw_torch.fused_run import FusedRun

        return FusedRun(program, self.device, interpret=self.device.type == "cpu")


class InPort:
    """A port and the edges that lead to it.

    ``known`` are the values that are computed for a block of steps before it begins; where no
    delay lies between, what they bring (``ahead``) is summed for the whole block at once.
    """

    def __init__(
        self,
        program: Program,
        q: Population,
        port: Port,
        device: torch.device,
        event_driven: bool,
        known: set[str],
    ) -> None:
        edges = [e for e in program.edges if e.target == q.name and e.port == port.name]
        most = {e.key: _most(program, e) for e in edges}
        self.name, self.size, self.device = port.name, q.size, device
        self.dtype = self.total = ops.tensor_type(port.dtype)
        self.fit: ops.Fn | None = None
        if isinstance(port.dtype, Int):
            bound = math.ceil(sum(weight_bound(e.weights) * most[e.key] for e in edges))
            self.total = ops.width([(port.dtype.lo, port.dtype.hi), (-bound, bound)])
            if port.overflow != "exact":
                self.fit = ops.fit(port.dtype, port.overflow, (-bound, bound), self.total)
        self.spikes: list[tuple[str, int, Deliver]] = []
        self.values: list[tuple[str, int, Carry]] = []
        self.ahead: list[tuple[str, str, Carry]] = []
        for e in edges:
            if not e.value:
                deliver = make_delivery(e, self.total, device, event_driven)
                self.spikes.append((e.key, e.delay, deliver))
                continue
            carry = make_carry(e, self.total, device, most[e.key], exact_products(program, e))
            if e.key in known and not e.delay:
                self.ahead.append((e.source, e.key, carry))
            else:
                self.values.append((e.key, e.delay, carry))

    def gather_ahead(self, steps: int, trials: int, sent: Callable[[str, str], Tensor]) -> Tensor:
        """What ``ahead`` brings in a block of steps, ``[steps, T, size]``."""
        shape = (steps, trials, self.size)
        total = torch.zeros(shape, dtype=self.total, device=self.device)
        for source, key, carry in self.ahead:
            values = sent(source, key)  # [steps, T, sources]
            carry(total.view(-1, self.size), values.reshape(-1, values.shape[-1]))
        return total

    def gather(
        self,
        trials: int,
        spikes: Mapping[str, Sequence[Fired]],
        values: Mapping[str, Sequence[Tensor]],
        now: Mapping[str, Fired],
        sent: Mapping[str, Tensor],
        ahead: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """What arrives in a step, ``[T, size]``: the exact sum, and that in the port's type.

        Spikes and values of the past and of now; ``ahead`` is this step's row of
        :meth:`gather_ahead`, and is overwritten.
        """
        shape = (trials, self.size)
        total = torch.zeros(shape, dtype=self.total, device=self.device) if ahead is None else ahead
        for key, delay, deliver in self.spikes:
            deliver(total, spikes[key][delay - 1] if delay else now[key])
        for key, delay, carry in self.values:
            carry(total, values[key][delay - 1] if delay else sent[key])
        value = self.fit(total) if self.fit else total
        return total, value if self.dtype == self.total else value.to(self.dtype)


def _most(program: Program, e: Edge) -> int:
    """Largest magnitude that a source can send over an edge; 1 for spikes and floats."""
    if not e.value:
        return 1
    q = program.population(e.source)
    dtype = q.nodes[q.value(e.value)].dtype
    return max(-dtype.lo, dtype.hi) if isinstance(dtype, Int) else 1


class TorchRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function.

    Attributes
    ----------
    program : Program
    device : torch.device
    path : str
        "eager: " and why no fused kernels run.
    """

    def __init__(
        self, program: Program, device: torch.device, event_driven: bool, path: str = "eager"
    ) -> None:
        spans = verify(program)
        self.program, self.device, self.path = program, device, path
        wanted: dict[str, set[int]] = {q.name: set() for q in program.populations}
        for item in (*program.probes, *program.watches):
            if item.value != "spikes":
                wanted[item.population].add(program.population(item.population).value(item.value))
        sent: dict[str, dict[str, int]] = {q.name: {} for q in program.populations}
        for key, (name, value) in program.carried.items():
            sent[name][key] = program.population(name).value(value)
        with torch.inference_mode():
            self.plans = [
                make_plan(q, spans[q.name], wanted[q.name], sent[q.name])
                for q in map(program.population, program.order)
            ]
            known = {k for x in self.plans for k, slot in x.sent.items() if x.level[slot] <= BLOCK}
            self.ports = {
                (q.name, x.name): InPort(program, q, x, device, event_driven, known)
                for q in program.populations
                for x in q.ports
            }

    @torch.inference_mode()
    def __call__(
        self, state: RunState, inputs: Mapping[str, np.ndarray] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        external = check_inputs(self.program, inputs, state.trials, t0, steps)
        call = Call(self.program, self.plans, self.ports, self.device, state, external, t0, steps)
        with full_precision():
            probes = call.run()
        check_traps(self.program, probes.ledger)
        return call.state(), probes
