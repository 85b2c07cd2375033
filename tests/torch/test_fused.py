"""Fused kernels: interpreted against the reference, and compiled for a GPU that is not here.

That every operation, rounding, draw and edge is the reference's is tested in ``test_ops`` and
``test_networks``, whose programs run by fused kernels as well.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
if not importlib.util.find_spec("triton"):
    pytest.skip("needs Triton, which is built for Linux only", allow_module_level=True)

import torch

import neurohw_torch
from neurohw.program import (
    F32,
    F64,
    Builder,
    Conv,
    Dense,
    Edge,
    Int,
    Probe,
    Program,
    Watch,
    initial_state,
    verify,
)
from neurohw.reference import ReferenceRun
from neurohw.testing import directed_cases, examine
from neurohw.testing.summary import FAMILIES, each, share
from neurohw_torch import fused_codegen, fused_deliver, fused_load
from neurohw_torch.fused_call import FusedCall
from neurohw_torch.fused_plan import groups, plan_population, why_not
from neurohw_torch.fused_run import FusedRun

pytestmark = pytest.mark.torch
CASES = {c.label.removeprefix("directed:"): c for c in directed_cases()}
I20 = Int(20)
ROOT = Path(__file__).parents[2]


def backend() -> Any:
    return neurohw_torch.backend("cpu", fused=True)


def assert_path(program: Program) -> None:
    """Fused, but for edges that carry values and convolutions: these are told, and run eagerly."""
    path = backend().compile(program).path
    if any(e.value or isinstance(e.weights, Conv) for e in program.edges):
        assert path.startswith("eager: unsupported by fused: ")
    else:
        assert path == "fused"


# the conformance suite ---------------------------------------------------------------------------


@pytest.mark.parametrize("label", CASES)
def test_directed_cases_conform(label: str) -> None:
    assert_path(CASES[label].program)
    assert not examine(backend(), CASES[label]).failures


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_random_programs_conform(family: str) -> None:
    seen = []

    def visit(case: Any) -> None:
        seen.append(case)
        assert_path(case.program)
        assert not examine(backend(), case).failures

    each(FAMILIES[family](), share(family, 4), visit)
    assert seen


# What is wrong, in the source of a kernel, and a directed case that must find it.
BROKEN = {
    "another round constant": ("lib", "0x9E3779B9", "0x9E3779B8", "draws_at_0_of_5"),
    "the other half of a word": ("code", "(t & 1) * 16", "(1 - (t & 1)) * 16", "draws_at_0_of_5"),
    "a draw of the step before": ("code", "at = (t & 3)", "at = ((t + 3) & 3)", "draws_at_0_of_5"),
    "the sign of a normal": ("lib", "half > 0x7FFF", "half > 0x7FFE", "draws_at_3_of_300"),
    ">= for >": ("code", " > n", " >= n", "threshold"),
    "floor for toward zero": ("code", "e >> 63) & tl.full", "e >> 63) & 0 * tl.full", "rounding"),
    "wrap for saturate": ("code", "tl.minimum(n", "tl.maximum(n", "overflow"),
    "spikes one step late": ("code", "(depth + k)", "(depth + k - 1)", "delays"),
    "a state that is not written": ("code", "s0 = s0_", "s0 = s0", "threshold"),
}


def _break_library(old: str, new: str, monkeypatch: pytest.MonkeyPatch, to: Path) -> None:
    text = Path(fused_load.__file__).with_name("fused_lib.py").read_text()
    assert old in text
    (to / "fused_lib.py").write_text(text.replace(old, new))
    monkeypatch.setattr(fused_load, "__file__", str(to / "fused_load.py"))


@pytest.mark.parametrize("name", BROKEN)
def test_broken_kernels_are_caught(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    where, old, new, label = BROKEN[name]
    monkeypatch.setattr(fused_load, "_loaded", {})
    changed = []
    if where == "lib":
        _break_library(old, new, monkeypatch, tmp_path)
    else:
        real = fused_codegen.generate

        def generate(plan: Any) -> Any:
            kernel = real(plan)
            changed.append(old in kernel.source)
            kernel.source = kernel.source.replace(old, new)
            return kernel

        monkeypatch.setattr("neurohw_torch.fused_run.generate", generate)
    assert examine(backend(), CASES[label]).failures
    assert where == "lib" or any(changed)


def test_descending_sources_are_caught(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, check: Callable[..., Any]
) -> None:
    """The suite has bounds for sums of floats; the reference's order is promised beyond them."""
    check(_net(RINGS[0], F32), 30)
    monkeypatch.setattr(fused_load, "_loaded", {})
    count = "tl.load(counts + source_row + r)"
    _break_library("first + i)", f"first + ({count} - 1 - i))", monkeypatch, tmp_path)
    with pytest.raises(AssertionError):
        check(_net(RINGS[0], F32), 30)


