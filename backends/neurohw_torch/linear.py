"""Linear modules between two layers of neurons, as one matrix or one convolution.

They are written down as a graph of NIR nodes, so that one rule (:mod:`neurohw.io.nir.maps`) says
what a chain of linear maps is, for files and for modules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from neurohw.errors import FormatError, NetworkError
from neurohw.io.nir.graph import Graph, Node
from neurohw.io.nir.maps import arrivals, compact, scaled
from neurohw.io.nir.shapes import flatten, infer_shapes
from neurohw.network import Conv2D
from neurohw.network.units import Shown

__all__ = [
    "LINEAR",
    "NOTHING",
    "Map",
    "Part",
    "Shape",
    "first_shape",
    "leaves",
    "linear_map",
    "times",
]

Array = np.ndarray
Shape = tuple[int, ...]
Part = tuple[str, nn.Module]
LINEAR = (nn.Linear, nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.Unflatten)
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Modules that pass on what they get (dropout as in evaluation)."""
NAMES = "Linear, Conv2d, AvgPool2d, Flatten, Unflatten, Identity, Dropout"
_IN, _OUT = "<input>", "<output>"


@dataclass(frozen=True)
class Map:
    """What comes out of a chain of linear modules.

    Attributes
    ----------
    shape : tuple of int
        Of one sample that comes out, without the batch.
    weight : array [n, n_source], csr_array, Conv2D or None
        Elements of samples are numbered in C order; None: element by element, unchanged.
    bias : float64 array (n,) or None
    """

    shape: Shape
    weight: Any
    bias: Array | None


def leaves(module: nn.Module, path: str, whole: tuple[type[nn.Module], ...], allowed: str
           ) -> Iterator[Part]:  # fmt: skip
    """(path, module) of the linear modules and those of type `whole`, in order of registration.

    Raises
    ------
    NetworkError
        There is another module without children among them; it is named.
    """
    if type(module) in LINEAR + NOTHING or isinstance(module, whole):
        yield path, module
        return
    children = list(module.named_children())
    if not children and not isinstance(module, nn.Sequential | nn.ModuleList):
        raise NetworkError("a network cannot express this module", where=path or "module",
                           got=type(module).__name__, allowed=f"{NAMES}, {allowed}")  # fmt: skip
    for name, child in children:
        yield from leaves(child, f"{path}.{name}" if path else name, whole, allowed)


def first_shape(parts: Sequence[Part], where: str) -> Shape:
    """Shape of a sample that the first of these modules takes, where that follows from it."""
    for _, part in parts:
        if type(part) is nn.Linear:
            return (part.in_features,)
        if type(part) is nn.Unflatten and -1 not in _sizes(part):
            return (math.prod(_sizes(part)),)
        if type(part) not in NOTHING:
            break
    raise NetworkError("the shape of the input does not follow from the module", where=where,
                       fix="give input_shape, without the batch: (channels, height, width)",
                       )  # fmt: skip


def linear_map(parts: Sequence[Part], shape: Shape, where: str) -> Map:
    """One map for all these modules, the first of which takes samples of this shape.

    Raises
    ------
    NetworkError
        Shapes do not fit, or a module has a setting or a number that a network does not express.
    """
    parts = [(path, part) for path, part in parts if type(part) not in NOTHING]
    if parts and type(parts[0][1]) is nn.Unflatten:
        shape = _unflattened(parts[0][1], shape, f"{where} ({parts[0][0]})")
        parts = parts[1:]
    names = {path: f"{where} ({path})" for path, _ in parts}
    try:
        nodes = {path: _node(names[path], part) for path, part in parts}
        nodes[_IN] = Node("Input", {"shape": shape})
        order = [_IN, *names]
        edges = list(pairwise(order))
        ports, _ = infer_shapes(Graph(nodes, tuple(edges)))
        gives: Shape | None = shape
        for path, part in parts:
            takes, given = ports[path].takes, ports[path].gives
            if type(part) is not nn.Flatten and takes is not None and takes != gives:
                raise NetworkError("wrong number of inputs", where=names[path], got=_said(takes),
                                   allowed=f"{_said(gives)}, of what comes before")  # fmt: skip
            if given is None:
                raise NetworkError("this shape does not fit", where=names[path], got=_said(gives),
                                   allowed="(channels, height, width), and room for the window",
                                   )  # fmt: skip
            gives = given
        assert gives is not None
        nodes[_OUT] = Node("Output", {"shape": gives})
        graph = Graph(nodes, (*edges, (order[-1], _OUT)))
        flat, (ports, _) = flatten(graph), infer_shapes(graph)
        found = arrivals(flat, ports, "")[_OUT]
    except FormatError as error:
        raise _again(error, names) from error
    (way,) = found.ways
    bias = None if np.ndim(found.bias) == 0 else np.asarray(found.bias)
    return Map(gives, compact(way.weight), bias)


