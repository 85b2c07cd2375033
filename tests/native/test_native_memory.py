"""Memory and threads that outlast a run: kept warm, handed out once, given up where they fail."""

from __future__ import annotations

import os
import sys
import threading
import time

import numba
import numpy as np
import pytest

import neurohw_native
from neurohw.program import Probe, Program, initial_state
from neurohw.reference import ReferenceRun
from neurohw_native import blas, collect, scratch, threads
from neurohw_native.scratch import Memory, Pool
from neurohw_native.threads import share

# memory ------------------------------------------------------------------------------------------


def test_a_block_is_in_one_hand_at_a_time_and_comes_back() -> None:
    pool = Pool()
    a, b = pool.take(1000), pool.take(1000)
    assert len(a) >= 1000 and not np.shares_memory(a, b)
    assert a.ctypes.data % scratch.LINE == 0
    pool.give([a])
    c = pool.take(500)
    assert np.shares_memory(c, a)
    assert not np.shares_memory(pool.take(500), a)


def test_the_smallest_block_that_fits_is_taken() -> None:
    pool = Pool()
    sizes = (5000, 100, 1000)
    pool.give([np.zeros(n, np.uint8) for n in sizes])
    assert [len(pool.take(n)) for n in (90, 200, 200)] == [100, 1000, 5000]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "KEPT", 1000)
    pool = Pool()
    pool.give([np.zeros(n, np.uint8) for n in (300, 600, 500, 1200, 90)])
    assert [len(pool.take(n)) for n in (550, 250, 80)] == [600, 300, 90]
    large = np.zeros(1001, np.uint8)
    pool.give([large])
    assert not np.shares_memory(pool.take(1001), large)


def test_room_follows_what_was_seen_and_holds_a_step_of_all() -> None:
    memory = Memory(Pool())
    _, lane, end = memory.notes(0, 200, 50)
    assert len(lane) >= 200 and len(end) == 50 and not np.shares_memory(lane, end)
    memory.saw(0, 5000, 200, 50)
    _, lane, _ = memory.notes(0, 400, 50)
    assert len(lane) >= 10_000
    memory.saw(0, 0, 200, 0)  # a call of no steps says nothing
    assert memory.rates == {0: 0.5}


