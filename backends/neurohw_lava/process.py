"""Our own Lava process: it evaluates a whole program, one step per time step of Lava.

For what no stock process computes: noise, refractory periods in fixed point, parameters per
neuron. :class:`ProgramStep` is what :class:`neurohw_lava.record.Stepper` calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from neurohw.program import Probes, Program, RunState
from neurohw_lava.collect import Collector, layout
from neurohw_lava.cores import one_core
from neurohw_lava.engine import Engine
from neurohw_lava.record import Block, Stepper
from neurohw_lava.session import LavaSession
from neurohw_lava.shim import quiet

__all__ = ["ProgramStep", "run_own"]

Array = np.ndarray


class ProgramStep:
    """Calls an engine with t = 1, 2, ..., and leaves the final state in blocks at the end.

    It can be pickled, for processes that are spawned: the engine is made at the first step.
    """

    def __init__(
        self,
        p: Program,
        state: RunState,
        externals: Mapping[str, Array],
        t0: int,
        steps: int,
        blocks: Mapping[str, Block],
    ) -> None:
        self._arguments = (p, state, externals, t0, steps, blocks)
        self._engine: Engine | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_arguments": self._arguments, "_engine": None}

    def __call__(self, t: int) -> None:
        """Run step ``t0 + t - 1``."""
        p, state, externals, t0, steps, blocks = self._arguments
        if self._engine is None:
            arrays = {name: block.array for name, block in blocks.items()}
            collector = Collector(p, state.trials, t0, steps, arrays)
            collector.start()
            self._engine = Engine(p, state, externals, t0, collector)
        self._engine(t - 1)
        if t == steps:
            final = self._engine.final(state)
            for key, value in final.values.items():
                blocks[f"value:{key}"].array[:] = value
            for key, value in final.history.items():
                blocks[f"history:{key}"].array[:] = value


def run_own(
    p: Program, state: RunState, externals: Mapping[str, Array], t0: int, steps: int
) -> tuple[RunState, Probes]:
    """Run ``steps`` steps, at least one, in a Lava process of our own."""
    from lava.magma.core.run_configs import Loihi2SimCfg

    shapes = layout(p, len(state.trials), t0, steps)
    shapes |= {f"value:{k}": (v.shape, v.dtype) for k, v in state.values.items()}
    shapes |= {f"history:{k}": (v.shape, v.dtype) for k, v in state.history.items()}
    with ExitStack() as stack:
        blocks = {k: stack.enter_context(Block(*shape)) for k, shape in shapes.items()}
        with quiet():
            process = Stepper(ProgramStep(p, state, externals, t0, steps, blocks))
        with LavaSession(process, Loihi2SimCfg()) as session, one_core():
            session.run(steps)
        arrays = {name: block.array for name, block in blocks.items()}
        end = RunState(
            state.trials,
            {k: np.array(arrays[f"value:{k}"]) for k in state.values},
            {k: np.array(arrays[f"history:{k}"]) for k in state.history},
        )
        return end, Collector(p, state.trials, t0, steps, arrays).probes()
