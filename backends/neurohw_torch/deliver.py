"""Spikes into ports.

``event_driven`` (the CPU): the spikes of a step are listed, which costs nothing there, and their
weights added up in ascending order of sources. This is the reference's order, so float sums have
its bits; integers take a matrix product where many have fired.

Otherwise nothing is listed, for that would make the host wait for the device in every step:

- integer dense weights: products of float64 matrices, exact because every partial sum is an
  integer below 2**53 (weights are cut into limbs where they would not be);
- integer convolutions: such products of patches;
- integer sparse weights: a scatter of integers, exact in any order;
- float sparse weights and convolutions: ``segment_reduce``, in ascending order of sources; the sum
  of an edge is then added to the port, which rounds as the reference does for the port's first
  edge only;
- float dense weights: up to 32 sources are added one after the other; for more, a float64 matrix
  product is rounded once to the port's type. With n sources, ``|error| <= n eps sum |w|`` against
  the exact sum, eps = 2**-53, and half an ulp of float32 more in that type; the reference's own
  bound has its type's eps. These two sums are the only place where a float may differ from
  the reference for any reason but a transcendental (and, on a GPU, moments over trials).

float64 products are never done in TF32, so the user's settings for that are not touched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from neurohw.program import Conv, Dense, Edge, Float, OneToOne, Sparse, Weights
from neurohw_torch.values import make_carry

__all__ = ["Deliver", "Fired", "make_delivery", "weight_bound"]

_SEQUENTIAL = 32  # float sources added one by one in the absence of events
_BUSY = 16  # a matrix product if more than one source in so many has fired
_TEMPORARY = 1 << 24  # entries of a temporary array


class Fired:
    """Spikes of a population in one step, bool ``[T, sources]``, and views of them."""

    def __init__(self, spikes: Tensor) -> None:
        self.spikes = spikes

    @cached_property
    def events(self) -> tuple[Tensor, Tensor]:
        """(trial, source) of each spike, ascending; waits for the device."""
        trial, source = self.spikes.nonzero(as_tuple=True)
        return trial, source

    @cached_property
    def float64(self) -> Tensor:
        return self.spikes.to(torch.float64)


Deliver = Callable[[Tensor, Fired], None]  # add to the total [T, targets], in place


def weight_bound(w: Weights) -> float:
    """An upper bound of the largest sum of |weights| at any target."""
    size = np.abs(w.data.astype(np.float64)) * (1 + 1e-6)
    if isinstance(w, Conv):  # of a target whose kernel lies inside
        return float(size.sum(axis=(1, 2, 3)).max(initial=0))
    if isinstance(w, OneToOne):
        return float(size.max(initial=0))
    if isinstance(w, Dense):
        return float(size.sum(axis=1).max(initial=0))
    return float(np.bincount(w.indices, size, w.targets).max(initial=0))


def make_delivery(
    edge: Edge, total: torch.dtype, device: torch.device, event_driven: bool
) -> Deliver:
    """What ``edge`` adds to a port that is summed in ``total``."""
    w = edge.weights
    is_float = isinstance(w.dtype, Float)
    if isinstance(w, Conv):
        if not (is_float or event_driven):
            product = make_carry(edge, total, device, 1)
            return lambda total, fired: product(total, fired.spikes)
        w = w.to_sparse()
    if isinstance(w, OneToOne):
        return _one_to_one(_tensor(w.data, total, device))
    if isinstance(w, Dense):
        by_source = _tensor(w.data.T, total, device)
        if not is_float:
            product = _limbs(w, total, device)
            return _dense_events(by_source, product) if event_driven else product
        if event_driven:
            return _dense_events(by_source, None)
        return (
            _dense_sequential(by_source)
            if len(by_source) <= _SEQUENTIAL
            else _float_product(_tensor(w.data.T, torch.float64, device))
        )
    if event_driven:
        return _sparse_events(w, total, device)
    return _sparse_all(w, total, device, is_float)


def _tensor(data: np.ndarray, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(data, order="C")).to(dtype).to(device)


def _one_to_one(w: Tensor) -> Deliver:
    zero = torch.zeros((), dtype=w.dtype, device=w.device)

    def deliver(total: Tensor, fired: Fired) -> None:
        total += torch.where(fired.spikes, w, zero)

    return deliver


# dense -------------------------------------------------------------------------------------------


def _dense_events(w: Tensor, product: Deliver | None) -> Deliver:
    step = max(1, _TEMPORARY // max(1, w.shape[1]))

    def deliver(total: Tensor, fired: Fired) -> None:
        trial, source = fired.events
        if product is not None and len(trial) * _BUSY > fired.spikes.numel():
            product(total, fired)
            return
        for a in range(0, len(trial), step):
            total.index_add_(0, trial[a : a + step], w[source[a : a + step]])

    return deliver


def _limbs(w: Dense, total: torch.dtype, device: torch.device) -> Deliver:
    """Exact product with integer weights: float64 products of limbs, joined as integers."""
    sources = w.shape[1]
    parts: list[tuple[int, Tensor]] = []
    left, shift = w.data.astype(np.int64), 0
    bits = 53 - max(1, sources).bit_length()  # sources * 2**bits <= 2**53
    while True:
        whole = weight_bound(Dense(w.dtype, left)) < 2.0**53
        limb = left if whole else left & ((1 << bits) - 1)
        parts.append((shift, _tensor(limb.T, torch.float64, device)))
        if whole:
            break
        left, shift = left >> bits, shift + bits

    def deliver(total: Tensor, fired: Fired) -> None:
        for up, part in parts:
            total += ((fired.float64 @ part).to(torch.int64) << up).to(total.dtype)

    return deliver


def _dense_sequential(w: Tensor) -> Deliver:
    zero = torch.zeros((), dtype=w.dtype, device=w.device)

    def deliver(total: Tensor, fired: Fired) -> None:
        for j, row in enumerate(w):
            total += torch.where(fired.spikes[:, j, None], row, zero)

    return deliver


def _float_product(w: Tensor) -> Deliver:
    def deliver(total: Tensor, fired: Fired) -> None:
        total += (fired.float64 @ w).to(total.dtype)

    return deliver


# sparse ------------------------------------------------------------------------------------------


def _sparse_events(w: Sparse, dtype: torch.dtype, device: torch.device) -> Deliver:
    start = _tensor(w.indptr[:-1], torch.int64, device)
    degree = _tensor(np.diff(w.indptr), torch.int64, device)
    index, data = _tensor(w.indices, torch.int64, device), _tensor(w.data, dtype, device)
    step = max(1, _TEMPORARY // max(1, int(np.diff(w.indptr).max(initial=1))))

    def deliver(total: Tensor, fired: Fired) -> None:
        trials, sources = fired.events
        for a in range(0, len(trials), step):
            trial, source = trials[a : a + step], sources[a : a + step]
            count = degree[source]
            event = torch.repeat_interleave(count)
            # position in the row = running number - where this event's row begins
            shift = start[source] - (count.cumsum(0) - count)
            place = torch.arange(len(event), dtype=torch.int64, device=device) + shift[event]
            flat = trial[event] * w.targets + index[place]
            total.view(-1).index_add_(0, flat, data[place])

    return deliver


def _sparse_all(w: Sparse, dtype: torch.dtype, device: torch.device, is_float: bool) -> Deliver:
    """Every stored weight in every step, sorted by (target, source)."""
    rows = np.repeat(np.arange(w.shape[1]), np.diff(w.indptr))
    order = np.lexsort((rows, w.indices))
    source, target = (_tensor(x[order], torch.int64, device) for x in (rows, w.indices))
    data = _tensor(w.data[order], dtype, device)
    lengths = _tensor(np.bincount(w.indices, minlength=w.targets), torch.int64, device)
    zero = torch.zeros((), dtype=dtype, device=device)
    step = max(1, _TEMPORARY // max(1, len(order)))

    def deliver(total: Tensor, fired: Fired) -> None:
        for a in range(0, len(total), step):
            spikes, part = fired.spikes[a : a + step], total[a : a + step]
            if is_float:
                each = torch.where(spikes.T[source], data[:, None], zero)
                part += torch.segment_reduce(
                    each, "sum", lengths=lengths, axis=0, initial=0.0, unsafe=True
                ).T
            else:
                part.index_add_(1, target, torch.where(spikes[:, source], data, zero))

    return deliver
