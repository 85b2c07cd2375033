"""A sparse matrix by rows as one by columns: from the synapses of a target to those of a source."""

from __future__ import annotations

import numpy as np

from neurohw.network import CSR

__all__ = ["by_source"]

Array = np.ndarray
_BITS = 11
_SMALL = 1 << 16


def by_source(m: CSR, *, ordered: bool) -> tuple[Array, Array, Array | None]:
    """Rows by source of a matrix whose rows are targets.

    Two passes of counting, the first over the high bits of the source, the second over the low
    ones, so that neither writes to more places at once than a cache holds.

    Parameters
    ----------
    m : CSR
    ordered : bool
        Whether the third result is wanted.

    Returns
    -------
    indptr : int64 array [sources + 1]
    indices : int array [nnz]
        Targets, ascending in each row, of 4 bytes where they fit.
    order : int array [nnz] or None
        Entry of ``m`` that comes at each place.
    """
    targets, sources = m.shape
    number = np.int32 if max(m.indices.size, *m.shape) < 2**31 else np.int64
    if m.indices.size <= _SMALL:
        order = np.argsort(m.indices, kind="stable")
        found = np.searchsorted(m.indices[order], np.arange(sources + 1))
        return found, m.rows[order].astype(number), order

    from scipy.sparse import coo_matrix, csr_matrix

    # what travels with the target: the entry, from which the source follows, or the source
    carried: Array = np.arange(m.indices.size, dtype=number) if ordered else m.indices
    shape = targets, (sources - 1 >> _BITS) + 1
    coarse = csr_matrix((carried, m.indices >> _BITS, m.indptr), shape, copy=False).tocsc()
    indices, carried, cut = coarse.indices, coarse.data, coarse.indptr
    indptr = np.zeros(sources + 1, np.int64)
    for k in range(shape[1]):
        part, first = slice(cut[k], cut[k + 1]), k << _BITS
        mine = carried[part]
        row = (m.indices[mine] if ordered else mine) - first
        width = min(1 << _BITS, sources - first)
        fine = coo_matrix((mine, (row, indices[part])), (width, targets)).tocsr()
        indices[part], carried[part] = fine.indices, fine.data
        indptr[first + 1 : first + 1 + width] = fine.indptr[1:] + int(cut[k])
    return indptr, indices, carried if ordered else None
