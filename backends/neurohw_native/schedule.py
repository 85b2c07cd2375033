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
from neurohw_native.threads import PAYS, apart, share, workers

__all__ = ["Done", "Pace", "compute", "partition"]

Array = np.ndarray
LANES = 1536  # per block: many, so that a step costs more than its calls; few, for the caches
SECONDS = 0.2  # aimed at per kernel call, so that an interrupt is heard
TRIAL = 64  # steps after which the cost of a step is known
LONG = 2e-3  # seconds of work from which on a team pays what it takes to start its threads
MEETING = 1e-6  # seconds of work between two meetings of threads from which on a team may pay
FORGET = 0.95  # what ``Pace.hope`` is multiplied by with every span
SOON, FEW = 0.3, 4  # the same before so many trials: a processor that was idle is slow for a while


@dataclass
class Pace:
    """What a kernel was last seen to take.

    Attributes
    ----------
    seconds : float
        Per lane and step; 0 before.
    teams : dict
        Seconds per step of fewer trials than threads, by the number of threads that share them.
    parts : int
        That number, of late.
    tried, hope : int, float
        How often the other number was tried; what its seconds are multiplied by, less and less, so
        that what was slow once is tried again.
    """

    seconds: float = 0.0
    teams: dict[int, float] = field(default_factory=dict)
    parts: int = 1
    tried: int = 0
    hope: float = 1.0


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
    with workers(threads - 1) as pool:
        for parts, n, counts in _plan(steps, threads, call.tables.window, pace):
            rings, bar = call.rings(teams[parts][0].block), np.zeros(BARRIER, np.int64)
            begin = time.perf_counter()
            _together(pool, call, kernel, teams[parts], t, n, (True, True), rings, bar)
            if n and counts:
                pace.teams[parts] = (time.perf_counter() - begin) / n
                pace.seconds = pace.teams[1] / teams[1][0].block.lanes
            t += n
    assert t == end
    return [done for team in teams.values() for done in team if done.spans]


def _plan(steps: int, threads: int, window: int, pace: Pace) -> Iterator[tuple[int, int, bool]]:
    """(parts, steps, whether what they take counts) of what to run next, as ``pace`` has it then.

    The first steps of either kind find cold caches and fresh memory, and do not count.
    """
    left, costs = steps, pace.teams

    def some(n: int) -> int:
        nonlocal left
        n = min(left, n)
        left -= n
        return n

    def enough(cost: float) -> int:
        """Steps that say what one costs: a call itself may cost as much as hundreds."""
        return max(TRIAL, int(LONG / cost), left // 20)

    if 1 not in costs:
        yield 1, some(8), False
        if left:
            yield 1, some(TRIAL), True
        if left:
            yield 1, some(enough(costs[1])), True
    while left:
        pays = costs[1] * window > MEETING and costs[1] * left > 4 * LONG
        now = threads if pays and pace.parts == threads and threads in costs else 1
        other = threads if now == 1 else 1
        span = max(8, int(SECONDS / costs[now]) // 8 * 8)
        if not pays or costs[now] <= costs.get(other, 0.0) * pace.hope:
            yield now, some(span), True
            pace.hope *= SOON if pace.tried < FEW else FORGET
            continue
        yield other, some(TRIAL), False
        if left:
            # what a call costs hides in a long one: the last of the few trials is as long
            whole = pace.tried == FEW - 1 and costs[other] < 2 * costs[now]
            yield other, some(span if whole else enough(costs[now])), True
            pace.tried, pace.hope = pace.tried + 1, 1.0
            if costs[other] < costs[now]:
                pace.parts = other


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
            with apart(done.block.part, len(team)):
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
