"""Runs a program by fused Triton kernels: the rule of what runs when.

A call is cut into *windows* of steps that begin at multiples of 8 (where the blocks of draws do).
In a window the groups of populations (:mod:`neurohw_torch.fused_plan`) are run one after the other,
each for all steps of the window: a population that nothing feeds back to, layers of a feed-forward
network included, by one launch that keeps its state in registers, after its input has been
delivered for all steps at once; populations in a ring, by as many launches as their shortest
delay leaves, which on CUDA are captured once as a graph and replayed in every later window.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from neurohw.errors import ProgramError
from neurohw.program import Probes, Program, RunState, check_inputs, check_traps, verify
from neurohw.program.philox import STEP_BITS, normal_table, site_hash
from neurohw_torch.fused_codegen import Kernel, generate
from neurohw_torch.fused_load import library, load
from neurohw_torch.fused_plan import Group, groups, plan_population

__all__ = ["FusedRun"]

Array = np.ndarray
_interpreting = threading.RLock()  # Triton's interpreter replaces functions of triton.language


def _limits(lo: int, hi: int, bits: int) -> tuple[int, int]:
    """Limits of a watch in an integer of ``bits``; all is outside if none of these lies within."""
    least, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return (most, least) if lo > most or hi < least else (max(lo, least), min(hi, most))


class FusedRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function.

    Attributes
    ----------
    program : Program
    device : torch.device
    interpret : bool
        Whether the kernels are run by Triton's interpreter.
    path : str
        "fused".
    chunk : int
        Steps per call that suit this run.
    window : int
        Most steps of a window; a multiple of 8.
    budget : int
        Bytes that the arrays of a window may take.
    """

    path = "fused"
    chunk = 10_000

    def __init__(self, program: Program, device: torch.device, *, interpret: bool) -> None:
        spans = verify(program)
        self.program, self.device, self.interpret = program, device, interpret
        self.plans = {q.name: plan_population(program, q, spans[q.name])
                      for q in program.populations}  # fmt: skip
        self.groups: list[Group] = groups(program, self.plans)
        self.kernels: dict[str, Kernel] = {n: generate(p) for n, p in self.plans.items()}
        self.modules = {n: load(k.source, interpret) for n, k in self.kernels.items()}
        self.library = library(interpret)
        self.draws = any(k.sites for k in self.kernels.values())
        coupled = any(g.span is not None for g in self.groups)
        # Interpreted runs are short; small windows let even these cross one.
        self.window = 16 if interpret else 512 if coupled else 4096
        self.budget = 1 << 24 if interpret else 1 << 30
        self.block = 1 << 12 if interpret else 128
        self.whole = 8 if interpret else 32  # rows from which aligned blocks of 8 are cut out
        self.constants = {n: self._constants(k) for n, k in self.kernels.items()}

    def _constants(self, k: Kernel) -> dict[str, torch.Tensor]:
        """What a kernel takes that depends on the program alone."""
        q, p = k.plan.pop, self.program

        def numbers(nodes: list[int], dtype: torch.dtype) -> torch.Tensor:
            found = []
            for i in nodes:
                node = q.nodes[i]
                value: Any = node.attrs.get("value")
                if node.op == "param":
                    value = next(x.data for x in q.params if x.name == node.attrs["name"]).item()
                found.append(int(value) if dtype == torch.int64 else value)
            return torch.tensor(found, dtype=dtype, device=self.device)

        key = [p.seed & 0xFFFFFFFF, p.seed >> 32, *(site_hash(site) for site in k.sites)]
        limits = [x for w in k.plan.watches for x in _limits(w.lo, w.hi, 8 * int(w.kind[1]))]
        table = normal_table().view(np.int16) if self.draws else np.zeros(0, np.int16)
        return {
            "ci": numbers(k.ints, torch.int64),
            "cf": numbers(k.singles, torch.float32),
            "cd": numbers(k.doubles, torch.float64),
            "key": torch.tensor(key, dtype=torch.int64, device=self.device),
            "limits": torch.tensor(limits, dtype=torch.int64, device=self.device),
            "table": torch.from_numpy(np.array(table)).to(self.device),
        }

    @torch.inference_mode()
    def __call__(
        self, state: RunState, inputs: Mapping[str, Array] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        from neurohw_torch.fused_call import FusedCall

        external = check_inputs(self.program, inputs, state.trials, t0, steps)
        if self.draws and t0 + steps > 1 << STEP_BITS:
            raise ProgramError("out of range", where="draw.step", got=t0 + steps - 1,
                               allowed=f"0..2**{STEP_BITS}-1")  # fmt: skip
        cuda = torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()
        quiet = np.errstate(all="ignore") if self.interpret else nullcontext()
        with cuda, quiet, _interpreting if self.interpret else nullcontext():
            call = FusedCall(self, state, external, t0, steps)
            probes = call.run()
            after = call.state(state)
        check_traps(self.program, probes.ledger)
        return after, probes

    def replayable(self, work: Callable[[Callable[..., None]], None]) -> Callable[[], None]:
        """Something that does ``work``'s launches again, with the same arguments.

        ``work`` is given a function that it must use for everything it does. On CUDA that is
        a graph; where kernels are interpreted, the list of what would have been done.
        """
        if self.device.type == "cuda" and not self.interpret:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                work(lambda fn, *args, **kwargs: fn(*args, **kwargs))
            return graph.replay
        tape: list[tuple[Callable[..., Any], tuple, dict]] = []
        work(lambda fn, *args, **kwargs: tape.append((fn, args, kwargs)))

        def replay() -> None:
            for fn, args, kwargs in tape:
                fn(*args, **kwargs)

        return replay
