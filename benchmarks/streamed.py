"""100,000 realisations of Fig. 3 with streamed moments: time, peak memory, and is it right?

The neurons are those of Fig. 3 left and right and, as a third, Fig. 3 left without a threshold,
whose mean and variance have a closed form at every step: with a = 1 - dt/tau and s the deviation
of the noise in one step of V, the variance after n steps is s^2 (1 - a^2n) / (1 - a^2). The two
that spike are held against the sample means, eq. (4), of 40 runs of other 1,000 realisations: in
standard errors their deviations must have a mean square of 1 (phases are shared by a whole run, so
a single run has few independent ones). The streamed run and the run with traces are processes of
their own, so that their peak memory is their own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from neurohw.analysis.moments import trial_moments
from neurohw.lowering import lower
from neurohw.network import LIF, AdditiveNoise, Network
from neurohw.recording import Recording
from neurohw.run import run_program
from neurohw.science.lif import DT, E_L, G_L, STEPS, TAU, V_RESET, V_TH

CURRENT, SIGMA = 6e-9, 2e-9
RUNS = 40


def network(reduce: str | None) -> Network:
    """Fig. 3 left, right with mu_ref = 0, and left without a threshold."""
    neuron = LIF(size=3, tau=TAU, g_L=G_L, E_L=E_L, V_reset=V_RESET, I_bias=CURRENT,
                 V_th=np.array([V_TH, V_TH, 1.0]), t_ref=np.array([8e-3, 0, 8e-3]),
                 t_ref_sigma=np.array([0, 1e-3, 0]))  # fmt: skip
    net = Network("streamed")
    net.population("cells", neuron, noise=[AdditiveNoise(sigma=SIGMA, convention="per_step")])
    net.probe("cells", "v", reduce=reduce)
    return net


def child(trials: int, runs: int, reduce: str) -> None:
    """Run once for each seed, and print what was found as JSON; first 2 trials, to compile."""

    def go(trials: int, steps: int, seed: int) -> Recording:
        lowered = lower(network(reduce or None), "float64", method="euler", dt=DT, seed=seed,
                        trials=trials)  # fmt: skip
        return run_program(lowered.program, steps=steps)  # as it stands: spikes are not kept

    go(2, 2, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    kept = [trial_moments(go(trials, STEPS, 1000 * trials + k), "cells", "v") for k in range(runs)]
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"seconds": seconds / runs, "before": before, "peak": peak, "count": trials,
             "mean": [m.mean.tolist() for m in kept],
             "variance": [m.variance.tolist() for m in kept]}  # fmt: skip
    print(json.dumps(found))


def measured(trials: int, runs: int, reduce: str) -> dict:
    """The same from a process of its own."""
    command = [sys.executable, __file__, "--child", str(trials), str(runs), reduce]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    return found | {k: np.array(found[k]) for k in ("mean", "variance")}


def worst(z: np.ndarray) -> str:
    """Deviations in standard errors; neighbouring steps are correlated."""
    return f"largest |z| {np.abs(z).max():.2f}, root mean square {np.sqrt((z**2).mean()):.2f}"


def main() -> None:
    """Run both, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(int(asked.child[0]), int(asked.child[1]), asked.child[2])
        return
    many, few = measured(asked.trials, 1, "moments"), measured(1000, RUNS, "")
    for name, r in (("streamed", many), ("traces", few)):
        updates = r["count"] * STEPS * 3 / r["seconds"] / 1e6
        peak, before = (r[k] / 1024 for k in ("peak", "before"))
        print(f"{name}: {r['count']:,} realisations x {STEPS} steps x 3 neurons: "
              f"{r['seconds']:.2f} s ({updates:.0f} million neuron-steps/s), peak memory "
              f"{peak:.0f} MiB, of it before the run {before:.0f} MiB")  # fmt: skip
    whole = asked.trials * STEPS * 3 * 8 / 2**30
    print(f"the traces of all realisations would be {whole:.2f} GiB")

    n, a = np.arange(1, STEPS + 1), 1 - DT / TAU
    step = SIGMA * DT / (TAU * G_L)
    mean = E_L + CURRENT / G_L * (1 - a**n)
    variance = step**2 * (1 - a ** (2 * n)) / (1 - a**2)
    total, spread, count = many["mean"][0], many["variance"][0], many["count"]
    print("no threshold, mean against closed form:    ",
          worst((total[:, 2] - mean) / np.sqrt(variance / count)))  # fmt: skip
    print("no threshold, variance against closed form:",
          worst((spread[:, 2] / variance - 1) / np.sqrt(2 / (count - 1))))  # fmt: skip
    for k, panel in enumerate(("left", "right")):
        some = spread[:, k] > 1e-20  # V^2; below it, only rounding
        error = np.sqrt(spread[some, k] * (1 / few["count"] + 1 / count))
        z = (few["mean"][:, some, k] - total[some, k]) / error
        print(f"Fig. 3 {panel}, {RUNS} means of 1,000 against the streamed:", worst(z))


if __name__ == "__main__":
    main()
