"""The ``lava`` backend against the reference: bit-identical, on stock processes and on our own."""

from __future__ import annotations

import importlib.util
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

if importlib.util.find_spec("lava") is None:
    pytest.skip("lava-nc is not installed", allow_module_level=True)

from neurohw.backend import compile_program, simulate
from neurohw.errors import BackendError
from neurohw.lowering import lower
from neurohw.lowering.chip import ChipInput
from neurohw.network import LIF, Network
from neurohw.program import (
    Dense,
    Int,
    RunState,
    check_inputs,
    concat,
    freeze,
    initial_state,
)
from neurohw.reference import ReferenceRun
from neurohw.testing.checks import difference
from neurohw_lava import backend
from neurohw_lava.collect import Collector, layout
from neurohw_lava.plan import Plan, make_plan
from neurohw_lava.process import ProgramStep
from neurohw_lava.record import Block

pytestmark = pytest.mark.lava
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATHS = os.pathsep.join([str(ROOT), str(ROOT / "backends"), os.environ.get("PYTHONPATH", "")])


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _load("generate")
FIXED = range(11)
FLOAT = (0, 1, 2, 3, 8, 9, 10, 12)


@pytest.fixture(autouse=True)
def _no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEUROHW_LAVA_PATH", raising=False)


def agree(made: Any, path: str, *, cut: int = 0) -> Any:
    """Run on Lava, whole or in two parts, and on the reference; return the run."""
    run: Any = compile_program(backend(), made.program)
    assert run.path == path, run.reason
    if cut:
        state, first = run(made.state, {k: v[:cut] for k, v in made.inputs.items()}, 0, cut)
        rest = {k: v[cut:] for k, v in made.inputs.items()}
        state, second = run(state, rest, cut, made.steps - cut)
        got = state, concat(first, second)
    else:
        got = run(made.state, made.inputs, 0, made.steps)
    want = ReferenceRun(made.program)(made.state, made.inputs, 0, made.steps)
    assert difference(got, want) == ""
    return run


@pytest.mark.parametrize("seed", FIXED)
def test_fixed_point_on_stock_processes(seed: int) -> None:
    agree(generate.fixed_program(seed), "stock", cut=37 * (seed % 3 == 0))


def test_one_trial_alone_on_stock_processes() -> None:
    made = next(m for s in range(20) if (m := generate.fixed_program(s)).program.trials == 3)
    made.state = initial_state(made.program, [2])
    made.inputs = {k: v[:, 2:] for k, v in made.inputs.items()}
    agree(made, "stock")


@pytest.mark.parametrize("seed", FLOAT)
def test_float_on_stock_processes(seed: int) -> None:
    made = generate.float_program(seed)
    path = "stock" if isinstance(make_plan(made.program), Plan) else "own"
    agree(made, path, cut=37 * (seed % 3 == 0))


@pytest.mark.parametrize("twist", generate.TWISTS)
def test_what_stock_processes_lack_runs_on_our_own(twist: str) -> None:
    agree(generate.fixed_program(100, twist=twist), "own", cut=37 * (twist == "noise"))


def test_float_jitter_runs_on_our_own() -> None:
    agree(generate.float_program(3, twist="period"), "own")


def test_these_programs_use_every_class_sign_and_exponent() -> None:
    fixed = [generate.fixed_program(seed) for seed in FIXED]
    plans: list[Any] = [make_plan(x.program) for x in fixed]
    assert {c for p in plans for c in p.processes} == {
        *("LIF", "Dense", "DelayDense", "Sparse", "RingBuffer")
    }
    links = [x for p in plans for x in p.links]
    assert {x.sign for x in links} == {"MIXED", "EXCITATORY", "INHIBITORY"}
    assert min(x.exponent for x in links) <= -6 and max(x.exponent for x in links) >= 7
    floats = [make_plan(generate.float_program(seed).program) for seed in FLOAT]
    stock = [p for p in floats if isinstance(p, Plan)]
    assert len(stock) >= 5
    assert {n.kind for p in stock for n in p.neurons.values()} == {"LIF", "LIFRefractory"}


# networks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "noise", "path"),
    [("lava", False, "stock"), ("lava", True, "own"), ("lava-float", False, "own")],
)
def test_lowered_network(target: str, noise: bool, path: str) -> None:
    program = lower(generate.network(noise=noise), target, dt=1e-3, trials=2, seed=3).program
    run: Any = compile_program(backend(), program)
    assert run.path == path, run.reason
    got = simulate(run, program, 150)
    want = simulate(ReferenceRun(program), program, 150)
    assert len(want[1].events["A"]) > 20 and difference(got, want) == ""


def test_delays_of_one_connection_share_a_process() -> None:
    weights = [np.array([[2, 0], [0, 4]]), np.array([[0, 6], [0, 0]]), np.array([[0, 0], [8, 0]])]
    inputs = tuple(
        ChipInput("S", Dense(Int(9), freeze(w, Int(9))), d, -1)
        for w, d in zip(weights, (1, 2, 5), strict=True)
    )
    plan = make_plan(generate.chip(inputs=inputs))
    assert isinstance(plan, Plan)
    assert [(x.kind, len(x.edges)) for x in plan.links] == [("DelayDense", 3)]
    program = generate.chip(inputs=inputs)
    spikes = {"S.s": np.random.default_rng(1).random((60, 2)) < 0.4}
    run: Any = compile_program(backend(), program)
    got = run(initial_state(program), spikes, 0, 60)
    want = ReferenceRun(program)(initial_state(program), spikes, 0, 60)
    assert difference(got, want) == "" and len(want[1].ledger) == 3