def test_spikes_beyond_the_room_are_kept(kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A threshold that all pass at once, after a long silence: nothing foretold it."""
    monkeypatch.setattr(Memory, "saw", lambda *_: None)
    p = Program("p", trials=3, populations=(kit.noisy("N", 70, threshold=-(2**22)),),
                probes=(Probe("N", "spikes", 3, 1),))  # fmt: skip
    assert kit.equal(p, 100) == 33 * 3 * 70


def test_runs_do_not_write_to_what_earlier_ones_returned(kit) -> None:
    p = Program("p", trials=40, populations=(kit.noisy("N", 20),), probes=(Probe("N", "spikes"),))
    run, state = neurohw_native.backend().compile(p), initial_state(p)
    first = run(state, None, 0, 300)[1].events["N"]
    kept = [x.copy() for x in (first.trial, first.step, first.element)]
    for t0 in (300, 600, 900):
        run(state, None, t0, 300)
    for x, y in zip((first.trial, first.step, first.element), kept, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("size,trials", [(1, 700), (4000, 1), (300, 9)])
def test_events_of_many_blocks(
    kit, monkeypatch: pytest.MonkeyPatch, size: int, trials: int
) -> None:
    """Whole trials, parts of one, and both orders of counting; threads put them in place."""
    monkeypatch.setattr(collect, "MANY", 0)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    p = Program("p", trials=trials, populations=(kit.noisy("N", size),),
                probes=(Probe("N", "spikes"),))  # fmt: skip
    assert kit.equal(p, 90, t0=2**31 - 40) > 100  # over the edge of 32 bits
    monkeypatch.setattr(collect, "COUNTERS", 0)
    assert kit.equal(p, 90, t0=2**31 - 140) > 100


# threads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
def test_work_is_shared_and_comes_back_in_order(count: int) -> None:
    seen = set()

    def work(x: int) -> int:
        seen.add(threading.get_ident())
        time.sleep(0.002)
        return x * x

    assert share(work, range(20), count) == [x * x for x in range(20)]
    assert threading.get_ident() in seen
    assert (len(seen) > 1) == (count > 1)
    assert share(work, [], count) == []


@pytest.mark.parametrize("bad", [0, 7])
def test_the_first_failure_ends_all(bad: int) -> None:
    done, stop = [], threading.Event()

    def work(x: int) -> None:
        if x == bad:
            raise ValueError(x)
        time.sleep(0.01)
        done.append(x)

    with pytest.raises(ValueError, match=str(bad)):
        share(work, range(1000), 3, stop)
    assert stop.is_set() and len(done) < 100


def test_work_within_work_and_busy_helpers() -> None:
    """More sharers than helpers: whoever finds none does all himself."""
    outer = range(4 * numba.config.NUMBA_NUM_THREADS)
    got = share(lambda x: sum(share(lambda y: x * y, range(30), 4)), outer, len(outer))
    assert got == [x * sum(range(30)) for x in outer]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own() -> None:
    share(abs, range(4), 2)  # there are helpers now
    out, into = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(into, bytes(share(abs, range(100), 2)))
        finally:
            os._exit(0)
    os.close(into)
    assert os.read(out, 1000) == bytes(range(100))
    os.waitpid(pid, 0)
    os.close(out)
    assert threads._pool is not None


# products ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_product_in_parts(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against binary64, within the bound of docs/program.md, section 8."""
    monkeypatch.setattr(blas, "PAYS", 0.0)
    rng, n = np.random.default_rng(2), 90
    x, w = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((101, n), (31, n)))
    wide = np.full((101, 40), np.nan, np.float32)
    out = wide[:, :31]
    exact, size = x.astype(float) @ w.T.astype(float), np.abs(x).astype(float) @ np.abs(w.T)
    u = n * 2.0**-24
    blas.multiply_by(x, w, out, True, count)
    assert (np.abs(out - exact) <= u / (1 - u) * size).all() and np.isnan(wide[:, 31:]).all()
    v = 2 * n * 2.0**-24
    blas.multiply_by(x, w, out, False, count)
    assert (np.abs(out - 2 * exact) <= v / (1 - v) * 2 * size).all()


def test_blas_is_left_as_it_was() -> None:
    control = blas._control()
    if control is None:
        pytest.skip("a BLAS whose threads nobody can count")
    before, seen = control[0](), []

    def work(k: int) -> None:
        with blas._alone():
            time.sleep(0.001 * (k % 3))
            seen.append(control[0]())

    share(work, range(30), 3)
    assert set(seen) == {1} and control[0]() == before


@pytest.mark.skipif(sys.platform == "win32", reason="a library does not show what it depends on")
def test_numpy_wheels_have_a_blas_that_we_know() -> None:
    """Its threads would fight the kernels for the cores without a word."""
    name = np.show_config("dicts")["Build Dependencies"]["blas"]["name"]
    assert (blas._control() is not None) == ("openblas" in name)


def test_a_run_equals_the_reference_whatever_the_threads(kit) -> None:
    p = Program("p", trials=7, populations=(kit.noisy("N", 50),), probes=(Probe("N", "spikes"),))
    want = ReferenceRun(p)(initial_state(p), None, 0, 200)[1].events["N"]
    run, used = neurohw_native.backend().compile(p), numba.get_num_threads()
    try:
        for n in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(n)
            got = run(initial_state(p), None, 0, 200)[1].events["N"]
            for name in ("trial", "step", "element"):
                np.testing.assert_array_equal(getattr(got, name), getattr(want, name), strict=True)
    finally:
        numba.set_num_threads(used)
