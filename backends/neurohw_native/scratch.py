"""Memory that outlives a run: to touch a fresh page costs more than to fill it.

What a kernel notes of spikes is copied to the columns of ``Events``, and sums ahead are read once.
Either lies in memory that a run takes from a :class:`Pool` and gives back.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Memory", "Pool", "aligned"]

Array = np.ndarray
KEPT = 1 << 26  # bytes that a program keeps at most between runs
LINE = 64  # bytes; no load of a vector that begins at a multiple takes two lines of cache
MARGIN = 1.25  # room for spikes, in units of what the rate seen last asks for


def aligned(count: int) -> Array:
    """``count`` bytes that begin where a line of cache does."""
    raw = np.empty(count + LINE, np.uint8)
    first = -raw.ctypes.data % LINE
    return raw[first : first + count]


class Pool:
    """Blocks of bytes, each in the hands of one taker at a time; any thread may take and give."""

    def __init__(self) -> None:
        self._kept: list[Array] = []
        self._lock = threading.Lock()

    def take(self, count: int) -> Array:
        """At least ``count`` bytes, aligned; what they hold is not said."""
        with self._lock:
            fitting = [i for i, x in enumerate(self._kept) if len(x) >= count]
            if fitting:
                return self._kept.pop(min(fitting, key=lambda i: len(self._kept[i])))
        return aligned(count)

    def give(self, blocks: Iterable[Array]) -> None:
        """Give blocks back; the largest are kept."""
        with self._lock:
            kept, total = [], 0
            for x in sorted([*self._kept, *blocks], key=len, reverse=True):
                if total + len(x) <= KEPT:
                    kept.append(x)
                    total += len(x)
            self._kept = kept


@dataclass
class Memory:
    """What a kernel keeps from run to run.

    ``rates[j]`` is the share of lanes and steps in which population ``j`` of ``Kernel.events`` was
    last seen to spike: it says how much room the next call needs.
    """

    pool: Pool
    rates: dict[int, float] = field(default_factory=dict)

    def notes(self, j: int, lanes: int, steps: int) -> tuple[Array, Array, Array]:
        """A block of the pool, and in it the lanes of as many spikes as are to be expected, and
        their number up to each step, both int32.

        There is room for a step in which all ``lanes`` spike, whatever was seen before; a kernel
        that finds more goes on in memory of its own (``records.grow``).
        """
        room = int(MARGIN * self.rates.get(j, 0.0) * lanes * steps) + lanes
        block = self.pool.take(4 * (room + steps))
        both = block[: 4 * (room + steps)].view(np.int32)
        return block, both[:room], both[room:]

    def saw(self, j: int, spikes: int, lanes: int, steps: int) -> None:
        """Learn from a call."""
        if lanes * steps:
            self.rates[j] = spikes / (lanes * steps)