# what must be loud -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["u", "v", "s"])
def test_a_wrong_number_from_lava_is_an_error(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generate.fixed_program(1, steps=20)
    from neurohw_lava import stock

    run_stock: Callable[..., Any] = stock.run_stock

    def tampered(*arguments: Any) -> Any:
        recorded = run_stock(*arguments)
        got = next(iter(recorded.values()))[what]
        got[11, 0, 0] = got[11, 0, 0] == 0  # another value
        return recorded

    monkeypatch.setattr(stock, "run_stock", tampered)
    run = compile_program(backend(), made.program)
    with pytest.raises(BackendError, match=r"in step 1[12]"):
        run(made.state, made.inputs, 0, 20)


def test_choice_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROHW_LAVA_PATH", "own")
    assert compile_program(backend(), generate.chip()).path == "own"  # type: ignore[attr-defined]
    monkeypatch.setenv("NEUROHW_LAVA_PATH", "stock")
    with pytest.raises(BackendError, match="decays"):
        compile_program(backend(), generate.chip(keep_v=0))
    monkeypatch.setenv("NEUROHW_LAVA_PATH", "fast")
    with pytest.raises(BackendError, match="own, stock"):
        compile_program(backend(), generate.chip())


def test_no_steps_and_unreachable_states() -> None:
    program = generate.chip()
    run = compile_program(backend(), program)
    state, probes = run(initial_state(program), None, 7, 0)
    assert (
        difference((state, probes), ReferenceRun(program)(initial_state(program), None, 7, 0)) == ""
    )
    net = Network("r")
    net.population("N", LIF(C=1e-10, tau=0.01, V_th=0.02, t_ref=3e-3))
    net.probe("N", "spikes", "v")
    program = lower(net, "lava-float", dt=1e-3).program
    run = compile_program(backend(), program)
    assert run.path == "stock"  # type: ignore[attr-defined]
    start = initial_state(program)
    start.values["N.refractory"][:], start.values["N.v"][:] = 2, 1.0
    assert difference(run(start, None, 0, 9), ReferenceRun(program)(start, None, 0, 9)) == ""


def test_the_step_of_our_own_process_can_be_sent_to_a_spawned_one() -> None:
    made = generate.fixed_program(100, steps=30, twist="noise")
    p, trials = made.program, made.state.trials
    shapes = layout(p, len(trials), 0, 30)
    shapes |= {f"value:{k}": (v.shape, v.dtype) for k, v in made.state.values.items()}
    shapes |= {f"history:{k}": (v.shape, v.dtype) for k, v in made.state.history.items()}
    with ExitStack() as stack:
        blocks = {k: stack.enter_context(Block(*shape)) for k, shape in shapes.items()}
        externals = check_inputs(p, made.inputs, trials, 0, 30)
        step = pickle.loads(pickle.dumps(ProgramStep(p, made.state, externals, 0, 30, blocks)))
        for t in range(1, 31):
            step(t)
        arrays = {k: block.array for k, block in blocks.items()}
        probes = Collector(p, trials, 0, 30, arrays).probes()
        values = {k: np.array(arrays[f"value:{k}"]) for k in made.state.values}
        history = {k: np.array(arrays[f"history:{k}"]) for k in made.state.history}
    want = ReferenceRun(p)(made.state, made.inputs, 0, 30)
    assert difference((RunState(trials, values, history), probes), want) == ""


def test_without_lava_the_two_steps_of_its_installation_are_named() -> None:
    script = (
        "import sys; sys.modules['lava'] = None\n"
        "from neurohw.backend import load\n"
        "try: load('lava')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": PATHS}, check=True)  # fmt: skip
    assert done.stdout.startswith("BackendError backend lava needs lava, which is not installed")
    assert "pip install 'neurohw[lava]'" in done.stdout and "--no-deps" in done.stdout


# Ctrl-C ------------------------------------------------------------------------------------------


def _members(group: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(path.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("path", ["stock", "own"])
@pytest.mark.usefixtures("hears_interrupt")
def test_ctrl_c_leaves_no_process_and_no_file(path: str, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(HERE / "child_run.py"), path],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": PATHS, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        assert child.stdout is not None and child.stdout.readline() == f"{path}\n"
        until = time.monotonic() + 20
        while len(_members(child.pid)) < 4 and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.5)
        assert list(tmp_path.glob("neurohw-lava-*"))
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        assert (child.returncode, errors) == (130, "")
        until = time.monotonic() + 10
        while _members(child.pid) and time.monotonic() < until:
            time.sleep(0.02)
        assert _members(child.pid) == []
        assert not list(tmp_path.glob("neurohw-lava-*"))
    finally:
        if _members(child.pid):
            os.killpg(child.pid, signal.SIGKILL)