def _said(shape: Shape | None) -> Any:
    return shape[0] if shape is not None and len(shape) == 1 else Shown(str(shape))


def _again(error: FormatError, names: dict[str, str]) -> NetworkError:
    """What is wrong in a graph, said of the modules."""
    got = {} if error.got is None else {"got": error.got}
    where = names.get(error.where, error.where)
    return NetworkError(error.what, where=where, allowed=error.allowed, fix=error.fix, **got)


def times(weight: Any, factor: float) -> Any:
    """A matrix or a convolution, times a number."""
    return scaled(weight, factor) if isinstance(weight, Conv2D) else weight * factor


def _sizes(part: nn.Unflatten) -> Shape:
    return tuple(int(n) for n in part.unflattened_size)  # type: ignore[arg-type]


def _unflattened(part: nn.Unflatten, shape: Shape, where: str) -> Shape:
    try:
        if part.dim not in (1, -1) or len(shape) != 1:
            raise ValueError
        return np.broadcast_to(0, shape).reshape(_sizes(part)).shape
    except (ValueError, TypeError):
        raise NetworkError("this does not fit", where=where, got=Shown(f"{shape} to {part}"),
                           allowed="dimension 1, as many elements as there are",
                           ) from None  # fmt: skip


def _numbers(where: str, part: nn.Module) -> dict[str, Array]:
    """Weight and bias, float64."""
    found: dict[str, Array] = {}
    for key in ("weight", "bias"):
        data = getattr(part, key)
        if data is None:
            continue
        if data.dtype != torch.float32:
            raise NetworkError("not float32", where=f"{where}.{key}", got=str(data.dtype))
        found[key] = data.detach().cpu().numpy().astype(np.float64)
        if not np.all(np.isfinite(found[key])):
            bad = found[key][~np.isfinite(found[key])].flat[0]
            raise NetworkError("not finite", where=f"{where}.{key}", got=float(bad))
    return found


def _settings(where: str, *rows: tuple[str, Any, Any]) -> None:
    for key, got, allowed in rows:
        if got != allowed:
            raise NetworkError("a network cannot express this", where=f"{where}.{key}", got=got,
                               allowed=str(allowed))  # fmt: skip


def _node(where: str, part: nn.Module) -> Node:
    """A module as a node of NIR."""
    if isinstance(part, nn.Linear):
        fields = _numbers(where, part)
        return Node("Affine" if "bias" in fields else "Linear", fields, where=where)
    if isinstance(part, nn.Conv2d):
        _settings(where, ("padding_mode", part.padding_mode, "zeros"))
        fields = {"bias": np.zeros(part.out_channels), **_numbers(where, part)}
        keys = ("stride", "padding", "dilation", "groups")
        return Node("Conv2d", {**fields, "input_shape": None,
                               **{k: getattr(part, k) for k in keys}}, where=where)  # fmt: skip
    if isinstance(part, nn.AvgPool2d):
        _settings(
            where,
            ("ceil_mode", part.ceil_mode, False),
            ("divisor_override", part.divisor_override, None),
        )
        if np.any(part.padding):
            _settings(where, ("count_include_pad", part.count_include_pad, True))
        keys = ("kernel_size", "stride", "padding")
        return Node("AvgPool2d", {k: getattr(part, k) for k in keys}, where=where)
    if isinstance(part, nn.Flatten):
        ends = {k: getattr(part, k) for k in ("start_dim", "end_dim")}
        if 0 in ends.values():
            raise NetworkError("the batch would be flattened", where=where, got=Shown(str(ends)),
                               allowed="start_dim at least 1")  # fmt: skip
        return Node("Flatten", {k: v - (v > 0) for k, v in ends.items()}, where=where)
    raise NetworkError("a network cannot express this module here", where=where,
                       got=type(part).__name__, allowed=f"{NAMES}; Unflatten only behind neurons",
                       )  # fmt: skip
