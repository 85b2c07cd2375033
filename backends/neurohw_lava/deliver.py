"""What spikes carry over an edge.

Sums of floats are taken source after source in ascending order, as the program's definition says;
``np.add.at`` adds in the order of its indices. Sums of integers are exact in any order.
"""

from __future__ import annotations

import numpy as np

from neurohw.program import Dense, Edge, Float, OneToOne

__all__ = ["Delivery"]

Array = np.ndarray
_EXACT = 2.0**53


class Delivery:
    """Adds the weights of one edge to the totals of its target."""

    def __init__(self, edge: Edge) -> None:
        w = self._weights = edge.weights
        self.edge, self._float = edge, isinstance(w.dtype, Float)
        if isinstance(w, OneToOne):
            self._row = w.data if self._float else w.data.astype(np.int64)
        elif isinstance(w, Dense):
            kind = w.data.dtype if self._float else np.dtype(np.int64)
            self._by_source = np.ascontiguousarray(w.data.T, kind)
            small = not self._float and _row_sums(w.data) < _EXACT
            self._real = self._by_source.astype(np.float64) if small else None
        else:
            self._entries = w.data if self._float else w.data.astype(np.int64)

    def __call__(self, total: Array, spikes: Array) -> None:
        """Add to ``total`` [rows, targets] what ``spikes``, bool [rows, sources], carry."""
        w = self._weights
        if isinstance(w, OneToOne):
            total += np.where(spikes, self._row, self._row.dtype.type(0))
            return
        if not spikes.any():
            return
        if not isinstance(w, Dense):
            row, source = np.nonzero(spikes)  # by row, sources ascending
            count = w.indptr[source + 1] - w.indptr[source]
            first = np.repeat(w.indptr[source] - (np.cumsum(count) - count), count)
            entry = first + np.arange(len(first))
            np.add.at(total, (np.repeat(row, count), w.indices[entry]), self._entries[entry])
        elif self._float:
            for j in np.flatnonzero(spikes.any(axis=0)):
                total[spikes[:, j]] += self._by_source[j]
        elif len(spikes) == 1:
            total[0] += self._by_source[spikes[0]].sum(axis=0)
        elif self._real is not None:  # exact: no partial sum exceeds 2**53
            total += (spikes.astype(np.float64) @ self._real).astype(np.int64)
        else:
            total += spikes.astype(np.int64) @ self._by_source


def _row_sums(data: Array) -> float:
    return float(np.abs(data.astype(np.float64)).sum(axis=1).max(initial=0.0))
