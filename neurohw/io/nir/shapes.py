"""What shape enters and leaves each node of a graph, as far as its nodes tell.

A graph is looked at flat: an edge to an inner graph leads to the Input in it, an edge from one
comes from its Output. What `Input`, `Output` and `Flatten` declare is a label: where something
feeds them, its shape counts. So it does for neurons (and other element-wise nodes) whose fields
have one element: some exporters write one value for a whole layer.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neurohw.io.nir.graph import Edge, Graph, Node
from neurohw.io.nir.schema import KINDS, MAX_COUNT

__all__ = ["Flat", "Ports", "complete", "flatten", "infer_shapes"]

Shape = tuple[int, ...]
_DECLARED = {"Input": "shape", "Output": "shape", "Flatten": "input_type"}


@dataclass(frozen=True)
class Flat:
    """A graph without graphs in it.

    Attributes
    ----------
    nodes : dict
        Path (``outer/inner``) -> node.
    edges : tuple of (str, str)
        Between paths.
    notes : tuple of str
        Edges that could not be kept, and why.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Ports:
    """Shape that a node takes and shape that it gives; None where it does not follow."""

    takes: Shape | None
    gives: Shape | None


def flatten(graph: Graph) -> Flat:
    """The graph with its inner graphs dissolved; their Inputs and Outputs stay, as nodes."""
    edges: list[Edge] = []
    notes: list[str] = []

    known: dict[tuple[str, str], str | None] = {}

    def end(at: Graph, prefix: str, name: str, kind: str) -> str | None:
        node, path = at.nodes[name], prefix + name
        if isinstance(node, Node):
            return path
        if (path, kind) not in known:
            found = node.of_kind(kind)
            if len(found) != 1:
                notes.append(f"{path}: {len(found)} {kind} nodes, where an edge needs one")
            known[path, kind] = f"{path}/{found[0]}" if len(found) == 1 else None
        return known[path, kind]

    waiting = [(graph, "")]
    while waiting:
        at, prefix = waiting.pop()
        for a, b in at.edges:
            first, last = end(at, prefix, a, "Output"), end(at, prefix, b, "Input")
            if first is not None and last is not None:
                edges.append((first, last))
        for name, node in at.nodes.items():
            if isinstance(node, Graph):
                waiting.append((node, f"{prefix}{name}/"))
    return Flat(dict(graph.walk()), tuple(edges), tuple(notes))


def infer_shapes(graph: Graph) -> tuple[dict[str, Ports], tuple[str, ...]]:
    """Shapes of all nodes, and where they do not fit.

    Returns
    -------
    ports : dict
        Path of the node (as :func:`flatten` names it) -> its shapes.
    notes : tuple of str
        One for each edge whose ends differ, saying how; and what :func:`flatten` notes.
    """
    flat = flatten(graph)
    targets: dict[str, list[str]] = {path: [] for path in flat.nodes}
    fed = {b for _, b in flat.edges}
    for a, b in flat.edges:
        targets[a].append(b)
    ports: dict[str, Ports] = {}
    waiting: deque[str] = deque()

    def settle(path: str, shape: Shape | None) -> None:
        found = _ports(flat.nodes[path], shape)
        if path not in ports and found is not None:
            ports[path] = found
            waiting.append(path)

    def spread() -> None:
        while waiting:
            path = waiting.popleft()
            for target in targets[path]:
                settle(target, ports[path].gives)

    # First what is certain and all that follows from it, then what is declared.
    for path, node in flat.nodes.items():
        if path not in fed or (node.kind not in _DECLARED and _units(node) != 1):
            settle(path, _declared(node))
    spread()
    for path, node in flat.nodes.items():
        settle(path, _declared(node))
        spread()
    for path in flat.nodes:
        ports.setdefault(path, Ports(None, None))
    return ports, flat.notes + tuple(_misfits(flat, ports))


