"""Edges, delays, inputs, trials, probes and the ledger, against the reference."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from neurohw.errors import BackendError, OverflowTrap
from neurohw.program import (
    BOOL,
    F32,
    F64,
    IR_VERSION,
    Builder,
    Dense,
    Edge,
    Int,
    OneToOne,
    Population,
    Probe,
    Program,
    Sparse,
    Watch,
    freeze,
    initial_state,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

RNG = np.random.default_rng


def source(name: str, size: int, rate: int = 2**31) -> Population:
    """Spikes at random; ``rate`` of 2**32."""
    b = Builder(name, size)
    b.spike(b.compare("lt", b.word("w"), b.const(rate, Int(34))))
    return b.build()


def adder(name: str, size: int, dtype, overflow: str = "exact", threshold: int = 50) -> Population:
    """Emits where the sum of what has arrived passes a threshold, and keeps it."""
    b = Builder(name, size)
    x = b.name_value(b.port("in", dtype, overflow), "x")
    if isinstance(dtype, Int):
        b.spike(b.compare("gt", x, b.const(threshold, Int(16))))
    else:
        v = b.state("v", dtype, 0.25)
        b.write("v", b.add(b.mul(v, b.const(0.9, dtype), dtype), x, dtype), name="v")
        b.spike(b.compare("gt", v, b.const(0.1, dtype)))
    return b.build()


def sparse(dtype, targets: int, sources: int, share: float, seed: int, top: float = 100) -> Sparse:
    rng = RNG(seed)
    mask = rng.random((sources, targets)) < share
    mask[:, 0] = True  # one target that all sources reach, one that none does
    mask[:, -1] = False
    data = numbers(dtype, int(mask.sum()), rng, top)
    indptr = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
    return Sparse(
        dtype, freeze(indptr, Int(64)), freeze(np.nonzero(mask)[1], Int(64)), data, targets
    )


def numbers(dtype, shape, rng, top: float) -> np.ndarray:
    if isinstance(dtype, Int):
        return freeze(rng.integers(-int(top), int(top) + 1, shape), dtype)
    return freeze(rng.standard_normal(shape).astype(dtype.storage), dtype)


def network(
    dtype,
    weights: list,
    delays: list[int],
    overflow: str = "exact",
    trials: int = 3,
    rate: int = 2**31,
) -> Program:
    """A source, one target per weight and delay, and a port with two edges at the end."""
    pops, edges, probes = [source("S", weights[0].shape[1], rate)], [], [Probe("S", "spikes")]
    for i, (w, d) in enumerate(zip(weights, delays, strict=True)):
        pops.append(adder(f"N{i}", w.shape[0], dtype, overflow))
        edges.append(Edge("S", f"N{i}", "in", w, d))
        probes += [Probe(f"N{i}", "x"), Probe(f"N{i}", "spikes")]
    return Program(
        "net",
        populations=tuple(pops),
        edges=tuple(edges),
        probes=tuple(probes),
        trials=trials,
        seed=9,
    )


def all_weights(dtype, targets: int, sources: int, top: float = 100) -> list:
    return [
        Dense(dtype, numbers(dtype, (targets, sources), RNG(1), top)),
        sparse(dtype, targets, sources, 0.3, 2, top),
        OneToOne(dtype, numbers(dtype, sources, RNG(3), top)),
        sparse(dtype, 1, sources, 0, 4, top) if targets else None,
    ]


@pytest.mark.parametrize("rate", [2**32, 2**31, 2**27, 0])
@pytest.mark.parametrize(
    "dtype,top", [(Int(8), 100), (Int(20), 2**19 - 1), (Int(50), 2**49 - 1), (Int(58), 2**57 - 1)]
)
def test_integer_weights(check, dtype, top: int, rate: int) -> None:
    """Sums up to 2**62: past int32, and past what one float64 product holds."""
    for port, mode in (
        (Int(64), "exact"),
        (Int(12), "saturate"),
        (Int(24), "wrap"),
        (Int(20, False), "wrap"),
        (Int(31, False), "saturate"),
        (Int(40), "wrap"),
    ):
        p = network(port, all_weights(dtype, 25, 17, top), [1, 2, 3, 0], mode, rate=rate)
        check(p, 6)


@pytest.mark.parametrize("dtype", [F32, F64])
@pytest.mark.parametrize("sources", [1, 20, 32])
def test_float_sums_of_few_sources_are_the_reference(check, dtype, sources: int) -> None:
    check(network(dtype, all_weights(dtype, 12, sources), [1, 0, 3, 2]), 12)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_float_sums_of_many_sources(check, run_torch, dtype) -> None:
    """By events the order is the reference's; a matrix product is within n eps sum |w|."""
    w = all_weights(dtype, 40, 300)
    p = network(dtype, w, [1, 0, 3, 2])
    _, want = check(p, 8, modes=(True,))
    _, got = run_torch(p, initial_state(p), None, 0, 8, event_driven=False)
    eps = float(np.finfo(dtype.storage).eps)
    bound = 300 * eps * np.abs(np.asarray(w[0].data, np.float64)).sum(axis=1)
    assert np.all(np.abs(want.traces["N0.x"] - got.traces["N0.x"]) <= bound)
    for i in (1, 2, 3):
        np.testing.assert_array_equal(want.traces[f"N{i}.x"], got.traces[f"N{i}.x"])


