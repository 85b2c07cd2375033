"""Weights of an edge: dense, sparse, one to one, or a convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurohw.program.types import DType

__all__ = ["Conv", "Dense", "OneToOne", "Sparse", "Weights"]


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """All-to-all weights ``data[target, source]``."""

    dtype: DType
    data: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.data.shape[0], self.data.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """Compressed rows, one row per **source** (a spike's targets lie together).

    ``indptr`` int64 ``[sources + 1]``; ``indices`` int32 (or int64), the targets of each row in
    ascending order; ``data`` the weights, all strides 0 where one is repeated. ``targets`` is the
    number of target elements.
    """

    dtype: DType
    indptr: np.ndarray
    indices: np.ndarray
    data: np.ndarray
    targets: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.targets, len(self.indptr) - 1


@dataclass(frozen=True, slots=True, eq=False)
class OneToOne:
    """Element i of the source drives element i of the target with weight ``data[i]``."""

    dtype: DType
    data: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.data), len(self.data)


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """A two-dimensional cross-correlation, as it is called convolution in machine learning.

    Elements of source and target are numbered in C order of (channel, y, x). Target (o, y, x)
    hears source (i, v, u) of its group of channels with weight ``data[o, i - first, r, q]`` where
    ``v = y * stride[0] + r * dilation[0] - padding[0]`` and ``u`` likewise with x and q; what lies
    in the padding is 0. One dimension is a height of 1; sums over windows (pooling) are ones with
    as many groups as channels.

    Attributes
    ----------
    data : array [output channels, input channels / groups, kernel height, kernel width]
    input_shape : (channels, height, width) of the source
    stride, padding, dilation : (vertical, horizontal)
    groups : int
        Output channels are split into so many parts, and each hears its part of the input channels.
    """

    dtype: DType
    data: np.ndarray
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the target."""
        height, width = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                self.input_shape[1:], self.data.shape[2:], self.stride, self.padding,
                self.dilation, strict=True,
            )
        )  # fmt: skip
        return self.data.shape[0], height, width

    @property
    def shape(self) -> tuple[int, int]:
        (o, y, x), (c, v, u) = self.output_shape, self.input_shape
        return o * y * x, c * v * u

    def reach(self, axis: int) -> np.ndarray:
        """Row (axis 0) or column (1) of the source under each entry of the kernel.

        int64 ``[output height or width, kernel height or width]``, -1 in the padding.
        """
        out = np.arange(self.output_shape[1 + axis])[:, None] * self.stride[axis]
        at = out + np.arange(self.data.shape[2 + axis]) * self.dilation[axis] - self.padding[axis]
        return np.where((at >= 0) & (at < self.input_shape[1 + axis]), at, -1)

    def to_sparse(self) -> Sparse:
        """The same weights, one by one: for whoever knows only :class:`Sparse`."""
        (outs, height, width), (channels, rows, columns) = self.output_shape, self.input_shape
        y, r = np.nonzero(self.reach(0) >= 0)
        x, q = np.nonzero(self.reach(1) >= 0)
        v, u = self.reach(0)[y, r], self.reach(1)[x, q]
        mine = channels // self.groups
        o, i = (a.ravel() for a in np.indices((outs, mine)))
        first = o // (outs // self.groups) * mine  # the first channel of the group

        def spread(a: np.ndarray, b: np.ndarray, c: np.ndarray, m: int, n: int) -> np.ndarray:
            return ((a[:, None, None] * m + b[:, None]) * n + c).ravel()

        source = spread(first + i, v, u, rows, columns)
        target = spread(o, y, x, height, width)
        data = self.data[o[:, None, None], i[:, None, None], r[:, None], q].ravel()
        order = np.lexsort((target, source))
        indptr = np.zeros(self.shape[1] + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=self.shape[1]), out=indptr[1:])
        arrays = indptr, target[order], data[order]
        for array in arrays:
            array.flags.writeable = False
        return Sparse(self.dtype, *arrays, self.shape[0])


Weights = Dense | Sparse | OneToOne | Conv
