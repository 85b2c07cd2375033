"""From what blocks returned to records: events in order, the ledger, moments over all trials."""

from __future__ import annotations

import numpy as np

from neurohw.program import Events, LedgerRow, Moments, Probes
from neurohw_native.records import place, tally
from neurohw_native.schedule import Done
from neurohw_native.tables import Call

__all__ = ["collect"]

Array = np.ndarray
COUNTERS = 1 << 24  # of events by trial and step; beyond, they are sorted


def collect(call: Call, blocks: list[Done], steps: int, out: Probes) -> None:
    """Add the records of a span of ``steps`` steps to ``out``."""
    p, kernel = call.tables.program, call.tables.kernel
    for j, name in enumerate(kernel.events):
        pop = [plan.pop.name for plan in kernel.pops].index(name)
        out.events[name] = _events(call, blocks, pop, 2 * j, steps)
    for j, trace in call.traces.views.items():
        out.traces[p.probes[j].key] = trace
    for j in call.traces.moments:
        out.moments[p.probes[j].key] = _moments(call, blocks, j)
    if not steps:
        return
    for m, (pop, row) in enumerate(kernel.watches):
        key = kernel.pops[pop].watches[row].key
        for done in blocks:
            e0, w = _range(done, pop)
            count, step, lane, low, high = (int(v) for v in done.ledger[m])
            if low > high:  # a part that no element fell to
                continue
            trial = int(call.trials[done.block.b0 + lane // w])
            new = LedgerRow(count, (step, trial, e0 + lane % w) if count else None, low, high)
            out.ledger[key] = out.ledger[key].merge(new) if key in out.ledger else new


def _range(done: Done, pop: int) -> tuple[int, int]:
    """First element of a block, and their number."""
    e0, e1 = done.block.cut[pop, done.block.part : done.block.part + 2]
    return int(e0), int(e1 - e0)


def _events(call: Call, blocks: list[Done], pop: int, at: int, steps: int) -> Events:
    """All events of a population, ascending in (trial, step, element).

    Those of a block come in the order (step, trial, element). Where blocks hold whole trials it is
    enough to count them by trial; else by trial and step.
    """
    found = []
    for done in blocks:
        e0, w = _range(done, pop)
        for t, arrays in done.spans:
            if len(arrays[at]):
                found.append((e0, t, done.block.b0, w, arrays[at], arrays[at + 1]))
    trials, size = len(call.trials), int(call.tables.sizes[pop])
    whole = all(w == size for _, _, _, w, _, _ in found)
    if not whole:
        found.sort(key=lambda f: f[0])
    wide = 1 if whole or trials * steps > COUNTERS else steps
    count = np.zeros(trials * wide, np.int64)
    for _, t, b0, w, lane, row in found:
        tally(lane, row, t, b0, w, wide, count)
    start = np.cumsum(count) - count
    total = int(count.sum())
    trial, step, element = (np.empty(total, np.int64) for _ in range(3))
    for e0, t, b0, w, lane, row in found:
        place(lane, row, t, call.t0, b0, e0, w, wide, call.trials, start, trial, step, element)
    if not whole and wide == 1:
        order = np.lexsort((element, step, trial))
        trial, step, element = trial[order], step[order], element[order]
    return Events(trial, step, element)


def _moments(call: Call, blocks: list[Done], probe: int) -> Moments:
    """Moments over all trials: each task's are complete in its own array."""
    start, samples, size = call.traces.moments[probe]
    p = call.tables.program
    pop = [plan.pop.name for plan in call.tables.kernel.pops].index(p.probes[probe].population)
    tasks: dict[int, Moments] = {}
    for done in blocks:
        first = done.block.b0 - done.block.before
        e0, w = _range(done, pop)
        part = done.moments[start : start + samples * 2 * size].reshape(samples, 2, size)
        new = tasks.setdefault(
            first, Moments(0, np.empty((samples, size)), np.empty((samples, size)))
        )
        new.mean[:, e0 : e0 + w] = part[:, 0, e0 : e0 + w]
        new.m2[:, e0 : e0 + w] = part[:, 1, e0 : e0 + w]
        count = max(new.count, done.block.before + done.block.trials)
        tasks[first] = Moments(count, new.mean, new.m2)
    first, *others = (tasks[k] for k in sorted(tasks))
    for other in others:
        first = first.merge(other)
    return first
