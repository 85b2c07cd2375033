"""Random programs on lava, native and torch against the reference, bit for bit; prints a table.

    python benchmarks/conformance.py --programs 330 --steps 100

Each program also runs on Lava in two parts, and starts from a state at the edges of the number
ranges with spikes on their way. Exits with 1 if anything differs, with the seeds that show it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
OTHERS = ("native", "torch")
sys.path[:0] = [str(ROOT), str(ROOT / "backends"), str(ROOT / "tests" / "lava")]


def check(made: Any) -> tuple[Any, list[str], float]:
    """The run, what differs from the reference, and seconds in Lava."""
    from neurohw.backend import compile_program, load
    from neurohw.program import concat
    from neurohw.reference import ReferenceRun
    from neurohw.testing.checks import difference
    from neurohw_lava import backend

    run: Any = compile_program(backend(), made.program)
    begin = time.perf_counter()
    got = run(made.state, made.inputs, 0, made.steps)
    seconds = time.perf_counter() - begin
    want = ReferenceRun(made.program)(made.state, made.inputs, 0, made.steps)
    problems = [difference(got, want)]
    cut = made.steps // 3
    parts = [{k: v[a] for k, v in made.inputs.items()} for a in (np.s_[:cut], np.s_[cut:])]
    state, first = run(made.state, parts[0], 0, cut)
    state, second = run(state, parts[1], cut, made.steps - cut)
    split = difference((state, concat(first, second)), want)
    problems.append(f"in two parts: {split}" if split else "")
    for engine in OTHERS:
        other = compile_program(load(engine), made.program)(made.state, made.inputs, 0, made.steps)
        differs = difference(other, want)
        problems.append(f"{engine}: {differs}" if differs else "")
    return run, [x for x in problems if x], seconds


def main() -> int:
    """Run, print, say how it went."""
    from generate import TWISTS, fixed_program, float_program

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    kinds = (*TWISTS, "period", "period")
    table: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    times: dict[str, list[float]] = {"stock": [], "own": []}
    for seed in range(options.seed, options.seed + options.programs):
        fixed = seed % 3 != 2
        twist = kinds[seed // 12 % len(kinds)] if seed % 4 == 3 else ""
        if not fixed and twist not in ("", "period", "arrays"):
            twist = "period"
        make = fixed_program if fixed else float_program
        made = make(seed, steps=options.steps, twist=twist)
        kind = "fixed" if fixed else "float"
        try:
            run, problems, seconds = check(made)
        except Exception as error:
            failures.append(f"{kind} {seed}: {type(error).__name__}: {error}")
            continue
        failures += [f"{kind} {seed} ({run.path}): {x}" for x in problems]
        times[run.path].append(seconds)
        table[f"{kind}, {run.path}"] += 1
        for name in run.processes if run.path == "stock" else ():
            table[f"{kind}, stock, with {name}"] += 1
        for name in made.features:
            table[f"{kind}, {run.path}, feature {name}"] += 1
        if run.path == "own":
            reasons[run.reason.split(": ", 1)[-1][:60] + (f" [{twist}]" if twist else "")] += 1
    for title, counts in (("count", table), ("why our own process", reasons)):
        print(f"{title}")
        for name, n in sorted(counts.items()):
            print(f"  {n:5d}  {name}")
    for path, seconds in times.items():
        if seconds:
            print(f"{path}: {np.median(seconds):.2f} s for {options.steps} steps (median)")
    also = " and ".join(OTHERS)
    print(f"{len(failures)} differences in {options.programs} programs, each also on {also}")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
