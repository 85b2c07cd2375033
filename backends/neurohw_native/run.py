"""Running compiled kernels: arrays in, records out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np

from neurohw.errors import ProgramError
from neurohw.program import (
    Probes,
    Program,
    RunState,
    check_inputs,
    check_traps,
    concat,
    initial_state,
    verify,
)
from neurohw_native.codegen import generate
from neurohw_native.collect import collect
from neurohw_native.load import load
from neurohw_native.plan import Kernel, components, plan_population
from neurohw_native.schedule import compute
from neurohw_native.tables import Tables

__all__ = ["NativeRun"]

Array = np.ndarray
MOMENT_BYTES = 1 << 26  # of all tasks
STEPS = 1 << 34  # philox has this many steps


class NativeRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function."""

    def __init__(self, program: Program) -> None:
        spans = verify(program)
        self.program = program = program.without_conv()
        self.kernels: list[tuple[Kernel, Tables, Any]] = []
        plans = {q.name: plan_population(program, q, spans[q.name]) for q in program.populations}
        for names in components(program):
            coupled = len(names) > 1 or any(e.target == names[0] for e in program.edges)
            kernel = generate(program, [plans[n] for n in names], coupled)
            self.kernels.append((kernel, Tables(program, kernel), load(kernel.source)))
        self._draws = any(k.sites for k, _, _ in self.kernels)
        self._cost: list[dict[int, float]] = [{} for _ in self.kernels]
        wide = sum(q.size for q in program.populations for _ in q.externals)
        self.chunk = max(100, min(10_000, (1 << 25) // max(1, wide)))
        first = initial_state(program, [0])
        self._span(first, check_inputs(program, None, first.trials, 0, 0), 0, 0, 0)  # compiles

    def __call__(
        self, state: RunState, inputs: Mapping[str, Array] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        """Run steps ``t0 .. t0 + steps - 1``; see :class:`neurohw.backend.Run`."""
        p = self.program
        if self._draws and t0 + steps > STEPS:
            raise ProgramError(
                "out of range",
                where="draw.step",
                got=t0 + steps,
                allowed=f"0..2**34-1 ({STEPS - 1})",
            )
        externals = check_inputs(p, inputs, state.trials, t0, steps)
        now = RunState(
            state.trials,
            {k: np.array(v, order="C") for k, v in state.values.items()},
            {k: np.array(v, order="C") for k, v in state.history.items()},
        )
        size = self._moment_steps(len(state.trials)) or max(1, steps)
        done: list[Probes] = []
        for a in range(0, max(1, steps), size):
            done.append(self._span(now, externals, t0, t0 + a, min(size, steps - a)))
            check_traps(p, done[-1].ledger)
        while len(done) > 1:  # pairwise: copies stay linear times a logarithm
            done = [
                concat(*done[i : i + 2]) if i + 1 < len(done) else done[i]
                for i in range(0, len(done), 2)
            ]
        return now, done[0]

    def _moment_steps(self, trials: int) -> int:
        """Steps per span if there are moments, which each task keeps by itself, else 0."""
        p = self.program
        tasks = min(trials, 4 * numba.get_num_threads())
        used = sum(
            16 * tasks * p.population(x.population).size / x.every for x in p.probes if x.reduce
        )
        return max(8, int(MOMENT_BYTES / used) // 8 * 8) if used else 0

    def _span(
        self, now: RunState, externals: Mapping[str, Array], origin: int, t0: int, steps: int
    ) -> Probes:
        """Advance ``now`` in place; ``externals`` begin at step ``origin``."""
        out = Probes(t0, steps, now.trials)
        for (_, tables, kernel), cost in zip(self.kernels, self._cost, strict=True):
            call = tables.bind(now, externals, origin, t0, steps)
            collect(call, compute(call, kernel, steps, cost), steps, out)
        return out
