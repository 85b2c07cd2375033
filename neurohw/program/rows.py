"""Weights of many synapses, looked at a block at a time: no copy of them is made."""

from __future__ import annotations

import numpy as np

from neurohw.program.weights import Conv, Dense, OneToOne, Sparse, Weights

__all__ = ["ascending", "repeated", "signed_sums"]

_BLOCK = 1 << 20


def repeated(data: np.ndarray) -> bool:
    """Whether an array is one number over and over, and takes no more room than that."""
    return data.size > 1 and not any(data.strides)


def ascending(indptr: np.ndarray, indices: np.ndarray, stop: int) -> bool:
    """Whether ``indptr`` cuts ``indices`` into rows, each ascending and distinct in 0..stop - 1."""
    if indptr[0] != 0 or indptr[-1] != indices.size or np.any(indptr[1:] < indptr[:-1]):
        return False
    if indices.size and not (indices.min() >= 0 and indices.max() < stop):
        return False
    for first in range(1, indices.size, _BLOCK):
        part = indices[first - 1 : first + _BLOCK]
        falls = np.flatnonzero(part[1:] <= part[:-1]) + first  # only where a row begins
        if not np.array_equal(indptr[np.searchsorted(indptr, falls)], falls):
            return False
    return True


def signed_sums(w: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the negative and of the positive integer weights of each target, exact."""
    data = w.data
    largest = max(abs(int(data.min())), abs(int(data.max()))) if data.size else 0
    kind = object if largest * data.size >= 2**63 else np.int64
    if isinstance(w, OneToOne):
        data = data.astype(kind)
        return np.minimum(data, 0), np.maximum(data, 0)
    if isinstance(w, Conv):
        data = data.astype(kind)
        rows, columns = ((w.reach(axis) >= 0).astype(kind) for axis in (0, 1))
        found = (x.sum(axis=1) for x in (np.minimum(data, 0), np.maximum(data, 0)))
        low, high = ((rows @ x @ columns.T).ravel() for x in found)
        return low, high
    low, high = np.zeros(w.shape[0], kind), np.zeros(w.shape[0], kind)
    if isinstance(w, Dense):
        rows = max(1, _BLOCK // max(1, w.shape[1]))
        for first in range(0, w.shape[0], rows):
            part = data[first : first + rows].astype(kind)
            low[first : first + rows] = np.minimum(part, 0).sum(axis=1)
            high[first : first + rows] = np.maximum(part, 0).sum(axis=1)
        return low, high
    if repeated(data):
        one = data[0].astype(kind)
        for part in _blocks(w):
            high += np.bincount(w.indices[part], minlength=w.targets)
        return np.minimum(one, 0) * high, np.maximum(one, 0) * high
    for part in _blocks(w):
        index, some = w.indices[part], data[part]
        for total, mine in ((low, np.minimum(some, 0)), (high, np.maximum(some, 0))):
            if largest * data.size < 2**53:
                total += np.bincount(index, mine, w.targets).astype(np.int64)
            else:
                np.add.at(total, index, mine.astype(kind))
    return low, high


def _blocks(w: Sparse) -> list[slice]:
    size = max(_BLOCK, w.targets)
    return [slice(a, a + size) for a in range(0, w.indices.size, size)]
