"""Spikes into ports by Triton kernels; integers exactly, floats in the reference's order.

======================  =================================================================
edge                    kernel
======================  =================================================================
one to one              an addition where the source has fired
dense, integer port     a matrix product of int8 limbs in int32: exact, whatever its order;
                        for fewer than 16 rows (steps times trials) as for floats
dense, float port       per row and block of targets, the fired sources one after the other
sparse, integer port    the fired sources dealt out to workers, with atomic additions
sparse, float port      per row and part of the targets, the fired sources one after the other
======================  =================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Dense, Edge, OneToOne, Sparse
from neurohw.program.analysis import fits32

__all__ = ["PRODUCT_ROWS", "Delivery", "Rows", "block_size", "limbs", "make_delivery"]

PRODUCT_ROWS = 16
"""Rows from which a matrix product takes the place of a loop over spikes."""
_DEEPEST = 1 << 23  # sources that a product of int8 adds up in int32


class Launch(Protocol):
    """Runs a kernel; see ``fused_run``."""

    def __call__(
        self, kernel: Any, grid: tuple[int, ...], *args: Any, warps: int = 4, stages: int = 1,
        **constants: int,
    ) -> None: ...  # fmt: skip


@dataclass
class Rows:
    """Spikes of a population: bytes ``[depth + rows, lanes]``, and their lists where needed.

    ``events`` int32 ``[depth + rows, lanes]``: of each (step, trial) the sources that fired,
    ascending; ``counts`` how many; ``running`` scratch for making them.
    """

    fired: Tensor
    depth: int
    trials: int
    size: int
    events: Tensor | None = None
    counts: Tensor | None = None
    running: Tensor | None = None


Deliver = Callable[[Launch, Rows, Tensor, int, int, int], None]
"""(launch, rows of the source, sums, first source row, first target row, rows)"""


@dataclass
class Delivery:
    """What an edge adds to a port; ``listed`` says whether it needs the lists of spikes."""

    deliver: Deliver
    listed: bool


def block_size(size: int, most: int) -> int:
    """A power of two that covers ``size``, or ``most``."""
    return min(most, max(16, 1 << (size - 1).bit_length()))


def make_delivery(
    edge: Edge, kind: str, rows: int, lib: ModuleType, device: torch.device, wide: int
) -> Delivery:
    """How ``edge`` is delivered to a port held as ``kind``, ``rows`` rows at a time.

    Parameters
    ----------
    wide : int
        Largest block of targets of a program.
    """
    w = edge.weights
    whole = kind in ("i4", "i8")
    if isinstance(w, OneToOne):
        return _one_to_one(w, lib, device, wide)
    if isinstance(w, Sparse):
        return _sparse_atomic(w, lib, device, wide) if whole else _sparse(w, lib, device, wide)
    assert isinstance(w, Dense)
    if whole and rows >= PRODUCT_ROWS and w.shape[1] < _DEEPEST:
        return _product(w, lib, device)
    return _dense(w, lib, device, wide)


def _narrow(data: np.ndarray) -> np.ndarray:
    """Integers in the narrowest type that holds them all; floats as they are."""
    if data.dtype.kind != "i" or not data.size:
        return data
    lo, hi = int(data.min()), int(data.max())
    for dtype in (np.int8, np.int16):
        info = np.iinfo(dtype)
        if info.min <= lo and hi <= info.max:
            return data.astype(dtype)
    return data.astype(np.int32 if fits32((lo, hi)) else np.int64)


def _tensor(data: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(data, order="C")).to(device)


def _one_to_one(w: OneToOne, lib: ModuleType, device: torch.device, wide: int) -> Delivery:
    weights, size = _tensor(_narrow(w.data), device), len(w.data)
    block = block_size(size, wide)

    def deliver(
        launch: Launch, source: Rows, out: Tensor, source_row: int, target_row: int, rows: int
    ) -> None:
        grid = rows, -(-size // block)
        launch(lib.deliver_one, grid, source.fired, weights, out, source_row, target_row, size,
               BLOCK=block)  # fmt: skip

    return Delivery(deliver, False)


def _dense(w: Dense, lib: ModuleType, device: torch.device, wide: int) -> Delivery:
    targets, sources = w.shape
    weights, block = _tensor(_narrow(w.data).T, device), block_size(targets, wide)

    def deliver(
        launch: Launch, source: Rows, out: Tensor, source_row: int, target_row: int, rows: int
    ) -> None:
        grid = rows, -(-targets // block)
        launch(lib.deliver_dense, grid, source.events, source.counts, weights, out, source_row,
               target_row, sources, targets, BLOCK=block)  # fmt: skip

    return Delivery(deliver, True)


def limbs(data: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Integers as sums of int8 arrays times powers of two: ``sum(limb << up)``.

    A power of two that all have in common is taken out first, so that the 8-bit weights of a chip,
    scaled by its exponent, are one limb.
    """
    left = data.astype(np.int64)
    common = int(np.bitwise_or.reduce(left, axis=None)) if left.size else 0
    up = (common & -common).bit_length() - 1 if common else 0
    left = left >> up
    found: list[tuple[int, np.ndarray]] = []
    while not found or left.any():
        limb = ((left + 128) & 255) - 128
        found.append((up, limb.astype(np.int8)))
        left, up = (left - limb) >> 8, up + 8
    return found


