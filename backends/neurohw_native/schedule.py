"""Who computes what: blocks of trials and elements, tasks for threads, teams that share a trial."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np

from neurohw_native.jit import BARRIER, BROKEN
from neurohw_native.tables import Block, Call
from neurohw_native.threads import PAYS, share

__all__ = ["Done", "Pace", "compute", "partition"]

Array = np.ndarray
LANES = 1536  # per block: many, so that a step costs more than its calls; few, for the caches
SECONDS = 0.2  # aimed at per kernel call, so that an interrupt is heard
TRIAL = 64  # steps after which the cost of a step is known
LONG = 2e-3  # seconds of work from which on a team pays what it takes to start its threads
MEETING = 1e-6  # seconds of work between two meetings of threads from which on a team may pay


@dataclass
class Pace:
    """Seconds per lane and step of a kernel, as last seen; 0 before."""

    seconds: float = 0.0


@dataclass
class Done:
    """What a block returned: per span its first step, and of each population in ``Kernel.events``
    the lanes of all spikes and their number up to each step; these lie in ``blocks`` of memory that
    are to be given back."""

    block: Block
    ledger: Array
    moments: Array
    spans: list[tuple[int, list[tuple[Array, Array]]]] = field(default_factory=list)
    blocks: list[Array] = field(default_factory=list)


def partition(
    trials: int, sizes: Array, coupled: bool, threads: int, grouped: bool
) -> list[list[Block]]:
    """Cut the work into tasks, lists of blocks to be run one after the other.

    Any cut gives the same result, but for the last bits of moments, which blocks of one task share
    (``grouped``).
    """
    size = int(sizes.sum())
    shares = threads * -(-trials * size // (LANES * threads))  # as many for each thread
    lanes = max(64, -(-trials * size // shares))
    if coupled or size <= lanes:
        count = max(1, min(lanes // size, -(-trials // threads)))
        cuts = [np.stack([0 * sizes, sizes], axis=1)]
    else:
        count, parts = 1, -(-size // lanes)
        width = -(-size // parts // 32) * 32
        cuts = [np.array([[e, min(e + width, size)]]) for e in range(0, size, width)]
    starts = range(0, trials, count)
    together = -(-len(starts) // (4 * threads)) if grouped else 1
    tasks = []
    for i in range(0, len(starts), together):
        for cut in cuts:
            tasks.append(
                [
                    Block(b, min(count, trials - b), cut, before=b - starts[i])
                    for b in starts[i : i + together]
                ]
            )
    return tasks


def compute(call: Call, kernel: Callable[..., Any], steps: int, pace: Pace) -> list[Done]:
    """Run all trials for ``steps`` steps; ``pace`` is remembered from call to call."""
    threads = numba.get_num_threads()
    trials, tables = len(call.trials), call.tables
    coupled = tables.kernel.coupled
    work = (pace.seconds or 1e-9) * trials * int(tables.sizes.sum()) * steps  # in seconds
    if coupled and trials < threads and not (pace.seconds and work < 4 * LONG):
        return _team(call, kernel, steps, threads, pace)
    if work < PAYS or (coupled and trials < threads):
        threads = 1
    tasks = partition(trials, tables.sizes, coupled, threads, call.traces.length > 0)
    stop = threading.Event()

    def run(task: list[Block]) -> list[Done]:
        moments = np.zeros(call.traces.length)
        return [_advance(call, kernel, block, steps, moments, pace, stop) for block in task]

    return [done for found in share(run, tasks, threads, stop) for done in found]


def _advance(
    call: Call,
    kernel: Callable[..., Any],
    block: Block,
    steps: int,
    moments: Array,
    pace: Pace,
    stop: threading.Event,
) -> Done:
    """Run a block that nobody else works on."""
    done = Done(block, call.tables.empty_ledger(), moments)
    rings, bar = call.rings(block), np.zeros(BARRIER, np.int64)
    t, end = call.t0, call.t0 + steps
    while not done.spans or t < end:
        span = int(SECONDS / (pace.seconds * block.lanes)) if pace.seconds else TRIAL
        n = min(end - t, max(8, (t + span) // 8 * 8 - t))
        begin = time.perf_counter()
        _call(call, kernel, done, t, n, (t == call.t0, t + n == end), rings, bar)
        if n:
            pace.seconds = (time.perf_counter() - begin) / (n * block.lanes)
        t += n
        if stop.is_set():
            break
    return done


def _call(
    call: Call,
    kernel: Callable[..., Any],
    done: Done,
    t: int,
    n: int,
    ends: tuple[bool, bool],
    rings: dict[tuple[str, str], Array],
    bar: Array,
) -> None:
    b, memory = done.block, call.tables.memory
    notes: dict[tuple[str, str], Array] = {}
    for j, name in enumerate(call.tables.kernel.events):
        block, notes["lane", name], notes["end", name] = memory.notes(j, b.lanes, n)
        done.blocks.append(block)
    window, rows = call.tables.window, call.tables.rows
    geometry = (b.b0, b.trials, t, n, b.part, b.parts, window, rows, b.before, *map(int, ends))
    arguments = call.arguments(b, t, done.ledger, rings | notes, done.moments, bar)
    out = kernel(geometry, *arguments)
    found = []
    for j, name in enumerate(call.tables.kernel.events):
        lane, m = out[2 * j : 2 * j + 2]
        memory.saw(j, m, b.lanes, n)
        found.append((lane[:m], notes["end", name]))
    done.spans.append((t, found))


def _team(
    call: Call, kernel: Callable[..., Any], steps: int, threads: int, pace: Pace
) -> list[Done]:
    """Run fewer trials than threads: alone, or with their elements cut among the threads.

    What is faster depends on the network and on what else the machine does, so both are tried.
    """
    trials = len(call.trials)
    moments = np.zeros(call.traces.length)
    teams = {}
    for parts in (1, threads):
        cut = call.tables.cut(parts)
        blocks = [Block(0, trials, cut, part, parts) for part in range(parts)]
        teams[parts] = [Done(b, call.tables.empty_ledger(), moments) for b in blocks]
    t, end = call.t0, call.t0 + steps
    with ThreadPoolExecutor(threads - 1) as pool:
        for parts, n in _plan(call, steps, threads, (cost := {})):
            spans = _spans(t, n, cost.get(parts))
            rings, bar = call.rings(teams[parts][0].block), np.zeros(BARRIER, np.int64)
            begin = time.perf_counter()
            for a, m in spans:
                last = (a == t, a + m == t + n)
                _together(pool, call, kernel, teams[parts], a, m, last, rings, bar)
            if n:
                cost[parts] = (time.perf_counter() - begin) / n
                if parts == 1:
                    pace.seconds = cost[1] / teams[1][0].block.lanes
            t += n
    assert t == end
    return [done for team in teams.values() for done in team if done.spans]


def _plan(
    call: Call, steps: int, threads: int, cost: dict[int, float]
) -> Iterator[tuple[int, int]]:
    """(parts, steps) of what to run next, given the seconds per step seen so far."""
    left = steps - min(steps, 8)
    yield 1, steps - left  # the first steps find cold caches: what they cost does not count
    if left:
        yield 1, min(left, TRIAL)
        left -= min(left, TRIAL)
    if left and cost[1] * call.tables.window > MEETING and cost[1] * left > 4 * LONG:
        second = min(left, max(TRIAL, int(LONG / cost[1])))  # starting threads is not to count
        yield threads, second
        left -= second
    if left:
        yield min(cost, key=lambda parts: cost[parts]), left


def _spans(t: int, n: int, cost: float | None) -> list[tuple[int, int]]:
    """Cut ``n`` steps from ``t`` on so that no call takes long."""
    size = n if cost is None else max(8, int(SECONDS / cost) // 8 * 8)
    return [(a, min(size, t + n - a)) for a in range(t, t + n, max(1, size))] or [(t, 0)]


def _together(
    pool: ThreadPoolExecutor,
    call: Call,
    kernel: Callable[..., Any],
    team: list[Done],
    t: int,
    n: int,
    ends: tuple[bool, bool],
    rings: dict[tuple[str, str], Array],
    bar: Array,
) -> None:
    """Run one span of a team, this thread being one of it; all return, or all fail."""

    def work(done: Done) -> None:
        try:
            _call(call, kernel, done, t, n, ends, rings, bar)
        except BaseException:
            bar[BROKEN] = 1  # nobody is to wait for this one
            raise

    futures = []
    try:
        futures = [pool.submit(work, done) for done in team[1:]]
        work(team[0])
    except BaseException:
        bar[BROKEN] = 1
        raise
    finally:
        wait(futures)
    for f in futures:
        f.result()