# functions ---------------------------------------------------------------------------------------


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="no longer float to compare with")
@pytest.mark.parametrize("t", [F32, F64])
def test_functions_within_4_ulp_of_the_truth(t: Any, run_torch: Callable[..., Any]) -> None:
    rng, info = np.random.default_rng(7), np.finfo(t.storage)
    edge = float(np.log(info.max))
    xs = np.concatenate([
        rng.uniform(-1, 1, 4000), rng.uniform(-edge - 20, edge, 4000),
        rng.uniform(-1e-8, 1e-8, 1000), np.exp(rng.uniform(-edge, edge, 4000)),
        rng.uniform(0.5, 2, 4000), np.exp2(rng.uniform(-1070, -1000, 500)),
        np.arange(-60, 60) * np.log(2) / 2, [0.0, info.tiny, info.smallest_subnormal, info.max],
    ]).astype(t.storage)  # fmt: skip
    b = Builder("N", len(xs))
    x = b.param("x", t, xs)
    for op in ("exp", "expm1", "log"):
        b.name_value(b.op(op, t, x), op)
    p = Program("f", populations=(b.build(),), probes=tuple(Probe("N", f) for f in
                                                           ("exp", "expm1", "log")))  # fmt: skip
    traces = run_torch(p, initial_state(p), None, 0, 1, fused=True)[1].traces
    with np.errstate(all="ignore"):
        for op in ("exp", "expm1", "log"):
            want, got = getattr(np, op)(xs.astype(np.longdouble)), traces[f"N.{op}"][0, 0]
            rounded = want.astype(t.storage)
            fine = np.isfinite(rounded)
            np.testing.assert_array_equal(got[~fine], rounded[~fine])
            unit = np.spacing(np.abs(rounded[fine])).astype(np.longdouble)
            error = np.abs(got[fine].astype(np.longdouble) - want[fine]) / unit
            # exp and log reduce their argument with an error below half a unit and add up a
            # series whose last two operations round; 2 leaves room to the 4 that are promised.
            assert error.max() < 2, (op, float(error.max()), float(xs[fine][error.argmax()]))


# what is delivered, and in which order -----------------------------------------------------------


@pytest.mark.parametrize(
    "data,count",
    [([[0, 0]], 1), ([[-128, 127]], 1), ([[64 * 126, -64 * 126]], 1), ([[255, 1]], 2),
     ([[2**31 - 1, -(2**31)]], 5), ([[2**57 - 1, 3]], 8)],
)  # fmt: skip
def test_limbs_add_up(data: list, count: int) -> None:
    found = fused_deliver.limbs(np.array(data, np.int64))
    assert len(found) == count
    assert all(limb.dtype == np.int8 for _, limb in found)
    total = sum(limb.astype(object) * 2**up for up, limb in found)
    np.testing.assert_array_equal(total, np.array(data, object))


def _net(edges: list[tuple[str, str, int]], dtype: Any = I20) -> Program:
    """Populations A, B, ... of 3 that add up their input and spike at random."""
    populations = []
    for name in sorted({n for e in edges for n in e[:2]}):
        b = Builder(name, 3)
        v = b.op("add", dtype, b.state("v", dtype, 0), b.port("in", dtype, _mode(dtype)),
                 **({"overflow": "wrap"} if isinstance(dtype, Int) else {}))  # fmt: skip
        b.write("v", v, name="x")
        half = b.const(2**31, Int(33))
        b.spike(b.compare("lt", b.word("w"), half))
        populations.append(b.build())
    rng = np.random.default_rng(1)
    made = []
    for source, target, delay in edges:
        data = rng.normal(0, 100, (3, 3))
        data = data.astype(int) if isinstance(dtype, Int) else data.astype(dtype.storage)
        made.append(Edge(source, target, "in", Dense(dtype, _frozen(data, dtype)), delay))
    probes = [Probe(q.name, x) for q in populations for x in ("spikes", "x")]
    return Program("net", populations=tuple(populations), edges=tuple(made),
                   probes=tuple(probes), trials=2, seed=3)  # fmt: skip


def _mode(dtype: Any) -> str:
    return "wrap" if isinstance(dtype, Int) else "exact"


def _frozen(data: np.ndarray, dtype: Any) -> np.ndarray:
    return np.ascontiguousarray(data.astype(dtype.storage))


RINGS = [
    [("A", "B", 0), ("B", "C", 2)],
    [("A", "A", 3), ("A", "B", 0), ("B", "A", 5), ("C", "A", 0), ("B", "C", 1)],
    [("A", "B", 4), ("B", "A", 1), ("C", "B", 0), ("B", "D", 7), ("D", "D", 9)],
]


