"""Backends that are wrong on purpose. A suite that accepts one of them is worth nothing.

Each is the reference interpreter with one change: to the program it runs, to a function the
interpreter calls, to the state on the way in, or to the result on the way out.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from neurohw import reference
from neurohw.program import (
    IR_VERSION,
    Edge,
    LedgerRow,
    Moments,
    Probes,
    Program,
    RunState,
    check_inputs,
    check_traps,
    per_trial,
)
from neurohw.reference import ReferenceRun
from neurohw.testing.mutations import (
    ProgramChange,
    contract,
    edges,
    flip,
    late_reset,
    offset,
    swap_attr,
    swap_op,
    transpose,
)

__all__ = ["Broken", "broken_backends"]


def _same(p: Program) -> Program:
    return p


@dataclass
class Broken:
    """The reference with one mistake.

    Attributes
    ----------
    name, mistake : str
        For the rejection table.
    program : callable
        Change of the program before it is run.
    patches : mapping
        Names in ``neurohw.reference`` and what stands for them during a run.
    before, after : callable
        Change of the state given, and of the probes returned.
    """

    name: str
    mistake: str
    program: ProgramChange = _same
    patches: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    before: Callable[[RunState], RunState] = lambda s: s
    after: Callable[[Probes], Probes] = lambda p: p
    ir_version: int = IR_VERSION

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        return []

    def compile(self, program: Program) -> Callable[..., tuple[RunState, Probes]]:
        return _BrokenRun(self, program)


class _Unchecked(ReferenceRun):
    """The reference without ``verify``, which might catch the mistake before the suite does."""

    def __init__(self, program: Program) -> None:
        self.program = program


class _BrokenRun:
    def __init__(self, backend: Broken, program: Program) -> None:
        self.backend, self.original = backend, program
        self.changed = backend.program(program)
        self.run = _Unchecked(self.changed)

    def __call__(
        self, state: RunState, inputs: Mapping[str, np.ndarray] | None, t0: int, steps: int
    ) -> tuple[RunState, Probes]:
        given = self._widen(self.backend.before(state))
        with _patched(self.backend.patches):
            after, probes = self.run(given, inputs, t0, steps)
        return self._narrow(after, state), self.backend.after(probes)

    def _widen(self, state: RunState) -> RunState:
        """Room for what the changed program remembers in addition."""
        values = dict(state.values)
        for q in self.changed.populations:
            for s in q.states:
                values.setdefault(
                    f"{q.name}.{s.name}", np.array(per_trial(s.init, state.trials, q.size))
                )
        history = {
            k: np.concatenate(
                [v, np.zeros((len(v), self.changed.depth[k] - v.shape[1], v.shape[2]), v.dtype)], 1
            )
            for k, v in state.history.items()
        }
        return RunState(state.trials, values, history)

    def _narrow(self, state: RunState, like: RunState) -> RunState:
        values = {k: state.values[k] for k in like.values}
        history = {k: state.history[k][:, : v.shape[1]] for k, v in like.history.items()}
        return RunState(like.trials, values, history)


@contextlib.contextmanager
def _patched(patches: Mapping[str, Any]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name, value in patches.items():
            stack.enter_context(mock.patch.object(reference, name, value))
        yield


# changes of what the interpreter calls -----------------------------------------------------------


def _drawing(change: Callable[..., tuple[Any, ...]], turn: bool = False) -> dict[str, Any]:
    def wrap(draw: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def drawn(*args: Any) -> np.ndarray:
            out = draw(*change(*args))
            return out.T if turn else out

        return drawn

    return {"words": wrap(reference.words), "normals": wrap(reference.normals)}


_deliver = reference.deliver


def _deliver_f32(total: np.ndarray, edge: Edge, spikes: np.ndarray) -> None:
    _deliver(total, edge, spikes)
    if total.dtype == np.float64:
        total[:] = total.astype(np.float32)


def _deliver_i32(total: np.ndarray, edge: Edge, spikes: np.ndarray) -> None:
    _deliver(total, edge, spikes)
    if total.dtype == np.int64:
        total[:] = total.astype(np.int32)


def _deliver_ones(total: np.ndarray, edge: Edge, sent: np.ndarray) -> None:
    _deliver(total, edge, (sent != 0).astype(sent.dtype) if edge.value else sent)


def _deliver_tf32(total: np.ndarray, edge: Edge, sent: np.ndarray) -> None:
    if edge.value and sent.dtype == np.float32:  # 10 bits of the mantissa are left
        bits = np.ascontiguousarray(sent).view(np.uint32) + np.uint32(0x1000)
        sent = (bits & np.uint32(0xFFFFE000)).view(np.float32)
    _deliver(total, edge, sent)


def _rough_exp(x: np.ndarray) -> np.ndarray:
    return np.exp(x) * x.dtype.type(1 + 64 * np.finfo(x.dtype).eps)


# changes of state and result ---------------------------------------------------------------------


def _forget(state: RunState) -> RunState:
    return dataclasses.replace(
        state, history={k: np.zeros_like(v) for k, v in state.history.items()}
    )


def _spoil(state: RunState) -> RunState:
    for v in state.values.values():
        if v.dtype != np.bool_:
            v[...] = v + 1
            break
    return state


def _miss_first(probes: Probes) -> Probes:
    ledger = {k: LedgerRow(max(r.count - 1, 0), None, r.low, r.high) if r.count == 1
              else dataclasses.replace(r, count=max(r.count - 1, 0))
              for k, r in probes.ledger.items()}  # fmt: skip
    return dataclasses.replace(probes, ledger=ledger)


def _variance(probes: Probes) -> Probes:
    moments = {k: Moments(m.count, m.mean, m.m2 / m.count) for k, m in probes.moments.items()}
    return dataclasses.replace(probes, moments=moments)


def _first_inputs(program: Program, inputs: Any, trials: Any, t0: int, steps: int) -> Any:
    out = check_inputs(program, inputs, trials, t0, steps)
    return {k: np.concatenate([v[:1], v[:-1]]) for k, v in out.items()}


def broken_backends() -> tuple[Broken, ...]:
    """All of them; the first six are those of the design."""
    longer = edges(lambda e: dataclasses.replace(e, delay=e.delay + 1) if e.delay else e)
    return (
        Broken("delay_plus_one", "every delay one step longer", longer),
        Broken("ge_for_gt", ">= where > is written", swap_op({"gt": "ge", "lt": "le"})),
        Broken("floor_for_toward_zero", "shifts round down instead of toward zero",
               swap_attr("rounding", "toward_zero", "floor")),
        Broken("saturate_for_wrap", "clips where it should wrap",
               swap_attr("overflow", "wrap", "saturate", True)),
        Broken("draw_twice", "two steps in a row use the same draw",
               patches=_drawing(lambda s, x, tr, el, t: (s, x, tr, el, t & ~1))),
        Broken("late_reset", "reset one step after the spike", late_reset),
        Broken("wrap_for_saturate", "wraps where it should clip",
               swap_attr("overflow", "saturate", "wrap", True)),
        Broken("half_away_for_half_even", "ties away from zero instead of to even",
               swap_attr("rounding", "half_even", "half_away")),
        Broken("swapped_counter", "element and trial exchanged in the counter of draws",
               patches=_drawing(lambda s, x, tr, el, t: (s, x, el, tr, t), turn=True)),
        Broken("relative_trial", "draws by position in the batch, not by trial number",
               patches=_drawing(lambda s, x, tr, el, t: (s, x, np.arange(len(tr)), el, t))),
        Broken("short_seed", "only the low half of the seed is used",
               patches=_drawing(lambda s, x, tr, el, t: (s & 0xFFFFFFFF, x, tr, el, t))),
        Broken("short_step", "step counter of 31 bits",
               patches=_drawing(lambda s, x, tr, el, t: (s, x, tr, el, t & 0x7FFFFFFF))),
        Broken("f32_sums", "float64 ports summed in float32", patches={"deliver": _deliver_f32}),
        Broken("i32_sums", "integer ports summed in 32 bits", patches={"deliver": _deliver_i32}),
        Broken("binary_values", "a value that is not zero counts as one",
               patches={"deliver": _deliver_ones}),
        Broken("tf32_values", "float32 values rounded to TF32 before they are weighted",
               patches={"deliver": _deliver_tf32}),
        Broken("rough_exp", "exp wrong by 64 ulp",
               patches={"_FLOAT": {**reference._FLOAT, "exp": _rough_exp}}),
        Broken("contracted", "float32 a * b + c with one rounding", contract),
        Broken("forgets_history", "spikes in flight are lost where a run is split",
               before=_forget),
        Broken("spoils_state", "writes into the state it was given", before=_spoil),
        Broken("transposed", "square dense weights transposed", edges(transpose)),
        Broken("flipped_kernel", "kernels of convolutions turned around", edges(flip)),
        Broken("late_inputs", "external inputs one step late",
               patches={"check_inputs": _first_inputs}),
        Broken("probe_offset", "probes sample one step late", offset),
        Broken("ledger_misses_first", "the ledger misses one event", after=_miss_first),
        Broken("variance_for_m2", "moments hold the variance, not the sum of squares",
               after=_variance),
        Broken("ignores_traps", "overflow with mode trap passes silently",
               patches={"check_traps": lambda p, ledger: check_traps(p, {})}),
    )  # fmt: skip
