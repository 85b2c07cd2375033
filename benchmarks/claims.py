"""Measure every claim of the texts and write the tables of ``docs/science.md``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from neurohw.science.claims import SOURCES, markdown, measure, with_tables

PAGE = Path(__file__).parents[1] / "docs" / "science.md"


def main() -> None:
    """Each source is simulated once; its table replaces the old one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SOURCES)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, help="default: the source's own")
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    tables = {}
    for name in asked.names or SOURCES:
        start = time.perf_counter()
        found = measure(name, seed=asked.seed, trials=asked.trials)
        for f in found:
            print(f"{f.id:26s} {f.verdict:15s} {f.quantity}: {f.number}", flush=True)
        tables[name] = markdown(found)
        print(f"{name}: {len(found)} claims in {time.perf_counter() - start:.1f} s", flush=True)
    asked.page.write_text(with_tables(asked.page.read_text("utf-8"), tables), "utf-8")


if __name__ == "__main__":
    main()
