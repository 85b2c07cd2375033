"""Run Python code inside a Lava process, and get arrays out of it fast.

``Var.get`` moves one element per message (about 0.1 ms each), so a trace of thousands of steps
takes longer to read than to compute. A :class:`Block` is one array that both sides map: the
process model writes row ``t``, the parent reads the array when the run is over.

* :class:`Stepper` is a Lava process whose model calls one picklable object each time step.
* :func:`recording` makes of a stock LIF process model one that computes the same and also writes
  ``u``, ``v`` and the spikes of every step to blocks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from neurohw_lava.shim import import_lava

import_lava()

from lava.magma.core.decorator import implements, requires  # noqa: E402
from lava.magma.core.model.py.model import PyLoihiProcessModel  # noqa: E402
from lava.magma.core.process.process import AbstractProcess  # noqa: E402
from lava.magma.core.resources import CPU  # noqa: E402
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # noqa: E402

__all__ = ["Block", "Stepper", "recording"]


class Block:
    """An array in a temporary file that parent and child map; zero at first.

    It can be pickled, which passes on the file's name and not the contents. A context manager:
    leaving it removes the file. Copy :attr:`array` before that.
    """

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        size = max(1, int(np.prod(shape)) * np.dtype(dtype).itemsize)
        handle, self._path = tempfile.mkstemp(prefix="neurohw-lava-")
        os.truncate(handle, size)
        os.close(handle)
        self._shape, self._dtype = tuple(shape), np.dtype(dtype)
        self._map()

    def _map(self) -> None:
        raw = np.memmap(self._path, dtype=np.uint8, mode="r+")
        count = int(np.prod(self._shape)) * self._dtype.itemsize
        self.array: np.ndarray = raw[:count].view(self._dtype).reshape(self._shape)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "array"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._map()

    def close(self) -> None:
        """Remove the file. The array stays readable until it is let go of."""
        if os.path.exists(self._path):
            os.unlink(self._path)

    def __enter__(self) -> Block:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Stepper(AbstractProcess):
    """A Lava process that calls ``step(t)`` with t = 1, 2, ... once per time step.

    Parameters
    ----------
    step : callable
        Any picklable callable, usually an object that holds the state and its output blocks.
        The copy in the child is the one that runs; results come back through a :class:`Block`.
    """

    def __init__(self, step: Callable[[int], None]) -> None:
        super().__init__(step=step)


@implements(proc=Stepper, protocol=LoihiProtocol)
@requires(CPU)
class StepperModel(PyLoihiProcessModel):
    """Calls the object that the process was given."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._step: Callable[[int], None] = proc_params["step"]

    def run_spk(self) -> None:
        """One time step; Lava counts them from 1."""
        self._step(self.time_step)


_made: dict[type, type] = {}


def recording(model: type) -> type:
    """Return a subclass of the LIF process model `model` that also records.

    Give it to the run configuration as ``exception_proc_model_map={LIF: recording(PyLif...)}``,
    and set ``process.proc_params["record"] = {"u": Block, "v": Block, "s": Block}``, any of them,
    each with the time as its first axis. ``u`` and ``v`` are the values at the end of the step,
    after a reset. The class cannot be pickled: it needs the fork start method.
    """
    if model in _made:
        return _made[model]

    class Recording(model):  # type: ignore[misc, valid-type]
        def spiking_activation(self) -> np.ndarray:
            self._spikes = super().spiking_activation()
            return self._spikes

        def run_spk(self) -> None:
            super().run_spk()
            values = {"u": self.u, "v": self.v, "s": self._spikes}
            for name, block in (self.proc_params.get("record") or {}).items():
                block.array[self.time_step - 1] = values[name]

    Recording.__name__ = Recording.__qualname__ = f"Recording{model.__name__}"
    _made[model] = Recording
    return Recording