@pytest.mark.parametrize("dtype", [Int(20), F32])
@pytest.mark.parametrize("edges", RINGS)
def test_rings_and_layers(edges: list, dtype: Any, check: Callable[..., Any]) -> None:
    check(_net(edges, dtype), 50, t0=3, splits=(1, 19), fused=True)


def test_order_of_groups() -> None:
    p = _net([("B", "A", 0), ("A", "B", 2), ("A", "C", 1), ("D", "A", 3), ("C", "C", 4)], F32)
    spans = verify(p)
    found = groups(p, {q.name: plan_population(p, q, spans[q.name]) for q in p.populations})
    assert [(g.names, g.span) for g in found] == [
        (("D",), None), (("B", "A"), 2), (("C",), 4),
    ]  # fmt: skip
    # the sum of a float port takes its edges in the order of the program
    ring = found[1]
    assert (ring.before, ring.within) == ((), (0, 1, 3))


def test_a_window_is_replayed(monkeypatch: pytest.MonkeyPatch, check: Callable[..., Any]) -> None:
    replayed: list[int] = []
    real = FusedRun.replayable

    def replayable(self: FusedRun, work: Any) -> Any:
        replay = real(self, work)

        def counted() -> None:
            replayed.append(1)
            replay()

        return counted

    monkeypatch.setattr(FusedRun, "replayable", replayable)
    check(_net(RINGS[1]), 16 * 5 + 3, t0=5)
    assert len(replayed) == 3  # windows of 16: the first is cut to 11, the next compiles


# records -----------------------------------------------------------------------------------------


def test_limits_beyond_64_bits(check: Callable[..., Any]) -> None:
    limits = [(-(2**70), 2**70), (2**70, 2**71), (-(2**71), -(2**70)), (0, 2**70), (-(2**63), -1)]
    p = _net(RINGS[0])
    watches = tuple(Watch("B", "x", lo, hi, f"{k}") for k, (lo, hi) in enumerate(limits))
    check(dataclasses.replace(p, watches=watches), 20)


def test_spikes_of_some_steps(check: Callable[..., Any]) -> None:
    p = _net(RINGS[0])
    probes = [Probe("C", "spikes", 3, 7), Probe("A", "spikes", 5, 2), Probe("C", "x", 7, 11)]
    check(dataclasses.replace(p, probes=tuple(probes)), 40, t0=9)


def _jitter(mode: str = "wrap", seen: bool = False) -> Program:
    """Neurons that rest for a random while after a spike."""
    wide, b = Int(20), Builder("N", 5)
    v, rest = b.state("v", wide, 0), b.state("rest", Int(8), 0)
    ready = b.compare("le", rest, b.const(0, Int(8)))
    moved = b.add(v, b.normal("noise"), wide, overflow="saturate")
    fired = b.logic("and", ready, b.compare("gt", moved, b.const(20_000, wide)))
    drawn = b.shr(b.normal("jitter"), 12, Int(8), rounding="floor", overflow=mode)
    drawn = b.op("abs", Int(8), drawn, overflow="saturate")
    if seen:
        b.name_value(drawn, "drawn")
    less = b.sub(rest, b.const(1, Int(8)), Int(8), overflow="saturate")
    b.write("rest", b.select(fired, drawn, less), name="rest_new")
    b.write("v", b.select(fired, b.const(0, wide), moved))
    b.spike(fired)
    probes = [Probe("N", "spikes"), Probe("N", "rest_new")]
    probes += [Probe("N", "drawn")] if seen else []
    return Program("jitter", populations=(b.build(),), probes=tuple(probes), trials=4, seed=2)


@pytest.mark.parametrize("options", [{}, {"mode": "trap"}, {"seen": True}])
def test_draws_that_only_a_spike_needs(options: dict, check: Callable[..., Any]) -> None:
    p = _jitter(**options)
    plan = plan_population(p, p.populations[0], verify(p)["N"])
    source = fused_codegen.generate(plan).source
    assert source.count("up, table, on & n") == (0 if options else 1)
    assert bool(plan.late) == (not options)
    _, probes = check(p, 150, t0=3, splits=(40,))
    assert len(probes.events["N"].step) > 30


# when it is used ---------------------------------------------------------------------------------


def test_what_is_unknown_is_refused() -> None:
    @dataclasses.dataclass(frozen=True, eq=False)
    class Graded(Edge):
        value: str = ""

    p = _net(RINGS[0])
    assert why_not(p) == ""
    e = p.edges[0]
    p = dataclasses.replace(p, edges=(Graded(e.source, e.target, e.port, e.weights, e.delay),))
    assert why_not(p) == "a Graded"
    run = backend().compile(p)
    assert run.path == "eager: unsupported by fused: a Graded"


