"""Carried values into ports: ``total[T, targets] += values[T, sources] @ weights``.

Integers are exact: one-to-one and sparse weights by integer operations, dense ones by products of
float64 matrices whose every partial sum is an integer below 2**53 (torch has no integer product on
CUDA, and a slow one on the CPU); weights and values are cut into limbs where they are too wide.

Floats are summed in whatever order the matrix product of their type takes, which the program's
definition allows; ``full_precision`` keeps TF32 and bf16, which it does not, out of it. Sparse
floats are summed in an order that is the same in every call.

Where all factors are bfloat16 numbers, their products are exact, and a CPU that has instructions
for just that (AVX512_BF16, AMX: fused, rounded to nearest, summed in float32) may use them. They
take subnormal numbers for zero, which the definition does not allow: so only where no factor is
smaller than ``_LEAST``, for then all sums are multiples of 2**-114. Tensor cores cut where they
should round, so a GPU never does this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Conv, Dense, Edge, Float, OneToOne, Sparse

__all__ = ["Carry", "full_precision", "make_carry", "offers_bfloat16"]

Carry = Callable[[Tensor, Tensor], None]  # add to the total [T, targets], in place
_TEMPORARY = 1 << 24  # entries of a temporary array
_EXACT = 53  # bits of a float64
_LEAST = 2.0**-50


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


def offers_bfloat16(device: torch.device) -> bool:
    """Whether a device has fast products of bfloat16 numbers that keep a program's bounds."""
    able = hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision")
    has = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" and able else {}
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def _no_less(x: Tensor) -> bool:
    """Whether no number but zero is smaller than ``_LEAST``."""
    size = x.abs()
    return not bool(((size < _LEAST) & (size > 0)).any())


def make_carry(
    edge: Edge, total: torch.dtype, device: torch.device, most: int, short: bool = False
) -> Carry:
    """What ``edge`` adds to a port that is summed in ``total``.

    Parameters
    ----------
    most : int
        Largest magnitude of a value that is an integer.
    short : bool
        Whether all factors are bfloat16 numbers.
    """
    w = edge.weights
    if isinstance(w, OneToOne):
        return _one_to_one(_tensor(w.data, total, device))
    if isinstance(w, Sparse):
        return _sparse(w, total, device)
    product = _Patches(w) if isinstance(w, Conv) else _Matrix(w)
    if isinstance(w.dtype, Float):
        carry = _product(product, _tensor(product.arrange(w.data), total, device))
        small = short and offers_bfloat16(device) and _no_less(torch.from_numpy(np.array(w.data)))
        return _in_bfloat16(carry) if small else carry
    return _limbs(product, w.data, device, most)


def _tensor(data: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(data, order="C")).to(dtype).to(device)


def _one_to_one(w: Tensor) -> Carry:
    def carry(total: Tensor, values: Tensor) -> None:
        total += values.to(w.dtype) * w

    return carry


class _Matrix:
    """Products with dense weights; ``terms`` are added up for each target."""

    def __init__(self, w: Dense) -> None:
        self.terms = w.shape[1]

    def arrange(self, data: np.ndarray) -> np.ndarray:
        """Weights as they are multiplied."""
        return data.T

    def add(self, total: Tensor, values: Tensor, w: Tensor) -> None:
        total.addmm_(values, w)

    def __call__(self, values: Tensor, w: Tensor) -> Tensor:
        return values @ w


class _Patches:
    """Convolutions as products of matrices: no FFT and no Winograd, whose errors are larger."""

    def __init__(self, w: Conv) -> None:
        self.w, self.terms = w, w.data[0].size
        self.length = w.output_shape[1] * w.output_shape[2]
        self.step = max(1, _TEMPORARY // max(1, self.terms * w.groups * self.length))

    def arrange(self, data: np.ndarray) -> np.ndarray:
        return data.reshape(self.w.groups, -1, self.terms)

    def add(self, total: Tensor, values: Tensor, w: Tensor) -> None:
        for a in range(0, len(total), self.step):
            total[a : a + self.step] += self._some(values[a : a + self.step], w)

    def __call__(self, values: Tensor, w: Tensor) -> Tensor:
        parts = [self._some(x, w) for x in values.split(self.step)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _some(self, values: Tensor, w: Tensor) -> Tensor:
        conv = self.w
        patches = torch.nn.functional.unfold(
            values.reshape(-1, *conv.input_shape), conv.data.shape[2:], conv.dilation,
            conv.padding, conv.stride,
        )  # fmt: skip
        split = patches.view(len(values), conv.groups, self.terms, self.length)
        return (w @ split).reshape(len(values), -1)


Product = _Matrix | _Patches


def _product(product: Product, w: Tensor) -> Carry:
    def carry(total: Tensor, values: Tensor) -> None:
        product.add(total, values, w)

    return carry


def _in_bfloat16(carry: Carry) -> Carry:
    place = torch.backends.mkldnn.matmul

    def short(total: Tensor, values: Tensor) -> None:
        before = place.fp32_precision
        try:
            place.fp32_precision = "bf16" if _no_less(values) else "ieee"
            carry(total, values)
        finally:
            place.fp32_precision = before

    return short


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


def _limbs(product: Product, data: np.ndarray, device: torch.device, most: int) -> Carry:
    value_bits, weight_bits = _bits(most, data)
    room = _EXACT - product.terms.bit_length()  # terms * 2**room <= 2**53
    value_width, weight_width = value_bits, weight_bits
    if value_bits + weight_bits > room:
        value_width = min(value_bits, max(room // 2, room - weight_bits))
        weight_width = room - value_width
    parts = [
        (shift, _tensor(product.arrange(limb), torch.float64, device))
        for shift, limb in _split(data.astype(np.int64), weight_width, weight_bits)
    ]

    def carry(total: Tensor, values: Tensor) -> None:
        left, shift = values.to(torch.int64), 0
        while True:
            last = value_bits - shift <= value_width
            limb = (left if last else left & ((1 << value_width) - 1)).to(torch.float64)
            for up, part in parts:
                # int64 wraps, and so may the terms: their sum is exact, for it fits
                total += (product(limb, part).to(torch.int64) << (up + shift)).to(total.dtype)
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