def _product(w: Dense, lib: ModuleType, device: torch.device) -> Delivery:
    targets, sources = w.shape
    parts = [(up, _tensor(limb, device)) for up, limb in limbs(w.data)]
    columns = block_size(targets, 128)
    deep = max(32, block_size(sources, 128))

    def deliver(
        launch: Launch, source: Rows, out: Tensor, source_row: int, target_row: int, rows: int
    ) -> None:
        tall = block_size(rows, 128)
        grid = -(-rows // tall), -(-targets // columns)
        warps = 8 if tall * columns >= 128 * 128 else 4
        for up, weights in parts:
            launch(lib.deliver_product, grid, source.fired, weights, out, source_row, target_row,
                   rows, sources, targets, up, warps=warps, stages=3,
                   ROWS=tall, COLUMNS=columns, DEEP=deep)  # fmt: skip

    return Delivery(deliver, False)


def _index(w: Sparse, device: torch.device) -> Tensor:
    return _tensor(w.indices.astype(np.int32 if w.targets < 2**31 else np.int64), device)


def _sparse_atomic(w: Sparse, lib: ModuleType, device: torch.device, wide: int) -> Delivery:
    targets, sources = w.shape
    indptr, indices = _tensor(w.indptr, device), _index(w, device)
    weights = _tensor(_narrow(w.data), device)
    degree = np.diff(w.indptr)
    block = block_size(int(degree.max(initial=1)), wide)
    workers = min(64, max(1, sources // 64))

    def deliver(
        launch: Launch, source: Rows, out: Tensor, source_row: int, target_row: int, rows: int
    ) -> None:
        launch(lib.deliver_sparse_atomic, (rows, workers), source.events, source.counts, indptr,
               indices, weights, out, source_row, target_row, sources, targets,
               WORKERS=workers, BLOCK=block)  # fmt: skip

    return Delivery(deliver, True)


def _sparse(w: Sparse, lib: ModuleType, device: torch.device, wide: int) -> Delivery:
    targets, sources = w.shape
    parts = int(min(256, max(1, np.diff(w.indptr).mean() // 64))) if sources else 1
    width = max(1, -(-targets // parts))
    source_of = np.repeat(np.arange(sources), np.diff(w.indptr))
    each = np.bincount(source_of * parts + w.indices // width, minlength=sources * parts)
    cuts = np.zeros((sources, parts + 1), np.int64)
    cuts[:, 1:] = np.cumsum(each.reshape(sources, parts), axis=1)
    cuts += np.asarray(w.indptr)[:-1, None]
    widest = int(each.max(initial=1))
    at, indices, weights = _tensor(cuts, device), _index(w, device), _tensor(w.data, device)
    block = block_size(widest, wide)

    def deliver(
        launch: Launch, source: Rows, out: Tensor, source_row: int, target_row: int, rows: int
    ) -> None:
        launch(lib.deliver_sparse, (rows, parts), source.events, source.counts, at, indices,
               weights, out, source_row, target_row, sources, targets, parts,
               warps=1 if block <= 32 else 4, BLOCK=block)  # fmt: skip

    return Delivery(deliver, True)
