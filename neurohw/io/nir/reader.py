"""NIR files into graphs, without trusting the file.

Any bytes give a graph or one :class:`~neurohw.errors.FormatError`, in time and memory bounded by
:class:`Limits`. Files are read that the `nir` package (1.0.8) itself cannot read: what is repaired
stands in `Graph.notes`.

====================================================  ============================================
in the file                                           read as
====================================================  ============================================
no ``v_reset`` (before nir 1.0.6), no ``w_in``        0, 1
shapes that differ in axes of length one              the longest of them
one value where the node has several neurons          that value for each
one integer for a pair, rows of one integer           a pair, an integer
no ``input_shape`` of a convolution                   what follows from the graph, else unknown
an edge given twice                                   once
edges name ``x``, there are ``x.input``, ``x.output``  edges to the one and from the other
edges name one unknown node, one node has no edge     that node
the file holds one node and no graph                  a graph of this node
shapes that do not fit along an edge                  as they are, with a note
====================================================  ============================================

Everything else that is wrong is refused.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurohw.errors import FormatError
from neurohw.io import hdf5
from neurohw.io.nir.graph import Edge, Graph, Node, check_name, some
from neurohw.io.nir.schema import GRAPH, KINDS
from neurohw.io.nir.shapes import complete, infer_shapes
from neurohw.network.common import nearest
from neurohw.network.units import Shown

__all__ = ["Limits", "parse_nir", "read_nir"]

_NOTES = 1000  # no reader reads more


@dataclass(frozen=True)
class Limits(hdf5.Limits):
    """How much of a NIR file is read at most; see also :class:`neurohw.io.hdf5.Limits`.

    Attributes
    ----------
    nodes, edges : int
        Over all graphs of the file.
    """

    nodes: int = 100_000
    edges: int = 1_000_000


def read_nir(path: str | os.PathLike[str], *, limits: Limits | None = None) -> Graph:
    """Read a NIR file.

    Parameters
    ----------
    path : str or path
        The file.
    limits : Limits, optional
        What to refuse for its size.

    Returns
    -------
    Graph
        With everything in it that the current format has; `notes` say what was repaired.

    Raises
    ------
    FormatError
        If the file cannot be read, naming file, path in the file, value, and what is allowed.
    """
    limits = limits or Limits()
    return _Reader(os.fspath(path), limits).root(hdf5.open_file(path, limits=limits))


def parse_nir(data: bytes, *, limits: Limits | None = None, origin: str = "") -> Graph:
    """Read a NIR file that is in memory; see :func:`read_nir`."""
    limits = limits or Limits()
    return _Reader(origin, limits).root(hdf5.open_bytes(data, limits=limits, origin=origin))


class _Reader:
    """Reads one file; counts what has been read."""

    def __init__(self, origin: str, limits: Limits) -> None:
        self.origin, self.limits = origin, limits
        self.notes: list[str] = []
        self.nodes = self.edges = 0

    def fail(self, what: str, where: str, **details: Any) -> FormatError:
        return FormatError(what, where=where, origin=self.origin, **details)

    def root(self, file: hdf5.Group) -> Graph:
        members = file.members()
        top = members.get("node")
        if not isinstance(top, hdf5.Group):
            got = some(members) or "nothing in it"
            raise self.fail("HDF5, but not NIR", "/node", got=Shown(got), allowed="a group 'node'")
        version = ""
        if "version" in members:
            version = self.text(members["version"], "/version")
        else:
            self.notes.append("/version: not given")
        others = [name for name in members if name not in ("node", "version")]
        if others:
            self.notes.append(f"/{others[0]}: not read" + (", nor others" if others[1:] else ""))
        try:
            node = self.node(top)
            if isinstance(node, Node):
                name = node.kind.lower()
                self.notes.append(f"/node: one {node.kind} and no graph: read as a graph of it")
                node = Graph({name: node})
            whole = complete(node)
            notes = [f"{path}: input_shape found" for path in _filled(node, whole)]
            notes += infer_shapes(whole)[1]
            notes = self.notes + notes
            if len(notes) > _NOTES:
                notes[_NOTES:] = [f"{len(notes) - _NOTES} more"]
            return Graph(whole.nodes, whole.edges, whole.metadata, version, tuple(notes))
        except FormatError as error:
            raise error.at(self.origin) from None
        except MemoryError:
            raise self.fail("needs more memory than there is", "/node") from None

    def text(self, item: hdf5.Group | hdf5.Dataset, path: str) -> str:
        if not isinstance(item, hdf5.Dataset) or not item.is_text or item.shape:
            raise self.fail("not a text", path)
        return item.read()

    def node(self, group: hdf5.Group) -> Node | Graph:
        """A node or, inside the limits, a graph."""
        self.nodes += 1
        if self.nodes > self.limits.nodes:
            raise self.fail("too many nodes", group.path, allowed=f"{self.limits.nodes}")
        members = group.members()
        if "type" not in members:
            wanted = "a text 'type'"
            raise self.fail("not a node", group.path, got=Shown(some(members)), allowed=wanted)
        kind = self.text(members.pop("type"), f"{group.path}/type")
        metadata: dict[str, Any] = {}
        if "metadata" in members:
            metadata = self.metadata(members.pop("metadata"))
        if kind == GRAPH:
            return self.graph(group.path, members, metadata)
        if kind in KINDS:
            names = [f.name for f in KINDS[kind].fields]
            fields = {name: self.field(x) for name, x in members.items() if name in names}
            # a name that is not a field is refused before anything is read of it
            fields |= {name: 0 for name in members if name not in names}
        else:
            fields = {}
        node = Node(kind, fields, metadata, where=f"{group.path}/")
        self.notes.extend(node.notes)
        return node

    def field(self, item: hdf5.Group | hdf5.Dataset) -> Any:
        if not isinstance(item, hdf5.Dataset):
            raise self.fail("a group where a value should be", item.path)
        return item.read()

    def metadata(self, item: hdf5.Group | hdf5.Dataset) -> dict[str, Any]:
        if not isinstance(item, hdf5.Group):
            raise self.fail("a value where a group should be", item.path)
        out: dict[str, Any] = {}
        for name, x in item.members().items():
            out[name] = self.metadata(x) if isinstance(x, hdf5.Group) else x.read()
        return out

    # graphs --------------------------------------------------------------------------------------

    def graph(
        self, path: str, members: dict[str, hdf5.Group | hdf5.Dataset], metadata: Mapping[str, Any]
    ) -> Graph:
        for name in members:
            if name not in ("nodes", "edges"):
                fix = nearest(name, ("nodes", "edges"))
                wanted = "nodes, edges, type, metadata"
                raise self.fail("not a part of a graph", f"{path}/{name}", allowed=wanted, fix=fix)
        nodes, edges = members.get("nodes"), members.get("edges")
        if not isinstance(nodes, hdf5.Group):
            raise self.fail("missing", f"{path}/nodes", allowed="a group of nodes")
        if not isinstance(edges, hdf5.Dataset):
            raise self.fail("missing", f"{path}/edges", allowed="pairs of names of nodes")
        inside: dict[str, Node | Graph] = {}
        for name, item in nodes.members().items():
            check_name(name, f"{path}/nodes")
            if not isinstance(item, hdf5.Group):
                raise self.fail("a value where a node should be", item.path)
            inside[name] = self.node(item)
        pairs = self.repaired(self.pairs(edges), inside, edges.path)
        return Graph(inside, tuple(pairs), metadata, where=f"{path}/")

    def pairs(self, edges: hdf5.Dataset) -> list[Edge]:
        shape = edges.shape
        if 0 in shape:  # whatever its type: no edges
            return []
        if len(shape) != 2 or shape[1] != 2 or not edges.is_text:
            kind = "text" if edges.is_text else "numbers"
            got = Shown(f"{kind} of shape {shape}")
            raise self.fail("not edges", edges.path, got=got, allowed="text of shape (edges, 2)")
        self.edges += shape[0]
        if self.edges > self.limits.edges:
            got, wanted = Shown(f"{shape[0]} edges"), f"{self.limits.edges} in all"
            raise self.fail("too many edges", edges.path, got=got, allowed=wanted)
        return [(a, b) for a, b in edges.read()]

    def repaired(self, pairs: list[Edge], nodes: Mapping[str, Any], path: str) -> list[Edge]:
        """The edges, each once, with names that old exporters got wrong put right."""
        counts = Counter(pairs)
        for (a, b), count in counts.items():
            if count > 1:
                self.notes.append(f"{path}: {a} -> {b} is given {count} times")
        if all(a in nodes and b in nodes for a, b in counts):
            return list(counts)
        leave: dict[str, str] = {}  # name that is no node -> the node its edges come from
        enter: dict[str, str] = {}
        unknown = {x: None for pair in counts for x in pair if x not in nodes}
        for name in unknown:
            ends = f"{name}.input", f"{name}.output"
            kinds = [getattr(nodes.get(x), "kind", "") for x in ends]
            if kinds == ["Input", "Output"] and (name, name) not in counts:
                enter[name], leave[name] = ends
                self.notes.append(f"{path}: no node {name}: taken for {ends[0]} and {ends[1]}")
        rest = [x for x in unknown if x not in enter]
        used = {x for pair in counts for x in pair} | set(enter.values()) | set(leave.values())
        idle = [x for x in nodes if x not in used]
        if len(rest) == len(idle) == 1:
            enter[rest[0]] = leave[rest[0]] = idle[0]
            self.notes.append(f"{path}: no node {rest[0]}: taken for {idle[0]}, which has no edge")
        return list(dict.fromkeys((leave.get(a, a), enter.get(b, b)) for a, b in counts))


def _filled(before: Graph, after: Graph) -> list[str]:
    """Paths of the convolutions that differ."""
    old = dict(before.walk())
    return [
        path
        for path, node in after.walk()
        if "input_shape" in node.fields and node["input_shape"] != old[path]["input_shape"]
    ]
