"""The numbers of a program, and the arrays of a call, in the form the kernels take them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurohw.program import Probe, Program, RunState
from neurohw.program.analysis import kind_of
from neurohw.program.philox import normal_table, site_hash
from neurohw_native.plan import DTYPES, Kernel, edge_arrays
from neurohw_native.scratch import Memory, Pool
from neurohw_native.spikes import divide

__all__ = ["Block", "Call", "Tables", "Traces", "samples_before"]

Array = np.ndarray
I64 = np.int64


def samples_before(probe: Probe, t: int) -> int:
    """Number of samples that ``probe`` takes in steps ``0 .. t - 1``."""
    return 0 if t <= probe.offset else (t - probe.offset - 1) // probe.every + 1


def _flat(data: Array) -> Array:
    """One-dimensional, contiguous, writable; bool as uint8. A view where that is possible."""
    data = np.ascontiguousarray(data).reshape(-1)
    if data.dtype == np.bool_:
        data = data.view(np.uint8)
    return data if data.flags.writeable else data.copy()


def _rows(rows: list[Any], width: int) -> Array:
    return np.array(rows, I64).reshape(-1, width)


WINDOW = 64  # at most: rings grow with it


class Tables:
    """What depends on the program only; ``bind`` adds what depends on a call."""

    def __init__(self, program: Program, kernel: Kernel, pool: Pool) -> None:
        self.program, self.kernel, self.memory = program, kernel, Memory(pool)
        pops = [plan.pop for plan in kernel.pops]
        self.sizes = np.array([q.size for q in pops], I64)
        self.key = np.array([program.seed & 0xFFFFFFFF, program.seed >> 32], np.uint32)
        self.sites = np.array([site_hash(s) for s in kernel.sites], np.uint32)
        self.table = np.array(normal_table(), np.uint16)  # the narrowest, for the caches
        self.numbers = (
            np.array([self._number(*at) for at in kernel.ints], I64),
            np.array([self._number(*at) for at in kernel.singles], np.float32),
            np.array([self._number(*at) for at in kernel.doubles], np.float64),
        )
        self.delays = np.array([program.edges[j].delay for j in kernel.edges], I64)
        self.depths = np.array([program.depth[q.name] for q in pops], I64)
        self.value_depths = np.array([program.depth[key] for key, _, _ in kernel.values], I64)
        edges = [program.edges[j] for j in kernel.edges]
        place = {q.name: i for i, q in enumerate(pops)}
        back = [e.delay for e in edges if place[e.source] >= place[e.target]]
        self.window = min([WINDOW, *back])
        """Steps that a part may run before it needs to know which elements of others fired, but
        for those of populations before its own."""
        soon = {
            e.target for e in edges if e.delay < self.window and place[e.source] < place[e.target]
        }
        self.soon = np.array([q.name in soon for q in pops], I64)
        self.rows = -(-self.window // -(-self.window // kernel.reach))
        """Steps of a pass: windows are cut evenly."""
        info = np.iinfo(I64)
        rows = [kernel.pops[p].watches[j] for p, j in kernel.watches]
        taps = [kernel.pops[p].row(kernel.pops[p].watches[j].tap)[1] for p, j in kernel.watches]
        self.limits = _rows(
            [
                (tap, max(r.lo, info.min), min(r.hi, info.max))
                for tap, r in zip(taps, rows, strict=True)
            ],
            3,
        )
        self._ledger = _rows([(0, -1, 0, info.max, info.min)] * len(rows), 5)
        self.edges: dict[int, tuple[Array, ...]] = {}
        self._divided: dict[tuple[int, int], Array] = {}
        for j in kernel.edges:
            e = program.edges[j]
            plan = next(x for x in kernel.pops if x.pop.name == e.target)
            port = next(x for x in plan.pop.ports if x.name == e.port)
            self.edges[j] = edge_arrays(e, kind_of(port.dtype, plan.ports[e.port]))

    def _param(self, pop: str, name: str) -> Array:
        return next(x for x in self.program.population(pop).params if x.name == name).data

    def _number(self, pop: str, index: int) -> Any:
        node = self.program.population(pop).nodes[index]
        if node.op == "const":
            return node.attrs["value"]
        return self._param(pop, str(node.attrs["name"])).item()

    def empty_ledger(self) -> Array:
        """No value seen yet, for each row that ``records.watch`` updates."""
        return self._ledger.copy()

    def _params(self, trials: Array) -> tuple[dict[str, Array], Array]:
        """All parameters of each kind in one array; (start, per trial, per element) of each."""
        parts: dict[str, list[Array]] = {}
        rows = []
        for pop, name, kind in self.kernel.params:
            data, size = self._param(pop, name), self.program.population(pop).size
            start = sum(x.size for x in parts.get(kind, ()))
            rows.append(
                (start, data.shape[-1] if data.ndim == 2 else 0, 1 if data.shape[-1] == size else 0)
            )
            parts.setdefault(kind, []).append(_flat(data[trials] if data.ndim == 2 else data))
        return {k: np.concatenate(v) for k, v in parts.items()}, _rows(rows, 3)

    def bind(
        self,
        now: RunState,
        externals: Mapping[str, Array],
        sums: Mapping[tuple[str, str], Array],
        origin: int,
        t0: int,
        steps: int,
    ) -> Call:
        """Bind the arrays of a call; ``now`` is written to.

        ``externals`` begin at step ``origin``, ``sums``, of ports summed ahead, at ``t0``.
        """
        params, strides = self._params(now.trials)
        traces = Traces(self, len(now.trials), t0, steps)
        arrays: list[Array | None] = []
        for kind, a, b in self.kernel.arrays:
            if kind == "state":
                arrays.append(_flat(now.values[f"{a}.{b}"]))
            elif kind == "history":
                arrays.append(_flat(now.history[str(a)]))
            elif kind == "params":
                arrays.append(params[str(a)])
            elif kind == "external":
                arrays.append(_flat(externals[f"{a}.{b}"]))
            elif kind == "product":
                arrays.append(_flat(sums[str(a), str(b)]))
            elif kind == "traces":
                arrays.append(traces.flat[str(a)])
            else:  # of an edge, a ring, spikes or moments: these depend on the block, or the task
                arrays.append(None)
        outside = []
        for pop, name, what in self.kernel.externals:
            data = sums[pop, name] if what else externals[f"{pop}.{name}"]
            row = data.shape[1] * data.shape[2]
            skip = 0 if what else t0 - origin
            outside.append((row, data.shape[2] if data.shape[1] > 1 else 0, skip))
        return Call(self, now.trials, t0, arrays, _rows(outside, 3), strides, traces)

    def cut(self, parts: int) -> Array:
        """First element of each part of each population, and the end: ``[populations, parts + 1]``.

        Parts are multiples of 32 elements, so that no two threads write to one line of cache.
        """
        lines = -(-self.sizes // 32)
        ends = [np.minimum(lines * j // parts * 32, self.sizes) for j in range(parts + 1)]
        return np.stack([*ends[:-1], self.sizes], axis=1)

    def slots(self, depths: Array, parts: int) -> Array:
        """Slots of each ring. Steps are written before others are read for the last time: those of
        a pass, or of a window, as some thread may be so far ahead."""
        return depths + (self.rows if parts == 1 else self.window) + 1

    def edge(self, index: int, parts: int, array: int) -> Array:
        """An array of an edge; compressed rows are divided among ``parts``."""
        if parts == 1 or array or len(self.edges[index]) == 1:
            return self.edges[index][array]
        if (index, parts) not in self._divided:
            ptr, indices, _ = self.edges[index]
            target = [plan.pop.name for plan in self.kernel.pops].index(
                self.program.edges[index].target
            )
            out = np.empty((len(ptr) - 1, parts + 1), I64)
            divide(ptr, indices, self.cut(parts)[target], out)
            self._divided[index, parts] = out.reshape(-1)
        return self._divided[index, parts]


class Traces:
    """Where the samples of a span go.

    Attributes
    ----------
    flat : dict
        Kind -> all traces of it in one array.
    views : dict
        Probe -> its trace ``[samples, T, size]``, a view of ``flat``.
    rows : int64 [probes, 7]
        What ``records.record`` takes; those of moments lie in an array of each task.
    moments : dict
        Probe -> (start, samples, size) within a task's array of ``length`` float64.
    """

    def __init__(self, tables: Tables, trials: int, t0: int, steps: int) -> None:
        self.flat: dict[str, Array] = {}
        self.views: dict[int, Array] = {}
        self.moments: dict[int, tuple[int, int, int]] = {}
        self.length = 0
        ends: dict[str, int] = {}
        shapes: list[tuple[int, str, int, tuple[int, ...]]] = []
        rows = []
        for j, tap, kind in tables.kernel.probes:
            probe = tables.program.probes[j]
            size = tables.program.population(probe.population).size
            count = samples_before(probe, t0 + steps) - samples_before(probe, t0)
            start, sample = ends.get(kind, 0), trials * size
            if kind == "m":
                start, sample = self.length, 2 * size
                self.moments[j] = start, count, size
                self.length += count * sample
            elif kind:
                ends[kind] = start + count * sample
                shapes.append((j, kind, start, (count, trials, size)))
            rows.append((tap, probe.every, 0, start, 0, size, sample))
        self.rows = _rows(rows, 7)
        self.flat = {k: np.empty(n, DTYPES[k]) for k, n in ends.items()}
        for j, kind, start, shape in shapes:
            q = tables.program.population(tables.program.probes[j].population)
            dtype = q.nodes[q.value(tables.program.probes[j].value)].dtype.storage
            part = self.flat[kind][start : start + math.prod(shape)]
            self.views[j] = part.view(dtype).reshape(shape)


@dataclass(frozen=True)
class Block:
    """Trials ``b0 .. b0 + trials - 1`` and, of each population, a part of the elements.

    ``cut`` is that of ``Tables.cut``, ``part`` a number of it. ``before`` is the number of trials
    that the same task ran for the same elements before this block.
    """

    b0: int
    trials: int
    cut: Array
    part: int = 0
    parts: int = 1
    before: int = 0

    @cached_property
    def lanes(self) -> int:
        return self.trials * int((self.cut[:, self.part + 1] - self.cut[:, self.part]).sum())


@dataclass(frozen=True)
class Call:
    """A span of steps that begins at ``t0``."""

    tables: Tables
    trials: Array
    t0: int
    arrays: list[Array | None]
    outside: Array
    strides: Array
    traces: Traces

    def rings(self, block: Block) -> dict[tuple[str, str], Array]:
        """Empty rings for a block, shared with the other parts of its trials."""
        found = {}
        slots = self.tables.slots(self.tables.depths, block.parts)
        for p, plan in enumerate(self.tables.kernel.pops):
            if plan.ring:
                n = int(slots[p]) * block.trials
                name = plan.pop.name
                found["count", name] = np.zeros(n * block.parts, I64)
                found["index", name] = np.empty(n * plan.pop.size, np.int32)
        slots = self.tables.slots(self.tables.value_depths, block.parts)
        for c, (key, name, kind) in enumerate(self.tables.kernel.values):
            n = int(slots[c]) * block.trials * self.tables.program.population(name).size
            found["values", key] = np.empty(n, DTYPES[kind])
        return found

    def arguments(
        self,
        block: Block,
        t: int,
        ledger: Array,
        rings: Mapping[tuple[str, str], Array],
        moments: Array,
        bar: Array,
    ) -> list[Any]:
        """All arguments of the kernel but the first, for steps from ``t`` on."""
        s = self.tables
        rows = self.traces.rows.copy()
        for m, (j, _, _) in enumerate(s.kernel.probes):
            probe = s.program.probes[j]
            done = samples_before(probe, t)
            rows[m, 2] = probe.offset + done * probe.every
            rows[m, 4] = done - samples_before(probe, self.t0)
        outside = self.outside.copy()
        outside[:, 2] += t - self.t0
        arrays = []
        for (kind, a, b), array in zip(s.kernel.arrays, self.arrays, strict=True):
            if array is not None:
                arrays.append(array)
            elif kind == "edge":
                arrays.append(s.edge(int(a), block.parts, int(b)))
            else:
                arrays.append(moments if kind == "moments" else rings[kind, str(a)])
        return [
            block.cut,
            s.sizes,
            s.key,
            s.sites,
            self.trials,
            s.table,
            rows,
            s.limits,
            ledger,
            *s.numbers,
            s.delays,
            s.depths,
            s.slots(s.depths, block.parts),
            s.soon,
            s.value_depths,
            s.slots(s.value_depths, block.parts),
            self.strides,
            outside,
            bar,
            *arrays,
        ]
