"""Running compiled kernels: arrays in, blocks over threads, records out."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from neurohw.errors import ProgramError
from neurohw.program import (
    Events,
    LedgerRow,
    Moments,
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
from neurohw_native.kernels import moments
from neurohw_native.load import load
from neurohw_native.plan import Kernel, components, plan_population
from neurohw_native.tables import Call, Tables

__all__ = ["NativeRun"]

Array = np.ndarray
LANES = 512  # per block: all arrays of a step together should fit the first-level cache
SECONDS = 0.2  # aimed at per kernel call, so that an interrupt is heard
MOMENT_BYTES = 1 << 26  # of samples that wait to be reduced
STEPS = 1 << 34  # philox has this many steps


class NativeRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function."""

    def __init__(self, program: Program) -> None:
        spans = verify(program)
        self.program = program
        self.kernels: list[tuple[Kernel, Tables, Any]] = []
        plans = {q.name: plan_population(program, q, spans[q.name]) for q in program.populations}
        for names in components(program):
            coupled = len(names) > 1 or any(e.target == names[0] for e in program.edges)
            kernel = generate(program, [plans[n] for n in names], coupled)
            self.kernels.append((kernel, Tables(program, kernel), load(kernel.source)))
        self._draws = any(k.sites for k, _, _ in self.kernels)
        self._cost: dict[int, float] = {}  # seconds per lane and step, as last seen
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
        """Steps per span if moments are to be reduced in between, else 0."""
        p = self.program
        used = sum(
            8 * trials * p.population(x.population).size / x.every for x in p.probes if x.reduce
        )
        return max(8, int(MOMENT_BYTES / used) // 8 * 8) if used else 0

    def _span(
        self, now: RunState, externals: Mapping[str, Array], origin: int, t0: int, steps: int
    ) -> Probes:
        """Advance ``now`` in place; ``externals`` begin at step ``origin``."""
        p, out = self.program, Probes(t0, steps, now.trials)
        for kernel, tables, block in self.kernels:
            call = tables.call(now, externals, origin, t0, steps)
            results = self._blocks(kernel, call, block, steps)
            _collect(kernel, call, results, steps, out)
            for j, trace in call.traces.items():
                if p.probes[j].reduce:
                    out.moments[p.probes[j].key] = _moments(trace)
                else:
                    out.traces[p.probes[j].key] = trace
        return out

    def _blocks(self, kernel: Kernel, call: Call, block: Any, steps: int) -> list[Result]:
        threads = numba.get_num_threads()
        shares = partition(len(call.trials), call.tables.sizes, kernel.coupled, threads)
        stop = threading.Event()

        def work(share: Share) -> Result:
            return self._advance(call, block, share, steps, stop)

        if threads == 1 or len(shares) == 1:
            return [work(s) for s in shares]
        pool = ThreadPoolExecutor(min(threads, len(shares)))
        try:
            futures = [pool.submit(work, s) for s in shares]
            while wait(futures, timeout=0.5, return_when=FIRST_EXCEPTION).not_done:
                if any(f.done() and f.exception() for f in futures):
                    break
            return [f.result() for f in futures]
        finally:  # an interrupt ends here: let the running calls finish, start no other
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _advance(
        self, call: Call, block: Any, share: Share, steps: int, stop: threading.Event
    ) -> Result:
        b0, count, e0, width = share
        tables = call.tables
        widths = tables.sizes if width == 0 else np.array([width])
        lanes = count * int(widths.sum())
        ledger = tables.empty_ledger()
        parts: list[tuple[Array, ...]] = []
        t, end = call.t0, call.t0 + steps
        while not parts or t < end:
            cost = self._cost.get(id(tables))
            span = 64 if cost is None else int(SECONDS / (cost * lanes))
            n = min(end - t, max(8, (t + span) // 8 * 8 - t))
            begin = time.perf_counter()
            found = block(np.array([b0, count, t, n, e0]), widths, *call.arguments(t, ledger))
            if n:
                self._cost[id(tables)] = (time.perf_counter() - begin) / (n * lanes)
            parts.append(found[:-1])
            t += n
            if stop.is_set():
                break
        return share, parts, ledger


def _moments(trace: Array) -> Moments:
    """``Moments.of``, on all threads."""
    samples, trials, size = trace.shape
    if trace.dtype.kind != "f":
        trace = trace.astype(np.float64)
    mean, m2 = np.empty((samples, size)), np.empty((samples, size))
    cuts = np.linspace(0, samples, numba.get_num_threads() + 1).astype(int)
    with ThreadPoolExecutor(len(cuts) - 1) as pool:
        list(pool.map(lambda ab: moments(trace, mean, m2, *ab), pairwise(cuts)))
    return Moments(trials, mean, m2)


Share = tuple[int, int, int, int]
"""First trial, number of trials, first element, number of elements (0: all of every population)."""
Result = tuple[Share, list[tuple[Array, ...]], Array]


def partition(trials: int, sizes: Array, coupled: bool, threads: int) -> list[Share]:
    """Cut the work into blocks; any cut gives the same result."""
    size = int(sizes.sum())
    lanes = max(64, min(LANES, -(-trials * size // (4 * threads))))
    if coupled or size <= lanes:
        count = max(1, min(lanes // size, -(-trials // threads)))
        return [
            (b, min(count, trials - b), 0, 0 if coupled else size) for b in range(0, trials, count)
        ]
    parts = -(-size // lanes)
    width = -(-size // parts // 8) * 8
    return [(b, 1, e, min(width, size - e)) for b in range(trials) for e in range(0, size, width)]


def _collect(kernel: Kernel, call: Call, results: list[Result], steps: int, out: Probes) -> None:
    """Join what the blocks returned: events in the order (trial, step, element), the ledger."""
    for j, name in enumerate(kernel.events):
        blocks = []
        for (_, count, _, _), parts, _ in results:
            trial, step, element = (np.concatenate([q[j][c] for q in parts]) for c in range(3))
            if count > 1 and len(parts) > 1:
                order = np.argsort(trial, kind="stable")
                trial, step, element = trial[order], step[order], element[order]
            blocks.append((trial, step, element))
        trial, step, element = (np.concatenate([b[c] for b in blocks]) for c in range(3))
        if any(e0 for (_, _, e0, _), _, _ in results):
            key = np.searchsorted(call.trials, trial) * steps + (step - call.t0)
            order = np.argsort(key, kind="stable")
            trial, step, element = trial[order], step[order], element[order]
        out.events[name] = Events(trial, step, element)
    if not steps:
        return
    for m, (pop, row) in enumerate(kernel.watches):
        key = kernel.pops[pop].watches[row].key
        for (b0, _, e0, width), _, ledger in results:
            w = width or int(call.tables.sizes[pop])
            count, step, lane, low, high = (int(v) for v in ledger[m])
            first = (step, int(call.trials[b0 + lane // w]), e0 + lane % w) if count else None
            new = LedgerRow(count, first, low, high)
            out.ledger[key] = out.ledger[key].merge(new) if key in out.ledger else new
