"""One call of a fused run: its arrays, its windows, and what it launches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Dense, Float, Probes, RunState, Sparse
from neurohw.program.analysis import storage_kind
from neurohw_torch.fused_deliver import Delivery, Rows, block_size, make_delivery
from neurohw_torch.fused_plan import Group, PopPlan
from neurohw_torch.fused_record import Recorder

if TYPE_CHECKING:
    from neurohw_torch.fused_run import FusedRun

__all__ = ["FusedCall"]

Array = np.ndarray
DTYPES = {
    "b": torch.int8, "i4": torch.int32, "i8": torch.int64, "f4": torch.float32, "f8": torch.float64,
}  # fmt: skip


def _now(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    fn(*args, **kwargs)


class FusedCall:
    """Runs steps ``t0 .. t0 + steps - 1`` from ``state``; made anew for each call.

    All arrays that kernels see are made here and kept in place until the call ends, so that a
    window can be replayed.
    """

    def __init__(
        self, run: FusedRun, state: RunState, external: Mapping[str, Array], t0: int, steps: int
    ) -> None:
        self.run_, self.program, self.device = run, run.program, run.device
        self.external, self.t0, self.steps = external, t0, steps
        self.trials, self.count = state.trials, len(state.trials)
        self.do: Callable[..., None] = _now
        self.rows = self._window()
        self.clock = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.values = {
            f"{n}.{s}": self._load(state.values[f"{n}.{s}"]).view(-1)
            for n, plan in run.plans.items() for s in plan.states
        }  # fmt: skip
        self.deliveries = self._deliveries()
        self.fired = {n: self._fired(n, state.history[n])
                      for n, plan in run.plans.items() if plan.ring}  # fmt: skip
        self.ports = {
            (n, port): self._empty(self.rows * self._lanes(n), DTYPES[kind])
            for n, plan in run.plans.items() for port, kind in plan.ports.items()
        }  # fmt: skip
        self.inputs = {
            f"{n}.{x}": self._empty(
                self.rows * external[f"{n}.{x}"].shape[1] * plan.pop.size,
                DTYPES[storage_kind(next(y.dtype for y in plan.pop.externals if y.name == x))],
            )
            for n, plan in run.plans.items() for x in plan.leaves("external")
        }  # fmt: skip
        self.recorder = Recorder(self.program, run.plans, self.trials, t0, steps, self.rows,
                                 self.device)  # fmt: skip
        numbers = self._load(self.trials)
        self.arguments = {n: self._arguments(n, numbers) for n in run.plans}
        self.replays: dict[tuple[str, ...], Callable[[], None] | None] = {}

    # arrays --------------------------------------------------------------------------------------

    def _lanes(self, name: str) -> int:
        return self.count * self.run_.plans[name].pop.size

    def _empty(self, size: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(size, dtype=dtype, device=self.device)

    def _load(self, data: Array) -> Tensor:
        """A copy on the device; booleans as bytes."""
        data = np.array(data, order="C")
        return torch.from_numpy(data.view(np.int8) if data.dtype == bool else data).to(self.device)

    def _window(self) -> int:
        """Steps of a window: as many as the arrays of a window have room for."""
        each = 0.0
        for plan in self.run_.plans.values():
            lanes = self._lanes(plan.pop.name)
            each += lanes * sum(8 if kind in ("i8", "f8") else 4 for kind in plan.ports.values())
            each += lanes * (9 if self._listed(plan.pop.name) else 1 if plan.ring else 0.25)
            each += sum(32 * lanes / self.program.probes[j].every for j, _ in plan.traces)
            each += sum(8 * self.external[f"{plan.pop.name}.{x}"].shape[1] * plan.pop.size
                        for x in plan.leaves("external"))  # fmt: skip
        most = int(self.run_.budget / max(1.0, each)) // 8 * 8
        return max(8, min(self.run_.window, most, -(-self.steps // 8) * 8))

    def _listed(self, name: str) -> bool:
        """Whether the spikes of a population are listed, however many rows there are."""
        return any(
            isinstance(e.weights, Sparse)
            or (isinstance(e.weights, Dense) and isinstance(e.weights.dtype, Float))
            for e in self.program.edges
            if e.source == name
        )

    def _deliveries(self) -> dict[int, Delivery]:
        out = {}
        wide = 1 << 12 if self.run_.interpret else 128
        for g in self.run_.groups:
            for j in (*g.before, *g.within):
                e = self.program.edges[j]
                steps = self.rows if j in g.before or g.span is None else min(g.span, self.rows)
                kind = self.run_.plans[e.target].ports[e.port]
                out[j] = make_delivery(e, kind, steps * self.count, self.run_.library, self.device,
                                       wide)  # fmt: skip
        return out

    def _fired(self, name: str, history: Array) -> Rows:
        """Spikes of a population: the history in its first rows."""
        size, depth = self.run_.plans[name].pop.size, history.shape[1]
        lanes = self.count * size
        fired = torch.zeros((depth + self.rows, lanes), dtype=torch.int8, device=self.device)
        past = np.array(history.transpose(1, 0, 2)[::-1])
        fired[:depth] = self._load(past).view(depth, lanes)
        rows = Rows(fired, depth, self.count, size)
        edges = [j for j, e in enumerate(self.program.edges) if e.source == name]
        if any(self.deliveries[j].listed for j in edges if j in self.deliveries):
            rows.events = torch.zeros((depth + self.rows, lanes), dtype=torch.int32,
                                      device=self.device)  # fmt: skip
            rows.counts = torch.zeros((depth + self.rows) * self.count, dtype=torch.int32,
                                      device=self.device)  # fmt: skip
            most = max(depth, self.rows) * lanes
            rows.running = torch.zeros(most, dtype=torch.int32, device=self.device)
            self._list(rows, 0, depth)
        return rows

    def _arguments(self, name: str, numbers: Tensor) -> list[Any]:
        """What the kernels of a population take, but for the last few."""
        run, plan = self.run_, self.run_.plans[name]
        kernel, constants = run.kernels[name], run.constants[name]
        return [self._argument(plan, what, constants, numbers) for _, what in kernel.arguments]

    def _argument(
        self, plan: PopPlan, what: str, constants: Mapping[str, Tensor], numbers: Tensor
    ) -> Any:
        q = plan.pop
        if what in constants:
            return constants[what]
        if what == "clock":
            return self.clock
        if what == "trials":
            return numbers
        if what == "fired":
            return self.fired[q.name].fired
        what, _, name = what.partition(" ")
        if what == "state":
            return self.values[f"{q.name}.{name}"]
        if what == "param":
            data = next(x.data for x in q.params if x.name == name)
            return self._load(data[self.trials] if data.ndim == 2 else data).view(-1)
        if what == "external":
            return self.inputs[f"{q.name}.{name}"]
        if what == "stride":
            return q.size if self.external[f"{q.name}.{name}"].shape[1] == self.count > 1 else 0
        if what == "port":
            return self.ports[q.name, name]
        return self.recorder.array(q.name, what, name)

    # a window ------------------------------------------------------------------------------------

    def run(self) -> Probes:
        """All steps."""
        t, end = self.t0, self.t0 + self.steps
        while t < end:
            n = min(self.rows - t % 8, end - t)
            self._prepare(t, n)
            for g in self.run_.groups:
                self._group(g, t, n)
            self.recorder.take(t, n, {k: r.fired[r.depth :] for k, r in self.fired.items()})
            for rows in self.fired.values():
                self._roll(rows, n)
            t += n
        return self.recorder.finish()

    def _prepare(self, t: int, n: int) -> None:
        self.clock.fill_(t)
        self.first = t
        for port in self.ports.values():
            port.zero_()
        for key, buffer in self.inputs.items():
            part = self._load(self.external[key][t - self.t0 : t - self.t0 + n]).view(-1)
            buffer[: len(part)] = part
        self.recorder.prepare(t, n)

    def _roll(self, rows: Rows, n: int) -> None:
        """Let the last ``depth`` rows of a window be the history of the next."""
        for data, width in ((rows.fired, 1), (rows.events, 1), (rows.counts, rows.trials)):
            if data is not None and rows.depth:
                a, size = n * width, rows.depth * width
                data[:size] = data[a : a + size].clone()

    def _group(self, g: Group, t: int, n: int) -> None:
        for j in g.before:
            self._deliver(j, 0, n)
        if g.span is None or g.span >= n or n < self.rows or t % 8:
            self._within(g, n)
            return
        if g.names not in self.replays:  # the first whole window compiles
            self._within(g, n)
            self.replays[g.names] = None
            return
        replay = self.replays[g.names]
        if replay is None:

            def work(do: Callable[..., None]) -> None:
                self.do = do
                try:
                    self._within(g, n)
                finally:
                    self.do = _now

            replay = self.replays[g.names] = self.run_.replayable(work)
        replay()

    def _within(self, g: Group, n: int) -> None:
        span = g.span or n
        for k in range(0, n, span):
            m = min(span, n - k)
            for name in g.names:
                for j in g.within:
                    if self.program.edges[j].target == name:
                        self._deliver(j, k, m)
                self._advance(name, k, m)

    # launches ------------------------------------------------------------------------------------

    def launch(
        self, kernel: Any, grid: tuple[int, ...], *args: Any, warps: int = 4, stages: int = 1,
        **constants: int,
    ) -> None:  # fmt: skip
        """Run a kernel, now or when what is being recorded is replayed.

        ``enable_fp_fusion=False``: a product and a sum are never contracted to a fused operation.
        """
        self.do(kernel[grid], *args, num_warps=warps, num_stages=stages, enable_fp_fusion=False,
                **constants)  # fmt: skip

    def _deliver(self, j: int, k: int, m: int) -> None:
        e = self.program.edges[j]
        source = self.fired[e.source]
        self.deliveries[j].deliver(
            self.launch,
            source,
            self.ports[e.target, e.port],
            (source.depth + k - e.delay) * self.count,
            k * self.count,
            m * self.count,
        )

    def _advance(self, name: str, k: int, m: int) -> None:
        """Run rows ``k .. k + m - 1`` of a population, and list its spikes."""
        run, plan = self.run_, self.run_.plans[name]
        module, lanes = run.modules[name], self._lanes(name)
        depth = self.fired[name].depth if name in self.fired else 0
        block = min(run.block, max(32, 1 << (lanes - 1).bit_length()))
        grid = (-(-lanes // block),)
        parts = [(module.roll, k, m)]
        eights = run.kernels[name].sites or (plan.events and not plan.ring)
        if eights and m >= run.whole:
            # Windows begin at multiples of 8, but for the first of a call.
            head = min(m, -(self.first + k) % 8)
            main = (m - head) // 8 * 8
            parts = [(module.roll, k, head), (module.blocks, k + head, main),
                     (module.roll, k + head + main, m - head - main)]  # fmt: skip
        for kernel, first, steps in parts:
            if steps:
                self.launch(kernel, grid, *self.arguments[name], first, steps, depth, lanes,
                            plan.pop.size, self.count, BLOCK=block)  # fmt: skip
        if name in self.fired and self.fired[name].events is not None:
            rows = self.fired[name]
            self._list(rows, rows.depth + k, m)

    def _list(self, rows: Rows, first: int, m: int) -> None:
        """List the spikes of ``m`` rows."""
        if not m:
            return
        count = m * rows.trials
        assert rows.running is not None
        fired = rows.fired[first : first + m].view(count, rows.size)
        running = rows.running[: count * rows.size].view(count, rows.size)
        self.do(torch.cumsum, fired, 1, dtype=torch.int32, out=running)
        block = block_size(rows.size, 1 << 12 if self.run_.interpret else 256)
        self.launch(self.run_.library.compact, (count, -(-rows.size // block)), rows.fired,
                    rows.running, rows.events, rows.counts, first * rows.trials, rows.size,
                    BLOCK=block)  # fmt: skip

    # the end -------------------------------------------------------------------------------------

    def state(self, before: RunState) -> RunState:
        """The state after the last step."""
        values = {}
        for key, old in before.values.items():
            new = self.values.get(key)
            if new is None:
                values[key] = old.copy()
            else:
                data = new.cpu().numpy().reshape(old.shape)
                values[key] = np.array(data.view(bool) if old.dtype == bool else data)
        history = {}
        for name, old in before.history.items():
            if name not in self.fired or not old.shape[1]:
                history[name] = old.copy()
                continue
            rows = self.fired[name]
            data = rows.fired[: rows.depth].cpu().numpy().view(bool)
            data = data.reshape(rows.depth, self.count, rows.size)[::-1]
            history[name] = np.array(data.transpose(1, 0, 2), order="C")
        return RunState(before.trials, values, history)
