"""Measure neurohw and its peers in one run: ``python benchmarks/peers --out out/bench``.

Every contender of a case builds it first, then all run in turn (A B C A B C ...). What is measured
is kept in ``peers.json`` after every round; with ``--resume`` cases that are complete there are not
measured again. The tables are printed, and with ``--docs`` written between the markers of a page.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))

import checks  # noqa: E402
import contenders  # noqa: E402
import environments  # noqa: E402
import harness  # noqa: E402
import report  # noqa: E402
import workloads as w  # noqa: E402
from rich.console import Console  # noqa: E402

QUICK_ROUNDS, ROUNDS = 3, 5
LIMIT = 600.0
"""Seconds: a contender that needs longer to build or to run a case is left out of it."""


def main() -> int:
    """Measure what was asked."""
    options = _options()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "peers.json"
    record = _record(options, path)
    lasts = time.perf_counter()

    def tell(text: str) -> None:
        console.print(f"[dim]{time.perf_counter() - lasts:6.0f} s  {text}[/dim]", soft_wrap=True)

    try:
        for case, size in _cases(options):
            key = f"{case}/{size}"
            if record["cases"].get(key, {}).get("complete"):
                tell(f"{key}: kept")
                continue
            tell(f"{key}: {w.TITLES[case]}")
            _measure(case, size, options, record, path, tell)
            report.show(console, record, [key])
    except KeyboardInterrupt:
        console.print("interrupted; what was measured is kept in", path)
        return 130
    console.rule("all")
    report.show(console, record, list(record["cases"]))
    report.show_summary(console, record)
    tell("all is measured")
    if options.docs is not None:
        report.write(record, options.docs)
    return 0


def _measure(case: str, size: int, options: Any, record: dict, path: Path, tell: Any) -> None:
    steps = w.STEPS[case.partition("-")[0]]
    data = _data(case, size, steps, options.out)
    starters, requests, absent = {}, {}, []
    for c in contenders.entered(case, size, quick=options.quick):
        if options.only and c.peer not in options.only and c.peer != contenders.OURS:
            continue
        try:
            python = options.env.get(c.env) or environments.environment(c.env, tell=tell)
        except harness.Failed as error:
            absent.append(harness.Result(c.name, failed=str(error)))
            continue
        starters[c.name] = _starter(python, c, options.out)
        requests[c.name] = {"case": case, "size": size, "steps": steps, **c.options}
        if data is not None:
            requests[c.name]["data"] = str(data)
    entry: dict[str, Any] = {"case": case, "size": size, "steps": steps, "complete": False}
    record["cases"][f"{case}/{size}"] = entry

    def keep(results: dict[str, harness.Result]) -> None:
        entry["results"] = [asdict(r) for r in [*results.values(), *absent]]
        _check(entry)
        text = json.dumps(record, indent=1)
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)

    def last(workers: dict[str, harness.Worker]) -> None:
        if case == "W5" and size == w.SIZES["W5"][0]:
            entry["identical"] = _identical(workers, options.out, tell)

    results = harness.measure(starters, requests, rounds=options.rounds, long=options.long,
                              timeout=LIMIT, tell=tell, keep=keep, last=last)  # fmt: skip
    entry["complete"] = True
    keep(results)


def _identical(workers: dict[str, harness.Worker], out: Path, tell: Any) -> dict[str, Any]:
    """Whether u, v and spikes of every step are the same integers in neurohw and in Lava."""
    import numpy as np

    arrays = {}
    for name in (contenders.OURS, "Lava, 1 core"):
        if name not in workers:
            return {}
        tell(f"u, v and spikes of {name}")
        path = out / f"states-{name.split(',')[0]}.npz"
        try:
            workers[name].ask(600, do="dump", path=str(path))
        except harness.Failed as error:
            return {"failed": str(error)}
        with np.load(path) as data:
            arrays[name] = dict(data)
    ours, theirs = arrays.values()
    return {k: bool(np.array_equal(ours[k], theirs[k])) for k in ("u", "v", "spikes")}


def _check(entry: dict[str, Any]) -> None:
    """Judge every contender's spikes, and say by what bound."""
    ours = next((r for r in entry["results"] if r["name"] == contenders.OURS), None)
    counts = [s["spikes"] for s in ours["samples"]] if ours else []
    standard = sum(counts) / len(counts) if counts else None
    for r in entry["results"]:
        found = [s["spikes"] for s in r["samples"] if s.get("spikes") is not None]
        if not found:
            continue
        judged = [checks.within(entry["case"], entry["size"], entry["steps"], x, r["about"],
                                standard) for x in found]  # fmt: skip
        r["right"], r["bound"] = all(ok for ok, _ in judged), judged[0][1]


def _starter(python: str, c: contenders.Contender, out: Path) -> Any:
    env = dict(os.environ)
    if c.env != environments.OWN:
        env.pop("PYTHONPATH", None)
    env["PYTHONUNBUFFERED"] = "1"
    command = [python, str(HERE / c.script), str(c.options.get("library", ""))]
    log = out / f"{c.name.replace(' ', '_').replace(',', '')}.log"
    return lambda: harness.Worker(command, log=log, env=env)


def _data(case: str, size: int, steps: int, out: Path) -> Path | None:
    """The file with the arrays that all contenders of a case share, if there are any."""
    import numpy as np

    if case == "W5":
        weights, given = w.w5_data(size, steps)
        names = {"weights": weights, "spikes": given}
    elif case.startswith("W4"):
        weights, given = w.w4_data(case, size, steps)
        names = {"weights": weights, "given": given}
    else:
        return None
    path = out / f"{case}-{size}.npz"
    np.savez(path, **names)
    return path


def _cases(options: Any) -> list[tuple[str, int]]:
    sizes = contenders.cases(quick=options.quick)
    wanted = options.cases or list(sizes)
    return [(c, n) for c in wanted for n in sizes.get(c, w.SIZES[c])
            if not options.sizes or n in options.sizes]  # fmt: skip


def _record(options: Any, path: Path) -> dict[str, Any]:
    if options.resume and path.exists():
        return json.loads(path.read_text())
    return {
        "version": 1, "quick": options.quick, "rounds": options.rounds,
        "date": datetime.date.today().isoformat(), "cores": os.cpu_count(),
        "machine": platform.machine(), "processor": _processor(), "load": os.getloadavg()[0],
        "python": platform.python_version(), "cases": {},
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--docs", type=Path, help="write the tables into this file")
    parser.add_argument("--quick", action="store_true", help="fewer sizes, three rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--cases", type=lambda x: x.split(","), help="such as W1,W5")
    parser.add_argument("--sizes", type=lambda x: [int(n) for n in x.split(",")])
    parser.add_argument("--only", type=lambda x: x.split(","), help="peers, beside neurohw")
    parser.add_argument("--resume", action="store_true", help="keep complete cases of --out")
    parser.add_argument("--long", type=float, help="seconds: a peer slower than this is run once "
                        "(60; 10 if quick)")  # fmt: skip
    parser.add_argument("--env", action="append", default=[], metavar="NAME=PYTHON",
                        help="use this interpreter for an environment")  # fmt: skip
    options = parser.parse_args()
    options.env = dict(x.split("=", 1) for x in options.env)
    options.long = options.long or (10.0 if options.quick else 60.0)
    options.rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    return options


if __name__ == "__main__":
    sys.exit(main())
