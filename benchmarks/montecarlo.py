"""Fixed-point Monte-Carlo on ``loihi1``: many trials of a noisy network, and one trial on Lava.

The network: 256 leaky integrate-and-fire neurons with Loihi's noise and synapses between them (10 %
connected, both signs), 10,000 steps of 0.1 ms, in the chip's integers, spikes recorded. Trials
differ in their noise. Lava has no noise, so there the same network runs without it, on Lava's stock
processes (``LIF`` and ``Dense``, target ``lava``), one trial and fewer steps; its time is scaled to
all steps, and the output says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import neurohw as nh
from neurohw.backend import compile_program, load, simulate
from neurohw.errors import NeurohwError
from neurohw.lowering import lower

sys.path[1:1] = [str(Path(__file__).parent / "peers"), str(Path(__file__).parent)]
import report  # noqa: E402

DT = 1e-4
NEURONS = 256


def network(*, noise: bool) -> nh.Network:
    """The same circuit with and without device noise."""
    rng = np.random.default_rng(1)
    net = nh.Network("montecarlo")
    lif = nh.LIF(size=NEURONS, C="0.5 nF", tau="20 ms", E_L="-70 mV", V_th="-50 mV",
                 I_bias=rng.uniform(0.5e-9, 0.62e-9, NEURONS))  # fmt: skip
    extra = [nh.AdditiveNoise(sigma="10 pA*s**0.5")] if noise else []
    net.population("N", lif, noise=extra)
    weights = rng.normal(0, 40e-12, (NEURONS, NEURONS)) * (rng.random((NEURONS, NEURONS)) < 0.1)
    net.connect("N", "N", nh.Exponential(weight=weights, tau="5 ms"), delay="1 ms")
    net.probe("N", "spikes")
    return net


def native(trials: int, steps: int, rounds: int) -> dict[str, Any]:
    """Seconds of all trials on ``loihi1``."""
    program = lower(network(noise=True), "loihi1", dt=DT, seed=1, trials=trials).program
    start = time.perf_counter()
    run = compile_program(load("native"), program)
    simulate(run, program, 2)
    compiled = time.perf_counter() - start
    seconds, spikes = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        _, probes = simulate(run, program, steps)
        seconds.append(time.perf_counter() - start)
        spikes = len(probes.events["N"])
        print(f"native, loihi1: {trials} trials x {NEURONS} neurons x {steps} steps: "
              f"{seconds[-1]:.2f} s, {spikes / trials / NEURONS / (steps * DT):.1f} Hz",
              flush=True)  # fmt: skip
    return {"seconds": seconds, "compile_s": compiled, "spikes": spikes, "trials": trials,
            "steps": steps, "trials_per_second": trials / statistics.median(seconds)}  # fmt: skip


def lava(steps: int, rounds: int) -> dict[str, Any]:
    """Seconds of one trial of ``steps`` steps on Lava's stock processes, start and end included."""
    program = lower(network(noise=False), "lava", dt=DT, seed=1).program
    try:
        run = compile_program(load("lava"), program)
    except NeurohwError as error:
        print("lava:", error)
        return {"missing": str(error)}
    seconds, spikes = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        _, probes = simulate(run, program, steps, chunk=steps)
        seconds.append(time.perf_counter() - start)
        spikes = len(probes.events["N"])
        print(f"lava, no noise: 1 trial x {NEURONS} neurons x {steps} steps: {seconds[-1]:.2f} s, "
              f"{spikes / NEURONS / (steps * DT):.1f} Hz", flush=True)  # fmt: skip
    return {"seconds": seconds, "steps": steps, "spikes": spikes, "path": getattr(run, "path", "")}


def main() -> None:
    """Measure both, print the ratio, keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--lava-steps", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs", type=Path, help="write the sentence into this file")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    ours = native(options.trials, options.steps, options.rounds)
    theirs = lava(options.lava_steps, options.rounds)
    rate = ours["trials_per_second"]
    said = (f"{options.trials:,} trials × {NEURONS} neurons × {options.steps:,} steps with noise on"
            f" `loihi1`, native: {statistics.median(ours['seconds']):.2f} s, {rate:.0f} trials per"
            " second.")  # fmt: skip
    if "seconds" in theirs:
        one = statistics.median(theirs["seconds"]) * options.steps / options.lava_steps
        said += (f" Lava, the same circuit without noise (it has none), one trial: {one:.1f} s"
                 f" (scaled from {options.lava_steps:,} steps, starting Lava included), so"
                 f" {one * rate:,.0f} times longer per trial.")  # fmt: skip
        theirs["scaled_to"], theirs["scaled_s"] = options.steps, one
    print(said)
    if options.docs is not None:
        options.docs.write_text(report.replace(options.docs.read_text(), "montecarlo", said))
    path = options.out / "montecarlo.json"
    path.write_text(json.dumps({"native": ours, "lava": theirs}, indent=1))


if __name__ == "__main__":
    main()
