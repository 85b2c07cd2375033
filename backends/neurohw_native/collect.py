"""From what blocks returned to records: events in order, the ledger, moments over all trials."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from neurohw.program import Events, LedgerRow, Moments, Probes
from neurohw_native.records import place, tally
from neurohw_native.schedule import Done
from neurohw_native.tables import Call
from neurohw_native.threads import share

__all__ = ["collect", "events", "prepare"]

Array = np.ndarray
COUNTERS = 1 << 24  # of events by trial and step; beyond, they are sorted
MANY = 1 << 17  # events from which on threads pay


def collect(call: Call, blocks: list[Done], steps: int, out: Probes) -> None:
    """Add the records of a span of ``steps`` steps to ``out``, all but the events."""
    p, kernel = call.tables.program, call.tables.kernel
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


def events(call: Call, blocks: list[Done], steps: int) -> dict[str, Events]:
    """All events of a run of ``steps`` steps, by population.

    ``call`` is that of the run's first span, ``blocks`` are those of all spans; the memory that
    they hold is given back.
    """
    kernel = call.tables.kernel
    names = [plan.pop.name for plan in kernel.pops]
    found = {
        x: _events(call, blocks, names.index(x), j, steps) for j, x in enumerate(kernel.events)
    }
    call.tables.memory.pool.give(x for done in blocks for x in done.blocks)
    return found


@dataclass
class _Found:
    """What a call found in a population: events in the order (step, trial, element)."""

    first: int  # element
    width: int
    trials: slice
    steps: slice
    lane: Array
    end: Array  # number of events up to each step


def prepare() -> None:
    """Compile or fetch what puts events in order, so that it is at hand when there are some."""
    one, count, trials = np.ones(1, np.int32), np.zeros((1, 1), np.int64), np.zeros(1, np.int64)
    tally(one, one, 2, count)
    place(one, one, 2, count - 1, trials, 0, 0, one.copy(), one.copy(), one.copy())


def _events(call: Call, blocks: list[Done], pop: int, at: int, steps: int) -> Events:
    """Those of a population, ascending in (trial, step, element).

    Where blocks hold whole trials it is enough to count them by trial; else by trial and step.
    Then each call's events know their places, whoever puts them there.
    """
    found = []
    for done in blocks:
        (first, width), b = _range(done, pop), done.block
        for t, spikes in done.spans:
            lane, end = spikes[at]
            if len(lane):
                t -= call.t0
                here = slice(b.b0, b.b0 + b.trials), slice(t, t + len(end))
                found.append(_Found(first, width, *here, lane, end))
    found.sort(key=lambda f: (f.first, f.steps.start))
    whole = all(f.width == call.tables.sizes[pop] for f in found)
    total, trials = sum(len(f.lane) for f in found), len(call.trials)
    finely = not whole and trials * steps <= COUNTERS
    threads = numba.get_num_threads() if total > MANY else 1

    def counted(f: _Found) -> Array:
        count = np.zeros((f.trials.stop - f.trials.start, len(f.end) if finely else 1), np.int64)
        tally(f.lane, f.end, f.width, count)
        return count

    counts = share(counted, found, threads)
    cells = [(f.trials, f.steps if finely else slice(1)) for f in found]
    free = np.zeros((trials, steps if finely else 1), np.int64)
    for here, count in zip(cells, counts, strict=True):
        free[here] += count
    free = (np.cumsum(free) - free.ravel()).reshape(free.shape)
    starts = []
    for here, count in zip(cells, counts, strict=True):
        starts.append(free[here].copy())
        free[here] += count
    kinds = (_kind(call.trials[-1]), _kind(call.t0 + steps), np.int32)
    columns = tuple(np.empty(total, x) for x in kinds)

    def put(task: tuple[_Found, Array]) -> None:
        f, start = task
        t = call.t0 + f.steps.start
        place(f.lane, f.end, f.width, start, call.trials[f.trials], t, f.first, *columns)

    share(put, list(zip(found, starts, strict=True)), threads)
    if not whole and not finely:
        order = np.lexsort(columns[::-1])
        columns = tuple(x[order] for x in columns)
    return Events(*columns)


def _kind(largest: int) -> type[np.integer]:
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64


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
