"""W1 and W5 on a CUDA device, beside snnTorch and SpikingJelly, and against the device's limits.

    python benchmarks/gpu.py                 # on a machine with CUDA; one JSON line per row
    python benchmarks/gpu.py --interpret     # tiny sizes on a CPU, through Triton's interpreter

neurohw runs its fused kernels. A row says what was run, its median and least time over the
repeats, and of what it is a ratio:

- W1, 10^6 trials of 10^4 steps, all spikes recorded: against snnTorch and SpikingJelly on the same
  device in the same run (which have no refractory period, and whose noise is ``torch.randn``), and
  against the draws alone: a kernel that makes the same number of normal draws and nothing else,
  which is the share of the arithmetic limit that the workload reaches;
- W5, 1,000 trials, each with its own input spikes: against the int8 matrix product alone
  (``torch._int_mm`` on the same shape), and the share of the memory's bandwidth, measured by a
  copy, that reading and writing the spikes and sums once takes;
- the spikes, u and v of some trials of W5, and the spikes of W1, compared with those of the
  backend ``native`` on the CPU.

**Not run on a GPU yet**: what is checked is the same code through the interpreter.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import workloads as w

SIZES = {"W1": (1_000_000, w.STEPS["W1"]), "W5": (4_000, w.STEPS["W5"], 1_000)}
TINY = {"W1": (12, 400), "W5": (24, 16, 3)}


# what is run -------------------------------------------------------------------------------------


def w1_program(trials: int) -> Any:
    """The ensemble, lowered to float32."""
    import neurohw as nh
    from neurohw.lowering import lower

    p, capacity = w.W1, 1e-9
    net = nh.Network("W1")
    lif = nh.LIF(C=capacity, tau=p["tau"], E_L=p["E_L"], V_th=p["V_th"], V_reset=p["V_reset"],
                 t_ref=p["t_ref"], t_ref_sigma=p["t_ref_sigma"],
                 I_bias=capacity * p["mu"] / p["tau"])  # fmt: skip
    net.population("N", lif, noise=[nh.AdditiveNoise(sigma=capacity * w.w1_strength())])
    net.probe("N", "spikes")
    return lower(net, "float32", dt=w.DT, trials=trials, method="exponential", seed=1).program


def w5_program(size: int, trials: int, traces: bool = False) -> Any:
    """The layer, by Lava's rules; in each trial every source fires with probability 5 %."""
    import neurohw.lowering.chip as chip
    from neurohw import program
    from neurohw.targets import load_target

    p, (weights, _) = w.W5, w.w5_data(size, 1)
    b = program.Builder("S", size)
    limit = b.const(round(p["active"] * 2**32), program.Int(33))
    b.spike(b.compare("lt", b.word("spikes"), limit))
    number = program.Int(9)
    dense = program.Dense(number, program.freeze(weights.astype(np.int64), number))
    cells, edges, watches = chip.chip_population(
        chip.ChipLIF(name="N", size=size, keep_u=4095 - p["du"], keep_v=4096 - p["dv"],
                     threshold=w.w5_threshold(size) << 6, inputs=(chip.ChipInput("S", dense, 1),)),
        load_target("lava"),
    )  # fmt: skip
    probes = [program.Probe("N", x) for x in ("spikes", *(("u", "v") if traces else ()))]
    return program.Program("W5", "lava", populations=(b.build(), cells), edges=tuple(edges),
                           watches=tuple(watches), probes=tuple(probes), trials=trials,
                           seed=5)  # fmt: skip


def simulate(run: Any, made: Any, steps: int, trials: list[int] | None = None) -> Any:
    """All steps in one call; the probes."""
    from neurohw.program import initial_state

    return run(initial_state(made, trials), None, 0, steps)[1]


