"""Run by test_programs.py in a process of its own: ``child_run.py PATH``, until Ctrl-C."""

from __future__ import annotations

import os
import sys

from neurohw.backend import simulate
from neurohw.lowering import lower
from neurohw.network import LIF, Delta, Network, Regular
from neurohw_lava import backend


def main() -> int:
    """Run for a long time on the path given; exit with 130 if that was interrupted."""
    os.environ["NEUROHW_LAVA_PATH"] = sys.argv[1]
    net = Network("long")
    net.driver("R", Regular(period=2e-3))
    net.population("N", LIF(C=1e-10, tau=0.01, V_th=0.02))
    net.connect("R", "N", Delta(weight=0.01))
    program = lower(net, "lava", dt=1e-3).program
    run = backend().compile(program)
    print(run.path, flush=True)
    try:
        simulate(run, program, 60_000)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
