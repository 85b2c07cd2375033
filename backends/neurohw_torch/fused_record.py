"""Recording of fused runs: what kernels leave behind in a window, taken once per window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Events, LedgerRow, Probe, Probes, Program, sample_steps
from neurohw.program.analysis import storage_kind
from neurohw_torch.fused_codegen import NEVER
from neurohw_torch.fused_plan import PopPlan
from neurohw_torch.record import MomentSink, TraceSink

__all__ = ["Recorder"]

_DTYPES = {
    "b": torch.int8, "i4": torch.int32, "i8": torch.int64, "f4": torch.float32, "f8": torch.float64,
}  # fmt: skip


@dataclass
class _Trace:
    """Samples of a window ``[samples, lanes]``, and of each row the sample it makes, or -1."""

    probe: Probe
    sink: TraceSink | MomentSink
    samples: Tensor
    rows: Tensor
    shown: np.ndarray
    boolean: bool


@dataclass
class _Watch:
    """Of each lane: how often outside, the first row, the lowest, the highest value."""

    key: str
    size: int
    arrays: dict[str, Tensor]
    found: list[Tensor]


class Recorder:
    """Arrays that kernels write, and what has been taken from them.

    Parameters
    ----------
    rows : int
        Most steps of a window.
    """

    def __init__(
        self,
        program: Program,
        plans: Mapping[str, PopPlan],
        trials: np.ndarray,
        t0: int,
        steps: int,
        rows: int,
        device: torch.device,
    ) -> None:
        self.program, self.plans, self.trials, self.device = program, plans, trials, device
        self.t0, self.steps = t0, steps
        self.traces: dict[str, list[_Trace]] = {}
        self.watches: dict[str, list[_Watch]] = {}
        self.bits: dict[str, Tensor] = {}
        self.events: dict[str, list[Tensor]] = {}
        for name, plan in plans.items():
            lanes = len(trials) * plan.pop.size
            self.traces[name] = [self._trace(plan, j, i, rows, lanes) for j, i in plan.traces]
            self.watches[name] = [
                _Watch(w.key, plan.pop.size, self._watched(lanes, w.kind), []) for w in plan.watches
            ]
            if plan.events:
                self.events[name] = []
                if not plan.ring:
                    self.bits[name] = torch.zeros(
                        (rows // 8 + 1, lanes), dtype=torch.uint8, device=device
                    )

    def _trace(self, plan: PopPlan, j: int, node: int, rows: int, lanes: int) -> _Trace:
        probe, dtype = self.program.probes[j], plan.pop.nodes[node].dtype
        shape = len(self.trials), plan.pop.size
        sink = (
            MomentSink(probe, shape)
            if probe.reduce
            else TraceSink(probe, shape, dtype.storage, self.t0, self.steps)
        )
        samples = torch.empty((-(-rows // probe.every), lanes), dtype=_DTYPES[storage_kind(dtype)],
                              device=self.device)  # fmt: skip
        at = torch.full((rows,), -1, dtype=torch.int32, device=self.device)
        shown = np.full(rows, -1, np.int32)
        return _Trace(probe, sink, samples, at, shown, dtype.storage == np.bool_)

    def _watched(self, lanes: int, kind: str) -> dict[str, Tensor]:
        return {
            what: torch.empty(lanes, dtype=dtype, device=self.device)
            for what, dtype in (
                ("count", torch.int32), ("first", torch.int32),
                ("low", _DTYPES[kind]), ("high", _DTYPES[kind]),
            )
        }  # fmt: skip

    def array(self, population: str, what: str, which: str) -> Tensor:
        """The array that a kernel writes, by its name in ``Kernel.arguments``."""
        if what == "bits":
            return self.bits[population]
        if what == "trace":
            return self.traces[population][int(which)].samples
        if what == "samples":
            return self.traces[population][int(which)].rows
        return self.watches[population][int(which)].arrays[what]

    def prepare(self, t: int, n: int) -> None:
        """Before a window of ``n`` steps from ``t``."""
        for bits in self.bits.values():
            bits.zero_()
        for traces in self.traces.values():
            for x in traces:
                at = np.full(len(x.shown), -1, np.int32)
                steps = sample_steps(x.probe, t, n) - t
                at[steps] = np.arange(len(steps))
                if not np.array_equal(at, x.shown):
                    x.rows.copy_(torch.from_numpy(at))
                    x.shown = at
        for watches in self.watches.values():
            for w in watches:
                w.arrays["count"].zero_()
                w.arrays["first"].fill_(NEVER)
                info = torch.iinfo(w.arrays["low"].dtype)
                w.arrays["low"].fill_(info.max)
                w.arrays["high"].fill_(info.min)

    def take(self, t: int, n: int, fired: Mapping[str, Tensor]) -> None:
        """After a window; ``fired`` are the spikes of populations with edges, from its row 0."""
        for name, traces in self.traces.items():
            shape = len(self.trials), self.plans[name].pop.size
            for x in traces:
                steps = sample_steps(x.probe, t, n)
                if len(steps):
                    block = x.samples[: len(steps)].view(len(steps), *shape)
                    x.sink.accept(block.view(torch.bool) if x.boolean else block, steps)
        for watches in self.watches.values():
            for w in watches:
                w.found.append(self._reduced(w, t))
        for name, parts in self.events.items():
            key = (
                self._bits(name, t) if name in self.bits else self._bytes(name, t, fired[name][:n])
            )
            parts.append(self._sampled(name, key))

    def _reduced(self, w: _Watch, t: int) -> Tensor:
        """(count, first as step * lanes + lane or -1, low, high) of a window."""
        a = w.arrays
        lanes = len(a["first"])
        place = a["first"].to(torch.int64) * lanes + torch.arange(lanes, device=self.device)
        first = place.min()
        first = torch.where(first >= NEVER * lanes, -1, first + t * lanes)
        low, high = a["low"].min().to(torch.int64), a["high"].max().to(torch.int64)
        return torch.stack([a["count"].sum(dtype=torch.int64), first, low, high])

    # spikes as keys, (trial row * steps + step) * size + element --------------------------------

    def _bits(self, name: str, t: int) -> Tensor:
        bits = self.bits[name]
        flat = bits.view(-1).nonzero().squeeze(1)
        value = bits.view(-1)[flat]
        start = (t >> 3 << 3) - self.t0
        keys = []
        for j in range(8):
            at = flat[((value >> j) & 1) != 0]
            block = at.div(bits.shape[1], rounding_mode="floor")
            keys.append(self._keys(name, start + 8 * block + j, at - block * bits.shape[1]))
        return torch.cat(keys)

    def _bytes(self, name: str, t: int, fired: Tensor) -> Tensor:
        flat = fired.reshape(-1).nonzero().squeeze(1)
        row = flat.div(fired.shape[1], rounding_mode="floor")
        return self._keys(name, t - self.t0 + row, flat - row * fired.shape[1])

    def _keys(self, name: str, step: Tensor, lane: Tensor) -> Tensor:
        size = self.plans[name].pop.size
        trial = lane.div(size, rounding_mode="floor")
        return (trial * self.steps + step) * size + (lane - trial * size)

    def _unpacked(self, name: str, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        size = self.plans[name].pop.size
        rest = key.div(size, rounding_mode="floor")
        trial = rest.div(self.steps, rounding_mode="floor")
        return trial, rest - trial * self.steps + self.t0, key - rest * size

    def _sampled(self, name: str, key: Tensor) -> Tensor:
        """Those of the steps that the probe samples."""
        probe = next(p for p in self.program.probes if p.population == name and p.value == "spikes")
        if probe.every == 1 and probe.offset <= self.t0:
            return key
        _, step, _ = self._unpacked(name, key)
        return key[(step >= probe.offset) & ((step - probe.offset) % probe.every == 0)]

    # the end -------------------------------------------------------------------------------------

    def finish(self) -> Probes:
        """All that was recorded."""
        out = Probes(self.t0, self.steps, self.trials)
        for name, parts in self.events.items():
            none = torch.zeros(0, dtype=torch.int64, device=self.device)
            key = torch.cat([none, *parts]).sort().values
            trial, step, element = (x.cpu().numpy() for x in self._unpacked(name, key))
            out.events[name] = Events(self.trials[trial], step, element)
        for traces in self.traces.values():
            for x in traces:
                x.sink.finish(out)
        for watches in self.watches.values():
            for w in watches:
                if w.found:
                    out.ledger[w.key] = self._row(w)
        return out

    def _row(self, w: _Watch) -> LedgerRow:
        row: LedgerRow | None = None
        lanes = len(self.trials) * w.size
        for count, first, low, high in torch.stack(w.found).cpu().tolist():
            place = None
            if first >= 0:
                step, lane = divmod(first, lanes)
                place = step, int(self.trials[lane // w.size]), lane % w.size
            new = LedgerRow(count, place, low, high)
            row = row.merge(new) if row else new
        assert row is not None
        return row
