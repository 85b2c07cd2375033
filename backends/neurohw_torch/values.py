"""Carried values into ports: ``total[T, targets] += values[T, sources] @ weights``.

Integers are exact: one-to-one and sparse weights by integer operations, dense ones by products of
float64 matrices whose every partial sum is an integer below 2**53 (torch has no integer product on
CUDA, and a slow one on the CPU); weights and values are cut into limbs where they are too wide.

Floats are summed in whatever order the matrix product of their type takes, which the program's
definition allows; ``full_precision`` keeps TF32 and bf16, which it does not, out of it. Sparse
floats are summed in an order that is the same in every call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Dense, Edge, Float, OneToOne, Sparse

__all__ = ["Carry", "full_precision", "make_carry"]

Carry = Callable[[Tensor, Tensor], None]  # add to the total [T, targets], in place
_TEMPORARY = 1 << 24  # entries of a temporary array
_EXACT = 53  # bits of a float64


@contextmanager
def full_precision() -> Iterator[None]:
    """Products of float32 in float32, whatever the user has allowed for training."""
    if not hasattr(torch.backends.cuda.matmul, "fp32_precision"):  # before torch 2.9
        old = torch.get_float32_matmul_precision()
        try:
            torch.set_float32_matmul_precision("highest")
            yield
        finally:
            torch.set_float32_matmul_precision(old)
        return
    places = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = "ieee"
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


def make_carry(edge: Edge, total: torch.dtype, device: torch.device, most: int) -> Carry:
    """What ``edge`` adds to a port that is summed in ``total``.

    Parameters
    ----------
    most : int
        Largest magnitude of a value that is an integer.
    """
    w = edge.weights
    if isinstance(w, OneToOne):
        return _one_to_one(_tensor(w.data, total, device))
    if isinstance(w, Sparse):
        return _sparse(w, total, device)
    if isinstance(w.dtype, Float):
        return _product(_tensor(w.data.T, total, device))
    return _limbs(w, device, most)


def _tensor(data: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(data, order="C")).to(dtype).to(device)


def _one_to_one(w: Tensor) -> Carry:
    def carry(total: Tensor, values: Tensor) -> None:
        total += values.to(w.dtype) * w

    return carry


def _product(w: Tensor) -> Carry:
    def carry(total: Tensor, values: Tensor) -> None:
        total.addmm_(values, w)

    return carry


def _bits(most: int, data: np.ndarray) -> tuple[int, int]:
    """Bits of the magnitudes of values and weights."""
    top = max(abs(int(data.min(initial=0))), abs(int(data.max(initial=0))))
    return most.bit_length(), top.bit_length()


def _split(data: np.ndarray, width: int, bits: int) -> list[tuple[int, np.ndarray]]:
    """(shift, limb) of int64 numbers of ``bits`` bits; limbs are of ``width`` bits."""
    out, shift = [], 0
    while bits - shift > width:
        out.append((shift, data & ((1 << width) - 1)))
        data, shift = data >> width, shift + width
    return [*out, (shift, data)]


def _limbs(w: Dense, device: torch.device, most: int) -> Carry:
    value_bits, weight_bits = _bits(most, w.data)
    room = _EXACT - w.shape[1].bit_length()  # sources * 2**room <= 2**53
    value_width, weight_width = value_bits, weight_bits
    if value_bits + weight_bits > room:
        value_width = min(value_bits, max(room // 2, room - weight_bits))
        weight_width = room - value_width
    parts = [
        (shift, _tensor(limb.T, torch.float64, device))
        for shift, limb in _split(w.data.astype(np.int64), weight_width, weight_bits)
    ]

    def carry(total: Tensor, values: Tensor) -> None:
        left, shift = values.to(torch.int64), 0
        while True:
            last = value_bits - shift <= value_width
            limb = (left if last else left & ((1 << value_width) - 1)).to(torch.float64)
            for up, part in parts:
                # int64 wraps, and so may the terms: their sum is exact, for it fits
                total += ((limb @ part).to(torch.int64) << (up + shift)).to(total.dtype)
            if last:
                return
            left, shift = left >> value_width, shift + value_width

    return carry


def _sparse(w: Sparse, dtype: torch.dtype, device: torch.device) -> Carry:
    """Every stored weight, sorted by (target, source)."""
    rows = np.repeat(np.arange(w.shape[1]), np.diff(w.indptr))
    order = np.lexsort((rows, w.indices))
    source, target = (_tensor(x[order], torch.int64, device) for x in (rows, w.indices))
    data = _tensor(w.data[order], dtype, device)
    lengths = _tensor(np.bincount(w.indices, minlength=w.targets), torch.int64, device)
    step = max(1, _TEMPORARY // max(1, len(order)))

    def carry(total: Tensor, values: Tensor) -> None:
        for a in range(0, len(total), step):
            part, sent = total[a : a + step], values[a : a + step]
            if dtype.is_floating_point:
                each = sent.T[source] * data[:, None]
                part += torch.segment_reduce(
                    each, "sum", lengths=lengths, axis=0, initial=0.0, unsafe=True
                ).T
            else:
                part.index_add_(1, target, sent[:, source].to(dtype) * data)

    return carry
