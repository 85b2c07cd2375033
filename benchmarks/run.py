"""``make bench``: every benchmark, its output kept in a directory."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the scripts one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/bench"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for script in ("engines.py", "normal_quality.py", "conformance.py"):
        if not (HERE / script).exists():
            continue
        print(f"== {script}", flush=True)
        with (out / f"{script}.txt").open("w") as log:
            process = subprocess.Popen([sys.executable, str(HERE / script)], text=True,
                                       stdout=subprocess.PIPE)  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                log.write(line)
            if process.wait():
                raise SystemExit(f"{script} failed with status {process.returncode}")


if __name__ == "__main__":
    main()