def test_two_edges_into_one_port(check) -> None:
    for dtype in (Int(16), F32):
        w = all_weights(dtype, 9, 9)
        p = Program(
            "two",
            seed=1,
            trials=2,
            populations=(source("S", 9), source("R", 9), adder("N", 9, dtype)),
            edges=tuple(Edge(s, "N", "in", x, d) for s in "SR" for x in w[:3] for d in (1, 2)),
            probes=(Probe("N", "x"), Probe("N", "spikes")),
        )
        check(p, 8, modes=(True, False) if dtype == Int(16) else (True,))


@pytest.mark.parametrize("first", [0, 1, 7])
def test_delays_up_to_70(check, first: int) -> None:
    delays = [first, 1, 2, 8, 31, 64, 70]
    w = [Dense(Int(8), numbers(Int(8), (4, 6), RNG(d), 100)) for d in delays]
    p = network(Int(24), w, delays, rate=2**30)
    state, _ = check(p, 90, splits=(1, 3, 64, 65))
    assert state.history["S"].shape == (3, 70, 6)
    check(p, 30, t0=90, state=state, splits=(7,))


def test_zero_delay_chain_in_any_order_of_declaration(check) -> None:
    pops = [source("S", 5)]
    edges = []
    for i in range(4):
        pops.append(adder(f"L{i}", 5, Int(24), threshold=3 - i))
        before = "S" if i == 0 else f"L{i - 1}"
        w = Dense(Int(8), numbers(Int(8), (5, 5), RNG(i), 20))
        edges.append(Edge(before, f"L{i}", "in", w, 0))
    edges.append(Edge("L3", "L0", "in", OneToOne(Int(8), freeze([3] * 5, Int(8))), 1))
    probes = tuple(Probe(f"L{i}", k) for i in range(4) for k in ("x", "spikes"))
    for order in (pops, pops[::-1]):
        check(
            Program("chain", populations=tuple(order), edges=tuple(edges), probes=probes, trials=3),
            20,
            splits=(3,),
        )