def complete(graph: Graph) -> Graph:
    """The graph with the unknown ``input_shape`` of convolutions filled in where it follows."""
    if all(node.fields.get("input_shape", 0) is not None for _, node in graph.walk()):
        return graph
    ports, _ = infer_shapes(graph)

    def filled(at: Graph, prefix: str) -> Graph:
        nodes: dict[str, Node | Graph] = {}
        for name, node in at.nodes.items():
            if isinstance(node, Graph):
                node = filled(node, f"{prefix}{name}/")
            elif node.fields.get("input_shape", 0) is None:
                takes = ports[prefix + name].takes
                if takes is not None:
                    shape = takes[-_axes(node) :]
                    node = Node(node.kind, {**node.fields, "input_shape": shape}, node.metadata)
            nodes[name] = node
        return replace(at, nodes=nodes)

    return filled(graph, "")


def _misfits(flat: Flat, ports: Mapping[str, Ports]) -> Iterator[str]:
    for a, b in flat.edges:
        gives, node = ports[a].gives, flat.nodes[b]
        takes = _declared(node) if node.kind in _DECLARED else ports[b].takes
        if _units(node) == 1:
            takes = next(iter(node.fields.values())).shape
        if gives is None or takes is None or gives == takes:
            continue
        if math.prod(gives) == math.prod(takes):
            how = "the same number of elements"
        else:
            how = "one for all" if _units(node) == 1 else "they do not fit"
        yield f"edge {a} -> {b}: shape {gives} meets shape {takes}; {how}"


def _declared(node: Node) -> Shape | None:
    return node[_DECLARED[node.kind]] if node.kind in _DECLARED else None


def _units(node: Node) -> int:
    """Elements of an element-wise node; 0 for other kinds."""
    first = KINDS[node.kind].fields[0]
    return node[first.name].size if first.rule == "unit" else 0


def _axes(node: Node) -> int:
    """Number of spatial axes."""
    return 1 if node.kind == "Conv1d" else 2


def _ports(node: Node, fed: Shape | None) -> Ports | None:
    """Shapes of a node that is fed this shape; None where more has to be known."""
    if node.kind in ("Input", "Output"):
        return None if fed is None else Ports(fed, fed)
    if node.kind in ("Affine", "Linear"):
        *before, rows, columns = node["weight"].shape
        return Ports((*before, columns), (*before, rows))
    if node.kind in ("Conv1d", "Conv2d"):
        return _convolved(node, fed)
    if node.kind in ("SumPool2d", "AvgPool2d"):
        if fed is None:
            return None
        if len(fed) < 3:
            return Ports(fed, None)
        after = _windows(fed[-2:], node["kernel_size"], node["stride"], node["padding"], (1, 1))
        return Ports(fed, None if after is None else (*fed[:-2], *after))
    if node.kind == "Flatten":
        return None if fed is None else Ports(fed, _flattened(fed, node))
    shape = next(iter(node.fields.values())).shape
    if _units(node) == 1 and fed is not None:
        shape = fed
    return Ports(shape, shape)


def _convolved(node: Node, fed: Shape | None) -> Ports | None:
    axes = _axes(node)
    size = node["input_shape"]
    batch: Shape = ()
    if size is None:
        if fed is None or len(fed) <= axes:
            return None
        size, batch = fed[-axes:], fed[: -axes - 1]
    out, each, *kernel = node["weight"].shape
    takes = (*batch, each * node["groups"], *size)
    stride, padding, dilation = (_each(node[k], axes) for k in ("stride", "padding", "dilation"))
    if padding == "same":
        after = size if set(stride) == {1} else None
    else:
        padding = (0,) * axes if padding == "valid" else padding
        after = _windows(size, tuple(kernel), stride, padding, dilation)
    gives = None if after is None else (*batch, out, *after)
    return Ports(takes, None if gives is None or math.prod(gives) > MAX_COUNT else gives)


def _each(value: Any, axes: int) -> Any:
    return (value,) * axes if isinstance(value, int) else value


def _windows(
    size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> Shape | None:
    """Positions of a window along each axis, as torch counts them; None if there is no place."""
    rows = zip(size, kernel, stride, padding, dilation, strict=True)
    after = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in rows)
    return after if min(after) > 0 else None


def _flattened(fed: Shape, node: Node) -> Shape | None:
    rank = len(fed)
    first, last = (node[k] + (rank if node[k] < 0 else 0) for k in ("start_dim", "end_dim"))
    if not 0 <= first <= last < rank:
        return None
    return (*fed[:first], math.prod(fed[first : last + 1]), *fed[last + 1 :])
