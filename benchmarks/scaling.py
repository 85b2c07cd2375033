"""Cost and memory of neurohw (native) against size, over three decades: W1, W3 and W5.

Every size is a process of its own, which builds, compiles, runs a few times and prints the least
time (size decides, not noise) and its largest resident memory. Exponents are fitted by least
squares to the logarithms, of all sizes and of the upper decade: small sizes are ruled by what a
step costs whatever its size, so the exponent rises to that of the work. The work itself: W1, trials
x steps; W3 at a fixed number of synapses per neuron, neurons x steps + spikes x synapses; W5, input
spikes x neurons, which grows with the square of the neurons.

``--spread`` instead prints how the rate of W3 varies from network to network.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[1:1] = [str(HERE / "peers"), str(HERE)]

import peer_neurohw as peer  # noqa: E402
import report  # noqa: E402
import workloads as w  # noqa: E402

SIZES = {
    "W1": (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
    "W3": (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
    "W5": (10, 32, 100, 316, 1_000, 3_160, 10_000),
}
"""Trials; neurons; neurons (their work grows with the square)."""
DEGREE = 80
"""Synapses per neuron of W3 here: what 4,000 neurons have."""


def child(case: str, size: int, rounds: int, steps: int) -> None:
    """Build, run, print what it took."""
    peer.load()
    before = _peak()
    asked: dict[str, Any] = {"case": case, "size": size, "steps": steps}
    synapses = 0
    if case == "W3":
        w.W3["p"] = DEGREE / size
        synapses = DEGREE * size
        # the weight belongs to the number of synapses, not of neurons
        w.W3["w_E"], w.W3["w_I"] = (x * size / 4000 for x in (w.W3["w_E"], w.W3["w_I"]))
    if case == "W5":
        asked["data"] = _data(size, steps)
        synapses = size * size
    ready = peer.CASES[case](asked)
    built = _peak()
    samples = [ready.run(0) for _ in range(rounds)]
    print(json.dumps({
        "case": case, "size": size, "steps": steps, "synapses": synapses,
        "seconds": [s["seconds"] for s in samples], "spikes": samples[0]["spikes"],
        "compile_s": ready.compile_s, "before": before, "built": built, "peak": _peak(),
    }))  # fmt: skip


def _data(size: int, steps: int) -> Any:
    """As ``numpy.load`` would give it, without a file."""
    import io

    weights, given = w.w5_data(size, steps)
    kept = io.BytesIO()
    np.savez(kept, weights=weights, spikes=given)
    kept.seek(0)
    return kept


def _peak() -> int:
    """Largest resident memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(case: str, size: int, rounds: int) -> dict[str, Any]:
    """One size, in a process of its own."""
    steps = w.STEPS[case]
    if case == "W3":
        steps = max(1_000, min(steps, round(1e9 / size)))
    command = [sys.executable, __file__, "--child", case, str(size), str(rounds), str(steps)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float]:
    """Slope of log cost against log size by least squares, and its standard error."""
    x, y = np.log(np.asarray(sizes, float)), np.log(np.asarray(costs, float))
    if len(x) < 3:
        raise ValueError("a slope and its error need three sizes")
    x = x - x.mean()
    slope = float(x @ (y - y.mean()) / (x @ x))
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt(rest @ rest / (len(x) - 2) / (x @ x)))


def cost(found: dict[str, Any]) -> float:
    """Seconds per step."""
    return min(found["seconds"]) / found["steps"]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Exponents and memory of one case."""
    sizes, costs = [r["size"] for r in rows], [cost(r) for r in rows]
    out: dict[str, Any] = {"all": exponent(sizes, costs)}
    upper = [i for i, n in enumerate(sizes) if n * 12 >= sizes[-1]]
    if len(upper) >= 3:
        out["upper"] = exponent([sizes[i] for i in upper], [costs[i] for i in upper])
    # the two largest: below, Python and its libraries hide the difference
    small, large = rows[-2:]
    more, elements, synapses = (large[k] - small[k] for k in ("peak", "size", "synapses"))
    out["bytes_per_element"] = more / elements
    if synapses:
        out["bytes_per_synapse"] = more / synapses
    return out


def spread(networks: int) -> None:
    """Mean rate of W3 and its deviation from network to network."""
    peer.load()
    for size in w.SIZES["W3"]:
        rates = []
        for seed in range(networks):
            asked = {"case": "W3", "size": size, "steps": w.STEPS["W3"], "seed": seed}
            rates.append(peer.w3(asked).run(0)["spikes"] / size)
        mean, sd = statistics.mean(rates), statistics.stdev(rates)
        print(f"W3, {size:,} neurons: {mean:.3f} spikes each, deviation {sd / mean:.1%} of it",
              f"between {networks} networks")  # fmt: skip


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--cases", type=lambda x: x.split(","), default=list(SIZES))
    parser.add_argument("--largest", type=int, default=10**9, help="leave larger sizes out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--docs", type=Path, help="write the table into this file")
    parser.add_argument("--spread", type=int, metavar="NETWORKS")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], *map(int, options.child[1:]))
        return
    if options.spread:
        spread(options.spread)
        return
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "scaling.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for case in options.cases:
        rows: list[dict[str, Any]] = []
        sizes = [n for n in SIZES[case] if n <= options.largest]
        measure(case, sizes[0], 1)  # so that no size that counts has to compile
        for size in sizes:
            rows.append(measure(case, size, options.rounds))
            r = rows[-1]
            print(f"{case} {size:>9,}: {cost(r) * 1e6:10.2f} us per step, peak "
                  f"{r['peak'] / 2**20:8.0f} MiB, {r['spikes']:,} spikes", flush=True)  # fmt: skip
        kept[case] = {"rows": rows, **summary(rows)}
        path.write_text(json.dumps(kept, indent=1))
        for part in ("all", "upper"):
            if part in kept[case]:
                slope, error = kept[case][part]
                print(f"{case}: exponent {slope:.3f} +- {error:.3f} ({part} sizes)")
        for name in ("element", "synapse"):
            if f"bytes_per_{name}" in kept[case]:
                print(f"{case}: {kept[case][f'bytes_per_{name}']:.1f} bytes per {name}")
    if options.docs is not None:
        text = report.replace(options.docs.read_text(), "scaling", "\n".join(table(kept)))
        options.docs.write_text(text)


def table(kept: dict[str, Any]) -> list[str]:
    """Exponents and memory in Markdown."""
    out = ["| | sizes | exponent | in the upper decade | bytes per element | bytes per synapse |",
           "|---" * 6 + "|"]  # fmt: skip
    for case, found in kept.items():
        rows = found["rows"]
        fits = [f"{found[k][0]:.2f} ± {found[k][1]:.2f}" if k in found else ""
                for k in ("all", "upper")]  # fmt: skip
        sizes = f"{rows[0]['size']:,} to {rows[-1]['size']:,}"
        memory = [f"{found[k]:,.1f}" if k in found else ""
                  for k in ("bytes_per_element", "bytes_per_synapse")]  # fmt: skip
        out.append(f"| {case} | {sizes} | " + " | ".join(fits + memory) + " |")
    return [*out, "", "![cost against size](performance.png)"]


if __name__ == "__main__":
    main()
