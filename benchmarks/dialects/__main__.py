"""Compare target records with the packages that they describe: ``python benchmarks/dialects``.

Random circuits of one and of two layers run in the package, in an environment of its own, and in
neurohw. Printed, and with ``--docs`` written into a page: networks, spikes, mismatches, and the
largest difference of V. ``--golden`` keeps a few circuits and what the package made of them as
files for the tests.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from collections import defaultdict
from pathlib import Path
from subprocess import run as call
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "peers"), str(HERE.parent)]

import circuits as c  # noqa: E402
import environments  # noqa: E402
import numpy as np  # noqa: E402
import ours  # noqa: E402
from report import replace  # noqa: E402
from rich.console import Console  # noqa: E402

KEPT = 5
"""V of every such step goes into a golden file; spikes of all."""
ENVIRONMENT = {"nest": "nest", "brian2": "brian2"}
SCRIPT = {"nest": "nest_package.py", "brian2": "brian2_package.py"}


def main() -> int:
    """Measure what was asked."""
    options = _options()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    packages: dict[str, list[ours.Case]] = defaultdict(list)
    for case in ours.CASES:
        if not options.only or case.target in options.only:
            packages[case.package].append(case)
    rows, began = [], time.perf_counter()
    for package, cases in packages.items():
        bits = (64,) if package in ENVIRONMENT else (64, 32)
        drawn = [(case, k, _circuit(case, k, b))
                 for case in cases for k in range(options.networks) for b in bits]  # fmt: skip
        results, about = _ask(package, [x for _, _, x in drawn], options.out)
        for target in dict.fromkeys(case.target for case in cases):
            total, same, singles = ours.Verdict(), 0, 0
            for (case, number, circuit), theirs in zip(drawn, results, strict=True):
                if case.target != target:
                    continue
                verdict = ours.agree(theirs, ours.run(circuit, target, case.method))
                if circuit.options["bits"] == 32:
                    singles += 1
                    same += not verdict.mismatches
                    continue
                total += verdict
                if verdict.mismatches or options.verbose:
                    console.print(f"  {target}: {case.cell} {number} ({case.method}): {verdict}")
            rows.append((target, package, about["version"], total, (same, singles)))
            console.print(f"[dim]{time.perf_counter() - began:6.0f} s[/dim]", *_row(rows[-1]))
        if options.golden is not None:
            _golden(options.golden, package, drawn, results, about)
    text = "\n".join([
        "| target | package | version | networks | steps | spikes | mismatches "
        "| largest difference of V, of its range | in float32 the same spikes |",
        "|---|---|---|---|---|---|---|---|---|",
        *("| " + " | ".join(_row(row)) + " |" for row in rows),
    ])  # fmt: skip
    print(text)
    if options.docs is not None:
        options.docs.write_text(replace(options.docs.read_text(), "dialects", text))
    return int(any(row[3].mismatches for row in rows))


def _circuit(case: ours.Case, number: int, bits: int) -> c.Circuit:
    circuit = c.draw(case.cell, number)
    circuit.options = {**case.options, "method": case.method, "bits": bits}
    return circuit


def _row(row: tuple[str, str, str, ours.Verdict, tuple[int, int]]) -> list[str]:
    target, package, version, v, (same, singles) = row
    return [target, package, version, str(v.networks), f"{v.steps:,}", f"{v.spikes:,}",
            str(v.mismatches), f"{v.apart:.1e}",
            f"{same} of {singles}" if singles else ""]  # fmt: skip


def _ask(package: str, circuits: list[c.Circuit], out: Path) -> tuple[list[c.Result], Any]:
    """What a package makes of circuits."""
    python = environments.environment(ENVIRONMENT.get(package, "torch"))
    source, sink = out / f"{package}-in.npz", out / f"{package}-out.npz"
    c.save(source, circuits)
    script = HERE / SCRIPT.get(package, "torch_packages.py")
    done = call([python, str(script), package, str(source), str(sink)], capture_output=True,
                text=True, cwd=out, check=False)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{package} failed:\n{done.stderr[-3000:]}")
    return c.load_results(sink), c.load(sink)[1]


def _golden(
    folder: Path, package: str, drawn: list[Any], results: list[c.Result], about: dict[str, Any]
) -> None:
    """One circuit of each number of layers for each case, short, as a file."""
    kept = [k for k, (_, number, x) in enumerate(drawn) if number < 2 and x.options["bits"] == 64]
    few, theirs = [], []
    for k in kept:
        case, _, circuit = drawn[k]
        circuit.options |= {"target": case.target}
        few.append(circuit)
        result = results[k]
        v = [np.where(np.arange(len(x))[:, None] % KEPT, np.nan, x) for x in result.v]
        theirs.append(c.Result([np.asarray(s, np.uint8 if s.max() < 256 else np.int64)
                                for s in result.spikes], v))  # fmt: skip
    about = {**about, "made": datetime.date.today().isoformat(),
             "by": "python benchmarks/dialects --golden tests/dialects"}  # fmt: skip
    c.save(folder / f"{package}.npz", few, theirs, about)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/dialects"))
    parser.add_argument("--networks", type=int, default=20, help="of each kind of circuit")
    parser.add_argument("--only", type=lambda x: x.split(","), help="such as norse,nest")
    parser.add_argument("--golden", type=Path, help="folder for the tests' files")
    parser.add_argument("--docs", type=Path, help="write the table into this file")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
