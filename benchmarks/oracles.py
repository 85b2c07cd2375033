"""neurohw against what others compute: closed forms, SciPy, Brian 2; one table.

    python benchmarks/oracles.py                          # all, with Brian 2's golden files
    python benchmarks/oracles.py scipy siegert            # some of: brian2 closed siegert scipy
    python benchmarks/oracles.py brian2 --brian2 PYTHON --seed 7
                                   # Brian 2 live, run by an interpreter that has it; fresh inputs

Ends with status 1 if a row fails. A row says what was measured, what was expected, and the error
it is judged by: a standard error (then z is in units of it, at most 4.5), or a bound that is
derived where the row is made.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
import closed_forms
import oracles_brian2
import oracles_scipy
import siegert
from table import show


def main() -> int:
    """Run, print, say how many rows failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {
        "brian2": (oracles_brian2.golden,),
        "closed": closed_forms.ALL,
        "siegert": siegert.ALL,
        "scipy": oracles_scipy.ALL,
    }
    parser.add_argument("parts", nargs="*", help=" ".join(parts))
    parser.add_argument("--brian2", metavar="PYTHON", nargs="?", const=sys.executable)
    parser.add_argument("--seed", type=int, default=1, help="of the inputs of a live Brian 2")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    if options.brian2:
        parts["brian2"] = (partial(oracles_brian2.live, options.brian2, options.seed),)
    return show([f for name in options.parts or parts for f in parts[name]])


if __name__ == "__main__":
    sys.exit(main() > 0)
