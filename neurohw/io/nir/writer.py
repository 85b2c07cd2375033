"""Graphs into NIR files that nir 1.0.8, and whoever uses it, reads back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.errors import FormatError
from neurohw.io.nir.graph import Graph, Node
from neurohw.io.nir.schema import GRAPH, KINDS, NIR_VERSION

if TYPE_CHECKING:
    import h5py

__all__ = ["graph_writer", "replacing", "write_nir"]

_PACKED = 1024  # elements from which an array is compressed


def write_nir(path: str | os.PathLike[str], graph: Graph, *, narrow: bool = False) -> None:
    """Write a graph; the file is there whole or not at all.

    Equal graphs give equal bytes. ``read_nir(path) == graph``, to the last bit.

    Parameters
    ----------
    path : str or path
        The file; one that is there is replaced.
    graph : Graph
        What to write.
    narrow : bool
        Write an array as float32 where that keeps every number as it is. Half the size, and what
        programs expect that do not convert.

    Raises
    ------
    FormatError
        If nir could not read the file: a convolution needs its ``input_shape``.
    """
    replacing(path, graph_writer(graph, narrow=narrow))


def graph_writer(graph: Graph, *, narrow: bool = False) -> Callable[[h5py.File], None]:
    """What puts a graph into an open HDF5 file; see :func:`write_nir`."""
    for where, node in graph.walk():
        if node.fields.get("input_shape", 0) is None:
            raise FormatError(
                "nir reads no convolution whose input shape is unknown",
                where=f"{where}.input_shape",
                allowed="integers",
                fix="neurohw.io.nir.complete(graph) finds it from what feeds the node",
            )

    def write(file: h5py.File) -> None:
        _text(file, "version", NIR_VERSION)
        _node(file, "node", graph, narrow)

    return write


def replacing(path: str | os.PathLike[str], write: Callable[[h5py.File], None]) -> None:
    """Have an HDF5 file written beside `path`, and rename it when it is whole."""
    import h5py

    target = Path(path)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        with h5py.File(temporary, "w", libver=("earliest", "latest")) as file:
            write(file)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _text(group: h5py.Group, name: str, value: str | list[Any]) -> None:
    import h5py

    group.create_dataset(name, data=value, dtype=h5py.string_dtype())


def _node(group: h5py.Group, name: str, node: Node | Graph, narrow: bool) -> None:
    inside = group.create_group(name)
    if isinstance(node, Graph):
        import h5py

        _text(inside, "type", GRAPH)
        pairs = inside.create_dataset("edges", (len(node.edges), 2), h5py.string_dtype())
        if node.edges:
            pairs[...] = np.array(node.edges, dtype=object)
        nodes = inside.create_group("nodes")
        for key in sorted(node.nodes):
            _node(nodes, key, node.nodes[key], narrow)
    else:
        _text(inside, "type", node.kind)
        for field in KINDS[node.kind].fields:
            value = node[field.name]
            # nir wants the one size of a Conv1d as a number
            alone = field.value == "shape" and field.rule == "1d" and value
            _field(inside, field.name, value[0] if alone else value, narrow)
    if node.metadata:
        _metadata(inside, "metadata", node.metadata)


def _field(group: h5py.Group, name: str, value: Any, narrow: bool) -> None:
    if isinstance(value, str):
        _text(group, name, value)
    elif isinstance(value, np.ndarray):
        with np.errstate(over="ignore", under="ignore"):
            small = value.astype(np.float32)
        _array(group, name, small if narrow and np.array_equal(small, value) else value)
    elif value is not None:
        _array(group, name, np.asarray(value, dtype=np.int64))


def _array(group: h5py.Group, name: str, value: np.ndarray) -> None:
    pack: dict[str, Any] = {}
    if value.size >= _PACKED:
        pack = {"compression": "gzip", "shuffle": True}
    group.create_dataset(name, data=value, **pack)


def _metadata(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        inside = group.create_group(name)
        for key in sorted(value):
            _metadata(inside, key, value[key])
    elif isinstance(value, str):
        _text(group, name, value)
    elif isinstance(value, tuple):
        _text(group, name, list(value))
    else:
        _array(group, name, np.asarray(value))
