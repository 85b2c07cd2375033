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
from neurohw_native import collect
from neurohw_native.codegen import generate
from neurohw_native.load import load
from neurohw_native.plan import DTYPES, Kernel, components, plan_population
from neurohw_native.products import advance_history, find, multiply, outside, prepare
from neurohw_native.schedule import Done, Pace, compute
from neurohw_native.scratch import KEPT, Pool
from neurohw_native.tables import Call, Tables

__all__ = ["NativeRun"]

Array = np.ndarray
MOMENT_BYTES = 1 << 26  # of all tasks
SUM_BYTES = KEPT  # of ports that are summed ahead
STEPS = 1 << 34  # philox has this many steps


class NativeRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function."""

    def __init__(self, program: Program) -> None:
        spans = verify(program)
        self.program = program = program.without_conv()
        self.kernels: list[tuple[Kernel, Tables, Any]] = []
        self._pool = Pool()
        self.products = [(x, prepare(program, x)) for x in find(program)]
        ahead = {j for x, _ in self.products for j in x.edges}
        left = [e for j, e in enumerate(program.edges) if j not in ahead]
        self._kept = outside(program, ahead, {e.key for e in left})
        plans = {
            q.name: plan_population(program, q, spans[q.name], ahead) for q in program.populations
        }
        for names in components(program, ahead):
            done = [plans[n] for n in names]
            if not any(x.live or x.rare or x.event_probe is not None for x in done):
                continue  # all that it sends is summed ahead
            coupled = len(names) > 1 or any(e.target == names[0] for e in left)
            kernel = generate(program, [plans[n] for n in names], coupled)
            self.kernels.append((kernel, Tables(program, kernel, self._pool), load(kernel.source)))
        self._draws = any(k.sites for k, _, _ in self.kernels)
        self._paces = [Pace() for _ in self.kernels]
        wide = sum(q.size for q in program.populations for _ in q.externals)
        self.chunk = max(100, min(10_000, (1 << 25) // max(1, wide)))
        first = initial_state(program, [0])
        self._run(first, check_inputs(program, None, first.trials, 0, 0), 0, 0)  # compiles
        if any(kernel.events for kernel, _, _ in self.kernels):
            collect.prepare()

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
        return now, self._run(now, externals, t0, steps)

    def _run(self, now: RunState, externals: Mapping[str, Array], t0: int, steps: int) -> Probes:
        """Advance ``now`` in place, span by span; spikes are put in order at the end."""
        size = min(self._span_steps(len(now.trials)), max(1, steps))
        parts: list[Probes] = []
        calls: list[list[Call]] = []
        blocks: list[list[Done]] = [[] for _ in self.kernels]
        for a in range(0, max(1, steps), size):
            probes, found = self._span(now, externals, t0, t0 + a, min(size, steps - a))
            check_traps(self.program, probes.ledger)
            parts.append(probes)
            calls.append([call for call, _ in found])
            for mine, (_, new) in zip(blocks, found, strict=True):
                mine += new
        out = concat(*parts)
        for call, mine in zip(calls[0], blocks, strict=True):
            out.events.update(collect.events(call, mine, steps))
        return out

    def _span_steps(self, trials: int) -> int:
        """Steps for which moments, which each task keeps by itself, and sums ahead are held."""
        p = self.program
        tasks = min(trials, 4 * numba.get_num_threads())
        moments = sum(
            16 * tasks * p.population(x.population).size / x.every for x in p.probes if x.reduce
        )
        sums = sum(
            DTYPES[x.kind].itemsize * trials * p.population(x.population).size
            for x, _ in self.products
        )
        size = min(MOMENT_BYTES / max(moments, 1e-9), SUM_BYTES / max(sums, 1e-9), STEPS)
        return max(8, int(size) // 8 * 8)

    def _span(
        self, now: RunState, externals: Mapping[str, Array], origin: int, t0: int, steps: int
    ) -> tuple[Probes, list[tuple[Call, list[Done]]]]:
        """All records but the spikes, which are in what each kernel's blocks returned.

        ``externals`` begin at step ``origin``.
        """
        out = Probes(t0, steps, now.trials)
        first = t0 - origin
        sums, lent = {}, []
        for x, data in self.products:
            total, block = multiply(self.program, x, data, now, externals, first, steps, self._pool)
            sums[x.population, x.port] = total
            lent.append(block)
        found = []
        for (_, tables, kernel), pace in zip(self.kernels, self._paces, strict=True):
            call = tables.bind(now, externals, sums, origin, t0, steps)
            found.append((call, compute(call, kernel, steps, pace)))
            collect.collect(*found[-1], steps, out)
        self._pool.give(lent)
        advance_history(self._kept, now, externals, first + steps, steps)
        return out, found