def lif(size: int, trials: int, *, recurrent: bool = True) -> Program:
    """A fixed-point neuron with noise, an external current and parameters per trial."""
    rng = RNG(0)
    b = Builder("N", size)
    u, v = b.state("u", Int(24), 0), b.state("v", Int(24), rng.integers(0, 5000, (trials, size)))
    r = b.state("r", Int(8, False), 0)
    gain = b.param("gain", Int(12), rng.integers(500, 2000, (trials, 1)))
    theta = b.param("theta", Int(24), rng.integers(15000, 30000, size))
    current = b.external("i", Int(16))
    gate = b.external("gate", BOOL, [[t, i % size] for t, i in ((2, 0), (3, 1), (5, 0), (40, 2))])
    arrived = b.port("in", Int(20), "saturate")
    noise = b.shr(
        b.mul(b.normal("noise"), gain, Int(40)),
        10,
        Int(24),
        rounding="half_away",
        overflow="saturate",
    )
    decay = b.shr(
        b.mul(u, b.const(3584, Int(13)), Int(40)),
        12,
        Int(24),
        rounding="toward_zero",
        overflow="wrap",
    )
    u1 = b.add(decay, arrived, Int(24), overflow="wrap")
    leak = b.shr(
        b.mul(v, b.const(3900, Int(13)), Int(40)),
        12,
        Int(24),
        rounding="half_even",
        overflow="saturate",
    )
    drive = b.add(b.add(u1, current, Int(25)), noise, Int(26))
    v1 = b.add(leak, drive, Int(24), overflow="saturate")
    v1 = b.add(
        v1,
        b.select(gate, b.const(9000, Int(24)), b.const(0, Int(24))),
        Int(24),
        overflow="saturate",
    )
    free = b.compare("eq", r, b.const(0, Int(8, False)))
    spike = b.logic("and", b.compare("ge", v1, theta), free)
    b.write("u", u1, name="u")
    b.write("v", b.select(spike, b.const(0, Int(24)), v1))
    b.name_value(v1, "v")
    less = b.sub(r, b.const(1, Int(8, False)), Int(8, False), overflow="saturate")
    b.write("r", b.select(spike, b.const(2, Int(8, False)), less))
    b.name_value(noise, "noise")
    b.name_value(gain, "gain")
    b.name_value(current, "i")
    b.spike(spike)
    w = sparse(Int(14), size, size, 0.2, 7, 6000)
    edges = (Edge("N", "N", "in", w, 1), Edge("N", "N", "in", w, 5)) if recurrent else ()
    probes = [
        Probe("N", k, every, offset)
        for k, every, offset in (
            ("v", 1, 0),
            ("u", 3, 12),
            ("noise", 7, 0),
            ("gain", 4, 1),
            ("i", 5, 9),
        )
    ]
    probes += [
        Probe("N", k, e, o, "moments") for k, e, o in (("v", 2, 1), ("u", 1, 0), ("noise", 9, 30))
    ]
    watches = (
        Watch("N", "v", -1000, 12000),
        Watch("N", "u", -(2**70), 2**70, "wide"),
        Watch("N", "noise", 0, 2**40),
        Watch("N", "gain", 600, 1500),
        Watch("N", "i", -5, 5),
        Watch("N", "u", 2**40, 2**41, "above"),
    )
    return Program(
        "lif",
        seed=77,
        trials=trials,
        populations=(b.build(),),
        edges=edges,
        probes=(Probe("N", "spikes"), *probes),
        watches=watches,
    )


def current(p: Program, steps: int, kind: str, trials: int) -> dict[str, np.ndarray] | None:
    size = p.populations[0].size
    shape = {
        "": None,
        "flat": (steps, size),
        "one": (steps, 1, size),
        "each": (steps, trials, size),
    }[kind]
    return None if shape is None else {"N.i": RNG(4).integers(-2000, 9000, shape)}


@pytest.mark.parametrize("kind", ["", "flat", "one", "each"])
def test_everything_at_once(check, kind: str) -> None:
    p = lif(11, 6)
    _, out = check(p, 50, current(p, 50, kind, 6))
    assert out.ledger["N.v"].count and len(out.events["N"])
    check(p, 50, current(p, 50, kind, 6), splits=(1, 2, 7, 8, 9, 33))


def test_states_that_take_draws_inputs_and_constants(check) -> None:
    """What is computed for many steps at once, or once for all, is still written step by step."""
    b = Builder("A", 3)
    x, k = b.external("x", Int(9)), b.const(7, Int(40))
    for name, value in (("w", b.word("w")), ("x", x), ("k", k), ("p", b.param("p", F32, 0.5))):
        b.name_value(b.state(f"s{name}", value.dtype, 0), name)
        b.write(f"s{name}", value)
    b.name_value(b.state("swap", Int(9), [1, 2, 3]), "old")
    b.write("swap", b.add(x, b.const(1, Int(2)), Int(9), overflow="wrap"))
    b.state("kept", F64, 2.5)  # never written
    p = Program(
        "writes",
        populations=(b.build(),),
        trials=3,
        probes=tuple(Probe("A", n) for n in ("w", "x", "k", "p", "old")),
    )
    check(p, 20, {"A.x": RNG(0).integers(-256, 256, (20, 3))}, splits=(1, 10))


