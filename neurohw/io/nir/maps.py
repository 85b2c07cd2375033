"""The linear nodes between neurons: what a spike of one is multiplied by on its way to another.

Every linear node becomes a matrix over elements in C order, except that a way that holds nothing
but one convolution keeps its kernel. A sum over several ways is several :class:`Way`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurohw.errors import FormatError
from neurohw.io.nir.graph import Node
from neurohw.io.nir.shapes import Flat, Ports
from neurohw.network import Conv2D, conv2d
from neurohw.network.units import Shown

__all__ = ["LINEAR", "MAX_SYNAPSES", "Arrival", "Way", "arrivals", "as_matrix",
           "compact", "scaled"]  # fmt: skip

Array = np.ndarray
LINEAR = frozenset(
    ["Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d", "Flatten", "Delay",
     "Input", "Output"]
)  # fmt: skip
MAX_SYNAPSES = 10**8
"""Entries of a matrix that is made from a file."""
MAX_WAYS = 10**5
"""Pairs of a source and a node that it reaches by linear nodes, each delay by itself."""
MAX_DELAYS = 64
"""Different delays from one source to one place."""


@dataclass(frozen=True)
class Way:
    """From one source to one place.

    Attributes
    ----------
    source : str
        Path of a neuron, or of an Input.
    weight : csr_array [n, n_source], Conv2D or None
        None: element by element, unchanged.
    delay : array of shape (n,) or float
        In s, of each element where it arrives.
    before : array of shape (n_source,) or float
        In s, of each element of the source.
    """

    source: str
    weight: Any = None
    delay: Any = 0.0
    before: Any = 0.0


@dataclass(frozen=True)
class Arrival:
    """All that arrives somewhere: a sum over ways, and a constant of shape (n,) or 0."""

    ways: tuple[Way, ...]
    bias: Any = 0.0


def arrivals(flat: Flat, ports: Mapping[str, Ports], origin: str) -> dict[str, Arrival]:
    """What arrives at every node, in the units of the file.

    Raises
    ------
    FormatError
        If linear nodes feed each other in a circle, a shape is unknown or does not fit, or a
        matrix would be too large.
    """
    into: dict[str, list[str]] = {path: [] for path in flat.nodes}
    for a, b in flat.edges:
        into[b].append(a)
    given: dict[str, Arrival] = {}  # by linear nodes that are fed, by their path
    found: dict[str, Arrival] = {}
    ways = 0
    for path in _order(flat, into, origin):
        node, size = flat.nodes[path], _size(ports[path].takes, path, origin)
        parts = []
        for a in sorted(into[path]):
            gives = _size(ports[a].gives, a, origin)
            if gives != size:
                raise FormatError(
                    "shapes that do not fit", origin=origin, where=f"edge {a} -> {path}",
                    got=Shown(f"{ports[a].gives} to {ports[path].takes}"),
                    allowed="as many elements on both sides",
                )  # fmt: skip
            parts.append(given.get(a) or Arrival((Way(a),)))
        arrival = _sum(parts, size)
        found[path] = arrival
        ways += len(arrival.ways)
        most = max(Counter(w.source for w in arrival.ways).values(), default=0)
        if ways > MAX_WAYS or most > MAX_DELAYS:
            raise FormatError(
                "too many ways between neurons", origin=origin, where=path,
                got=Shown(f"{most} different delays from one of them, {ways} ways so far"),
                allowed=f"up to {MAX_DELAYS} and {MAX_WAYS}",
            )  # fmt: skip
        if node.kind in LINEAR and into[path]:
            given[path] = _through(path, node, arrival, ports[path], origin)
    return found


def _order(flat: Flat, into: Mapping[str, list[str]], origin: str) -> Iterator[str]:
    """Every path, a linear node after the linear nodes that feed it."""
    waits = {
        path: sum(flat.nodes[a].kind in LINEAR and bool(into[a]) for a in into[path])
        for path in flat.nodes
    }
    targets: dict[str, list[str]] = {path: [] for path in flat.nodes}
    for a, b in flat.edges:
        if flat.nodes[a].kind in LINEAR and into[a]:
            targets[a].append(b)
    ready = sorted(path for path, count in waits.items() if not count)
    done = 0
    while ready:
        path = ready.pop()
        done += 1
        yield path
        if flat.nodes[path].kind not in LINEAR:
            continue
        for target in targets[path]:
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    if done < len(flat.nodes):
        stuck = sorted(p for p, count in waits.items() if count and flat.nodes[p].kind in LINEAR)
        raise FormatError(
            "a circle without a neuron", origin=origin, where="edges",
            got=Shown(", ".join(stuck[:6])),
            allowed="every circle passes a neuron that spikes",
        )  # fmt: skip


def _size(shape: tuple[int, ...] | None, path: str, origin: str) -> int:
    if shape is None:
        raise FormatError(
            "its shape does not follow from the graph", origin=origin, where=path,
            fix="give input_shape, or an Input of the right shape",
        )  # fmt: skip
    return math.prod(shape)


def _sum(parts: list[Arrival], size: int) -> Arrival:
    """All together, ``size`` elements; ways from one source with one delay become one."""
    ways: dict[str, list[Way]] = {}
    bias: Any = 0.0
    for part in parts:
        bias = bias + part.bias
        for way in part.ways:
            known = ways.setdefault(way.source, [])
            for k, w in enumerate(known):
                if np.array_equal(w.delay, way.delay) and np.array_equal(w.before, way.before):
                    both = _matrix(w.weight, size) + _matrix(way.weight, size)
                    known[k] = replace(w, weight=sp.csr_array(both))
                    break
            else:
                known.append(way)
    return Arrival(tuple(w for known in ways.values() for w in known), bias)


def _matrix(weight: Any, size: int) -> Any:
    """Any weight of a way as a csr_array."""
    return sp.eye_array(size, format="csr") if weight is None else as_matrix(weight)


def as_matrix(weight: Any) -> Any:
    """A convolution as a csr_array; anything else as it is."""
    if not isinstance(weight, Conv2D):
        return weight
    targets, sources, places = weight.entries()
    return sp.csr_array((weight.data.ravel()[places], (targets, sources)), shape=weight.shape)


def compact(weight: Any) -> Any:
    """A matrix without zeros, in full where more than half of it is there; others as they are."""
    if weight is None or isinstance(weight, Conv2D):
        return weight
    weight = sp.csr_array(weight)
    weight.eliminate_zeros()
    full = weight.nnz > 0.5 * math.prod(weight.shape)
    return weight.toarray() if full else weight


def _through(path: str, node: Node, arrival: Arrival, ports: Ports, origin: str) -> Arrival:
    """What a linear node makes of what arrives."""
    if node.kind in ("Input", "Output", "Flatten"):
        return arrival
    takes, gives = _size(ports.takes, path, origin), _size(ports.gives, path, origin)
    if node.kind == "Delay":
        delay = np.broadcast_to(node["delay"].ravel(), (gives,))
        delay = float(delay[0]) if np.all(delay == delay[0]) else delay
        ways = [replace(w, delay=w.delay + delay) for w in arrival.ways]
        return Arrival(tuple(ways), arrival.bias)
    step = _step(path, node, ports, origin)
    ways = []
    for way in arrival.ways:
        before, delay = way.before, way.delay
        if np.ndim(delay):  # of elements that are about to be mixed
            if way.weight is not None and node.kind != "Scale":
                raise FormatError(
                    "delays that differ between two matrices", origin=origin, where=path,
                    got=Shown(f"the way from {way.source}"),
                    allowed="one delay for all, or at one end",
                )  # fmt: skip
            if node.kind != "Scale":
                before, delay = before + delay, 0.0
        weight = _composed(step, way.weight, path, origin)
        ways.append(Way(way.source, weight, delay, before))
    bias: Any = arrival.bias
    if np.any(bias):
        bias = as_matrix(step) @ np.broadcast_to(bias, (takes,))
    else:
        bias = 0.0
    if node.kind == "Affine":
        bias = bias + node["bias"].ravel()
    elif node.kind in ("Conv1d", "Conv2d") and np.any(node["bias"]):
        bias = bias + np.repeat(node["bias"], gives // len(node["bias"]))
    return Arrival(tuple(ways), bias)


def _composed(step: Any, weight: Any, path: str, origin: str) -> Any:
    """First ``weight``, then ``step``."""
    if weight is None:
        return step
    one = _uniform(step)
    if one is not None and isinstance(weight, Conv2D):
        return scaled(weight, one)
    left, right = as_matrix(step), as_matrix(weight)
    most = int(np.diff(right.indptr)[left.indices].sum())
    if most > MAX_SYNAPSES:
        raise FormatError(
            "too many synapses between two layers", origin=origin, where=path, got=most,
            allowed=f"up to {MAX_SYNAPSES}",
        )  # fmt: skip
    return sp.csr_array(left @ right)


def _uniform(step: Any) -> float | None:
    """The factor of a matrix that multiplies everything by one number."""
    if isinstance(step, Conv2D) or step.shape[0] != step.shape[1]:
        return None
    diagonal = step.diagonal()
    same = step.nnz == len(diagonal) and np.all(diagonal == diagonal[0])
    return float(diagonal[0]) if same else None


def scaled(weight: Conv2D, factor: float) -> Conv2D:
    """The same convolution, its kernel times a number."""
    return conv2d(weight.data * factor, input_shape=weight.input_shape, stride=weight.stride,
                  padding=weight.padding, dilation=weight.dilation,
                  groups=weight.groups)  # fmt: skip


def _step(path: str, node: Node, ports: Ports, origin: str) -> Any:
    """The matrix of a linear node, or its convolution."""
    assert ports.takes is not None and ports.gives is not None
    if node.kind == "Scale":
        size = math.prod(ports.takes)
        return sp.dia_array((np.broadcast_to(node["scale"].ravel(), (1, size)), [0]),
                            shape=(size, size)).tocsr()  # fmt: skip
    if node.kind in ("Affine", "Linear"):
        weight = node["weight"]
        blocks = weight.reshape(-1, *weight.shape[-2:])
        if len(blocks) == 1:
            return sp.csr_array(blocks[0])
        return sp.csr_array(sp.block_diag([sp.csr_array(b) for b in blocks]))
    *batch, channels, height, width = (
        ports.takes if node.kind != "Conv1d" else (*ports.takes[:-1], 1, ports.takes[-1])
    )
    kernel, settings, lost = _window(node, channels, (height, width))
    taps = math.prod(kernel.shape[1:])
    if math.prod(ports.gives) * taps > MAX_SYNAPSES and (batch or any(lost)):
        raise FormatError(
            "too many synapses between two layers", origin=origin, where=path,
            got=math.prod(ports.gives) * taps, allowed=f"up to {MAX_SYNAPSES}",
        )  # fmt: skip
    conv = conv2d(kernel, input_shape=(channels, height, width), **settings)
    if not any(lost) and math.prod(batch) == 1:
        return conv
    matrix = as_matrix(conv)
    out = np.arange(conv.shape[0]).reshape(conv.output_shape)
    matrix = matrix[out[:, lost[0] :, lost[1] :].ravel()]
    if math.prod(batch) > 1:
        matrix = sp.csr_array(sp.kron(sp.identity(math.prod(batch)), matrix))
    return matrix


def _window(
    node: Node, channels: int, size: tuple[int, int]
) -> tuple[Array, dict[str, Any], tuple[int, int]]:
    """(kernel, settings of conv2d, rows and columns of its result to leave out at the start)."""
    if node.kind in ("SumPool2d", "AvgPool2d"):
        shape = node["kernel_size"]
        value = 1.0 if node.kind == "SumPool2d" else 1.0 / math.prod(shape)
        kernel = np.full((channels, 1, *shape), value)
        settings = dict(stride=node["stride"], padding=node["padding"], groups=channels)
        return kernel, settings, (0, 0)
    kernel, flat = node["weight"], node.kind == "Conv1d"
    stride, dilation, padding = node["stride"], node["dilation"], node["padding"]
    if flat:
        kernel = kernel[:, :, None, :]
        stride, dilation = (1, stride), (1, dilation)
        padding = (0, padding) if isinstance(padding, int) else padding
    lost = [0, 0]
    if padding == "valid":
        padding = (0, 0)
    elif padding == "same":  # torch puts the odd one at the end
        total = [d * (k - 1) for d, k in zip(dilation, kernel.shape[2:], strict=True)]
        lost = [t % 2 for t in total]
        padding = tuple((t + 1) // 2 for t in total)
    settings = dict(stride=stride, padding=padding, dilation=dilation, groups=node["groups"])
    return kernel, settings, (lost[0], lost[1])
