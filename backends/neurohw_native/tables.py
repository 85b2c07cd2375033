"""The numbers of a program in the form the kernels take them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurohw.program import Probe, Program, RunState
from neurohw.program.philox import normal_table, site_hash
from neurohw_native.plan import DTYPES, Kernel, edge_arrays, kind_of

__all__ = ["Call", "Tables", "samples_before"]

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


class Tables:
    """What depends on the program only; ``call`` adds what depends on a call."""

    def __init__(self, program: Program, kernel: Kernel) -> None:
        self.program, self.kernel = program, kernel
        pops = [plan.pop for plan in kernel.pops]
        self.sizes = np.array([q.size for q in pops], I64)
        self.key = np.array([program.seed & 0xFFFFFFFF, program.seed >> 32], np.uint32)
        self.sites = np.array([site_hash(s) for s in kernel.sites], np.uint32)
        self.table = np.array(normal_table(), np.int32)
        self.numbers = (
            np.array([self._number(*at) for at in kernel.ints], I64),
            np.array([self._number(*at) for at in kernel.singles], np.float32),
            np.array([self._number(*at) for at in kernel.doubles], np.float64),
        )
        self.delays = np.array([program.edges[j].delay for j in kernel.edges], I64)
        self.depths = np.array([program.depth[q.name] for q in pops], I64)
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
        self.edges: dict[int, tuple[Array, ...]] = {}
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
        """No value seen yet, for each row that ``kernels.watch`` updates."""
        info = np.iinfo(I64)
        return np.tile(_rows([0, -1, 0, info.max, info.min], 5), (len(self.limits), 1))

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

    def _traces(
        self, trials: int, t0: int, steps: int
    ) -> tuple[dict[str, Array], Array, dict[int, Array]]:
        """One array per kind for all traces, the probes' rows, and each trace as a view."""
        views: list[tuple[int, str, int, tuple[int, ...], np.dtype]] = []
        ends: dict[str, int] = {}
        rows = []
        for j, tap, kind in self.kernel.probes:
            probe = self.program.probes[j]
            q = self.program.population(probe.population)
            start = ends.get(kind, 0)
            rows.append((tap, probe.every, probe.offset, start, 0, trials * q.size))
            if kind:
                count = samples_before(probe, t0 + steps) - samples_before(probe, t0)
                ends[kind] = start + count * trials * q.size
                dtype = q.nodes[q.value(probe.value)].dtype.storage
                views.append((j, kind, start, (count, trials, q.size), dtype))
        flat = {k: np.empty(n, DTYPES[k]) for k, n in ends.items()}
        return (
            flat,
            _rows(rows, 6),
            {
                j: flat[kind][start : start + math.prod(shape)].view(dtype).reshape(shape)
                for j, kind, start, shape, dtype in views
            },
        )

    def call(
        self, now: RunState, externals: Mapping[str, Array], origin: int, t0: int, steps: int
    ) -> Call:
        """Bind the arrays of a call; ``now`` is written to."""
        params, strides = self._params(now.trials)
        flat, rows, traces = self._traces(len(now.trials), t0, steps)
        arrays = []
        for kind, a, b in self.kernel.arrays:
            if kind == "state":
                arrays.append(_flat(now.values[f"{a}.{b}"]))
            elif kind == "history":
                arrays.append(_flat(now.history[str(a)]))
            elif kind == "params":
                arrays.append(params[str(a)])
            elif kind == "external":
                arrays.append(_flat(externals[f"{a}.{b}"]))
            elif kind == "traces":
                arrays.append(flat[str(a)])
            else:
                arrays.append(self.edges[int(a)][int(b)])
        outside = []
        for pop, name in self.kernel.externals:
            data = externals[f"{pop}.{name}"]
            row = data.shape[1] * data.shape[2]
            outside.append((row, data.shape[2] if data.shape[1] > 1 else 0, t0 - origin))
        return Call(self, now.trials, t0, arrays, _rows(outside, 3), strides, rows, traces)


@dataclass(frozen=True)
class Call:
    """A span of steps that begins at ``t0``."""

    tables: Tables
    trials: Array
    t0: int
    arrays: list[Array]
    outside: Array
    strides: Array
    rows: Array
    traces: dict[int, Array]

    def arguments(self, t: int, ledger: Array) -> list[Any]:
        """All arguments of a block but the first two, for steps from ``t`` on."""
        s = self.tables
        rows = self.rows.copy()
        for m, (j, _, _) in enumerate(s.kernel.probes):
            probe = s.program.probes[j]
            rows[m, 4] = samples_before(probe, t) - samples_before(probe, self.t0)
        outside = self.outside.copy()
        outside[:, 2] += t - self.t0
        return [
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
            self.strides,
            outside,
            *self.arrays,
        ]