def test_split_subset_and_size_of_blocks(check, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw_torch import call

    p = lif(5, 9)
    state, _ = check(p, 13, current(p, 13, "each", 3), trials=[1, 4, 8], splits=(5,))
    check(p, 20, current(p, 20, "each", 3), state=state, t0=13, splits=(1, 2, 3))
    monkeypatch.setattr(call, "_LONGEST", 8)
    check(p, 40, current(p, 40, "flat", 9))
    check(p, 0)
    single = lif(1, 1)
    check(single, 30, current(single, 30, "flat", 1))


def test_results_do_not_depend_on_threads(check) -> None:
    p = lif(200, 60)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            check(p, 12, current(p, 12, "flat", 60), fused=False)
    finally:
        torch.set_num_threads(before)


def test_users_settings_neither_matter_nor_change(check) -> None:
    p = network(F32, all_weights(F32, 8, 40), [1, 0, 3, 2])
    torch.set_default_dtype(torch.float64)
    try:
        check(p, 5, modes=(True,))
        check(lif(4, 2), 9)
        assert torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)


def trapping() -> Program:
    b = Builder("T", 4)
    v = b.state("v", Int(8), [0, 1, 2, 3])
    x = b.port("in", Int(6), "trap")
    total = b.add(v, b.const(40, Int(8)), Int(8), overflow="trap")
    b.op("shl", Int(8), b.const(3, Int(8)), by=1, overflow="trap")  # unread, yet it is watched
    narrow = b.cast(total, Int(7), overflow="trap")
    b.write("v", b.select(b.compare("eq", x, narrow), v, total))
    w = OneToOne(Int(8), freeze([20, 31, 0, -7], Int(8)))
    return Program(
        "trap",
        populations=(source("S", 4, 0), b.build()),
        edges=(Edge("S", "T", "in", w, 1), Edge("S", "T", "in", w, 0)),
        trials=2,
    )


def test_traps(check, run_torch) -> None:
    p = trapping()
    _, out = check(p, 1)
    assert {k for k in out.ledger if k.startswith("trap:")} == {
        "trap:T.in",
        "trap:T.%3",
        "trap:T.%5",
        "trap:T.%6",
    }
    from neurohw.reference import ReferenceRun

    for rate in (0, 2**32):
        q = dataclasses.replace(p, populations=(source("S", 4, rate), p.populations[1]))
        with pytest.raises(OverflowTrap) as want:
            ReferenceRun(q)(initial_state(q), None, 0, 9)
        for mode in (True, False):
            with pytest.raises(OverflowTrap) as got:
                run_torch(q, initial_state(q), None, 0, 9, event_driven=mode)
            assert str(got.value) == str(want.value)


def test_run_is_pure(run_torch) -> None:
    p = lif(4, 3)
    state = initial_state(p)
    for a in (*state.values.values(), *state.history.values()):
        a.flags.writeable = False
    before = {k: v.copy() for k, v in state.values.items()}
    after, _ = run_torch(p, state, None, 0, 6)
    for k, v in before.items():
        np.testing.assert_array_equal(v, state.values[k])
        after.values[k] += 1  # the caller owns what is returned
    again, _ = run_torch(p, state, None, 0, 6)
    np.testing.assert_array_equal(again.values["N.v"] + 1, after.values["N.v"])


def test_backend_object() -> None:
    from neurohw_torch import backend

    b = backend("cpu")
    assert (b.name, b.ir_version, b.unsupported(lif(2, 1))) == ("torch", IR_VERSION, [])
    with pytest.raises(BackendError, match="no such torch device"):
        backend("nonsense")


def test_device_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw_torch import backend

    monkeypatch.setenv("NEUROHW_TORCH_DEVICE", "cpu")
    assert backend().device.type == "cpu"
    monkeypatch.setenv("NEUROHW_TORCH_DEVICE", "gpu9")
    with pytest.raises(BackendError, match="NEUROHW_TORCH_DEVICE"):
        backend()


def test_import_is_light() -> None:
    code = "import neurohw_torch, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_is_the_reference(assert_same) -> None:
    from neurohw.reference import ReferenceRun
    from neurohw_torch import backend

    for p in (
        lif(11, 6),
        network(Int(24), all_weights(Int(20), 25, 17, 2**19 - 1), [1, 2, 3, 0], "wrap"),
    ):
        p = dataclasses.replace(p, probes=tuple(x for x in p.probes if not x.reduce))
        want = ReferenceRun(p)(initial_state(p), None, 0, 50)
        for fused in (False, True):
            run = backend("cuda", fused=fused).compile(p)
            assert (run.path == "fused") == fused
            assert_same(want, run(initial_state(p), None, 0, 50))
