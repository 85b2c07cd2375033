"""A peer that simulates nothing: a worker for the tests of the harness.

``fake_worker.py NAME LOG``: notes in LOG when it computes. ``missing`` cannot be imported, ``dies``
ends in the middle of its first run, ``sleeps`` never answers a run, ``noisy`` prints to stdout.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "peers"))
import protocol

NAME, LOG = sys.argv[1], Path(sys.argv[2])


def load() -> dict[str, str]:
    """Fail if that is asked for."""
    if NAME == "missing":
        raise ImportError("no module named peer")
    return {"fake": "1.0"}


class Built:
    """Takes as many milliseconds as its size says."""

    compile_s = 0.25

    def __init__(self, asked: dict) -> None:
        self.size, self.about = asked["size"], {"threads": asked.get("threads", 1)}
        self.calls = 0

    def run(self, seed: int) -> dict:
        """Write down that it ran."""
        if NAME == "dies":
            os._exit(7)
        if NAME == "sleeps":
            time.sleep(60)
        if NAME == "noisy":
            print('{"is": "ran", "seconds": -1}')
            os.write(1, b"straight to the descriptor\n")
        with LOG.open("a") as log:
            log.write(f"{NAME} {seed}\n")
        self.calls += 1
        return {"seconds": self.size / 1000 + self.calls / 1e4, "spikes": 10 * self.size + seed}


def refuse(asked: dict) -> Built:
    """A case that no peer of this kind has."""
    raise protocol.Cannot("no such neuron")


if __name__ == "__main__":
    protocol.serve(load, {"W1": Built, "W4": refuse})