def test_option_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from neurohw.errors import BackendError

    p = _net(RINGS[0])

    def path(**options: Any) -> str:
        return neurohw_torch.backend("cpu", **options).compile(p).path

    assert path() == "eager: fused kernels are off"
    assert path(fused=True) == "fused"
    monkeypatch.setenv("NEUROHW_TORCH_FUSED", "1")
    assert path() == "eager: fused kernels are off"  # of CUDA devices only
    monkeypatch.setenv("NEUROHW_TORCH_FUSED", "interpret")
    assert path() == "fused"
    assert path(fused=False).startswith("eager")
    monkeypatch.setenv("NEUROHW_TORCH_FUSED", "yes")
    with pytest.raises(BackendError, match="NEUROHW_TORCH_FUSED"):
        path()


def test_a_device_that_triton_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.runtime import driver

    class Broken:
        def get_current_target(self) -> None:
            raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(driver, "_active", Broken())
    fused_load.problem.cache_clear()
    b = backend()
    b.device = torch.device("cuda")  # as far as the rule is concerned
    assert b.not_fused(_net(RINGS[0])) == (
        "Triton cannot use this device: RuntimeError: Failed to find C compiler"
    )
    fused_load.problem.cache_clear()


def test_source_without_a_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_load, "_loaded", {})
    monkeypatch.setenv("NEUROHW_CACHE_DIR", "")
    assert fused_load.cache_directory() is None
    p = _net(RINGS[0])
    want = ReferenceRun(p)(initial_state(p), None, 0, 4)[0]
    got = backend().compile(p)(initial_state(p), None, 0, 4)[0]
    np.testing.assert_array_equal(want.values["B.v"], got.values["B.v"])


# compiled, not run -------------------------------------------------------------------------------


class _Absent:
    """An H200 as far as Triton's compiler is concerned."""

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self) -> int:
        return 0

    def get_current_stream(self, device: int) -> int:
        return 0


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[str]]]:
    """Kernels are compiled to machine code in place of being launched; their PTX by name."""
    from triton.runtime import driver

    found: dict[str, list[str]] = {}

    def launch(
        self: Any, kernel: Any, grid: Any, *args: Any, warps: int = 4, stages: int = 1, **more: Any
    ) -> None:
        done = kernel.warmup(*args, grid=grid, num_warps=warps, num_stages=stages,
                             enable_fp_fusion=False, **more)  # fmt: skip
        assert done.asm["cubin"]
        found.setdefault(kernel.fn.__name__, []).append(done.asm["ptx"])

    monkeypatch.setattr(FusedCall, "launch", launch)
    monkeypatch.setattr(driver, "_active", _Absent())
    yield found


@pytest.mark.parametrize("label", ["delays", "probes", "float_sums_f32", "functions_f32", "leaky"])
def test_kernels_compile_for_a_gpu(label: str, compiled: dict[str, list[str]]) -> None:
    p = CASES[label].program
    run = FusedRun(p, torch.device("cpu"), interpret=False)
    run(initial_state(p), None, 0, 40)
    assert compiled
    for name, texts in compiled.items():
        for text in texts:
            for never in ("fma.", ".ftz", ".approx", "div.full", "ex2.", "lg2."):
                assert never not in text, (name, never)


def test_products_use_the_matrix_units(compiled: dict[str, list[str]]) -> None:
    size, trials = 256, 64
    rng = np.random.default_rng(1)
    b = Builder("S", size)
    b.spike(b.compare("lt", b.word("w"), b.const(2**31, Int(33))))
    c = Builder("N", size)
    c.write("v", c.op("add", Int(24), c.state("v", Int(24), 0), c.port("in", Int(24)),
                      overflow="wrap"))  # fmt: skip
    weights = Dense(Int(16), _frozen(rng.integers(-126, 127, (size, size)) * 64, Int(16)))
    p = Program("layer", populations=(b.build(), c.build()), trials=trials,
                edges=(Edge("S", "N", "in", weights, 1),))  # fmt: skip
    FusedRun(p, torch.device("cpu"), interpret=False)(initial_state(p), None, 0, 64)
    (text,) = set(compiled["deliver_product"])
    assert "wgmma.mma_async" in text and ".s32.s8.s8" in text and "cp.async" in text


# the benchmark -----------------------------------------------------------------------------------


def test_benchmark_runs_interpreted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    assert spec is not None and spec.loader is not None
    gpu = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu", gpu)
    spec.loader.exec_module(gpu)
    monkeypatch.setattr(gpu, "TINY", {"W1": (8, 40), "W5": (24, 16, 3)})
    assert gpu.main(["--interpret"]) == 0
    out = capsys.readouterr().out
    assert out.count('"same": true') == 2
    if not torch.cuda.is_available():
        assert gpu.main([]) == 2
        assert "no CUDA device" in capsys.readouterr().err
