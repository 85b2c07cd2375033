"""Several threads on one trial: elements are cut among them, and no bit depends on it."""

from __future__ import annotations

import os
import threading
from collections import Counter

import numba
import numpy as np
import pytest

import neurohw_native
from neurohw.errors import OverflowTrap
from neurohw.program import (
    F32,
    Builder,
    Dense,
    Edge,
    Int,
    Population,
    Probe,
    Program,
    Sparse,
    Watch,
    freeze,
    initial_state,
)
from neurohw.reference import ReferenceRun
from neurohw_native import schedule
from neurohw_native.jit import BARRIER, BROKEN, barrier, jit
from neurohw_native.spikes import SLACK, divide, spiking
from neurohw_native.threads import apart, workers


@pytest.fixture(params=[2, 3])
def team(request, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Always take a team after the first steps; the parts of each kernel call are noted."""
    seen: list[int] = []
    call = schedule._call

    def noted(given, kernel, done, *rest):
        seen.append(done.block.parts)
        return call(given, kernel, done, *rest)

    monkeypatch.setattr(schedule, "TRIAL", 8)
    monkeypatch.setattr(schedule, "MEETING", -1.0)
    monkeypatch.setattr(schedule, "LONG", 0.0)
    monkeypatch.setattr(schedule, "_call", noted)
    monkeypatch.setattr(numba, "get_num_threads", lambda: request.param)
    return seen


def net(kit, n: int, trials: int = 1, delays=(0, 1, 3, 20), seed: int = 1) -> Program:
    pops = (
        kit.noisy("A", n, port=True),
        kit.noisy("B", n, port=True),
        kit.noisy("C", 5, port=True),
    )
    zero, one, three, long = delays
    edges = (
        Edge("A", "B", "in", kit.weights("dense", n, 1), zero),
        Edge("B", "A", "in", kit.weights("sparse", n, 2), one),
        Edge("A", "A", "in", kit.weights("one", n, 3), three),
        Edge("A", "B", "in", kit.weights("sparse", n, 4), long),
        Edge("C", "C", "in", kit.weights("dense", 5, 5), one),
    )
    probes = (
        Probe("A", "spikes"),
        Probe("B", "spikes", 2, 1),
        Probe("B", "v", 3, 2),
        Probe("C", "v"),
        Probe("B", "v", 1, 0, "moments"),
    )
    watches = (Watch("A", "v", -20000, 7000), Watch("C", "v", -10, 10))
    return Program(
        "net",
        seed=seed,
        trials=trials,
        populations=pops,
        edges=edges,
        probes=probes,
        watches=watches,
    )


@pytest.mark.parametrize("delays", [(0, 1, 3, 20), (2, 3, 3, 3), (7, 9, 40, 8)])
def test_a_team_gives_the_same_bits(kit, team: list[int], delays) -> None:
    p = net(kit, 203, delays=delays)
    assert kit.equal(p, 70, t0=5) > 300
    assert set(team) >= {1, numba.get_num_threads()}


def test_spikes_are_in_order_where_a_team_is_given_up(kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """5 neurons are all in one part of two, as they are where nobody shares the trial."""
    monkeypatch.setattr(schedule, "LONG", 0.0)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    plan = [(1, 20, True), (2, 20, True), (1, 40, True)]
    monkeypatch.setattr(schedule, "_plan", lambda steps, *_: plan if steps else [(1, 0, False)])
    pops = (kit.noisy("A", 5, threshold=2000, port=True), kit.noisy("B", 200))
    w = np.random.default_rng(4).integers(-3000, 3000, (5, 200))
    edge = Edge("B", "A", "in", Dense(Int(14), freeze(w, Int(14))), 3)
    p = Program("p", populations=pops, edges=(edge,), probes=(Probe("A", "spikes"),))
    assert kit.equal(p, 80) > 50


def planned(pace: schedule.Pace, steps: int, cost: dict[int, float], window: int = 4) -> Counter:
    """Steps by number of threads of a run on a machine with these seconds per step."""
    done: Counter = Counter()
    for parts, n, counts in schedule._plan(steps, max(*cost, 2), window, pace):
        done[parts] += n
        if n and counts:
            pace.teams[parts] = cost[parts]
    assert sum(done.values()) == steps
    return done


def test_a_team_is_taken_where_it_is_faster() -> None:
    """And what was seen is remembered: the other number is tried a few times, and then rarely."""
    for cost, best in (({1: 2e-5, 2: 1e-5}, 2), ({1: 2e-5, 2: 5e-5}, 1)):
        pace = schedule.Pace()
        runs = [planned(pace, 10_000, cost) for _ in range(60)]
        assert pace.parts == best and runs[0][best] > 8_000
        assert all(r[best] > 9_000 for r in runs[1:])
        assert sum(r[best] == 10_000 for r in runs[10:]) > 45


def test_what_was_slow_once_is_tried_again() -> None:
    """The other processor sleeps at first; later it is busy, or wakes up."""
    pace = schedule.Pace()
    planned(pace, 10_000, {1: 2e-5, 2: 9e-5})
    assert pace.parts == 1
    early = [planned(pace, 10_000, {1: 2e-5, 2: 1e-5})[2] for _ in range(4)]
    assert early[-1] > 9_000
    busy = [planned(pace, 10_000, {1: 2e-5, 2: 9e-5})[1] for _ in range(3)]
    assert busy[-1] > 9_000 and pace.parts == 1
    late = [planned(pace, 10_000, {1: 2e-5, 2: 1e-5})[2] for _ in range(60)]
    assert late[-1] == 10_000


def test_the_number_of_threads_may_change_between_runs() -> None:
    pace = schedule.Pace()
    assert planned(pace, 10_000, {1: 2e-5, 2: 1e-5})[2] > 8_000 and pace.parts == 2
    assert planned(pace, 10_000, {1: 2e-5, 4: 5e-6}).keys() <= {1, 4} and pace.parts == 4
    assert planned(pace, 10_000, {1: 2e-5, 2: 1e-5}).keys() <= {1, 2}


def test_threads_are_not_asked_where_it_cannot_pay() -> None:
    short, meeting = schedule.Pace(), schedule.Pace()
    assert planned(short, 100, {1: 2e-5, 2: 1e-6})[2] == 0
    assert planned(meeting, 10**6, {1: 2e-7, 2: 1e-8}, window=1)[2] == 0
    assert planned(schedule.Pace(), 0, {1: 1.0}) == {1: 0}


def test_threads_of_a_team_have_processors_of_their_own() -> None:
    known = getattr(os, "sched_getaffinity", None)
    if known is None or len(known(0)) < 2:
        pytest.skip("the system lets no thread choose among processors")
    before = known(0)
    with apart(0, 2):
        one = known(0)
    with apart(1, 2):
        two = known(0)
    assert one and two and not one & two and one | two == before == known(0)
    with pytest.raises(KeyError), apart(0, 2):
        raise KeyError
    with apart(0, 1), apart(0, 10**6):
        assert known(0) == before
    assert known(0) == before


def test_teams_at_once_do_not_wait_for_one_another() -> None:
    """Whoever finds the threads of the process taken has threads of its own."""
    with workers(1) as first, workers(1) as second:
        assert first is not second
    with workers(1) as again:
        assert again is first


def test_fewer_trials_than_threads(kit, team: list[int]) -> None:
    assert kit.equal(net(kit, 90, trials=2), 60) > 200
    # two trials are a block each for two threads, and one block in parts for three
    assert (max(team) > 1) == (numba.get_num_threads() == 3)


def test_moments_of_a_team(kit, team: list[int]) -> None:
    p = net(kit, 90)
    state = initial_state(p)
    a = ReferenceRun(p)(state, None, 0, 60)[1].moments["B.v:moments"]
    b = neurohw_native.backend().compile(p)(state, None, 0, 60)[1].moments["B.v:moments"]
    np.testing.assert_array_equal(a.mean, b.mean)  # of one trial: the sample itself
    assert b.count == 1 and not b.m2.any()


def test_float_sums_keep_their_order(kit, team: list[int]) -> None:
    n, rng = 120, np.random.default_rng(0)

    def cell(name: str) -> Population:
        b = Builder(name, n)
        v = b.state("v", F32, 0.0)
        x = b.add(b.mul(v, b.const(0.9, F32), F32), b.port("in", F32), F32)
        x = b.add(x, b.const(0.2, F32), F32)
        s = b.compare("gt", x, b.const(1.0, F32))
        b.write("v", b.select(s, b.const(0.0, F32), x), name="v")
        b.spike(s)
        return b.build()

    def sparse(seed: int) -> Sparse:
        mask = rng.random((n, n)) < 0.4
        ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
        data = rng.normal(0, 0.1, int(mask.sum())).astype(np.float32)
        return Sparse(F32, ptr, np.nonzero(mask)[1], freeze(data, F32), n)

    edges = tuple(Edge("A", "A", "in", sparse(k), d) for k, d in enumerate((1, 4)))
    p = Program(
        "f", populations=(cell("A"),), edges=edges, probes=(Probe("A", "spikes"), Probe("A", "v"))
    )
    assert kit.equal(p, 60) > 200
    assert max(team) > 1


def test_an_error_ends_the_whole_team(
    kit, team: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits at the barrier for a thread that failed must not wait for ever."""
    p = net(kit, 90)
    run = neurohw_native.backend().compile(p)
    noted = schedule._call

    def broken(given, kernel, done, *rest):
        if done.block.parts > 1 and done.block.part == 1:
            raise MemoryError("planted")
        return noted(given, kernel, done, *rest)

    monkeypatch.setattr(schedule, "_call", broken)
    before = threading.active_count()
    with pytest.raises(MemoryError, match="planted"):
        run(initial_state(p), None, 0, 60)
    assert threading.active_count() == before


def test_a_trap_within_a_team(kit, team: list[int]) -> None:
    from neurohw.program import Int

    b = Builder("S", 100)
    v = b.state("v", Int(12))
    grown = b.add(v, b.port("in", Int(30)), Int(12), overflow="trap")
    b.write("v", b.add(grown, b.const(3, Int(12)), Int(12), overflow="saturate"))
    b.spike(b.compare("gt", v, b.const(90, Int(12))))
    edge = Edge("S", "S", "in", kit.weights("dense", 100, 8), 1)
    p = Program("trap", populations=(b.build(),), edges=(edge,))
    messages = []
    for run in (ReferenceRun(p), neurohw_native.backend().compile(p)):
        with pytest.raises(OverflowTrap) as caught:
            run(initial_state(p), None, 0, 60)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_barrier_keeps_threads_together_and_can_be_broken() -> None:
    @jit
    def walk(bar, threads, seen, me, rounds):
        late = 0
        for k in range(rounds):
            seen[me * 16] = k
            barrier(bar, threads)
            for other in range(threads):
                late += seen[other * 16] < k
            barrier(bar, threads)
        return late

    bar, seen = np.zeros(BARRIER, np.int64), np.zeros(48, np.int64)
    out: list[int] = []
    walk(np.zeros(BARRIER, np.int64), 1, seen, 0, 1)  # compiles
    crew = [
        threading.Thread(target=lambda me=me: out.append(walk(bar, 3, seen, me, 300)))
        for me in range(3)
    ]
    for t in crew:
        t.start()
    for t in crew:
        t.join(60)
    assert out == [0, 0, 0]

    alone = threading.Thread(target=lambda: barrier(bar, 2))
    alone.start()
    alone.join(0.2)
    assert alone.is_alive()
    bar[BROKEN] = 1
    alone.join(10)
    assert not alone.is_alive()


def test_rows_are_divided_where_parts_meet() -> None:
    rng = np.random.default_rng(3)
    mask = rng.random((40, 100)) < 0.2
    ptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    indices, cut = np.nonzero(mask)[1].astype(np.uint16), np.array([0, 32, 32, 96, 100])
    out = np.empty((40, 5), np.int64)
    divide(ptr, indices, cut, out)
    for s in range(40):
        row = indices[ptr[s] : ptr[s + 1]]
        np.testing.assert_array_equal(out[s] - ptr[s], np.searchsorted(row, cut))


@pytest.mark.parametrize("density", [0, 0.002, 0.3, 1])
def test_spiking_lists_the_flags(density: float) -> None:
    rng = np.random.default_rng(4)
    for n in (1, 63, 64, 65, 200, 448):
        flags = np.zeros((n + 63) // 64 * 64 + 64, np.uint8)
        flags[:] = rng.random(len(flags)) < density  # beyond n they are of no lane
        lane = np.full(n + SLACK + 64, -1, np.int32)
        c = spiking(flags.view(np.uint64), 0, n, n, lane, 0)
        np.testing.assert_array_equal(lane[:c], np.flatnonzero(flags[:n]))
        for first in range(0, n, 64):  # a tile after the other, behind what is listed already
            last = min(first + 64, n)
            c = spiking(flags.view(np.uint64), first, last, n, lane, c if first else 0)
        np.testing.assert_array_equal(lane[:c], np.flatnonzero(flags[:n]))
        assert (lane[n + SLACK :] == -1).all()
