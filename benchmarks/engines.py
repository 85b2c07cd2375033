"""Neuron-steps per second of each engine: independent noisy neurons with refractory jitter.

10,000 trials of one leaky integrate-and-fire neuron, white additive current noise, a refractory
period that is drawn anew at every spike; spikes recorded. An engine that would need longer than the
budget runs fewer steps, and the table says how many. Compilation is timed apart, and spike counts
are compared, so that a fast wrong answer shows.
"""

from __future__ import annotations

import argparse
import statistics
import time

import neurohw as nh
from neurohw.backend import compile_program, load, simulate
from neurohw.errors import NeurohwError

BUDGET = 15.0


def network() -> nh.Network:
    """The neuron of docs/performance.md."""
    net = nh.Network("ensemble")
    net.population(
        "N",
        nh.LIF(C="1 nF", tau="30 ms", E_L="-70 mV", V_th="-50 mV", I_bias="1.1333 nA",
               t_ref="4 ms", t_ref_sigma="0.5 ms"),
        noise=[nh.AdditiveNoise(sigma="40.8 pA*s**0.5")],
    )  # fmt: skip
    net.probe("N", "spikes")
    return net


def measure(engine: str, target: str, trials: int, steps: int) -> list[str]:
    """One row of the table."""
    program = nh.lower(network(), target, dt=1e-4, seed=1, trials=trials).program
    try:
        start = time.perf_counter()
        run = compile_program(load(engine), program)
        simulate(run, program, 16)
        compile_s = time.perf_counter() - start
    except NeurohwError as error:
        return [engine, target, "-", "-", "-", "-", str(error)[:60]]
    trial_steps = max(16, min(steps, 200))
    start = time.perf_counter()
    simulate(run, program, trial_steps)
    per_step = (time.perf_counter() - start) / trial_steps
    count = steps if per_step * steps < BUDGET else max(trial_steps, int(BUDGET / per_step))
    times, spikes = [], 0
    for _ in range(3 if per_step * count < BUDGET / 3 else 1):
        start = time.perf_counter()
        _, probes = simulate(run, program, count)
        times.append(time.perf_counter() - start)
        spikes = len(probes.events["N"])
    seconds = statistics.median(times)
    rate = spikes / trials / (count * 1e-4)
    return [engine, target, str(count), f"{compile_s:.2f}", f"{seconds:.2f}",
            f"{trials * count / seconds:.3g}", f"{rate:.2f} Hz"]  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--engines", default="native,torch,reference,lava,snntorch")
    parser.add_argument("--targets", default="float32,float64,lava,loihi1")
    options = parser.parse_args()
    head = ["engine", "target", "steps", "compile s", "run s", "neuron-steps/s", "rate"]
    rows = [head]
    for target in options.targets.split(","):
        for engine in options.engines.split(","):
            rows.append(measure(engine, target, options.trials, options.steps))
            print(" | ".join(rows[-1]), flush=True)
    widths = [max(len(r[i]) for r in rows) for i in range(len(head))]
    print()
    for row in rows:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
