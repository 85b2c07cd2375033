"""Convolutional connectivity: one kernel of weights for all places of an image.

::

    w = conv2d(kernel, input_shape=(1, 28, 28), stride=2, padding=1)  # kernel [8, 1, 3, 3] in V
    net.connect("image", "features", Delta(weight=w))  # 1568 targets: w.output_shape
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurohw.network.common import Ask, Origin, any_weight, frozen, here, same
from neurohw.network.units import FloatArray, Quantity, Scaled, Shown, brief, to_si

__all__ = ["Conv2D", "conv2d"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Conv2D:
    """Weights that a kernel gives; see :func:`conv2d`, which makes it.

    Attributes
    ----------
    data : float64 array [output channels, input channels / groups, height, width]
        The kernel.
    input_shape : (channels, height, width) of the source
    stride, padding, dilation : (vertical, horizontal)
    groups : int
    unit : str
        SI unit of the kernel, if it has come with one: a synapse of another unit refuses it.
    """

    data: FloatArray
    input_shape: tuple[int, int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    unit: str = ""

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of the target."""
        height, width = (
            (self.input_shape[1 + k] + 2 * self.padding[k]
             - self.dilation[k] * (self.data.shape[2 + k] - 1) - 1) // self.stride[k] + 1
            for k in (0, 1)
        )  # fmt: skip
        return self.data.shape[0], height, width

    @property
    def shape(self) -> tuple[int, int]:
        """(n_target, n_source)."""
        return int(np.prod(self.output_shape)), int(np.prod(self.input_shape))

    def entries(self) -> tuple[Ints, Ints, Ints]:
        """Every synapse, by source and then target: targets, sources, places in the kernel.

        A place is an index of ``data.ravel()``. Elements of an image are numbered in C order of
        (channel, y, x).
        """
        outs, mine, *_ = self.data.shape
        o, i = np.indices((outs, mine)).reshape(2, -1, 1, 1)
        channel = o // (outs // self.groups) * mine + i
        found: list[list[Ints]] = [[], [], []]
        for r, q in np.ndindex(self.data.shape[2:]):
            (y, v), (x, u) = self._under(0, r), self._under(1, q)
            place = np.ravel_multi_index((o, i, r, q), self.data.shape)
            target = np.ravel_multi_index((o, y[:, None], x), self.output_shape)
            source = np.ravel_multi_index((channel, v[:, None], u), self.input_shape)
            for column, index in zip(
                found, (target, source, np.broadcast_to(place, target.shape)), strict=True
            ):
                column.append(index.ravel())
        targets, sources, places = (np.concatenate(column) for column in found)
        order = np.lexsort((targets, sources))
        return targets[order], sources[order], places[order]

    def _under(self, axis: int, tap: int) -> tuple[Ints, Ints]:
        """Rows (axis 0) or columns of the target where a tap lies on the source, and on which."""
        out = np.arange(self.output_shape[1 + axis])
        at = out * self.stride[axis] + tap * self.dilation[axis] - self.padding[axis]
        inside = (at >= 0) & (at < self.input_shape[1 + axis])
        return out[inside], at[inside]

    def __eq__(self, other: object) -> bool:
        """Same kernel over the same image."""
        if not isinstance(other, Conv2D):
            return NotImplemented
        keys = ("input_shape", "stride", "padding", "dilation", "groups")
        alike = all(getattr(self, k) == getattr(other, k) for k in keys)
        return alike and self.data.shape == other.data.shape and same(self.data, other.data)

    __hash__ = None  # type: ignore[assignment]


def conv2d(
    kernel: Quantity,
    *,
    input_shape: tuple[int, int, int],
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    groups: int = 1,
    origin: Origin | None = None,
) -> Conv2D:
    """Weights of a two-dimensional convolution, in the sense of machine learning.

    Target (o, y, x) hears source (i, y * stride + r * dilation - padding, ...) with weight
    ``kernel[o, i, r, q]``; elements of both images are numbered in C order of (channel, y, x). A
    kernel of ones with as many groups as channels is sum pooling; a height of 1 is one dimension.

    Parameters
    ----------
    kernel : Quantity
        ``[output channels, input channels / groups, height, width]`` in V, A or S, or bare numbers
        in the SI unit of the synapse.
    input_shape : (int, int, int)
        (channels, height, width) of the source.
    stride, padding, dilation : int or (int, int)
        One for both directions, or (vertical, horizontal); padding is with silence.
    groups : int
        Parts into which the channels of both are cut; each part hears its counterpart alone.

    Raises
    ------
    NetworkError
        Channels, groups and kernel do not fit, or the kernel is larger than the image.
    UnitError
        The kernel is not finite, or has another unit.
    """
    ask = Ask("conv2d", origin or here())
    data, unit = any_weight(ask, "kernel", kernel)
    if np.ndim(data) != 4 or not np.size(data):
        ask.error("kernel", "wrong shape", got=Shown(f"shape {np.shape(data)}"),
                  allowed="[output channels, input channels / groups, height, width]")  # fmt: skip
    made = Conv2D(
        frozen(data),
        _whole(ask, "input_shape", input_shape, 3, 1),
        _whole(ask, "stride", stride, 2, 1),
        _whole(ask, "padding", padding, 2, 0),
        _whole(ask, "dilation", dilation, 2, 1),
        ask.count("groups", groups, least=1),
        unit,
    )
    outs, mine, *size = made.data.shape
    if outs % made.groups or mine * made.groups != made.input_shape[0]:
        got = Shown(f"kernel {made.data.shape}, {made.input_shape[0]} channels, {groups} groups")
        ask.error("kernel", "channels do not fit", got=got,
                  allowed="input channels / groups on axis 1, axis 0 divisible by groups",
                  )  # fmt: skip
    if min(made.output_shape) < 1:
        got = Shown(f"{tuple(size)} over {made.input_shape[1:]}")
        ask.error("kernel", "larger than the image", got=got, fix="use padding")
    return made


def in_unit(ask: Ask, key: str, w: Conv2D, unit: str) -> Conv2D:
    """The same weights, known to be in `unit`."""
    where, place = f"{ask.owner}.{key}", ask.origin.at(key)
    given = Scaled(w.data, w.unit) if w.unit else w.data
    data = frozen(to_si(given, unit, where=where, origin=place))
    return Conv2D(data, w.input_shape, w.stride, w.padding, w.dilation, w.groups)


def _whole(ask: Ask, key: str, value: Any, count: int, least: int) -> Any:
    """A tuple of integers; where two are asked for, one stands for both."""
    given = (value,) * 2 if count == 2 and isinstance(value, int | np.integer) else value
    if not isinstance(given, tuple | list) or len(given) != count:
        ask.error(key, "wrong length", got=Shown(brief(value)), allowed=f"{count} integers")
    return tuple(ask.count(key, x, least=least) for x in given)
