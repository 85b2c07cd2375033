"""Blocks, threads, delays, draws, caching: what is particular to the native backend."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

import neurohw_native
from neurohw.backend import simulate
from neurohw.compare.numeric import moments_differ
from neurohw.errors import OverflowTrap, ProgramError
from neurohw.program import (
    BOOL,
    F32,
    Builder,
    Dense,
    Edge,
    Int,
    Probe,
    Program,
    Watch,
    freeze,
    initial_state,
)
from neurohw.reference import ReferenceRun

I24 = Int(24)


def test_random123_vectors_through_the_kernel() -> None:
    from neurohw_native.draws import _fill_word

    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0]
    for inputs, words in (
        ([0] * 6, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 6, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (pi, [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
    ):
        x = np.array(inputs, np.uint32)
        out = np.empty((4, 19), np.uint32)
        el, tr = np.full(19, x[0]), np.full(19, x[1])
        _fill_word(out[0], out[1], out[2], out[3], el, tr, *x[2:])
        assert (out == np.array(words, np.uint32)[:, None]).all()


@pytest.mark.parametrize("delay", [1, 2, 7, 8, 33, 70])
def test_recurrent_delays_of_all_kinds(delay: int, kit) -> None:
    n = 12
    pops = (kit.noisy("A", n, port=True), kit.noisy("B", n, port=True))
    edges = (
        Edge("A", "B", "in", kit.weights("dense", n, 1), 0),
        Edge("B", "A", "in", kit.weights("sparse", n, 2), delay),
        Edge("A", "A", "in", kit.weights("one", n, 3), delay),
        Edge("A", "B", "in", kit.weights("sparse", n, 4), 70),
    )
    probes = (Probe("A", "spikes"), Probe("B", "spikes"), Probe("B", "v", 3, 2))
    p = Program("net", seed=5, trials=5, populations=pops[::-1], edges=edges, probes=probes)
    assert kit.equal(p, 85, t0=delay) > 300
    assert kit.equal(p, 40, t0=3, trials=[1, 4]) > 20


def test_zero_delay_chain(kit) -> None:
    n = 9
    names = "DACB"  # declared out of order; the chain is A -> B -> C -> D
    pops = tuple(kit.noisy(k, n, port=True) for k in names)
    edges = tuple(
        Edge(a, b, "in", kit.weights("dense", n, ord(a)), 0) for a, b in ("AB", "BC", "CD", "AD")
    )
    p = Program(
        "chain",
        trials=3,
        populations=pops,
        edges=edges,
        probes=tuple(Probe(k, "spikes") for k in names),
    )
    assert kit.equal(p, 30) > 50


@pytest.mark.parametrize(("size", "trials"), [(1, 700), (3, 200), (1500, 1), (700, 3), (64, 9)])
def test_blocks_of_trials_and_of_elements(size: int, trials: int, kit) -> None:
    p = Program(
        "flat",
        seed=2**64 - 1,
        trials=trials,
        populations=(kit.noisy("N", size),),
        probes=(Probe("N", "spikes"), Probe("N", "v", 5, 1)),
        watches=(Watch("N", "v", -20000, 7000),),
    )
    assert kit.equal(p, 37, t0=2**34 - 40) > 100


def test_threads_do_not_matter_and_may_be_ours(kit) -> None:
    p = Program(
        "flat", trials=600, populations=(kit.noisy("N", 2),), probes=(Probe("N", "spikes"),)
    )
    run, state = neurohw_native.backend().compile(p), initial_state(p)
    used = numba.get_num_threads()
    results = []
    try:
        for n in (1, numba.config.NUMBA_NUM_THREADS):
            numba.set_num_threads(n)
            results.append(run(state, None, 5, 60)[1].events["N"])
    finally:
        numba.set_num_threads(used)
    with ThreadPoolExecutor(2) as pool:
        results += [
            f.result()[1].events["N"]
            for f in [pool.submit(run, state, None, 5, 60) for _ in range(3)]
        ]
    for r in results[1:]:
        for n in ("trial", "step", "element"):
            np.testing.assert_array_equal(getattr(r, n), getattr(results[0], n))


def test_float_sums_keep_their_order(kit) -> None:
    n = 40
    b = Builder("S", n)
    b.spike(b.external("x", BOOL))
    source = b.build()
    b = Builder("T", 3)
    b.name_value(b.port("in", F32), "sum")
    rng = np.random.default_rng(0)
    w = (rng.normal(size=(3, n)) * 10.0 ** rng.integers(-6, 6, (3, n))).astype(np.float32)
    edges = (
        Edge("S", "T", "in", Dense(F32, freeze(w, F32)), 2),
        Edge("S", "T", "in", Dense(F32, freeze(w[:, ::-1], F32)), 0),
    )
    p = Program(
        "sum", trials=4, populations=(b.build(), source), edges=edges, probes=(Probe("T", "sum"),)
    )
    kit.equal(p, 50, inputs={"S.x": rng.random((50, 4, n)) < 0.5})


def test_moments_are_streamed(monkeypatch: pytest.MonkeyPatch, kit) -> None:
    from neurohw_native import run as module

    monkeypatch.setattr(module, "MOMENT_BYTES", 1 << 12)
    for size in (1, 3):
        p = Program(
            "m",
            trials=150,  # more than two groups of the kernel
            populations=(kit.noisy("N", size),),
            probes=(Probe("N", "v", 2, 1, "moments"), Probe("N", "spikes")),
        )
        state = initial_state(p)
        a = ReferenceRun(p)(state, None, 0, 60)[1]
        b = neurohw_native.backend().compile(p)(state, None, 0, 60)[1]
        x, y = a.moments["N.v:moments"], b.moments["N.v:moments"]
        assert moments_differ("N.v", y, x) == ""  # docs/program.md 9: in any order of summation
        np.testing.assert_array_equal(a.events["N"].step, b.events["N"].step)


def test_trap_of_a_node_and_of_a_port(kit) -> None:
    b = Builder("S", 2)
    b.spike(b.external("x", BOOL))
    source = b.build()
    b = Builder("T", 2)
    v = b.state("v", Int(6))
    b.write("v", b.add(v, b.port("in", Int(4), "trap"), Int(6), overflow="trap"))
    w = Dense(Int(8), freeze(np.array([[5, 6], [1, 2]]), Int(8)))
    p = Program(
        "trap", trials=3, populations=(source, b.build()), edges=(Edge("S", "T", "in", w, 1),)
    )
    run, reference = neurohw_native.backend().compile(p), ReferenceRun(p)
    for mask in ([1, 0], [0, 1], [1, 1]):
        x = {"S.x": np.zeros((40, 3, 2), bool)}
        x["S.x"][4:, 1:] = mask
        messages = []
        for r in (reference, run):
            with pytest.raises(OverflowTrap) as caught:
                r(initial_state(p), x, 0, 40)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
    kit.equal(p, 5)


def test_programs_that_differ_in_numbers_share_a_kernel(kit) -> None:
    def blocks(threshold: int, size: int, seed: int) -> list:
        p = Program(
            "n",
            seed=seed,
            populations=(kit.noisy("X" * (size % 3 + 1), size, threshold=threshold),),
        )
        return [k[2] for k in neurohw_native.backend().compile(p).kernels]

    assert blocks(9000, 4, 1) == blocks(7000, 900, 2)


def test_chunks_join(kit) -> None:
    p = Program(
        "c",
        trials=4,
        populations=(kit.noisy("N", 5),),
        probes=(Probe("N", "spikes"), Probe("N", "v", 7)),
    )
    run = neurohw_native.backend().compile(p)
    a, b = simulate(run, p, 200)[1], simulate(run, p, 200, chunk=13)[1]
    np.testing.assert_array_equal(a.events["N"].step, b.events["N"].step)
    np.testing.assert_array_equal(a.traces["N.v"], b.traces["N.v"])


def test_steps_beyond_the_counter_are_refused(kit) -> None:
    p = Program("c", populations=(kit.noisy("N", 1),))
    with pytest.raises(ProgramError, match="out of range"):
        neurohw_native.backend().compile(p)(initial_state(p), None, 2**34 - 1, 2)


def test_import_is_light_and_cache_may_be_missing(tmp_path) -> None:
    code = (
        "import sys, neurohw_native as n\n"
        "b = n.backend(); assert 'numba' not in sys.modules\n"
        "from neurohw.program import *\n"
        "q = Builder('N', 2); v = q.state('v', Int(8)); c = q.const(3, Int(4))\n"
        "q.write('v', q.add(v, c, Int(8), overflow='wrap'))\n"
        "p = Program('p', populations=(q.build(),))\n"
        "print(b.compile(p)(initial_state(p), None, 0, 100)[0].values['N.v'].tolist())\n"
        "print('numba.np.linalg' in sys.modules)\n"
    )
    import os

    file = tmp_path / "file"
    file.write_text("not a directory")
    new = str(tmp_path / "new")
    for place, compiles in (("", True), (str(file / "below"), True), (new, True), (new, False)):
        env = {
            **os.environ,
            "NEUROHW_CACHE_DIR": place,
            "PYTHONPATH": os.pathsep.join(x for x in sys.path if x),
        }
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
        assert done.stdout == f"[[44, 44]]\n{compiles}\n", done.stderr
    assert list((tmp_path / "new").rglob("*.nbc")), "machine code is kept for the next process"


@pytest.mark.usefixtures("hears_interrupt")
def test_interrupt_is_heard(kit) -> None:
    import _thread
    import time

    p = Program("long", trials=400, populations=(kit.noisy("N", 64),))
    run, state = neurohw_native.backend().compile(p), initial_state(p)
    run(state, None, 0, 100)
    timer = threading.Timer(0.5, _thread.interrupt_main)
    begin = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(state, None, 0, 10**7)
    assert time.perf_counter() - begin < 60, "the whole run takes some minutes"


@pytest.mark.parametrize("number", [127, -128])
@pytest.mark.parametrize("fired", [255, 256, 257, 600])
def test_int8_rows_are_summed_in_16_bits_and_never_overflow(kit, number: int, fired: int) -> None:
    """The sums of 256 of the largest just fit; a kernel must empty them before the next."""
    source = Builder("S", 600)
    source.spike(source.external("x", BOOL))
    b = Builder("T", 5)
    b.name_value(b.port("in", Int(32)), "in")
    b.spike(b.compare("gt", b.port("loop", Int(32)), b.const(0, Int(32))))
    w = Dense(Int(8), freeze(np.full((5, 600), number), Int(8)))
    loop = Dense(Int(8), freeze(np.ones((5, 5), np.int64), Int(8)))
    edges = (Edge("S", "T", "in", w, 1), Edge("T", "T", "loop", loop, 1))
    pops = (source.build(), b.build())
    p = Program("p", populations=pops, edges=edges, probes=(Probe("T", "in"),))
    assert not neurohw_native.backend().compile(p).products  # small: it is added in the kernel
    kit.equal(p, 4, inputs={"S.x": np.broadcast_to(np.arange(600) < fired, (4, 600))})
