"""A program compiled for Lava: stock processes where they compute exactly it, else our own."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping

import numpy as np

from neurohw.errors import BackendError, ProgramError
from neurohw.program import Probes, Program, RunState, check_inputs, check_traps, verify
from neurohw_lava.collect import Collector, layout
from neurohw_lava.engine import Engine
from neurohw_lava.plan import Plan, make_plan
from neurohw_lava.shim import import_lava

__all__ = ["LavaRun", "PATH"]

Array = np.ndarray
PATH = "NEUROHW_LAVA_PATH"
STEPS = 1 << 34  # draws have this many steps
BYTES = 1 << 28  # of records in one call


class LavaRun:
    """``run(state, inputs, t0, steps) -> (state, probes)``, a pure function.

    Attributes
    ----------
    path : {"stock", "own"}
        Which processes run the neurons.
    reason : str
        Why not the stock ones; empty if they do.
    processes : tuple of str
        Names of the Lava process classes that run.
    chunk : int
        Steps per call that ``simulate`` makes: many, for each call starts a Lava runtime.
    """

    def __init__(self, program: Program) -> None:
        verify(program)
        import_lava()
        self.program = program
        self._plan, self.reason = _choose(program)
        self.path = "stock" if self._plan is not None else "own"
        self.processes = self._plan.processes if self._plan is not None else ("Stepper",)
        self._draws = any(n.op in ("word", "normal") for q in program.populations for n in q.nodes)
        lanes = sum(q.size for q in program.populations) * program.trials
        lanes += sum(
            8 * program.population(x.population).size * program.trials // x.every
            for x in program.probes
        )
        self.chunk = max(100, min(1_000_000, BYTES // (16 * lanes)))

    def __call__(
        self, state: RunState, inputs: Mapping[str, Array] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        """Run steps ``t0 .. t0 + steps - 1``; see :class:`neurohw.backend.Run`."""
        p = self.program
        if self._draws and t0 + steps > STEPS:
            raise ProgramError("out of range", where="draw.step", got=t0 + steps,
                               allowed=f"0..2**34-1 ({STEPS - 1})")  # fmt: skip
        externals = check_inputs(p, inputs, state.trials, t0, steps)
        if steps == 0:
            end, probes = _nothing(p, state, externals, t0)
        elif self._plan is not None and _legal(self._plan, state):
            end, probes = _stock(self._plan, p, state, externals, t0, steps)
        else:
            from neurohw_lava.process import run_own

            end, probes = run_own(p, state, externals, t0, steps)
        check_traps(p, probes.ledger)
        return end, probes


def _choose(program: Program) -> tuple[Plan | None, str]:
    wish = os.environ.get(PATH, "")
    if wish not in ("", "own", "stock"):
        raise BackendError("unknown choice", where=PATH, got=wish, allowed="own, stock or nothing")
    if wish == "own":
        return None, f"{PATH}=own"
    plan = make_plan(program)
    if isinstance(plan, Plan) and "fork" not in multiprocessing.get_all_start_methods():
        plan = "recording from stock processes needs the start method fork"
    if isinstance(plan, Plan):
        return plan, ""
    if wish == "stock":
        raise BackendError(
            f"stock processes cannot run this program: {plan}",
            where=program.name,
            fix=f"unset {PATH}",
        )
    return None, plan


def _legal(plan: Plan, state: RunState) -> bool:
    """False for a state no run reaches: a blocked neuron above its threshold, which Lava fires."""
    return not any(
        np.any((state.values[f"{n}.refractory"] > 0) & (state.values[f"{n}.v"] > x.vth))
        for n, x in plan.neurons.items()
        if x.period
    )


def _nothing(
    p: Program, state: RunState, externals: Mapping[str, Array], t0: int
) -> tuple[RunState, Probes]:
    arrays = {k: np.zeros(*s) for k, s in layout(p, len(state.trials), t0, 0).items()}
    collector = Collector(p, state.trials, t0, 0, arrays)
    return Engine(p, state, externals, t0, collector).final(state), collector.probes()


def _stock(
    plan: Plan,
    p: Program,
    state: RunState,
    externals: Mapping[str, Array],
    t0: int,
    steps: int,
) -> tuple[RunState, Probes]:
    """Drivers on the host, neurons in Lava, then the rest from what Lava recorded."""
    from neurohw_lava.replay import after, replay
    from neurohw_lava.stock import run_stock

    trials = len(state.trials)
    arrays = {k: np.zeros(*s) for k, s in layout(p, trials, t0, steps).items()}
    collector = Collector(p, state.trials, t0, steps, arrays)
    collector.start()
    spikes = {
        n: np.zeros((steps, trials, p.population(n).size), np.bool_)
        for n in (*plan.before, *plan.after)
    }

    def on_host(names: frozenset[str]) -> dict[str, Array]:
        given = {n: x for n, x in spikes.items() if n not in plan.before and n not in plan.after}
        given |= {n: spikes[n] for n in plan.before if n not in names}
        engine = Engine(p, state, externals, t0, collector, only=names, given=given, keep=spikes)
        for k in range(steps if names else 0):
            engine(k)
        return engine.values

    values = on_host(plan.before)
    recorded = run_stock(plan, p, state, steps, spikes)
    spikes |= {n: got["s"] for n, got in recorded.items()}
    values |= replay(plan, p, state, recorded, spikes, collector)
    values |= on_host(plan.after)
    end = RunState(
        state.trials,
        {k: np.array(values[k], v.dtype) for k, v in state.values.items()},
        {
            n: after(past, spikes[n]) if past.shape[1] else past.copy()
            for n, past in state.history.items()
        },
    )
    return end, collector.probes()
