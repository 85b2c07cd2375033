"""The ``lava`` backend: programs run by the runtime of Intel's Lava (lava-nc 0.10.0).

Where every neuron population of a program is exactly what Lava's stock processes compute (``LIF``,
``LIFRefractory``, fed through ``Dense``, ``DelayDense`` or ``Sparse`` by ``RingBuffer``), those
run, unchanged. Drivers, which no stock process draws, are evaluated beforehand by our own code and
put into the ring buffers; relays likewise, before the neurons or after them. Ledger and probes of
values that Lava does not keep are evaluated from the recorded states, and where that evaluation
disagrees with what Lava recorded an error is raised. Everything else, such as noise, fixed-point
refractory periods or parameters per neuron, runs in a Lava process of our own that evaluates the
whole program. ``LavaRun.path`` says which, ``LavaRun.reason`` why; the environment variable
``NEUROHW_LAVA_PATH`` (``own`` or ``stock``) insists.

Importing this package imports nothing heavy, and not Lava. Lava is imported by
:func:`neurohw_lava.shim.import_lava`, which every module here that needs Lava calls first.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from neurohw.program import Program
    from neurohw_lava.run import LavaRun

__all__ = ["LavaBackend", "backend"]


class LavaBackend:
    """Runs every program whose edges carry spikes."""

    name = "lava"
    ir_version = 2  # neurohw.program.IR_VERSION, which would import NumPy

    def unsupported(self, program: Program) -> list[tuple[str, str]]:
        """Edges that carry values; whatever else stock processes cannot run, ours does."""
        return [(e.where, "the edge carries values") for e in program.edges if e.value]

    def compile(self, program: Program) -> LavaRun:
        """Choose the processes.

        Raises
        ------
        BackendError
            Lava is not installed; the message has the two steps of its installation.
        """
        from neurohw_lava.run import LavaRun

        return LavaRun(program.without_conv())


def backend() -> LavaBackend:
    """Entry point.

    Raises
    ------
    ImportError
        Lava is not installed.
    """
    if find_spec("lava") is None:
        raise ImportError("No module named 'lava'", name="lava")
    return LavaBackend()
