"""Lava's stock fixed-point processes on the CPU: RingBuffer -> Dense -> LIF -> RingBuffer.

Lava itself is used as its users do; ``neurohw_lava.shim`` only makes it importable on Python 3.11
and later. Option ``cores``: 1 keeps all of its operating system processes on one core, which
spares their messages the way from core to core. Reading what was recorded is timed apart.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import protocol
import workloads as w


def load() -> dict[str, str]:
    """Import Lava."""
    global RunSteps, Loihi2SimCfg, LIF, Dense, Source, Sink, Monitor, SignMode, quiet
    from neurohw_lava.shim import import_lava, quiet

    import_lava()
    from importlib.metadata import version

    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source
    from lava.proc.lif.process import LIF
    from lava.proc.monitor.process import Monitor
    from lava.utils.weightutils import SignMode

    return {"lava-nc": version("lava-nc"), "numpy": np.__version__}


class Ready:
    """A running network. Before each run but the first, u, v and what Dense holds are set to 0."""

    def __init__(self, asked: dict) -> None:
        n, self.steps = asked["size"], asked["steps"]
        with np.load(asked["data"]) as data:
            self.weights, self.given = data["weights"].astype(np.int32), data["spikes"]
        self.n, self.has_read = n, False
        cores = asked.get("cores", 2)
        if cores == 1:
            os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[0]})
        self.about = {"cores": cores}
        start = time.perf_counter()
        with quiet():
            self.lif, self.dense, _ = self._network()
            self.sink = Sink(shape=(n,), buffer=self.steps)
            self.lif.s_out.connect(self.sink.a_in)
            self.config = Loihi2SimCfg(select_tag="fixed_pt")
            self.lif.run(condition=RunSteps(num_steps=self.steps), run_cfg=self.config)
        self.compile_s = time.perf_counter() - start

    def _network(self) -> tuple[Any, Any, Any]:
        lif = LIF(shape=(self.n,), du=w.W5["du"], dv=w.W5["dv"], vth=w.w5_threshold(self.n))
        dense = Dense(weights=self.weights, sign_mode=SignMode.MIXED)
        source = Source(data=self.given[: self.steps].T.astype(np.int32))
        source.s_out.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
        return lif, dense, source

    def run(self, seed: int) -> dict:
        """All steps again, from zero; the first time, also read the recording (up to a minute)."""
        zero = np.zeros(self.n, np.int32)
        for variable in (self.lif.u, self.lif.v, self.dense.a_buff):
            variable.set(zero)
        seconds, _ = protocol.timed(
            self.lif.run, condition=RunSteps(num_steps=self.steps), run_cfg=self.config
        )
        if self.has_read:
            return {"seconds": seconds, "spikes": None}
        self.has_read = True
        read, spikes = protocol.timed(self.sink.data.get)
        return {"seconds": seconds, "spikes": int(spikes.sum()), "read_s": read}

    def dump(self, path: str) -> None:
        """Spikes, u and v of every step, from a network of its own with monitors."""
        with quiet():
            lif, _, _ = self._network()
            monitors = {"u": Monitor(), "v": Monitor(), "spikes": Monitor()}
            for name, port in (("u", lif.u), ("v", lif.v), ("spikes", lif.s_out)):
                monitors[name].probe(port, self.steps)
            lif.run(condition=RunSteps(num_steps=self.steps),
                    run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))  # fmt: skip
        found = {k: next(iter(next(iter(m.get_data().values())).values()))
                 for k, m in monitors.items()}  # fmt: skip
        lif.stop()
        found["spikes"] = found["spikes"].astype(bool)
        np.savez(path, **found)

    def close(self) -> None:
        """End Lava's own processes."""
        self.lif.stop()


if __name__ == "__main__":
    protocol.serve(load, {"W5": Ready})
