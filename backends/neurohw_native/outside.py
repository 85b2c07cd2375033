"""What edges carry of what comes from outside: an external as it is, or rounded to bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurohw.program import Edge, Program
from neurohw.program.bfloat16 import source_of
from neurohw_native.jit import jit

__all__ = ["Outside", "outside_of"]

Array = np.ndarray


@dataclass(frozen=True)
class Outside:
    """The external ``name`` ("population.external"), rounded if ``short``."""

    name: str
    short: bool

    def values(self, externals: Mapping[str, Array], steps: slice) -> Array:
        """What is carried in these steps of the arrays."""
        x = externals[self.name][steps]
        return _shortened(x) if self.short else x


def outside_of(program: Program, e: Edge) -> Outside | None:
    """What an edge carries of what comes from outside, or None if it is something else."""
    q = program.population(e.source)
    i = q.value(e.value) if e.value else q.spike or 0
    given = source_of(q, i)
    node = q.nodes[i if given is None else given]
    found = Outside(f"{e.source}.{node.attrs.get('name')}", given is not None)
    return found if node.op == "external" else None


def _shortened(x: Array) -> Array:
    """What ``bfloat16.rounded`` makes of float32 numbers."""
    x = np.ascontiguousarray(x)
    out = np.empty_like(x)
    _shorten(x.reshape(-1).view(np.uint32), out.reshape(-1).view(np.uint32))
    return out


@jit
def _shorten(x, out):
    """The upper half of each number's bits, rounded; NaN is left alone."""
    for i in range(len(x)):
        odd = (x[i] >> np.uint32(16)) & np.uint32(1)
        y = (x[i] + (np.uint32(0x7FFF) + odd)) & np.uint32(0xFFFF0000)
        size = x[i] & np.uint32(0x7FFFFFFF)
        y = np.uint32(0) if size <= np.uint32(0x8000) else y  # no -0
        out[i] = x[i] if size > np.uint32(0x7F800000) else y
