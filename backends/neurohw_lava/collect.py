"""Collect what a run reports: probes and the overflow ledger, in plain arrays.

The arrays may lie in memory that a Lava process and its parent share, so nothing here is made of
Python objects: :func:`layout` says what is needed, a :class:`Collector` fills it, and
:meth:`Collector.probes` reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neurohw.program import (
    Events,
    Int,
    LedgerRow,
    Moments,
    Population,
    Probe,
    Probes,
    Program,
    sample_steps,
)

__all__ = ["Collector", "layout", "ledger_keys"]

Array = np.ndarray
Shapes = dict[str, tuple[tuple[int, ...], Any]]
_LOW, _HIGH = -(2**63), 2**63 - 1


def ledger_keys(p: Program) -> list[str]:
    """Keys of the ledger: watches, and everything whose overflow mode is ``trap``."""
    keys = [w.key for w in p.watches]
    for q in p.populations:
        keys += [f"trap:{q.name}.{x.name}" for x in q.ports if x.overflow == "trap"]
        keys += [
            f"trap:{q.name}.%{i}"
            for i, node in enumerate(q.nodes)
            if node.attrs.get("overflow") == "trap"
        ]
    return keys


def layout(p: Program, trials: int, t0: int, steps: int) -> Shapes:
    """Shape and type of each array; ``mean:`` and ``m2:`` are moments by probe key."""
    out: Shapes = {"ledger": ((len(ledger_keys(p)), 6), np.int64)}
    for probe in p.probes:
        q = p.population(probe.population)
        n = _before(probe, t0 + steps) - _before(probe, t0)
        if probe.value == "spikes":
            out[f"events:{probe.key}"] = ((n, trials, q.size), np.bool_)
        elif probe.reduce:
            out[f"mean:{probe.key}"] = ((n, q.size), np.float64)
            out[f"m2:{probe.key}"] = ((n, q.size), np.float64)
        else:
            storage = q.nodes[q.value(probe.value)].dtype.storage
            out[f"trace:{probe.key}"] = ((n, trials, q.size), storage)
    return out


def _before(probe: Probe, t: int) -> int:
    """How many of the steps below ``t`` a probe samples."""
    return max(0, -(-(t - probe.offset) // probe.every))


def _spread(x: Array, shape: tuple[int, ...]) -> Array:
    """``np.broadcast_to``, quicker where there is little to do."""
    if x.shape == shape:
        return x
    if shape[0] == 1 and x.shape == shape[1:]:
        return x[None]
    return np.broadcast_to(x, shape)


class Collector:
    """Fills arrays of the shapes that :func:`layout` gives."""

    def __init__(
        self, p: Program, trials: Array, t0: int, steps: int, arrays: Mapping[str, Array]
    ) -> None:
        self.p, self.trials, self.t0, self.steps, self.arrays = p, trials, t0, steps, arrays
        self._row = {key: i for i, key in enumerate(ledger_keys(p))}
        self._probes: dict[str, list[tuple[Probe, int]]] = {q.name: [] for q in p.populations}
        for probe in p.probes:
            q = p.population(probe.population)
            index = -1 if probe.value == "spikes" else q.value(probe.value)
            self._probes[q.name].append((probe, index))
        self._watches: dict[str, list[tuple[str, int, int, int]]] = {
            q.name: [] for q in p.populations
        }
        for w in p.watches:
            index = p.population(w.population).value(w.value)
            self._watches[w.population].append((w.key, index, w.lo, w.hi))

    def start(self) -> None:
        """Reset the ledger; call once, before the first step."""
        self.arrays["ledger"][:] = (0, 0, 0, 0, _HIGH, _LOW)

    def step(
        self,
        q: Population,
        t: int,
        count: int,
        values: Sequence[Array],
        wide: Mapping[int, Array],
    ) -> None:
        """Take the values of ``count`` steps from ``t`` on; they broadcast to [count, T, size]."""
        shape = (count, len(self.trials), q.size)
        for probe, index in self._probes[q.name]:
            if count == 1:
                if t < probe.offset or (t - probe.offset) % probe.every:
                    continue
                pick: Any = slice(None)
            else:
                pick = sample_steps(probe, t, count) - t
            to = slice(_before(probe, t), _before(probe, t + count))
            to = slice(to.start - _before(probe, self.t0), to.stop - _before(probe, self.t0))
            value = values[index] if index >= 0 else values[q.spike]  # type: ignore[index]
            taken = _spread(value, shape)[pick]
            if index < 0:
                self.arrays[f"events:{probe.key}"][to] = taken
            elif probe.reduce:
                moments = Moments.of(taken.astype(q.nodes[index].dtype.storage))
                self.arrays[f"mean:{probe.key}"][to] = moments.mean
                self.arrays[f"m2:{probe.key}"][to] = moments.m2
            else:
                self.arrays[f"trace:{probe.key}"][to] = taken
        for key, index, lo, hi in self._watches[q.name]:
            self._watch(key, _spread(values[index], shape), lo, hi, t)
        for i, value in wide.items():
            dtype = q.nodes[i].dtype
            self.trap(f"trap:{q.name}.%{i}", _spread(value, shape), dtype, t)

    def trap(self, key: str, values: Array, dtype: Any, t: int) -> None:
        """Count exact results [count, T, size] of an operation of mode ``trap``."""
        assert isinstance(dtype, Int)
        self._watch(key, values, dtype.lo, dtype.hi, t)

    def _watch(self, key: str, x: Array, lo: int, hi: int, t: int) -> None:
        low, high = int(x.min()), int(x.max())
        row = self.arrays["ledger"][self._row[key]]
        row[4], row[5] = min(int(row[4]), low), max(int(row[5]), high)
        if low < lo or high > hi:
            outside = (x < lo) | (x > hi)
            if row[0] == 0:
                step, trial, element = np.unravel_index(int(np.argmax(outside)), x.shape)
                row[1:4] = t + step, trial, element
            row[0] += np.count_nonzero(outside)

    def probes(self) -> Probes:
        """All that was collected, as the protocol has it; arrays are copied."""
        p, a = self.p, self.arrays
        out = Probes(self.t0, self.steps, self.trials)
        for probe in p.probes:
            if probe.value == "spikes":
                steps = sample_steps(probe, self.t0, self.steps)
                found = np.nonzero(a[f"events:{probe.key}"].transpose(1, 0, 2))
                trial, step, element = found
                out.events[probe.population] = Events(self.trials[trial], steps[step], element)
            elif probe.reduce:
                mean, m2 = np.array(a[f"mean:{probe.key}"]), np.array(a[f"m2:{probe.key}"])
                out.moments[probe.key] = Moments(len(self.trials), mean, m2)
            else:
                out.traces[probe.key] = np.array(a[f"trace:{probe.key}"])
        if self.steps:
            for key, i in self._row.items():
                count, step, trial, element, low, high = (int(x) for x in a["ledger"][i])
                first = (step, int(self.trials[trial]), element) if count else None
                out.ledger[key] = LedgerRow(count, first, low, high)
        return out
