"""``make bench``: every benchmark, its output kept in a directory; ``--quick``: only the peers.

In order: neurohw against its peers (which also writes docs/performance.md), cost against size,
Monte-Carlo, our own engines, the quality of the normal draws, the conformance suite. The peers can
be interrupted and taken up again (``--resume``).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"


def commands(out: Path, *, quick: bool, resume: bool) -> list[list[str]]:
    """Script and arguments of each benchmark."""
    peers = ["peers", "--out", str(out)]
    if quick:
        return [[*peers, "--quick"]]
    return [
        [*peers, "--docs", str(PAGE), *(["--resume"] if resume else [])],
        ["scaling.py", "--out", str(out), "--docs", str(PAGE)],
        ["montecarlo.py", "--out", str(out), "--docs", str(PAGE)],
        ["plot_cost.py", "--out", str(out), "--figure", str(PAGE.with_suffix(".png"))],
        ["engines.py"],
        ["normal_quality.py"],
        ["conformance.py"],
    ]


def main() -> None:
    """Run the scripts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for script, *rest in commands(options.out, quick=options.quick, resume=options.resume):
        print(f"== {script}", flush=True)
        with (options.out / f"{script}.txt").open("w") as log:
            process = subprocess.Popen([sys.executable, str(HERE / script), *rest], text=True,
                                       stdout=subprocess.PIPE)  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    print(line, end="", flush=True)
                    log.write(line)
            except KeyboardInterrupt:  # the script has heard it as well
                process.wait()
                raise SystemExit("interrupted; `make bench RESUME=1` goes on") from None
            if process.wait():
                raise SystemExit(f"{script} failed with status {process.returncode}")


if __name__ == "__main__":
    main()
