"""Cost against size: from the connectivity to the last step, seconds and memory of each phase.

The network is the current-based one of Vogels and Abbott (J. Neurosci. 25:10786, 2005) in the form
of Brette et al. (J. Comput. Neurosci. 23:349, 2007, benchmark 2): four fifths excitatory, each
neuron with k inputs, weights scaled by 80 / k. Every size runs in a process of its own.

``python benchmarks/scale.py`` prints a table of phases and the fitted exponents of cost and memory;
``--sizes 1e6 --inputs 100`` is 10^6 neurons and 10^8 synapses. With ``--spread`` every synapse has
a weight of its own. Memory is that of the process: at rest after a phase, and its peak in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PHASES = ("build", "lower", "verify", "compile", "run")
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def memory() -> tuple[int, int]:
    """Bytes at rest, and at most since ``forget``."""
    if not STATUS.exists():
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return 0, most if sys.platform == "darwin" else most * 1024
    found = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    rest, most = (int(found[key].split()[0]) * 1024 for key in ("VmRSS", "VmHWM"))
    return rest, most


def forget() -> None:
    """Count the peak from here on."""
    if CLEAR.exists():
        CLEAR.write_text("5")


@contextmanager
def phase(name: str, out: dict[str, Any]) -> Iterator[None]:
    """Note seconds of the clock, seconds of all processors, and memory of a phase."""
    forget()
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    rest, most = memory()
    out[name] = {"s": clock, "cpu_s": cpu, "rest": rest, "peak": most}


def network(n: int, k: int, rule: str, spread: float) -> Any:
    """The network of n neurons with about k inputs each."""
    import neurohw as nh
    from neurohw.network.connectivity import fixed_in_degree, pairwise_bernoulli

    net = nh.Network("scale")
    sizes = {"E": n - n // 5, "I": n // 5}
    start = np.random.default_rng(1).uniform(-60e-3, -50e-3, n)
    for name, first in (("E", 0), ("I", sizes["E"])):
        lif = nh.LIF(size=sizes[name], C="200 pF", tau="20 ms", E_L="-49 mV", V_th="-50 mV",
                     V_reset="-60 mV", V_init=start[first : first + sizes[name]],
                     t_ref="5 ms")  # fmt: skip
        net.population(name, lif)
    g_L, scale = 10e-9, 80 / k
    for seed, (source, jump, tau) in enumerate((("E", 1.62e-3, "5 ms"), ("I", -9e-3, "10 ms"))):
        for place, target in enumerate(sizes):
            m, s = sizes[target], sizes[source]
            options: dict[str, Any] = {
                "weight": jump * g_L * scale, "seed": 2 * seed + place, "cv": spread,
            }  # fmt: skip
            if rule == "in_degree":
                w = fixed_in_degree(m, s, round(k * s / n), **options)
            else:
                w = pairwise_bernoulli(m, s, k / n, **options)
            net.connect(source, target, nh.Exponential(weight=w, tau=tau), delay="1.5 ms")
    return net


def one(asked: argparse.Namespace, n: int) -> dict[str, Any]:
    """All phases of one size."""
    from neurohw.backend import compile_program, load, simulate
    from neurohw.lowering import lower
    from neurohw.program import verify
    from neurohw.run import with_spikes

    engine = load(asked.backend)
    out: dict[str, Any] = {"n": n, "start": memory()[0]}
    with phase("build", out):
        net = network(n, asked.inputs, asked.rule, asked.spread)
    with phase("lower", out):
        program = with_spikes(lower(net, asked.target, dt=1e-4, seed=1).program)
    with phase("verify", out):
        verify(program)
    out["synapses"] = sum(e.weights.data.size for e in program.edges)
    with phase("compile", out):
        run = compile_program(engine, program)
    with phase("run", out):
        _, probes = simulate(run, program, asked.steps)
    spikes = sum(len(e) for e in probes.events.values())
    out |= {"steps": asked.steps, "spikes": spikes, "rate": spikes / n / (asked.steps * 1e-4)}
    return out


def exponent(sizes: list[float], costs: list[float]) -> float:
    """Slope of the line through the logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def table(rows: list[dict[str, Any]]) -> str:
    """One line per size, then exponents and bytes per synapse of the largest ones."""
    head = ["neurons", "synapses", *(f"{p}, s" for p in PHASES), "rate, Hz", "ns/neuron/step"]
    head += [f"MB after {p}" for p in PHASES[:2]] + ["peak, MB"]
    lines = [f"| {' | '.join(head)} |", f"|{'---:|' * len(head)}"]
    for r in rows:
        cells = [f"{r['n']:,}", f"{r['synapses']:,}", *(f"{r[p]['s']:.3f}" for p in PHASES)]
        cells += [f"{r['rate']:.1f}", f"{r['run']['s'] / r['n'] / r['steps'] * 1e9:.2f}"]
        cells += [f"{r[p]['rest'] / 1e6:,.0f}" for p in PHASES[:2]]
        lines.append(f"| {' | '.join(cells)} | {peak(r) / 1e6:,.0f} |")
    large = [r for r in rows if r["n"] >= rows[-1]["n"] / 32]
    if len(large) > 1:
        n, m = ([r[key] for r in large] for key in ("n", "synapses"))
        found = [f"{p} {exponent(n, [r[p]['s'] for r in large]):.2f}" for p in PHASES]
        lines += ["", f"Exponents over {n[0]:,} to {n[-1]:,} neurons: {', '.join(found)}."]
        rest = [f"{p} {np.polyfit(m, [r[p]['rest'] for r in large], 1)[0]:.1f}" for p in PHASES]
        most = np.polyfit(m, [peak(r) for r in large], 1)[0]
        lines.append(f"Bytes per synapse at rest after {', '.join(rest)}; peak {most:.1f}.")
    return "\n".join(lines)


def peak(row: dict[str, Any]) -> int:
    """The largest of all phases."""
    return max(row[p]["peak"] for p in PHASES)


def main() -> None:
    """Run every size in a fresh process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=float, nargs="+",
                        default=[1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6])  # fmt: skip
    parser.add_argument("--inputs", type=int, default=100, help="synapses per neuron")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rule", choices=("in_degree", "bernoulli"), default="in_degree")
    parser.add_argument("--spread", type=float, default=0.0, help="cv of the weights")
    parser.add_argument("--target", default="float32")
    parser.add_argument("--backend", default="native")
    parser.add_argument("--json", type=Path, help="where to save what was measured")
    parser.add_argument("--one", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(one(asked, int(asked.one))))
        return
    rows = []
    for n in (asked.sizes[0], *asked.sizes):  # the first only fills the cache of kernels
        words = [sys.executable, __file__, *sys.argv[1:], "--one", str(n)]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout))
    rows = rows[1:]
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))
    print(table(rows))


if __name__ == "__main__":
    main()