class Bench:
    """The device, and how a thing is timed on it."""

    def __init__(self, interpret: bool, repeats: int) -> None:
        import torch

        import neurohw_torch

        self.torch, self.interpret, self.repeats = torch, interpret, repeats
        self.backend = neurohw_torch.backend("cpu" if interpret else "cuda", fused=True)
        self.device = self.backend.device

    def name(self) -> str:
        """What the device calls itself."""
        if self.interpret:
            return "CPU, Triton's interpreter: times mean nothing"
        return self.torch.cuda.get_device_name(self.device)

    def compile(self, made: Any) -> Any:
        """The fused run; an error where the program would be run otherwise."""
        run = self.backend.compile(made)
        if run.path != "fused":
            raise SystemExit(f"{made.name}: {run.path}")
        return run

    def wait(self) -> None:
        if self.device.type == "cuda":
            self.torch.cuda.synchronize(self.device)

    def timed(self, work: Callable[[], Any]) -> tuple[float, Any]:
        """Seconds of one call, all its work on the device included, and what it returned."""
        self.wait()
        start = time.perf_counter()
        result = work()
        self.wait()
        return time.perf_counter() - start, result

    def together(self, works: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
        """Seconds of each, run in turn, after each has run once."""
        for work in works.values():
            work()
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(self.repeats):
            for name, work in works.items():
                seconds[name].append(self.timed(work)[0])
        return seconds


def row(case: str, name: str, seconds: list[float], ours: list[float] | None = None, **more: Any):
    """One line of the result; ``times`` is how many of our medians it took."""
    middle = statistics.median(seconds)
    found = {"case": case, "what": name, "median_s": middle, "least_s": min(seconds), **more}
    if ours is not None:
        found["times"] = middle / statistics.median(ours)
    return found


# the device's limits -----------------------------------------------------------------------------


def bandwidth(bench: Bench) -> float:
    """Bytes per second of a copy, read and written both counted."""
    size = 1 << (16 if bench.interpret else 30)
    source = bench.torch.zeros(size, dtype=bench.torch.uint8, device=bench.device)
    target = bench.torch.empty_like(source)
    seconds = bench.together({"copy": lambda: target.copy_(source)})["copy"]
    return 2 * size / min(seconds)


def draws_alone(bench: Bench, lanes: int, steps: int) -> Callable[[], Any]:
    """As many normal draws as W1 makes, added up and thrown away."""
    from neurohw import program

    b = program.Builder("N", 1)
    total = b.state("sum", program.Int(32), 0)
    b.write("sum", b.add(total, b.normal("noise"), program.Int(32), overflow="wrap"))
    made = program.Program("draws", populations=(b.build(),), trials=lanes, seed=1)
    run = bench.compile(made)
    return lambda: simulate(run, made, steps)


# the peers ---------------------------------------------------------------------------------------


def peers(bench: Bench, trials: int, steps: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """W1 without its refractory period, in units of the threshold."""
    torch, p = bench.torch, w.W1
    gap, decay = p["V_th"] - p["E_L"], math.exp(-w.DT / p["tau"])
    push = p["mu"] / gap * (1 - decay)
    noise = w.w1_strength() * math.sqrt(p["tau"] / 2 * -math.expm1(-2 * w.DT / p["tau"])) / gap
    block = min(100, steps)

    def run(step: Callable[[Any], Any]) -> Any:
        def work() -> int:
            found = 0
            for _ in range(steps // block):
                x = torch.randn(block, trials, device=bench.device).mul_(noise).add_(push)
                found += len(step(x).nonzero())
            return found

        return work

    if importlib.util.find_spec("snntorch"):
        import snntorch

        layer = snntorch.Leaky(beta=decay, threshold=1.0, reset_mechanism="zero",
                               reset_delay=False).to(bench.device)  # fmt: skip

        def leaky(x: Any) -> Any:
            v, out = torch.zeros_like(x[0]), torch.empty_like(x)
            for k in range(len(x)):
                out[k], v = layer(x[k], v)
            return out

        yield "snnTorch", torch.inference_mode()(run(leaky))
    if importlib.util.find_spec("spikingjelly"):
        from spikingjelly.activation_based import functional, neuron

        node = neuron.LIFNode(tau=1 / (1 - decay), decay_input=False, v_threshold=1.0,
                              v_reset=0.0, step_mode="m").eval().to(bench.device)  # fmt: skip
        for fastest in ("triton", "cupy"):  # whichever this version and machine have
            if fastest in node.supported_backends and importlib.util.find_spec(fastest):
                node.backend = fastest
                break

        def jelly(x: Any) -> Any:
            functional.reset_net(node)
            return node(x)

        yield f"SpikingJelly, {node.backend}", torch.inference_mode()(run(jelly))


# the workloads -----------------------------------------------------------------------------------


def w1(bench: Bench, size: tuple[int, int]) -> Iterator[dict]:
    trials, steps = size
    made = w1_program(trials)
    seconds, run = bench.timed(lambda: bench.compile(made))
    yield {"case": "W1", "what": "set-up", "median_s": seconds}
    silent = _without_probes(made)
    bare = bench.compile(silent)
    works = {
        "neurohw": lambda: simulate(run, made, steps),
        "neurohw, nothing recorded": lambda: simulate(bare, silent, steps),
        "draws alone": draws_alone(bench, trials, steps),
        **dict(peers(bench, trials, steps)),
    }
    seconds, first = bench.timed(works["neurohw"])
    rate = len(first.events["N"].step) / (trials * steps * w.DT)
    yield {"case": "W1", "what": "first run, compiling included", "median_s": seconds, "Hz": rate}
    found = bench.together(works)
    ours = found["neurohw"]
    for name, seconds_ in found.items():
        more = {"ns_per_neuron_step": 1e9 * statistics.median(seconds_) / (trials * steps)}
        if name == "neurohw, nothing recorded":
            share = statistics.median(found["draws alone"]) / statistics.median(seconds_)
            more["share_of_draws_alone"] = share
        yield row("W1", name, seconds_, ours, **more)
    some = sorted({0, 1, trials // 2, trials - 1})
    check = min(steps, 2_000)
    yield {"case": "W1", "what": "spikes against native on the CPU",
           "same": _same(run, made, check, some)}  # fmt: skip


def w5(bench: Bench, size: tuple[int, int, int]) -> Iterator[dict]:
    n, steps, trials = size
    made = w5_program(n, trials)
    seconds, run = bench.timed(lambda: bench.compile(made))
    yield {"case": "W5", "what": "set-up", "median_s": seconds}
    torch = bench.torch
    rows = min(steps * trials, 1 << (10 if bench.interpret else 16))
    left = torch.zeros((rows, n), dtype=torch.int8, device=bench.device)
    right = torch.zeros((n, n), dtype=torch.int8, device=bench.device)
    works = {
        "neurohw": lambda: simulate(run, made, steps),
        "int8 product alone": lambda: torch._int_mm(left, right.t()),
    }
    seconds, first = bench.timed(works["neurohw"])
    spikes = len(first.events["N"].step)
    yield {"case": "W5", "what": "first run, compiling included", "median_s": seconds,
           "spikes": spikes}  # fmt: skip
    found = bench.together(works)
    ours = statistics.median(found["neurohw"])
    product = statistics.median(found["int8 product alone"]) * steps * trials / rows
    # One byte per spike written and read by the product, a sum zeroed, added to and read.
    moved = steps * trials * n * (2 + 4 * 4)
    yield row("W5", "neurohw", found["neurohw"], share_of_product=product / ours,
              share_of_bandwidth=moved / bandwidth(bench) / ours,
              ns_per_neuron_step=1e9 * ours / (steps * trials * n))  # fmt: skip
    yield {"case": "W5", "what": "int8 product alone, all rows", "median_s": product}
    traced = w5_program(n, trials, traces=True)
    some, check = sorted({0, trials - 1}), min(steps, 200)
    yield {"case": "W5", "what": "spikes, u and v against native on the CPU",
           "same": _same(bench.compile(traced), traced, check, some)}  # fmt: skip


def _without_probes(made: Any) -> Any:
    import dataclasses

    return dataclasses.replace(made, probes=())


def _same(run: Any, made: Any, steps: int, trials: list[int]) -> bool:
    """Whether events and traces of these trials are those of native, bit for bit."""
    from neurohw import backend

    native = backend.compile_program(backend.load("native"), made)
    a, b = (simulate(r, made, steps, trials) for r in (run, native))
    columns = ("trial", "step", "element")
    return all(
        np.array_equal(getattr(a.events[k], c), getattr(b.events[k], c))
        for k in a.events for c in columns
    ) and all(np.array_equal(a.traces[k], b.traces[k]) for k in a.traces)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 if all that was compared was the same, 2 where nothing can run."""
    parser = argparse.ArgumentParser(description="W1 and W5 on a CUDA device")
    parser.add_argument("--interpret", action="store_true", help="tiny sizes on a CPU")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=("W1", "W5"))
    asked = parser.parse_args(arguments)
    for package in ("torch", "triton"):
        if not importlib.util.find_spec(package):
            print(f"gpu: {package} is not installed: pip install '.[torch]'", file=sys.stderr)
            return 2
    import torch

    if not asked.interpret and not torch.cuda.is_available():
        print("gpu: no CUDA device here (try --interpret)", file=sys.stderr)
        return 2
    bench = Bench(asked.interpret, 1 if asked.interpret else asked.repeats)
    print(json.dumps({"device": bench.name(), "torch": torch.__version__,
                      "bytes_per_s": bandwidth(bench)}))  # fmt: skip
    good = True
    sizes: dict[str, Any] = TINY if asked.interpret else SIZES
    for case, work in (("W1", w1), ("W5", w5)):
        if asked.only in (None, case):
            for found in work(bench, sizes[case]):
                good &= found.get("same", True)
                print(json.dumps(found), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
