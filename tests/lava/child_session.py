"""Run by test_session.py in a process of its own: ``child_session.py METHOD STEPS``."""

from __future__ import annotations

import sys
import time

from neurohw_lava.shim import import_lava, quiet

import_lava()

from lava.magma.core.run_configs import Loihi2SimCfg  # noqa: E402

from neurohw_lava.record import Block, Stepper  # noqa: E402
from neurohw_lava.session import LavaSession  # noqa: E402


class Slow:
    """Takes 10 ms a step."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def __call__(self, t: int) -> None:
        self.block.array[0] = t
        time.sleep(0.01)


def main() -> int:
    """Run until interrupted; exit with 130 if that came as KeyboardInterrupt."""
    with Block((1,), "int64") as block, quiet():
        try:
            with LavaSession(
                Stepper(Slow(block)), Loihi2SimCfg(), start_method=sys.argv[1]
            ) as session:
                session.run(1)
                print("running", flush=True)
                session.run(int(sys.argv[2]))
            assert block.array[0] == 1 + int(sys.argv[2])
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
