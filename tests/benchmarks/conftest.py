"""The harness is a folder of scripts, found by path."""

from __future__ import annotations

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
for folder in (BENCHMARKS / "peers", BENCHMARKS):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
